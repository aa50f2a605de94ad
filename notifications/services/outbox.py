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
import re
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models import Case, F, TextField, Value, When
from django.db.models.functions import Now

from core import jobs, status_pages
from core.events import Event, Notice, find_event, template_variables
from core.sms import size_of
from notifications.models import Message, MessageEvent, Pace
from notifications.querysets import MessageQuerySet
from notifications.states import Happening, MessageStatus
from notifications.transports import Accepted, Outcome, Refused, Unknown, route_of, transport

from .callbacks import match_callbacks
from .consents import may_be_told
from .links import make_link
from .words import words_of

logger = logging.getLogger("duka.notifications")

CLAIMED_AT_ONCE = 20
# Seconds that a worker waits for its turn at a gateway; where it would be longer it leaves.
MOST_PATIENCE = 1


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
    # What a variable leaves empty is no reason for two spaces.
    body = re.sub(" {2,}", " ", words.filled(data)).strip()
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
        return _suppressed("no_phone", "There is no phone number to send it to.")
    if not may_be_told(phone=phone, event=event):
        return _suppressed("opted_out", "They do not want to hear from the shop.")
    return {}


def _suppressed(code: str, why: str) -> dict[str, str]:
    return {"status": MessageStatus.SUPPRESSED, "error_code": code, "error": why}


def deliver_due_messages() -> int:
    """Send what is due until nothing is, or the worker is asked to stop; return how many."""
    give_up_lost_messages()
    delivered = 0
    while not jobs.stopping() and (claimed := claim_messages(limit=CLAIMED_AT_ONCE)):
        held_back = 0
        for message in claimed:
            try:
                name = transport_for(message)
            except ImproperlyConfigured:
                for each in claimed:
                    _release(each)
                raise
            if jobs.stopping() or not wait_for_turn(name):
                _release(message)
                held_back += 1
            elif begin_sending(message=message, name=name):
                settle(message=message, outcome=_send(message))
                delivered += 1
        if held_back:
            # All turns of the next second are given away; the task comes again.
            break
    return delivered


def transport_for(message: Message) -> str:
    """Return the gateway that is to be asked: the first of its route that did not refuse it yet.

    Raises:
        ImproperlyConfigured: it lacks a setting; nothing is claimed for long by this.
    """
    route = route_of(event=message.event, to=message.to)
    name = next((each for each in route if each not in message.refused_by), route[0])
    transport(name)
    return name


@transaction.atomic
def claim_messages(*, limit: int) -> list[Message]:
    """Take up to `limit` due messages, oldest first, for as long as a lease lasts."""
    claimed = list(Message.objects.due().select_for_update(skip_locked=True).order_by("pk")[:limit])
    fence = uuid.uuid4()
    Message.objects.filter(pk__in=[message.pk for message in claimed]).update(
        fence=fence, due_at=Now() + _lease()
    )
    for message in claimed:
        message.fence = fence
    return claimed


_TAKE_TURN = """
UPDATE notifications_pace
SET next_at = greatest(next_at, clock_timestamp()) + %(gap)s::interval
WHERE transport = %(name)s AND next_at <= clock_timestamp() + %(patience)s::interval
RETURNING extract(epoch FROM next_at - %(gap)s::interval - clock_timestamp())
"""


