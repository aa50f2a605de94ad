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
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, TextField, Value, When
from django.db.models.functions import Now

from core import jobs
from core.events import Event, Notice

from .models import Message
from .querysets import MessageQuerySet
from .states import MessageStatus
from .transports import Accepted, Outcome, Refused, Unknown, transport

logger = logging.getLogger("duka.notifications")

CLAIMED_AT_ONCE = 20


def queue_message(*, event: Event, notice: Notice) -> Message:
    """Put what happened into the outbox, inside the transaction of what happened.

    Without a phone number the message is kept as suppressed, so that staff see it.
    The unique constraint refuses a second message for the same occurrence.
    """
    return Message.objects.create(
        event=event.code,
        occurrence=notice.occurrence,
        recipient=notice.recipient.reference,
        subject=notice.subject,
        reference=notice.reference,
        to=notice.recipient.phone,
        language=notice.recipient.language,
        body=event.render(notice.data),
        secret=event.secret,
        **({} if notice.recipient.phone else _without_phone()),
    )


def _without_phone() -> dict[str, str]:
    return {
        "status": MessageStatus.SUPPRESSED,
        "error_code": "no_phone",
        "error": "There is no phone number to send it to.",
    }


def deliver_due_messages() -> int:
    """Send what is due until nothing is, or the worker is asked to stop; return how many."""
    give_up_lost_messages()
    # One that cannot be made, for lack of a setting, raises before any message is claimed.
    transport()
    delivered = 0
    while not jobs.stopping() and (claimed := claim_messages(limit=CLAIMED_AT_ONCE)):
        for message in claimed:
            if jobs.stopping():
                _release(message)
            elif begin_sending(message=message):
                settle(message=message, outcome=_send(message))
                delivered += 1
    return delivered


@transaction.atomic
def claim_messages(*, limit: int) -> list[Message]:
    """Take up to `limit` due messages, oldest first, for as long as a lease lasts."""
    claimed = list(
        Message.objects.due().select_for_update(skip_locked=True).order_by("due_at", "pk")[:limit]
    )
    fence = uuid.uuid4()
    Message.objects.filter(pk__in=[message.pk for message in claimed]).update(
        fence=fence, due_at=Now() + _lease()
    )
    for message in claimed:
        message.fence = fence
    return claimed


def begin_sending(*, message: Message) -> bool:
    """Note that the message is about to go out; False where this claim is no longer ours."""
    still_ours = _ours(message, MessageStatus.QUEUED).filter(due_at__gt=Now())
    begun = still_ours.update(
        status=MessageStatus.SENDING,
        attempts=F("attempts") + 1,
        transport=transport().name,
        # A lease anew: the wait for the messages before it in the batch does not count.
        due_at=Now() + _lease(),
    )
    return begun == 1


def settle(*, message: Message, outcome: Outcome) -> None:
    """Store what came of a try. An answer that comes after the lease still counts."""
    tries = message.attempts + 1
    changes: Mapping[str, Any]
    match outcome:
        case Accepted():
            changes = {
                "status": MessageStatus.SENT,
                "transport_id": _storable(outcome.id, "transport_id"),
                "cost": _storable(outcome.cost, "cost"),
                "error_code": "",
                "error": "",
                "sent_at": Now(),
            }
        case Refused(may_pass=True) if tries <= len(settings.MESSAGE_RETRY_SECONDS):
            wait = timedelta(seconds=settings.MESSAGE_RETRY_SECONDS[tries - 1])
            changes = _refusal(MessageStatus.QUEUED, outcome) | {"due_at": Now() + wait}
        case Refused(may_pass=True):
            changes = _refusal(MessageStatus.PARKED, outcome)
        case Refused():
            changes = _refusal(MessageStatus.FAILED, outcome)
        case Unknown():
            changes = {
                "status": MessageStatus.UNKNOWN,
                "error_code": "unknown",
                "error": _storable(outcome.reason, "error"),
            }
    if message.secret and changes["status"] != MessageStatus.QUEUED:
        # It opens something, and it is where it should be, or will not get there.
        changes = {**changes, "body": ""}
    updated = _ours(message, MessageStatus.SENDING, MessageStatus.UNKNOWN).update(**changes)
    logger.info(
        "message %s: %s",
        message.pk,
        changes["status"] if updated else "claimed by another",
        extra={"message_id": message.pk, "error_code": changes["error_code"]},
    )


def give_up_lost_messages() -> int:
    """Mark as unknown what a worker that died had handed to a gateway; return how many."""
    return Message.objects.lost().update(
        status=MessageStatus.UNKNOWN,
        error_code="unknown",
        error="The worker died while the gateway was being asked.",
        body=Case(When(secret=True, then=Value("", TextField())), default=F("body")),
    )


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
    told.update(body="", to="")


def _send(message: Message) -> Outcome:
    try:
        return transport().send(to=message.to, body=message.body, reference=str(message.pk))
    except Exception as error:
        # A fault of ours or of the SDK's: it may have struck before or after the request.
        logger.exception("transport %s failed on message %s", transport().name, message.pk)
        return Unknown(reason=f"{type(error).__name__}: {error}"[:300])


def _release(message: Message) -> None:
    _ours(message, MessageStatus.QUEUED).update(due_at=Now(), fence=None)


def _ours(message: Message, *statuses: MessageStatus) -> MessageQuerySet:
    return Message.objects.filter(pk=message.pk, fence=message.fence, status__in=statuses)


def _refusal(status: MessageStatus, outcome: Refused) -> dict[str, Any]:
    return {
        "status": status,
        "error_code": _storable(outcome.code, "error_code"),
        "error": _storable(outcome.reason, "error"),
    }


def _storable(text: str, field: str) -> str:
    """Return a gateway's words as the column can hold them, or the outcome itself would be lost."""
    limit: int | None = getattr(Message._meta.get_field(field), "max_length", None)
    return text.replace("\x00", "").encode(errors="replace").decode()[:limit]


def _lease() -> timedelta:
    return timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)
