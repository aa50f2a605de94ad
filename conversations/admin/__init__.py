"""Admin pages of conversations, each module a page or two."""

from .clients import ClientAdmin, EngagementAdmin
from .files import ImportedFileAdmin
from .interactions import InteractionAdmin

__all__ = ["ClientAdmin", "EngagementAdmin", "ImportedFileAdmin", "InteractionAdmin"]
