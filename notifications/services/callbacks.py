"""What gateways tell us: stored as it came, then folded into messages and consents."""

import hashlib
import logging
import re
import uuid
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Case, Exists, F, OuterRef, TextField, Value, When
from django.db.models.functions import Coalesce, Now

from core import jobs
from core.events import Notice, Recipient
from core.stored import storable
from customers.models import Customer
from notifications.models import Callback, InboundMessage, Message, MessageEvent
from notifications.signals import ANSWERS
from notifications.states import (
    CallbackKind,
    CallbackState,
    ConsentSource,
    Happening,
    MessageStatus,
)
from notifications.transports import (
    Forged,
    Inbound,
    Malformed,
    OptOut,
    Report,
    Request,
    Told,
    transport,
)

from .consents import meaning_of, note_consent
from .contacts import record_inbound

logger = logging.getLogger("duka.notifications")

# Any number that no other lock has.
_IN_ORDER = 1_869_509_491

# To one number.
ANSWERS_AN_HOUR = 5

# From which statuses a report may move a message. What is delivered stays so, whatever comes late.
_MAY_BECOME = {
    # A report can be faster than the answer to who sent it, or come though that one never does.
    # One that was put back by hand meanwhile is not to go out once more.
    MessageStatus.SENT: {MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN},
    MessageStatus.DELIVERED: {
        MessageStatus.QUEUED,
        MessageStatus.SENDING,
        MessageStatus.UNKNOWN,
        MessageStatus.SENT,
        MessageStatus.FAILED,
    },
    MessageStatus.FAILED: {MessageStatus.SENDING, MessageStatus.UNKNOWN, MessageStatus.SENT},
}


def receive_callback(*, name: str, kind: CallbackKind, request: Request) -> bool:
    """Store what a gateway says, once; return whether it is something new.

    Raises:
        Forged: it does not prove to be the gateway's; nothing is stored.
        Malformed: it proves to be, and cannot be understood; it is kept for a person.
    """
    nonce = transport(name).authenticate(request)
    told: Told | None = None
    problem = ""
    try:
        told = _read(name, kind, request)
    except Malformed as error:
        problem = str(error)
    key = told.key if told is not None else hashlib.sha256(request.body).hexdigest()
    callback = Callback(
        transport=name,
        kind=kind,
        # Of a report sent anew under another token it is still the same. Without a key, what
        # comes is something new each time.
        key=_short(key or uuid.uuid4().hex),
        nonce=_short(nonce) if nonce else None,
        gateway_id=told.gateway_id if told is not None else "",
        content_type=request.content_type[:100],
        body=request.body,
        state=CallbackState.NEW if told is not None else CallbackState.BAD,
        detail=problem,
    )
    try:
        with transaction.atomic():
            callback.save(force_insert=True)
    except IntegrityError:
        if nonce and Callback.objects.filter(transport=name, nonce=callback.nonce).exists():
            raise Forged("Its token was used before.") from None
        if not problem:
            # Where it could not be folded in the first time, it may be now.
            Callback.objects.filter(
                transport=name, kind=kind, key=callback.key, state=CallbackState.BAD
            ).update(state=CallbackState.NEW)
    logger.info("callback of %s: %s", name, kind, extra={"gateway_id": callback.gateway_id})
    if problem:
        raise Malformed(problem)
    return callback.pk is not None


def look_at_callbacks() -> int:
    """Let what was told have its effect; return how many."""
    # Of some the message was being settled while they were looked at.
    known = Message.objects.filter(
        transport=OuterRef("transport"), transport_id=OuterRef("gateway_id")
    )
    Callback.objects.filter(
        Exists(known),
        state=CallbackState.UNMATCHED,
        received_at__gt=Now() - timedelta(hours=1),
    ).update(state=CallbackState.NEW)
    looked_at = 0
    # One at a time: workers that held several messages each could wait for each other.
    while not jobs.stopping() and _look_at_next():
        looked_at += 1
    return looked_at


@transaction.atomic
def _look_at_next() -> bool:
    with connection.cursor() as cursor:
        # All workers one after another, as they came: of START and STOP the last word counts.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_IN_ORDER])
    callback = Callback.objects.to_look_at().select_for_update().order_by("pk").first()
    if callback is not None:
        look_at(callback)
    return callback is not None


def match_callbacks(*, message: Message) -> None:
    """Fold in what came before the gateway's id of a message was known; inside its settling."""
    early = Callback.objects.unmatched(
        transport=message.transport, gateway_id=message.transport_id
    ).select_for_update()
    for callback in early.order_by("pk"):
        look_at(callback)


def look_at(callback: Callback) -> None:
    """Let one have its effect. One that fails is put aside, or it would stop all after it."""
    try:
        with transaction.atomic():
            callback.state, callback.detail, callback.message = _effect_of(callback)
    except OperationalError:
        # Not its fault: the database is gone, or two waited for each other. It comes again.
        raise
    except Exception as error:
        logger.exception("callback %s could not be folded in", callback.pk)
        callback.state, callback.detail = CallbackState.BAD, f"{type(error).__name__}"
    callback.save(update_fields=["state", "detail", "message", "body"])


def _effect_of(callback: Callback) -> tuple[CallbackState, str, Message | None]:
    request = Request(body=bytes(callback.body), content_type=callback.content_type, headers={})
    match _read(callback.transport, CallbackKind(callback.kind), request):
        case Report() as report:
            return _settle_by(callback, report)
        case Inbound() as inbound:
            # Without a name each is something new.
            ident = inbound.gateway_id or callback.key
            return CallbackState.DONE, _take_in(callback.transport, ident, inbound), None
        case OptOut(phone=phone):
            changed = note_consent(
                phone=phone,
                opted_out=True,
                source=ConsentSource.GATEWAY,
                detail=callback.transport,
            )
            return CallbackState.DONE, "" if changed else "Known already.", None


