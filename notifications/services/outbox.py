"""Verbs of the outbox; the only writer of its table.

Delivering is three short transactions with the network between the last two:

1. claim: due rows are stamped with a fence and their `due_at` is pushed
   forward by a lease (`FOR UPDATE SKIP LOCKED`, any number of workers);
2. begin: a row still claimed by this fence becomes `sending`;
3. settle: the outcome is stored under the same fence.

A worker that dies after 1 loses its lease and another claims the row: it
certainly did not go out. One that dies after 2 leaves a row in `sending`
whose lease passes: it may have gone out, so it becomes `unknown`, which
nobody resends but a person.
"""

import logging
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.db.models.functions import Now

from core import jobs, status_pages
from core.events import Event, Notice, find_event, template_variables
from core.sms import size_of
from core.stored import storable
from notifications.models import Message, MessageEvent
from notifications.querysets import MessageQuerySet
from notifications.states import Happening, MessageStatus, Refusal
from notifications.transports import Accepted, Outcome, Refused, Unknown, route_of, transport

from .callbacks import match_callbacks
from .consents import may_be_told
from .hand import NO_PHONE, SETTLED_BY_HAND
from .links import make_link
from .pace import (
    OPEN,
    Closed,
    after_pause,
    can_go_out,
    closed_gateways,
    give_back_turn,
    is_one_s_own,
    next_gateway,
    note_outcome,
    wait_for_turn,
)
from .words import words_of

logger = logging.getLogger("duka.notifications")

CLAIMED_AT_ONCE = 20
# Seconds after which a worker looks what else there is to do.
LONGEST_RUN = 5
# Times that a message asks whether a gateway is back before a newer one does.
TRIES_IN_A_ROW = 16


def queue_message(*, event: Event, notice: Notice) -> Message:
    """Put what happened into the outbox, inside the transaction of what happened.

    Without a phone number, or to somebody who wants to hear nothing, the message is kept as
    suppressed, so that staff see it. The unique constraint refuses a second message for the same
    occurrence.
    """
    recipient = notice.recipient
    words = words_of(event, recipient.language)
    data = dict(notice.data)
    if "link" in template_variables(words.text) and "link" not in data:
        data["link"] = (
            make_link(
                subject=notice.subject, reference=notice.reference, language=recipient.language
            )
            if status_pages.can_be_shown(notice.subject)
            else ""
        )
    body = words.filled(data)
    size = size_of(body)
    return Message.objects.create(
        event=event.code,
        occurrence=notice.occurrence,
        recipient=recipient.reference,
        subject=notice.subject,
        reference=notice.reference,
        to=recipient.phone,
        language=words.language,
        body=body,
        template=words.version,
        data={} if event.secret else {**notice.data},
        segments=size.segments,
        encoding=size.encoding,
        secret=event.secret,
        **_reason_not_to(event, recipient.phone),
    )


def _reason_not_to(event: Event, phone: str) -> dict[str, str]:
    if not phone:
        return _suppressed(NO_PHONE, "There is no phone number to send it to.")
    if not may_be_told(phone=phone, event=event):
        return _suppressed("opted_out", "They do not want to hear from the shop.")
    return {}


def _suppressed(code: str, why: str) -> dict[str, str]:
    return {"status": MessageStatus.SUPPRESSED, "error_code": code, "error": why}


def deliver_due_messages(*, patience: float = 0) -> int:
    """Send what is due until nothing is that can go out, for some seconds; return how many.

    Not until all is sent: a worker has other things to do as well.

    Args:
        patience: seconds to wait for a turn at a gateway that has a rate.
    """
    give_up_lost_messages()
    ends = time.monotonic() + LONGEST_RUN
    delivered = 0
    while time.monotonic() < ends and not jobs.stopping():
        # Nobody waits for a turn while there is something that needs not wait.
        delivery = _claim_next()
        if not delivery and patience:
            delivery = _claim_next(patience=patience)
        if not delivery:
            break
        for message, name in delivery:
            try:
                delivered += _deliver(message, name, patience=patience)
            except OperationalError:
                # The database is gone: nothing is known of the others either.
                raise
            except Exception:
                # It keeps its lease, so that it is not the first again at once.
                logger.exception("message %s could not be delivered", message.pk)
    return delivered


