"""What gateways tell us: stored as it came, then folded into messages and consents."""

import hashlib
import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.db.models.functions import Coalesce, Now

from core import jobs
from core.events import Notice, Recipient
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
from notifications.transports import Inbound, Malformed, OptOut, Report, Request, Told, transport

from .consents import meaning_of, note_consent

logger = logging.getLogger("duka.notifications")

LOOKED_AT_AT_ONCE = 50
# From which statuses a report may move a message. What is delivered stays so, whatever comes late.
_MAY_BECOME = {
    MessageStatus.SENT: {MessageStatus.UNKNOWN},
    MessageStatus.DELIVERED: {MessageStatus.UNKNOWN, MessageStatus.SENT, MessageStatus.FAILED},
    MessageStatus.FAILED: {MessageStatus.UNKNOWN, MessageStatus.SENT},
}


def receive_callback(*, name: str, kind: CallbackKind, request: Request) -> bool:
    """Store what a gateway says, once; return whether it is something new.

    Raises:
        Forged: it does not prove to be the gateway's; nothing is stored.
        Malformed: it proves to be, and cannot be understood; it is kept for a person.
    """
    gateway = transport(name)
    nonce = gateway.authenticate(request)
    told: Told | None = None
    problem = ""
    try:
        told = gateway.read(kind, request)
    except Malformed as error:
        problem = str(error)
    digest = hashlib.sha256(request.body).hexdigest()
    key = told.key if told is not None else digest
    ident = told.gateway_id if told is not None else ""
    stored = Callback.objects.bulk_create(
        [
            Callback(
                transport=name,
                kind=kind,
                # Of a report sent anew under another token it is still the same.
                key=_short(key),
                nonce=_short(nonce) if nonce else None,
                gateway_id=ident,
                content_type=request.content_type[:100],
                body=request.body,
                state=CallbackState.NEW if told is not None else CallbackState.BAD,
                detail=problem[:300],
            )
        ],
        ignore_conflicts=True,
    )
    logger.info("callback of %s: %s", name, kind, extra={"gateway_id": ident})
    if problem:
        raise Malformed(problem)
    return stored[0].pk is not None


def look_at_callbacks() -> int:
    """Let what was told have its effect; return how many."""
    # Of some the message was being settled while they were looked at.
    known = Message.objects.filter(
        transport=OuterRef("transport"), transport_id=OuterRef("gateway_id")
    )
    Callback.objects.filter(Exists(known), state=CallbackState.UNMATCHED).update(
        state=CallbackState.NEW
    )
    looked_at = 0
    while not jobs.stopping():
        with transaction.atomic():
            found = list(
                Callback.objects.to_look_at()
                .select_for_update(skip_locked=True)
                .order_by("pk")[:LOOKED_AT_AT_ONCE]
            )
            for callback in found:
                _look_at(callback)
        looked_at += len(found)
        if len(found) < LOOKED_AT_AT_ONCE:
            break
    return looked_at


def match_callbacks(*, message: Message) -> None:
    """Fold in what came before the gateway's id of a message was known; inside its settling."""
    early = Callback.objects.unmatched(
        transport=message.transport, gateway_id=message.transport_id
    ).select_for_update()
    for callback in early.order_by("pk"):
        _look_at(callback)


def _look_at(callback: Callback) -> None:
    request = Request(body=bytes(callback.body), content_type=callback.content_type, headers={})
    kind = CallbackKind(callback.kind)
    told = transport(callback.transport).read(kind, request)
    state, detail, message = CallbackState.DONE, "", None
    match told:
        case Report():
            message = _message_of(callback.transport, told)
            if message is None:
                state, detail = CallbackState.UNMATCHED, "No message has this id."
            else:
                detail = _fold(message, told)
        case Inbound():
            detail = _take_in(callback.transport, told)
        case OptOut():
            changed = note_consent(
                phone=told.phone,
                opted_out=True,
                source=ConsentSource.GATEWAY,
                detail=callback.transport,
            )
            detail = "" if changed else "Known already."
    callback.state, callback.detail, callback.message = state, detail, message
    callback.save(update_fields=["state", "detail", "message"])


def _message_of(name: str, report: Report) -> Message | None:
    """Return the message that a report is about, held; the number must be its own."""
    messages = Message.objects.select_for_update(no_key=True).filter(
        transport=name, to=report.phone
    )
    found = messages.filter(transport_id=report.gateway_id).first()
    if found is None and report.reference.isdigit() and len(report.reference) <= 18:
        # A message whose answer was lost is known by our own name for it.
        found = messages.filter(pk=report.reference, transport_id="").first()
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
    changes: dict[str, Any] = {"transport_id": report.gateway_id}
    if report.amount is not None:
        changes |= {"cost_amount": report.amount, "cost_currency": report.currency}
    moved = report.status is not None and message.status in _MAY_BECOME[report.status]
    if moved:
        assert report.status is not None  # noqa: S101  just seen
        changes |= _became(report.status, report)
    Message.objects.filter(pk=message.pk).update(**changes)
    return "" if moved or report.status is None else f"It was {message.status} already."


def _became(status: MessageStatus, report: Report) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": status, "error_code": "", "error": ""}
    if status == MessageStatus.FAILED:
        return changes | {
            "error_code": (report.code or report.said)[:64],
            "error": report.reason or report.said,
        }
    changes["sent_at"] = Coalesce(F("sent_at"), Now())
    if status == MessageStatus.DELIVERED:
        changes["delivered_at"] = Now()
    return changes


def _take_in(name: str, inbound: Inbound) -> str:
    """Keep what somebody wrote, and do what its word asks for."""
    customer = Customer.objects.filter(phone=inbound.phone).order_by("pk").first()
    kept = InboundMessage.objects.bulk_create(
        [
            InboundMessage(
                transport=name,
                gateway_id=inbound.gateway_id,
                phone=inbound.phone,
                to=inbound.to,
                text=inbound.text.replace("\x00", ""),
                customer=customer.code if customer else "",
            )
        ],
        ignore_conflicts=True,
    )
    meaning = meaning_of(inbound.text) if kept else ""
    if meaning in {"stop", "start"}:
        note_consent(
            phone=inbound.phone,
            opted_out=meaning == "stop",
            source=ConsentSource.MESSAGE,
            detail=inbound.text,
        )
    if meaning:
        _answer(meaning, inbound, customer)
    return meaning


def _answer(meaning: str, inbound: Inbound, customer: Customer | None) -> None:
    """Tell who wrote a word that it was understood, once, whether or not they hear of the rest."""
    recipient = Recipient(
        reference=customer.code if customer else inbound.phone,
        phone=inbound.phone,
        **({"language": customer.language} if customer else {}),
    )
    ANSWERS[meaning].announce(
        notice=Notice(
            occurrence=f"{inbound.gateway_id}"[:64],
            subject="inbound",
            reference=inbound.gateway_id[:64],
            recipient=recipient,
            data={"shop": settings.SHOP_NAME},
        )
    )


def _short(key: str) -> str:
    """Return a key as the column can hold it, and tell long ones apart."""
    return key if len(key) <= 128 else hashlib.sha256(key.encode()).hexdigest()
