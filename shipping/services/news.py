"""What carriers tell us: stored as it came, then folded into shipments.

Events come late, twice and out of order. A shipment stands where the last of them says, by the
carrier's clock; of one moment the one that is later in a shipment's life. That is so in whatever
order, and however often, they are folded in.
"""

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.utils import timezone

from core import clock, jobs
from core.stored import storable
from orders.models import Order
from orders.services import Wanted, fulfil_order
from orders.states import OrderStatus
from shipping.models import Carrier, News, ParcelItem, Shipment, ShipmentEvent
from shipping.providers import Malformed, Request, provider
from shipping.providers import News as Told
from shipping.querysets import NewsQuerySet
from shipping.states import (
    OPEN,
    RANKS,
    UNSURE,
    NewsSource,
    NewsState,
    ShipmentStatus,
    ShipmentVerb,
)

from .attention import note, take_back
from .sending import LONGEST_RUN
from .telling import label_of, tell
from .timeline import locked, record

logger = logging.getLogger("duka.shipping")

# What is outside is no time of a shipment, and further out no clock can show it. One from the
# future would keep all that is told after it from counting.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
_FAILED = "It could not be delivered: ship its pieces anew, or settle it with the customer."


def receive_news(*, name: str, request: Request) -> bool:
    """Store what a carrier says, once; return whether it is something new.

    What cannot be understood is kept for a person: said again it could be understood as little.

    Raises:
        Forged: it does not prove to be the carrier's; nothing is stored.
    """
    nonce = provider(name).authenticate(request)
    told: Sequence[Told] = ()
    problem = ""
    try:
        told = _read(name, request.body, request.content_type)
    except Malformed as error:
        problem = storable(str(error), 300)
    carrier, _ = Carrier.objects.get_or_create(name=name)
    stored = News(
        carrier=carrier,
        source=NewsSource.WEBHOOK,
        nonce=_nonce_of(nonce, request),
        content_type=storable(request.content_type, 100),
        body=request.body,
        state=NewsState.BAD if problem else NewsState.NEW,
        detail=problem,
        reference=_reference(told),
    )
    is_new = True
    try:
        with transaction.atomic():
            stored.save(force_insert=True)
    except IntegrityError:
        # By Standard Webhooks the same id is the same webhook, sent again as the answer to it was
        # lost: it counts once, and is answered as the first time. So it is where there is no id,
        # and where somebody else repeats it within the time for which its signature is good.
        is_new = False
    logger.info("news of %s: %s", name, stored.state, extra={"reference": stored.reference})
    return is_new


def look_at_news() -> int:
    """Fold in what was told, for some seconds; return how many.

    Not until all is: a worker has other things to do as well.
    """
    ends = time.monotonic() + LONGEST_RUN
    # Told of before its shipment was known as handed over.
    known = _handed_to(OuterRef("carrier"), OuterRef("reference"))
    _look_anew(News.objects.filter(Exists(known), state=NewsState.UNMATCHED))
    looked_at = 0
    # Each in a transaction of its own, in any order: workers take them from each other.
    while time.monotonic() < ends and not jobs.stopping() and _look_at_next():
        looked_at += 1
    return looked_at


def replay_news(*, news_id: int | None = None) -> int:
    """Have something looked at anew after a repair; return how many will be.

    Without an id: all that could not be understood, or had no shipment. What was folded in before
    is known, so that nothing happens twice.
    """
    if news_id is not None:
        return News.objects.filter(pk=news_id).update(state=NewsState.NEW)
    return _look_anew(News.objects.filter(state__in=[NewsState.BAD, NewsState.UNMATCHED]))


@transaction.atomic
def _look_anew(stored: NewsQuerySet) -> int:
    # Rows that somebody else holds are theirs: two who wait for each other's would wait for ever.
    free = stored.select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    keys = list(free.values_list("pk", flat=True))
    return News.objects.filter(pk__in=keys).update(state=NewsState.NEW)


def remove_old_news() -> int:
    """Delete what is long folded in; return how many.

    What it told stays in the timelines, so that it counts once though it came once more. What
    waits for a person waits ten times as long.
    """
    days = timedelta(days=settings.SHIPPING_NEWS_DAYS)
    old = News.objects.filter(
        Q(state=NewsState.DONE, received_at__lt=Now() - days)
        | Q(
            state__in=[NewsState.BAD, NewsState.UNMATCHED],
            received_at__lt=Now() - 10 * days,
        )
    )
    return old.delete()[0]


