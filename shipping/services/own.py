"""What shoppers do with standing orders of their own."""

from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from customers.services import ensure_customer_of
from orders.exceptions import ContactNeeded
from shipping.models import StandingOrder
from shipping.permissions import can_handle_standing_orders

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
        InvalidInput, UnknownGoods, CarrierUnknown: as `create_standing_order` does.
    """
    customer = ensure_customer_of(user=by)
    if customer is None:
        raise ContactNeeded(
            "The shop needs a phone number or an e-mail address to reach you. Add one to your"
            " account, then set up a standing order."
        )
    return create_standing_order(customer=customer, by=by, **wanted)


def change_as_allowed(*, standing_order_id: int, by: "User", **changes: Any) -> StandingOrder:
    """Change one as who asks may: the shop any, its customer their own.

    Raises:
        PermissionDenied: they see it, as they work here, but may not handle standing orders.
        MoveNotAllowed, InvalidInput, …: as `change_standing_order` does.
    """
    refuse_others(standing_order_id, by)
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