def _settle_by(callback: Callback, report: Report) -> tuple[CallbackState, str, Message | None]:
    message = _message_of(callback.transport, report)
    if message is None:
        return CallbackState.UNMATCHED, "No message has this id.", None
    if not message.to:
        # With whom it was for. The number in here goes, too.
        callback.body = b""
        return CallbackState.DONE, "Its message is forgotten.", message
    if message.to != report.phone:
        return CallbackState.DONE, "The message of this id went to another number.", None
    return CallbackState.DONE, _fold(message, report), message


def _read(name: str, kind: CallbackKind, request: Request) -> Told:
    """Return what a call says, in words that the database can hold."""
    told = transport(name).read(kind, request)
    words: dict[str, Any] = {
        field.name: storable(value)
        for field in fields(told)
        if field.init and type(value := getattr(told, field.name)) is str
    }
    return replace(told, **words)


def _message_of(name: str, report: Report) -> Message | None:
    """Return the message that a report is about, held."""
    messages = Message.objects.select_for_update(no_key=True).filter(transport=name)
    found = messages.filter(transport_id=report.gateway_id).first()
    if found is None and (named := re.fullmatch(r"([0-9]{1,18})-([0-9]{1,4})", report.reference)):
        # One whose answer was lost is known by our own name for its last try, and by its number.
        key, attempt = named.groups()
        found = messages.filter(pk=key, attempts=attempt, to=report.phone, transport_id="").first()
    return found


def _fold(message: Message, report: Report) -> str:
    """Let a message be what the gateway says became of it; return why not, where it may not."""
    MessageEvent.objects.create(
        message=message,
        what=Happening.RECEIPT,
        transport=message.transport,
        code=report.code or report.said,
        detail=report.reason or report.said,
        cost_amount=report.amount,
        cost_currency=report.currency,
    )
    changes: dict[str, Any] = {}
    if message.status != MessageStatus.QUEUED:
        # Else the next try is known by another.
        changes["transport_id"] = report.gateway_id
    if report.amount is not None:
        changes |= {"cost_amount": report.amount, "cost_currency": report.currency}
    moved = False
    if report.status is not None and message.status in _MAY_BECOME[report.status]:
        moved = True
        changes |= _became(report.status, report)
    if changes:
        Message.objects.filter(pk=message.pk).update(**changes)
    return "" if moved or report.status is None else f"It was {message.status} already."


def _became(status: MessageStatus, report: Report) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "status": status,
        "error_code": "",
        "error": "",
        # What opens something is where it should be, or will not get there.
        "body": Case(When(secret=True, then=Value("", TextField())), default=F("body")),
    }
    if status == MessageStatus.FAILED:
        return changes | {
            "error_code": (report.code or report.said)[:64],
            "error": report.reason or report.said,
        }
    changes["sent_at"] = Coalesce(F("sent_at"), Now())
    if status == MessageStatus.DELIVERED:
        changes["delivered_at"] = Now()
    return changes


def _take_in(name: str, ident: str, inbound: Inbound) -> str:
    """Keep what somebody wrote, and do what its word asks for; once, however often it comes."""
    customer = Customer.objects.filter(phone=inbound.phone).order_by("pk").first()
    row, is_new = InboundMessage.objects.get_or_create(
        transport=name,
        gateway_id=ident,
        defaults={
            "phone": inbound.phone,
            "to": inbound.to,
            "text": inbound.text,
            "customer": customer.code if customer else "",
        },
    )
    if not is_new:
        # Its callback is deleted by now.
        return "Known already."
    meaning = meaning_of(inbound.text)
    if meaning in {"stop", "start"}:
        note_consent(
            phone=inbound.phone,
            opted_out=meaning == "stop",
            source=ConsentSource.MESSAGE,
            detail=inbound.text,
        )
    if meaning:
        _answer(meaning, row, customer)
    record_inbound(message=row)
    return meaning


def _answer(meaning: str, inbound: InboundMessage, customer: Customer | None) -> None:
    """Tell who wrote a word that it was understood, whether or not they hear of the rest.

    A few times an hour: each answer is paid for, and another machine may be answering ours.
    """
    answers = [event.code for event in ANSWERS.values()]
    lately = Message.objects.filter(
        to=inbound.phone, event__in=answers, created_at__gt=Now() - timedelta(hours=1)
    )
    if lately.count() >= ANSWERS_AN_HOUR:
        return
    recipient = Recipient(
        reference=customer.code if customer else inbound.phone,
        phone=inbound.phone,
        **({"language": customer.language} if customer else {}),
    )
    ANSWERS[meaning].announce(
        notice=Notice(
            occurrence=str(inbound.pk),
            subject="inbound",
            reference=str(inbound.pk),
            recipient=recipient,
            data={"shop": settings.SHOP_NAME},
        )
    )


def remove_old_callbacks() -> int:
    """Delete callbacks that are long done with, or are of no use; return how many.

    What they told stays. Their tokens are too old by then to be taken again; a report that comes
    once more after that moves nothing (`_MAY_BECOME`), as what it could move it has moved.
    """
    old = Callback.objects.filter(
        received_at__lt=Now() - timedelta(days=settings.SMS_CALLBACK_DAYS)
    )
    return old.exclude(state=CallbackState.NEW).delete()[0]


def _short(key: str) -> str:
    """Return a key as the column can hold it, and tell long ones apart."""
    return key if len(key) <= 128 else hashlib.sha256(key.encode()).hexdigest()