@transaction.atomic
def _look_at_next() -> bool:
    stored = (
        # What a carrier told that the shop works with no more waits until it does again.
        News.objects.filter(state=NewsState.NEW, carrier__name__in=settings.SHIPPING_PROVIDERS)
        .select_related("carrier")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("pk")
        .first()
    )
    if stored is None:
        return False
    stored.detail = ""
    try:
        with transaction.atomic():
            stored.state = _effect_of(stored)
    except Malformed as error:
        stored.state, stored.detail = NewsState.BAD, storable(str(error), 300)
    except OperationalError:
        # Not its fault: the database is gone, or two waited for each other. It comes again.
        raise
    except Exception as error:
        # Put aside, or it would stop all after it.
        logger.exception("news %s could not be folded in", stored.pk)
        stored.state, stored.detail = NewsState.BAD, type(error).__name__
    stored.save(update_fields=["state", "detail", "reference", "shipment", "body"])
    return True


def _effect_of(stored: News) -> NewsState:
    told = _told_by(stored)
    unknown = [each for each in told if not _fold_stored(stored, each)]
    stored.reference = _reference(unknown or told)
    if not unknown:
        if stored.shipment is not None and stored.shipment.order.customer.forgotten_at:
            stored.body = b""
        return NewsState.DONE
    stored.detail = "No shipment of this number was handed to this carrier."
    return NewsState.UNMATCHED


def _fold_stored(stored: News, told: Told) -> bool:
    shipment = _handed_to(stored.carrier_id, told.number).first()
    if shipment is None:
        return False
    fold(shipment=shipment, news=told, source=NewsSource(stored.source), stored=stored)
    stored.shipment = shipment
    return True


def _handed_to(carrier: OuterRef | int, number: OuterRef | str) -> QuerySet[Shipment]:
    """Return the shipment that a carrier may know by this number."""
    return Shipment.objects.select_related("order__customer").filter(
        carrier=carrier, number=number, handed_at__isnull=False
    )


@transaction.atomic
def fold(*, shipment: Shipment, news: Told, source: NewsSource, stored: News | None = None) -> bool:
    """Let a shipment stand where its carrier says, if that is its last word; return whether so.

    Args:
        shipment: which; it is read anew once it is locked.
        stored: what said so, where that was stored before. Else it is now, if it is new.

    Raises:
        Malformed: it is of a time or a status that no carrier can tell of.
    """
    news = _checked(news)
    # The order first, as everywhere: what is delivered fulfils it.
    orders = Order.objects.select_related("customer")
    order = orders.select_for_update(no_key=True, of=("self",)).get(pk=shipment.order_id)
    shipment = locked(shipment.pk)
    shipment.order = order
    if order.customer.forgotten_at:
        # Who signed for it, or where it was left, is nothing to keep of them any more.
        news = replace(news, detail="")
    shipment.heard_at = clock.now()
    moved = False
    events = shipment.timeline.filter(verb=ShipmentVerb.EVENT, at=news.at)
    known = {ShipmentStatus(status) for status in events.values_list("status", flat=True)}
    if news.status not in known:
        entry = record(
            shipment,
            ShipmentVerb.EVENT,
            status=news.status,
            at=news.at,
            detail=news.detail,
            news=stored or _store_answer(shipment, news, source),
        )
        if _is_last(shipment, news, known):
            moved = True
            _move(shipment, entry)
    shipment.save()
    return moved


def _is_last(shipment: Shipment, news: Told, known: set[ShipmentStatus]) -> bool:
    """Tell whether nothing that was said is later, nor of that moment and of a higher rank."""
    if shipment.last_event_at is None or shipment.last_event_at < news.at:
        return True
    return shipment.last_event_at == news.at and all(
        RANKS[each] < RANKS[news.status] for each in known
    )


def _move(shipment: Shipment, entry: ShipmentEvent) -> None:
    before, after = shipment.state, ShipmentStatus(entry.status)
    shipment.status, shipment.last_event_at = after, entry.at
    # News may be faster than the answer to who sent it, or come though that one never does.
    shipment.sent_at = shipment.sent_at or clock.now()
    shipment.error_code = shipment.error = ""
    if before == after:
        return
    said = f"{label_of(shipment.carrier)} says: {after.label.lower()}."
    _note_what_was_cancelled(shipment, before, said)
    if shipment.order.status not in {OrderStatus.ACCEPTED, OrderStatus.FULFILLED}:
        note(shipment, f"Its order is {shipment.order.state.label.lower()}, but {said}")
    elif shipment.fulfilled_at is not None:
        if after != ShipmentStatus.DELIVERED:
            note(shipment, f"It was delivered and its pieces count as such, but {said}")
    elif after == ShipmentStatus.DELIVERED:
        _fulfil(shipment)
        _note_doubled(shipment)
    if after == ShipmentStatus.FAILED_TO_DELIVER:
        note(shipment, _FAILED)
    elif after == ShipmentStatus.DELIVERED:
        take_back(shipment, _FAILED)
    # Where it waits to be collected they are told that it was sent, unless they know.
    if after != ShipmentStatus.WAITING_FOR_COLLECTION or before in UNSURE:
        tell(shipment, entry)


