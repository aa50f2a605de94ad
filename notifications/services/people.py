"""What messages, answers, wishes and callbacks say of a person: handed out, moved, forgotten."""

from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import BinaryField, Exists, F, Func, IntegerField, OuterRef, Q, Value
from django.db.models.functions import Now

from core.forgetting import Erasure
from customers.models import Customer
from notifications.models import (
    Callback,
    Consent,
    ConsentChange,
    InboundMessage,
    Message,
    MessageEvent,
    StatusLink,
)
from notifications.querysets import CallbackQuerySet
from notifications.states import CallbackKind, CallbackState, MessageStatus

from .callbacks import look_at

_CALLED_OFF = "left"
_LEFT = "They asked to be forgotten."
_BEYOND = "Gateways of SMS: their own books hold numbers and words. Ask them."


def personal_data(*, recipient: str, phone: str = "") -> dict[str, Any]:
    """Return what is kept of somebody, by section, the newest first.

    Args:
        phone: what number is theirs, for what is known by that alone.
    """
    told = Message.objects.filter(_told(recipient, phone), secret=False)
    written = InboundMessage.objects.filter(_written(recipient, phone))
    data: dict[str, Any] = {
        "messages": list(told.values("event", "to", "body", "status", "created_at", "sent_at"))
    }
    if inbound := list(written.values("phone", "to", "text", "received_at")):
        data["inbound_messages"] = inbound
    if phone and (consent := Consent.objects.filter(phone=phone).first()):
        data["consent"] = {
            "phone": consent.phone,
            "opted_out": consent.opted_out,
            "changed_at": consent.changed_at,
            "changes": list(consent.changes.values("opted_out", "source", "detail", "at")),
        }
    return data


@transaction.atomic
def move_messages(*, source: str, target: str, phone: str = "") -> None:
    """Let what one recipient was told and wrote be another's: both are one person.

    Args:
        phone: the source's number.
    """
    Message.objects.filter(_told(source, phone)).update(recipient=target)
    InboundMessage.objects.filter(_written(source, phone)).update(customer=target)


@transaction.atomic
def settle_callbacks(*, phone: str) -> None:
    """Let what came from a number and was not looked at yet have its effect: it may be a STOP."""
    for callback in _naming(phone).to_look_at().select_for_update().order_by("pk"):
        look_at(callback)


@transaction.atomic
def forget_recipient(*, recipient: str, phone: str = "") -> list[Erasure]:
    """Keep of what somebody was told and wrote that it was so, not the words nor the number.

    What waits to be sent is not sent any more. Of their wishes one holds on, as it must: that
    their number is to hear nothing.

    Args:
        phone: their number.
    """
    if phone and Customer.objects.filter(phone=phone).exclude(code=recipient).exists():
        # Somebody else's as well: what is known by the number alone is not theirs alone.
        phone = ""
    # By a name of theirs alone from here on.
    move_messages(source=recipient, target=recipient, phone=phone)
    told = Message.objects.filter(_sent_to(recipient, phone))
    written = InboundMessage.objects.filter(customer=recipient)
    _revoke_links_of(recipient)
    callbacks = _forget_callbacks(recipient, phone)
    said = MessageEvent.objects.filter(message__in=told).exclude(detail="").update(detail="")
    blanked, kept = told.exclude(body="", to="", data={}).count(), told.count()
    told.exclude(error_code=_CALLED_OFF).update(error="")
    told.filter(status__in=[MessageStatus.QUEUED, MessageStatus.PARKED]).update(
        status=MessageStatus.SUPPRESSED, error_code=_CALLED_OFF, error=_LEFT
    )
    told.update(body="", to="", data={})
    # The rows stay, so that what a gateway sends once more is known as that.
    wrote = written.exclude(phone="", text="").update(phone="", text="", recorded=True)
    return [
        Erasure(
            app="notifications",
            what="messages",
            blanked=blanked,
            kept=kept,
            reason="That and when they were told of what, and what it cost.",
            beyond=_BEYOND,
        ),
        Erasure(app="notifications", what="timeline of messages", blanked=said),
        Erasure(app="notifications", what="what they wrote", blanked=wrote),
        Erasure(app="notifications", what="what gateways told", blanked=callbacks),
        *_forget_wishes(phone),
    ]


@transaction.atomic
def forget_stranger(*, phone: str) -> list[Erasure]:
    """Forget whoever wrote or was told something by a number that is no customer's."""
    if not phone:
        return []
    # Their messages stay one person's, who is called nothing by which they could be found.
    name = f"forgotten-{uuid4().hex[:16]}"
    move_messages(source=phone, target=name, phone=phone)
    erasures = forget_recipient(recipient=name, phone=phone)
    InboundMessage.objects.filter(customer=name).update(customer="")
    return erasures


def _forget_wishes(phone: str) -> list[Erasure]:
    if not phone:
        return []
    said = ConsentChange.objects.filter(consent__phone=phone).exclude(detail="").update(detail="")
    wishes = Consent.objects.filter(phone=phone)
    return [
        Erasure(
            app="notifications",
            what="wishes about messages",
            blanked=said,
            deleted=bool(wishes.filter(opted_out=False).delete()[0]),
            kept=wishes.count(),
            reason="The number, as it is to hear nothing.",
        )
    ]


def _told(recipient: str, phone: str) -> Q:
    """Return the condition of their messages; what a stranger asked for is known by the number."""
    return Q(recipient__in=[recipient, phone] if phone else [recipient])


def _sent_to(recipient: str, phone: str) -> Q:
    """Return the condition of their messages, and of those to their number that are no customer's.

    Invitations are such, and codes to prove the number.
    """
    theirs = Q(recipient=recipient)
    if not phone:
        return theirs
    customers = Customer.objects.filter(code=OuterRef("recipient"))
    return theirs | (Q(to=phone) & ~Q(recipient="shop") & ~Q(Exists(customers)))


def _written(recipient: str, phone: str) -> Q:
    """Return the condition of what they wrote; before they were known, by the number."""
    theirs = Q(customer=recipient)
    return theirs | Q(customer="", phone=phone) if phone else theirs


def _naming(phone: str) -> CallbackQuerySet:
    """Return the callbacks in whose words a number is."""
    if not phone:
        return Callback.objects.none()
    # However it is written, with its plus or without: bytes are compared, as they may be no text.
    digits = Value(phone.removeprefix("+").encode(), BinaryField())
    place = Func(
        digits, F("body"), function="POSITION", arg_joiner=" IN ", output_field=IntegerField()
    )
    return Callback.objects.alias(place=place).filter(place__gt=0)


def _forget_callbacks(recipient: str, phone: str) -> int:
    """Empty what is about their messages, and all else that names their number; return how many."""
    written = InboundMessage.objects.filter(
        customer=recipient, transport=OuterRef("transport"), gateway_id=OuterRef("gateway_id")
    )
    about_them = (
        Callback.objects.filter(message__recipient=recipient),
        Callback.objects.filter(Exists(written), kind=CallbackKind.INBOUND),
        _naming(phone),
    )
    emptied = {"body": b"", "detail": "", "state": CallbackState.DONE}
    # Nothing is due of them any more, nor could it be read out of them.
    return sum(callbacks.exclude(**emptied).update(**emptied) for callbacks in about_them)


def _revoke_links_of(recipient: str) -> None:
    """Close the pages of all that they were told about."""
    told = Message.objects.filter(
        recipient=recipient, subject=OuterRef("subject"), reference=OuterRef("reference")
    )
    StatusLink.objects.filter(Exists(told), revoked_at=None).update(revoked_at=Now())
