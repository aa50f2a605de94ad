"""Admin pages of shipping, each module a page or two."""

from .carriers import CarrierAdmin, NewsAdmin
from .shipments import ShipmentAdmin
from .standing import StandingOrderAdmin

__all__ = ["CarrierAdmin", "NewsAdmin", "ShipmentAdmin", "StandingOrderAdmin"]
