"""What shoppers do with standing orders of their own."""

from datetime import date
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction

from core.errors import InvalidInput
from customers.models import Customer
from customers.services import ensure_customer_of
from orders.exceptions import ContactNeeded
from shipping.exceptions import TooManyStandingOrders
from shipping.models import StandingOrder
from shipping.permissions import can_handle_standing_orders
from shipping.states import StandingOrderStatus

from .life import (
    end_standing_order,
    pause_standing_order,
    resume_standing_order,
    skip_date,
)
from .standing import change_standing_order, create_standing_order

if TYPE_CHECKING:
    from accounts.models import User


@transaction.atomic
def create_own(*, by: "User", **wanted: Any) -> StandingOrder:
    """Set one up for oneself, as `create_standing_order` takes it but for its customer.

    Raises:
        ContactNeeded: neither a phone number nor an e-mail address is known of them.
        TooManyStandingOrders: they have `STANDING_ORDERS_OPEN_LIMIT` that are not ended.
        InvalidInput, UnknownGoods, CarrierUnknown: as `create_standing_order` does.
    """
    # It locks the account, so that those who are set up at once are counted in turn.
    customer = ensure_customer_of(user=by)
    if customer is None:
        raise ContactNeeded(
            "The shop needs a phone number or an e-mail address to reach you. Add one to your"
            " account, then set up a standing order."
        )
    _refuse_too_many(customer)
    return create_standing_order(customer=customer, by=by, **wanted)


def change_as_allowed(
    *, standing_order_id: int, by: "User", carrier: str | None = None, **changes: Any
) -> StandingOrder:
    """Change one as who asks may: the shop any, its customer their own, but for its carrier.

    Raises:
        PermissionDenied: they see it, as they work here, but may not handle standing orders.
        MoveNotAllowed, InvalidInput, …: as `change_standing_order` does.
    """
    refuse_others(standing_order_id, by)
    if carrier is not None:
        _refuse_another_carrier(standing_order_id, carrier, by)
        changes["carrier"] = carrier
    return change_standing_order(standing_order_id=standing_order_id, by=by, **changes)


def pause_as_allowed(*, standing_order_id: int, by: "User", reason: str = "") -> StandingOrder:
    """As `pause_standing_order`; raises `PermissionDenied` for others than shop and customer."""
    refuse_others(standing_order_id, by)
    return pause_standing_order(standing_order_id=standing_order_id, by=by, reason=reason)


def resume_as_allowed(*, standing_order_id: int, by: "User", reason: str = "") -> StandingOrder:
    """As `resume_standing_order`; raises `PermissionDenied` for others than shop and customer."""
    refuse_others(standing_order_id, by)
    return resume_standing_order(standing_order_id=standing_order_id, by=by, reason=reason)


def end_as_allowed(*, standing_order_id: int, by: "User", reason: str = "") -> StandingOrder:
    """As `end_standing_order`; raises `PermissionDenied` for others than shop and customer."""
    refuse_others(standing_order_id, by)
    return end_standing_order(standing_order_id=standing_order_id, by=by, reason=reason)


def skip_as_allowed(
    *, standing_order_id: int, on: date, by: "User", reason: str = ""
) -> StandingOrder:
    """As `skip_date`; raises `PermissionDenied` for others than shop and customer."""
    refuse_others(standing_order_id, by)
    occurrence = skip_date(standing_order_id=standing_order_id, on=on, by=by, reason=reason)
    return occurrence.standing_order


def refuse_others(standing_order_id: int, by: "User") -> None:
    """Raises `PermissionDenied` for who neither handles standing orders nor is its customer."""
    if can_handle_standing_orders(by):
        return
    if not StandingOrder.objects.filter(pk=standing_order_id, customer__user=by).exists():
        raise PermissionDenied


def _refuse_another_carrier(standing_order_id: int, carrier: str, by: "User") -> None:
    # The one that it has may be sent back with the rest.
    same = StandingOrder.objects.filter(pk=standing_order_id, carrier__name=carrier).exists()
    if not (same or can_handle_standing_orders(by)):
        raise InvalidInput.at("carrier", detail="The shop chooses the carrier.", code="not_allowed")


def _refuse_too_many(customer: Customer) -> None:
    limit = settings.STANDING_ORDERS_OPEN_LIMIT
    # A paused one counts, so that nobody comes past the limit by resuming.
    open_ones = customer.standing_orders.exclude(status=StandingOrderStatus.ENDED)
    if open_ones.count() >= limit:
        raise TooManyStandingOrders(
            f"You have as many standing orders as you can have: {limit}. End one that you do not"
            " need, or ask the shop."
        )