def _note_what_was_cancelled(shipment: Shipment, before: ShipmentStatus, said: str) -> None:
    if before == ShipmentStatus.CANCELLED:
        note(shipment, f"It was cancelled, but {said}")
    if shipment.cancel_asked_at is not None and shipment.status not in OPEN:
        shipment.cancel_asked_at = None
        note(shipment, f"It was to be cancelled, but {said}")


def _fulfil(shipment: Shipment) -> None:
    """Let its pieces be fulfilled, at most those that are outstanding: some were by hand."""
    packed = ParcelItem.objects.filter(parcel__shipment=shipment).order_by().values("line")
    pieces = dict(packed.annotate(Sum("quantity")).values_list("line", "quantity__sum"))
    wanted = [
        Wanted(sku=line.sku, quantity=quantity)
        for line in shipment.order.lines.all()
        if (quantity := min(pieces.get(line.pk, 0), line.outstanding))
    ]
    if wanted:
        # They hear of this delivery, and need not hear of it twice.
        fulfil_order(order_id=shipment.order_id, by=None, lines=wanted, tell=False)
    shipment.fulfilled_at = clock.now()


def _note_doubled(shipment: Shipment) -> None:
    """Have a person stop what was shipped anew, where this one came after all."""
    outstanding = {line.pk: line.outstanding for line in shipment.order.lines.all()}
    others = shipment.order.shipments.open().filter(fulfilled_at=None).exclude(pk=shipment.pk)
    for other in others.order_by("pk").prefetch_related("parcels__items"):
        is_short = False
        for item in (each for parcel in other.parcels.all() for each in parcel.items.all()):
            outstanding[item.line_id] -= item.quantity
            is_short |= outstanding[item.line_id] < 0
        # An older one was no second try; and rows are locked in the order of their keys.
        if is_short and other.pk > shipment.pk:
            doubled = locked(other.pk)
            note(doubled, f"Stop it: {shipment.number} is delivered, with pieces of this one.")
            doubled.save(update_fields=["attention", "updated_at"])


def _store_answer(shipment: Shipment, news: Told, source: NewsSource) -> News:
    said = {"number": news.number, "status": news.status, "at": news.at.isoformat()}
    return News.objects.create(
        carrier=shipment.carrier,
        source=source,
        content_type="application/json",
        body=json.dumps({**said, "detail": news.detail}).encode(),
        state=NewsState.DONE,
        reference=news.number[:64],
        shipment=shipment,
    )


def _told_by(stored: News) -> Sequence[Told]:
    if stored.source == NewsSource.POLL:
        said = json.loads(bytes(stored.body))
        at, status = datetime.fromisoformat(said["at"]), ShipmentStatus(said["status"])
        return [Told(**{**said, "at": at, "status": status})]
    return _read(stored.carrier.name, bytes(stored.body), stored.content_type)


def _read(name: str, body: bytes, content_type: str) -> Sequence[Told]:
    """Return what a webhook says, as the database and every clock can hold it.

    Raises `Malformed`.
    """
    try:
        told = provider(name).read(body, content_type)
    except Malformed:
        raise
    except Exception as error:
        # What a plug-in did not foresee is kept all the same.
        logger.exception("a webhook of %s could not be read", name)
        raise Malformed(f"It cannot be read: {type(error).__name__}.") from None
    return [_checked(each) for each in told]


def _checked(told: Told) -> Told:
    # The real time, as well as where simulated days run: it is the carrier's clock that says it.
    latest = max(timezone.now(), clock.now()) + AHEAD
    if not EARLIEST <= told.at <= latest:
        raise Malformed("Its time is none that a shipment can have.")
    if told.status not in RANKS:
        raise Malformed(f"No carrier can say that it is {told.status}.")
    return replace(told, number=storable(told.number), detail=storable(told.detail))


def _reference(told: Sequence[Told]) -> str:
    return told[0].number[:64] if told else ""


def _nonce_of(nonce: str, request: Request) -> str:
    """Return what one delivery is known by: what the carrier says, else what is in it."""
    if nonce.isascii() and nonce.isprintable() and 0 < len(nonce) <= 128:
        return nonce
    words = nonce.encode(errors="replace") or request.body
    return f"sha256:{hashlib.sha256(words).hexdigest()}"
