"""Turning the dates of standing orders into orders and their shipments, each date once.

A date is done in one transaction under the lock of its standing order: its occurrence, the order,
its shipment, and the next date. A worker that dies leaves it as it was.
"""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from itertools import takewhile
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError, transaction

from core import clock, jobs
from core.errors import Conflict, DomainError, FieldError
from customers.models import Customer
from customers.services import hold_customer
from orders.models import Order
from orders.services import Wanted, accept_order, place_order
from orders.states import DeliveryMethod
from shipping.models import Occurrence, StandingOrder
from shipping.querysets import StandingOrderQuerySet
from shipping.states import DeliveryService, OccurrenceStatus

from .dates import last_due
from .life import MISSED, advance, rhythm_of, skip_until
from .notices import tell_unpacked, tell_waiting
from .preparing import delivery_to, prepare_shipment
from .preview import notices_of
from .sending import LONGEST_RUN
from .standing import address_of, carrier_for, check_sendable, goods_of

logger = logging.getLogger("duka.shipping")

TRY_AGAIN = timedelta(hours=1)
_MAX_REASON = 500

Key = TypeVar("Key")


def run_standing_orders() -> int:
    """Order what is due of standing orders, for some seconds; return how many dates were done."""
    until = last_due()
    due = StandingOrder.objects.due(until).order_by("next_on", "pk")
    return each_on_its_own(due.values_list("pk", flat=True), lambda key: _run(key, until))


def retry_waiting() -> int:
    """Try again to order what waits for goods; return how many dates were ordered."""
    waiting = Occurrence.objects.to_try(clock.now()).order_by("try_at", "pk")
    return each_on_its_own(waiting.values_list("pk", flat=True), _retry)


def ship_accepted(*, order: Order) -> None:
    """Pack an order that is accepted now, where it is of a standing order.

    Where it cannot be, it is accepted all the same, and the shop is told: a person ships it.
    """
    occurrence = (
        Occurrence.objects.select_related("standing_order__carrier")
        .filter(order=order, shipment=None)
        .first()
    )
    # The shopkeeper may have agreed with the customer that it is collected.
    if occurrence is None or order.delivery_method != DeliveryMethod.DELIVERY:
        return
    standing = occurrence.standing_order
    try:
        occurrence.shipment = prepare_shipment(
            order_id=order.pk,
            by=None,
            carrier=carrier_for(standing).name,
            service=DeliveryService(standing.service),
        )
    except DomainError as error:
        occurrence.reason = f"Accepted, but not packed. {_said(error)}"[:_MAX_REASON]
        tell_unpacked(occurrence)
    occurrence.save(update_fields=["shipment", "reason", "updated_at"])


def each_on_its_own(keys: Iterable[Key], work: Callable[[Key], int]) -> int:
    """Do something for each key in turn, for some seconds; return how many times it was done.

    What fails for one is no reason to leave the others.
    """
    ends = time.monotonic() + LONGEST_RUN
    done = 0
    for key in list(keys):
        # Not until all is done: a worker has other things to do as well.
        if jobs.stopping() or time.monotonic() >= ends:
            break
        try:
            done += work(key)
        except OperationalError:
            # The database is gone.
            raise
        except Exception:
            logger.exception("%s failed for %s", work, key)
    return done


def lock_free(standing_orders: StandingOrderQuerySet, key: int) -> StandingOrder | None:
    """Return one of these by its key, locked; None: another worker has it, or it is none of them.

    Its customer is held first, in the order of locks of whoever merges or forgets customers.
    """
    found = standing_orders.filter(pk=key).values_list("customer", flat=True).first()
    if found is None:
        return None
    try:
        hold_customer(customer_id=found)
    except Customer.DoesNotExist:
        # Forgotten a moment ago, and it is ended.
        return None
    rows = standing_orders.filter(pk=key, customer=found)
    return rows.select_for_update(skip_locked=True, no_key=True).first()


def _run(key: int, until: date) -> int:
    done = 0
    while not jobs.stopping() and _run_next(key, until):
        done += 1
    return done