def wait_for_turn(name: str) -> bool:
    """Wait until the gateway may be asked once more; False: that would take too long.

    The turns of all workers are given out by one row of the database.
    """
    rate = settings.SMS_RATES.get(name)
    if not rate:
        return True
    Pace.objects.bulk_create([Pace(transport=name)], ignore_conflicts=True)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE_TURN,
            {"name": name, "gap": f"{1 / rate} s", "patience": f"{MOST_PATIENCE} s"},
        )
        turn = cursor.fetchone()
    if turn is None:
        return False
    jobs.wait(max(float(turn[0]), 0))
    # Asked to stop meanwhile, it did not wait for its turn.
    return not jobs.stopping()


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
        # A lease anew: the wait for the messages before it in the batch does not count.
        due_at=Now() + _lease(),
    )
    message.transport = name
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
                "transport_id": _storable(outcome.id, "transport_id"),
                "cost": _storable(outcome.cost, "cost"),
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
                "error": _storable(outcome.reason, "error"),
            }
    if message.secret and changes["status"] != MessageStatus.QUEUED:
        # It opens something, and it is where it should be, or will not get there.
        changes = {**changes, "body": ""}
    updated = _ours(message, MessageStatus.SENDING, MessageStatus.UNKNOWN).update(**changes)
    _note(
        message,
        happened,
        transport=message.transport,
        code=_storable(code, "error_code"),
        detail=_storable(detail, "error"),
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
    refused = {**message.refused_by, message.transport: outcome.may_pass}
    route = route_of(event=message.event, to=message.to)
    told = {
        "error_code": _storable(outcome.code, "error_code"),
        "error": _storable(outcome.reason, "error"),
    }
    if any(each not in refused for each in route):
        # Certainly not sent, so that another may be asked at once.
        return {
            "status": MessageStatus.QUEUED,
            "due_at": Now(),
            "fence": None,
            "refused_by": refused,
            **told,
        }
    lasting = {name: may_pass for name, may_pass in refused.items() if not may_pass}
    if all(each in lasting for each in route):
        return {"status": MessageStatus.FAILED, **told}
    if message.rounds >= len(settings.MESSAGE_RETRY_SECONDS):
        return {"status": MessageStatus.PARKED, **told}
    wait = timedelta(seconds=settings.MESSAGE_RETRY_SECONDS[message.rounds])
    return {
        "status": MessageStatus.QUEUED,
        "due_at": Now() + wait,
        # In nobody's hand while it waits, so that it can be called off.
        "fence": None,
        "refused_by": lasting,
        "rounds": message.rounds + 1,
        **told,
    }


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


def personal_data(*, recipient: str) -> list[dict[str, Any]]:
    """Return what somebody was told, the newest first."""
    fields = ("event", "to", "body", "status", "created_at", "sent_at")
    return list(Message.objects.filter(recipient=recipient, secret=False).values(*fields))


def move_messages(*, source: str, target: str) -> None:
    """Let what one recipient was told be another's: both are one person."""
    Message.objects.filter(recipient=source).update(recipient=target)


def forget_recipient(*, recipient: str) -> None:
    """Keep of what somebody was told that it was told, not the words nor the number.

    What waits to be sent is not sent any more.
    """
    told = Message.objects.filter(recipient=recipient)
    told.filter(status__in=[MessageStatus.QUEUED, MessageStatus.PARKED]).update(
        status=MessageStatus.SUPPRESSED, error_code="left", error="They deleted their account."
    )
    told.update(body="", to="", data={})


def _send(message: Message) -> Outcome:
    try:
        return transport(message.transport).send(
            to=message.to, body=message.body, reference=str(message.pk)
        )
    except Exception as error:
        # A fault of ours or of the SDK's: it may have struck before or after the request.
        logger.exception("transport %s failed on message %s", message.transport, message.pk)
        return Unknown(reason=f"{type(error).__name__}: {error}"[:300])


def _release(message: Message) -> None:
    _ours(message, MessageStatus.QUEUED).update(due_at=Now(), fence=None)


def _ours(message: Message, *statuses: MessageStatus) -> MessageQuerySet:
    return Message.objects.filter(pk=message.pk, fence=message.fence, status__in=statuses)


def _note(message: Message, what: Happening, **fields: Any) -> None:
    MessageEvent.objects.create(message=message, what=what, **fields)


def _storable(text: str, field: str) -> str:
    """Return a gateway's words as the column can hold them, or the outcome itself would be lost."""
    limit: int | None = getattr(Message._meta.get_field(field), "max_length", None)
    return text.replace("\x00", "").encode(errors="replace").decode()[:limit]


def _lease() -> timedelta:
    return timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)