def _claim_next(*, patience: float = 0) -> list[tuple[Message, str]]:
    closed = closed_gateways(patience=patience)
    # With a rate one by one: those of several workers are to go out in one order.
    limit = 1 if settings.SMS_RATES else CLAIMED_AT_ONCE
    claimed = claim_messages(limit=limit, closed=closed)
    return [(message, next_gateway(message, down=closed.down)) for message in claimed]


def _deliver(message: Message, name: str, *, patience: float) -> bool:
    turn = None if jobs.stopping() else wait_for_turn(name, patience=patience)
    if turn is None:
        _release(message)
        return False
    if not begin_sending(message=message, name=name):
        give_back_turn(name, turn)
        return False
    outcome = _send(message)
    if isinstance(outcome, Accepted):
        settle(message=message, outcome=outcome)
        note_outcome(name, outcome, turn)
    else:
        # When it is tried again depends on whether the gateway is down by now.
        note_outcome(name, outcome, turn)
        settle(message=message, outcome=outcome)
    return True


@transaction.atomic
def claim_messages(*, limit: int, closed: Closed = OPEN) -> list[Message]:
    """Take up to `limit` due messages whose gateways can be asked, oldest first, for a lease."""
    due = Message.objects.due().filter(can_go_out(closed)).order_by("pk")
    if closed.probing:
        # One that has asked often lets others ask: the gateway may choke on its words alone.
        due = due.order_by(F("attempts") / TRIES_IN_A_ROW, "pk")
    claimed = list(due.select_for_update(skip_locked=True)[:limit])
    fence = uuid.uuid4()
    Message.objects.filter(pk__in=[message.pk for message in claimed]).update(
        fence=fence, due_at=Now() + _lease()
    )
    for message in claimed:
        message.fence = fence
    return claimed


@transaction.atomic
def begin_sending(*, message: Message, name: str) -> bool:
    """Note that the message is about to go out; False where it is not: this claim is no longer
    ours, or they want to hear nothing since.
    """
    still_ours = _ours(message, MessageStatus.QUEUED).filter(due_at__gt=Now())
    if not may_be_told(phone=message.to, event=find_event(message.event)):
        if still_ours.update(**_suppressed("opted_out", "They opted out before it was sent.")):
            _note(message, Happening.STOPPED)
        return False
    begun = still_ours.update(
        status=MessageStatus.SENDING,
        attempts=F("attempts") + 1,
        transport=name,
        transport_id="",
        # A lease anew: the wait for the messages before it in the batch does not count.
        due_at=Now() + _lease(),
    )
    message.transport = name
    message.attempts += 1
    if begun:
        _note(message, Happening.BEGUN, transport=name)
    return begun == 1


@transaction.atomic
def settle(*, message: Message, outcome: Outcome) -> None:
    """Store what came of a try. An answer that comes after the lease still counts."""
    changes: Mapping[str, Any]
    happened, code, detail, cost = Happening.LOST, "", "", {}
    match outcome:
        case Accepted():
            happened = Happening.ACCEPTED
            cost = {"cost_amount": outcome.amount, "cost_currency": outcome.currency}
            changes = {
                "status": MessageStatus.SENT,
                "transport_id": storable(outcome.id, _length("transport_id")),
                "cost": storable(outcome.cost, _length("cost")),
                **cost,
                "error_code": "",
                "error": "",
                "sent_at": Now(),
            }
            detail = outcome.id
        case Refused():
            happened, code, detail = Happening.REFUSED, outcome.code, outcome.reason
            changes = _after_refusal(message, outcome)
        case Unknown():
            detail = outcome.reason
            changes = {
                "status": MessageStatus.UNKNOWN,
                "error_code": "unknown",
                "error": storable(outcome.reason),
            }
    now = Message.objects.select_for_update(no_key=True).get(pk=message.pk)
    if not now.to:
        # They were forgotten while it was on its way: of who it went to nothing is kept.
        detail = ""
        changes = {**changes, "error": ""}
        if changes["status"] == MessageStatus.QUEUED:
            changes |= {"status": MessageStatus.SUPPRESSED, "error_code": "left"}
    elif not now.body and changes["status"] == MessageStatus.QUEUED:
        changes = {**changes, "status": MessageStatus.FAILED, "error_code": "words_forgotten"}
    if message.secret and changes["status"] != MessageStatus.QUEUED:
        # It opens something, and it is where it should be, or will not get there.
        changes = {**changes, "body": ""}
    ours = Q(status__in=[MessageStatus.SENDING, MessageStatus.UNKNOWN])
    if changes["status"] == MessageStatus.SENT:
        # Also where somebody thought meanwhile that it was not: it must not go out once more.
        ours |= Q(status=MessageStatus.QUEUED)
        ours |= Q(status=MessageStatus.FAILED, error_code=SETTLED_BY_HAND)
    updated = Message.objects.filter(ours, pk=message.pk, fence=message.fence).update(**changes)
    _note(
        message,
        happened,
        transport=message.transport,
        code=storable(code, _length("error_code")),
        detail=storable(detail),
        **cost,
    )
    if updated and changes["status"] == MessageStatus.SENT:
        message.transport_id = changes["transport_id"]
        match_callbacks(message=message)
    logger.info(
        "message %s: %s",
        message.pk,
        changes["status"] if updated else "claimed by another",
        extra={"message_id": message.pk, "error_code": changes["error_code"]},
    )


