"""What messages, answers, wishes and callbacks say of a person: handed out, moved, forgotten."""

from typing import Any

from django.db import transaction
from django.db.models import BinaryField, Exists, F, Func, IntegerField, OuterRef, Q, Value
from django.db.models.functions import Now

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
def forget_recipient(*, recipient: str, phone: str = "") -> None:
    """Keep of what somebody was told and wrote that it was so, not the words nor the number.

    What waits to be sent is not sent any more. Of their wishes one holds on, as it must: that
    their number is to hear nothing.

    Args:
        phone: their number.
    """
    if phone and Customer.objects.filter(phone=phone).exclude(code=recipient).exists():
        # Somebody else's as well: what is known by the number alone is not theirs alone.
        phone = ""
    # What came and was not looked at yet has its effect first: it may be a STOP.
    for callback in _naming(phone).to_look_at().select_for_update().order_by("pk"):
        look_at(callback)
    # By a name of theirs alone from here on.
    move_messages(source=recipient, target=recipient, phone=phone)
    told = Message.objects.filter(recipient=recipient)
    written = InboundMessage.objects.filter(customer=recipient)
    _revoke_links_of(recipient)
    _forget_callbacks(recipient, phone)
    MessageEvent.objects.filter(message__in=told).update(detail="")
    told.update(error="")
    told.filter(status__in=[MessageStatus.QUEUED, MessageStatus.PARKED]).update(
        status=MessageStatus.SUPPRESSED, error_code="left", error="They deleted their account."
    )
    told.update(body="", to="", data={})
    # The rows stay, so that what a gateway sends once more is known as that.
    written.update(phone="", text="")
    if phone:
        Consent.objects.filter(phone=phone, opted_out=False).delete()
        ConsentChange.objects.filter(consent__phone=phone).update(detail="")


def _told(recipient: str, phone: str) -> Q:
    """Return the condition of their messages; what a stranger asked for is known by the number."""
    return Q(recipient__in=[recipient, phone] if phone else [recipient])


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


def _forget_callbacks(recipient: str, phone: str) -> None:
    """Empty what is about their messages, and all else that names their number."""
    written = InboundMessage.objects.filter(
        customer=recipient, transport=OuterRef("transport"), gateway_id=OuterRef("gateway_id")
    )
    about_them = (
        Callback.objects.filter(message__recipient=recipient),
        Callback.objects.filter(Exists(written), kind=CallbackKind.INBOUND),
        _naming(phone),
    )
    for callbacks in about_them:
        # Nothing is due of them any more, nor could it be read out of them.
        callbacks.update(body=b"", detail="", state=CallbackState.DONE)


def _revoke_links_of(recipient: str) -> None:
    """Close the pages of all that they were told about."""
    told = Message.objects.filter(
        recipient=recipient, subject=OuterRef("subject"), reference=OuterRef("reference")
    )
    StatusLink.objects.filter(Exists(told), revoked_at=None).update(revoked_at=Now())
