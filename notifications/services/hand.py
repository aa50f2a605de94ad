"""Verbs by hand: sending again, calling off, settling what nobody knows."""

from typing import TYPE_CHECKING, Any, NoReturn

from django.db import transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from core.errors import InvalidInput
from customers.models import Customer
from notifications.exceptions import MessageMoveNotAllowed
from notifications.models import Message, MessageEvent
from notifications.states import Happening, MessageStatus

if TYPE_CHECKING:
    from accounts.models import User

# What may be done by hand, from where.
RETRIED = {MessageStatus.FAILED, MessageStatus.PARKED}
CALLED_OFF = {MessageStatus.QUEUED, MessageStatus.PARKED}
SETTLED = {MessageStatus.UNKNOWN}
NO_PHONE, SETTLED_BY_HAND = "no_phone", "settled"
OUTCOMES = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED)


def can_be_retried(message: Message) -> bool:
    return message.status in RETRIED or message.error_code == NO_PHONE


@transaction.atomic
def retry_message(*, message_id: int, by: "User | None", reason: str = "") -> Message:
    """Put a message back that was refused for good or is out of tries, or had no phone number.

    It goes to the number that the customer has now. One of unknown outcome is first settled: it may
    be on the phone already.

    Raises:
        MessageMoveNotAllowed: it is none of these, or its words are forgotten.
    """
    message = Message.objects.select_for_update().get(pk=message_id)
    if not can_be_retried(message):
        _refuse(message, RETRIED, "sent again")
    customer = Customer.objects.filter(code=message.recipient).exclude(phone="").first()
    to = customer.phone if customer else message.to
    if not to:
        raise MessageMoveNotAllowed(
            "There is still no phone number to send it to.", status=message.status, allowed=[]
        )
    if not message.body:
        raise MessageMoveNotAllowed(
            "Its words are not kept any more.", status=message.status, allowed=[]
        )
    return _changed(
        message,
        Happening.RETRIED,
        by=by,
        reason=reason,
        status=MessageStatus.QUEUED,
        to=to,
        due_at=Now(),
        rounds=0,
        refused_by={},
        # Of the try before: what is told of the next one goes by our own name for it at first.
        transport_id="",
        error_code="",
        error="",
    )


@transaction.atomic
def call_off_message(*, message_id: int, by: "User | None", reason: str = "") -> Message:
    """Let a message that waits not be sent.

    Raises:
        MessageMoveNotAllowed: it does not wait, or a worker has it in hand this moment.
    """
    message = _held(message_id, CALLED_OFF, "called off")
    if message.status == MessageStatus.QUEUED and message.fence and message.due_at > timezone.now():
        raise MessageMoveNotAllowed(
            "A worker has it in hand; look again in a minute.", status=message.status, allowed=[]
        )
    return _changed(
        message,
        Happening.CALLED_OFF,
        by=by,
        reason=reason,
        status=MessageStatus.SUPPRESSED,
        error_code="called_off",
        error=reason or "Called off by hand.",
    )


@transaction.atomic
def settle_message(
    *, message_id: int, outcome: MessageStatus, by: "User | None", reason: str = ""
) -> Message:
    """Say what became of a message of which nobody knew.

    Raises:
        InvalidInput: the outcome is none of sent, delivered, failed.
        MessageMoveNotAllowed: it is known.
    """
    if outcome not in OUTCOMES:
        words = ", ".join(OUTCOMES)
        raise InvalidInput.at("outcome", detail=f"Must be one of {words}.", code="invalid_choice")
    message = _held(message_id, SETTLED, "settled")
    changes: dict[str, Any] = {"status": outcome, "error_code": "", "error": ""}
    if outcome == MessageStatus.FAILED:
        changes |= {
            "error_code": SETTLED_BY_HAND,
            "error": reason or "Settled by hand: it did not go out.",
        }
    else:
        changes["sent_at"] = Coalesce("sent_at", Now())
    if outcome == MessageStatus.DELIVERED:
        changes["delivered_at"] = Now()
    return _changed(message, Happening.SETTLED, by=by, reason=reason, code=outcome, **changes)


def _held(message_id: int, statuses: set[MessageStatus], what: str) -> Message:
    message = Message.objects.select_for_update().get(pk=message_id)
    if message.status not in statuses:
        _refuse(message, statuses, what)
    return message


def _refuse(message: Message, statuses: set[MessageStatus], what: str) -> NoReturn:
    label = MessageStatus(message.status).label.lower()
    raise MessageMoveNotAllowed(
        f"A message that is {label} cannot be {what}.",
        status=message.status,
        allowed=sorted(statuses),
    )


def _changed(
    message: Message,
    what: Happening,
    *,
    by: "User | None",
    reason: str,
    code: str = "",
    **changes: Any,
) -> Message:
    Message.objects.filter(pk=message.pk).update(**changes)
    MessageEvent.objects.create(message=message, what=what, by=by, detail=reason, code=code)
    message.refresh_from_db()
    return message
