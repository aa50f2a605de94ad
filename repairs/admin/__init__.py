"""Admin pages of repairs, each module a page or two."""

from .jobs import JobAdmin
from .sources import AsideAdmin, SourceAdmin

__all__ = ["AsideAdmin", "JobAdmin", "SourceAdmin"]