def _after_refusal(message: Message, outcome: Refused) -> dict[str, Any]:
    """Return what becomes of a refused message: the next gateway, a later try, or the end."""
    if outcome.whole and not is_one_s_own(message):
        how = Refusal.WHOLE
    else:
        how = Refusal.PASSING if outcome.may_pass else Refusal.LASTING
    refused = {**message.refused_by, message.transport: how}
    route = route_of(event=message.event, to=message.to)
    told = {
        "error_code": storable(outcome.code, _length("error_code")),
        "error": storable(outcome.reason),
    }
    # In nobody's hand while it waits, so that it can be called off.
    queued: dict[str, Any] = {"status": MessageStatus.QUEUED, "fence": None, **told}
    down = closed_gateways().down
    if any(each not in refused and each not in down for each in route):
        # Certainly not sent, so that another may be asked at once.
        return {**queued, "due_at": Now(), "refused_by": refused}
    lasting = {name: each for name, each in refused.items() if each == Refusal.LASTING}
    if all(each in lasting for each in route):
        return {"status": MessageStatus.FAILED, **told}
    queued["refused_by"] = lasting
    if Refusal.PASSING not in refused.values():
        # It is not about this message, which so loses no try.
        return {**queued, "due_at": after_pause(message.transport)}
    if message.rounds >= len(settings.MESSAGE_RETRY_SECONDS):
        return {"status": MessageStatus.PARKED, **told}
    wait = timedelta(seconds=settings.MESSAGE_RETRY_SECONDS[message.rounds])
    return {**queued, "due_at": Now() + wait, "rounds": message.rounds + 1}


@transaction.atomic
def give_up_lost_messages() -> int:
    """Mark as unknown what a worker that died had handed to a gateway; return how many."""
    why = "The worker died while the gateway was being asked."
    lost = list(Message.objects.lost().select_for_update(skip_locked=True))
    Message.objects.filter(pk__in=[message.pk for message in lost]).update(
        status=MessageStatus.UNKNOWN,
        error_code="unknown",
        error=why,
        body=Case(When(secret=True, then=Value("", TextField())), default=F("body")),
    )
    MessageEvent.objects.bulk_create(
        MessageEvent(message=message, what=Happening.LOST, transport=message.transport, detail=why)
        for message in lost
    )
    return len(lost)


def _send(message: Message) -> Outcome:
    try:
        gateway = transport(message.transport)
    except ImproperlyConfigured as error:
        return Refused(code="not_configured", reason=str(error), may_pass=True, whole=True)
    try:
        return gateway.send(to=message.to, body=message.body, reference=name_of_try(message))
    except Exception as error:
        # A fault of ours or of the SDK's: it may have struck before or after the request.
        logger.exception("transport %s failed on message %s", message.transport, message.pk)
        return Unknown(reason=f"{type(error).__name__}: {error}"[:300])


def name_of_try(message: Message) -> str:
    """Return our name for a try, for gateways that give it back: of another try all may be said."""
    return f"{message.pk}-{message.attempts}"


def _release(message: Message) -> None:
    _ours(message, MessageStatus.QUEUED).update(due_at=Now(), fence=None)


def _ours(message: Message, *statuses: MessageStatus) -> MessageQuerySet:
    return Message.objects.filter(pk=message.pk, fence=message.fence, status__in=statuses)


def _note(message: Message, what: Happening, **fields: Any) -> None:
    MessageEvent.objects.create(message=message, what=what, **fields)


def _length(field: str) -> int | None:
    return getattr(Message._meta.get_field(field), "max_length", None)


def _lease() -> timedelta:
    return timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)