@transaction.atomic
def _run_next(key: int, until: date) -> bool:
    """Do the next date of a standing order that is due; return whether there was one."""
    standing = lock_free(StandingOrder.objects.due(until), key)
    if standing is None or standing.next_on is None:
        return False
    if settings.STANDING_ORDERS_MISSED == "skip":
        _leave_out_missed(standing, until)
    on = standing.next_on
    _order(Occurrence(standing_order=standing, on=on))
    advance(standing)
    standing.save()
    return True


def _leave_out_missed(standing: StandingOrder, until: date) -> None:
    """Let all its dates but the last that is due be missed."""
    done = set(standing.occurrences.values_list("on", flat=True))
    dates = (day for _, day in rhythm_of(standing).dates_from(standing.position))
    due = [day for day in takewhile(lambda day: day <= until, dates) if day not in done]
    if len(due) > 1:
        skip_until(standing, due[-2], OccurrenceStatus.MISSED, MISSED)


@transaction.atomic
def _retry(key: int) -> int:
    owner = Occurrence.objects.filter(pk=key).values_list("standing_order", flat=True).first()
    if owner is None or lock_free(StandingOrder.objects.all(), owner) is None:
        return 0
    # Skipped or ordered meanwhile, it is none of these any more.
    occurrence = (
        Occurrence.objects.to_try(clock.now())
        .select_related("standing_order")
        .filter(pk=key)
        .first()
    )
    if occurrence is None:
        return 0
    _order(occurrence)
    return int(occurrence.status == OccurrenceStatus.ORDERED)


def _order(occurrence: Occurrence) -> None:
    """Place the order of a date; where that is refused, let the date wait."""
    first = occurrence.pk is None
    try:
        with transaction.atomic():
            _place(occurrence)
    except DomainError as error:
        occurrence.status, occurrence.order = OccurrenceStatus.WAITING, None
        occurrence.shipment = None
        occurrence.reason = _said(error)
        occurrence.try_at = clock.now() + TRY_AGAIN
        # The roll-back took its row too.
        if first:
            occurrence.pk = None
        occurrence.save(force_insert=first)
        if first:
            tell_waiting(occurrence)


def _place(occurrence: Occurrence) -> None:
    standing = occurrence.standing_order
    goods = goods_of(standing)
    # Looked at first: each order that is refused takes a number.
    if notices := notices_of(goods):
        errors = [
            FieldError(path=("items",), code=Conflict.code, detail=notice) for notice in notices
        ]
        raise Conflict("Not all of it can be had.", errors=errors)
    service = DeliveryService(standing.service)
    check_sendable(carrier_for(standing), service, address_of(standing), goods)
    order = place_order(
        customer=standing.customer,
        lines=[Wanted(sku=variant.sku, quantity=quantity) for variant, quantity in goods.items()],
        by=None,
        note=f"Standing order {standing.number}, {occurrence.on}",
        delivery=delivery_to(address_of(standing)),
        # That it is accepted says as much.
        quietly=settings.STANDING_ORDERS_ACCEPT,
    )
    occurrence.order = order
    occurrence.status = OccurrenceStatus.ORDERED
    occurrence.reason, occurrence.try_at = "", None
    occurrence.save()
    if settings.STANDING_ORDERS_ACCEPT:
        # `ship_accepted` hears of it.
        accept_order(order_id=order.pk, by=None)
        occurrence.refresh_from_db(fields=["shipment", "reason"])


def _said(error: DomainError) -> str:
    """Return why something was refused, in as many whole sentences as fit."""
    sentences = [_named(each) for each in error.errors] or [error.detail]
    said = sentences[0][:_MAX_REASON]
    for each in sentences[1:]:
        if len(said) + len(each) + 1 > _MAX_REASON:
            break
        said += f" {each}"
    return said


def _named(error: FieldError) -> str:
    """Return what is wrong, of an address also with which of its fields."""
    in_address = error.path[:1] == ("delivery_address",)
    return f"{error.path[-1]}: {error.detail}" if in_address else error.detail
