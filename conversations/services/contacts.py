"""Verbs of the shop's own contacts: taken down, answered, brought to whom they are of."""

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from conversations.documents import InteractionDocument, document_of, members_of, showable
from conversations.exceptions import IdTaken, NoPhone
from conversations.models import Client, Engagement, Interaction
from conversations.signals import conversation_reply, replying
from conversations.states import Channel, Direction
from core import clock
from core.errors import InvalidInput
from core.events import Notice, Recipient
from core.phones import ImpossiblePhone, parse_phone
from core.sms import size_of
from core.stored import storable
from customers.models import Customer
from orders.models import Order

from .storing import create_interaction

if TYPE_CHECKING:
    from accounts.models import User

# A reply is three SMS at most: so many letters of the phones' own alphabet.
LONGEST_REPLY = 459
_SMS_AT_MOST = 3


@transaction.atomic
def own_engagement(*, channel: Channel) -> Engagement:
    """Return the engagement of the shop's own contacts over a channel, made where it is not yet."""
    channel = Channel(channel)
    if known := Engagement.objects.filter(channel=channel).first():
        return known
    # By the constraints: of callers at once one makes them, and the others wait for it.
    Client.objects.bulk_create(
        [Client(name=settings.SHOP_NAME[:200], is_shop=True)], ignore_conflicts=True
    )
    shop = Client.objects.get(is_shop=True)
    Engagement.objects.bulk_create(
        [Engagement(client=shop, name=channel.label, channel=channel)], ignore_conflicts=True
    )
    return Engagement.objects.get(channel=channel)


@transaction.atomic
def record_contact(
    *,
    channel: Channel,
    direction: Direction,
    text: str,
    at: datetime,
    customer: Customer | None = None,
    order: Order | None = None,
    phone: str = "",
    agent_name: str = "",
    sentiment: str = "",
    source_id: str = "",
) -> Interaction:
    """Keep what went between the shop and somebody as an interaction of the shop's own.

    Args:
        customer: whose contact it is; None: the order's, or nobody's.
        phone: theirs, in E.164.
        source_id: what its source calls it; of what is known by it already nothing is changed.

    Raises:
        InvalidInput: the order is another customer's.
    """
    engagement = own_engagement(channel=channel)
    known = Interaction.objects.filter(engagement=engagement, source_id=source_id)
    if source_id and (found := known.first()):
        return found
    # As exact as a document writes it.
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    contact = {"text": storable(text), "direction": direction} | ({"phone": phone} if phone else {})
    custom = json.dumps(contact, ensure_ascii=False, separators=(",", ":"))
    agent_name, sentiment = storable(agent_name, 200), storable(sentiment, 64)
    document = InteractionDocument(
        text=document_of(
            engagement_id=engagement.pk,
            interaction_date=at,
            agent_name=agent_name,
            sentiment=sentiment,
            custom=custom,
        ),
        id="",
        engagement_id=engagement.pk,
        interaction_date=at,
        agent_name=agent_name,
        sentiment=sentiment,
        custom=custom,
        source_id=source_id,
        customer=customer.code if customer else "",
        order=order.number if order else "",
    )
    try:
        with transaction.atomic():
            return create_interaction(document=document)[0]
    except IdTaken:
        # Another was faster, with other words.
        return known.get()


@transaction.atomic
def note_contact(
    *,
    by: "User",
    text: str,
    channel: Channel = Channel.PHONE,
    direction: Direction = Direction.IN,
    at: datetime | None = None,
    customer: Customer | None = None,
    order: Order | None = None,
    phone: str = "",
    sentiment: str = "",
) -> Interaction:
    """Keep a call, a visit, … that staff type in.

    Args:
        at: when it was; None: now.
        customer: whose it is; None: the order's, or whoever has the number.
        phone: as people write it.

    Raises:
        ImpossiblePhone: it is no phone number.
        InvalidInput: the order is another customer's, or no time zone knows when it was.
    """
    try:
        at = showable(at or clock.now())
    except ValueError as error:
        raise InvalidInput.at("at", detail=str(error)) from None
    phone = parse_phone(phone) if phone else ""
    if customer is None and order is None and phone:
        customer = customer_at(phone=phone)
    return record_contact(
        channel=channel,
        direction=direction,
        text=text,
        at=at,
        customer=customer,
        order=order,
        phone=phone,
        agent_name=str(by),
        sentiment=sentiment,
    )


@transaction.atomic
def reply(*, interaction_id: str, text: str, by: "User") -> Interaction:
    """Answer a contact by SMS; return the reply, which is an interaction as well.

    Raises:
        InvalidInput: there are no words, or more than three SMS of them.
        NoPhone: no phone number is known of whom it came from.
        Conflict: they want to hear nothing from the shop, and have not written since.
    """
    # Held, so that it is not forgotten meanwhile.
    contact = (
        Interaction.objects.for_display()
        .select_related("client")
        .select_for_update(of=("self",), no_key=True)
        .get(pk=interaction_id)
    )
    text = _fitting(text)
    phone = phone_of(contact=contact)
    if not phone:
        raise NoPhone("There is no phone number to answer to.")
    replying.send(sender=Interaction, phone=phone)
    customer = contact.customer
    answer = record_contact(
        channel=Channel.SMS,
        direction=Direction.OUT,
        text=text,
        at=clock.now(),
        customer=customer,
        order=contact.order,
        phone=phone,
        agent_name=str(by),
    )
    conversation_reply.announce(
        notice=Notice(
            occurrence=answer.pk,
            subject="interaction",
            reference=answer.pk,
            recipient=Recipient(
                reference=customer.code if customer else phone,
                phone=phone,
                **({"language": customer.language} if customer else {}),
            ),
            data=_words(text, agent=str(by)),
        )
    )
    return answer


def data_of_reply(reference: str) -> dict[str, str] | None:
    """Return what fills the words of a reply, by its id; None: there is no such contact."""
    contact = Interaction.objects.for_display().filter(pk=reference).first()
    if contact is None:
        return None
    return _words(str(_custom_of(contact).get("text", "")), agent=contact.agent_name)


@transaction.atomic
def move_contacts(*, source: Customer, target: Customer) -> None:
    """Let the contacts of one customer be another's: both are one person."""
    Interaction.objects.filter(customer=source).update(customer=target, updated_at=Now())


def customer_at(*, phone: str) -> Customer | None:
    """Return the customer of a number; of several the first, who hears from the shop at it."""
    return Customer.objects.filter(phone=phone).order_by(F("pk")).first()


def phone_of(*, contact: Interaction) -> str:
    """Return where a contact is answered to, in E.164; "" where nothing is known of that."""
    if contact.client.is_shop:
        # Of another's documents nobody knows whose number is in there.
        written = _custom_of(contact).get("phone")
        with suppress(ImpossiblePhone):
            if isinstance(written, str) and written:
                return parse_phone(written[:32])
    return contact.customer.phone if contact.customer else ""


def _fitting(text: str) -> str:
    text = storable(text).strip()
    if not text:
        raise InvalidInput.at("text", detail="There is nothing to say.", code="blank")
    size = size_of(text)
    if size.segments > _SMS_AT_MOST:
        raise InvalidInput.at(
            "text",
            detail=f"It takes {size.segments} SMS, and may take {_SMS_AT_MOST}:"
            f" {LONGEST_REPLY} plain letters, or 201 where one is not in the phones' own alphabet.",
            code="max_length",
        )
    return text


def _custom_of(contact: Interaction) -> dict[str, Any]:
    found = {each.name: each.value for each in members_of(contact.document)}.get("custom")
    return found if isinstance(found, dict) else {}


def _words(text: str, *, agent: str) -> dict[str, str]:
    return {"text": text, "agent": agent, "shop": settings.SHOP_NAME}
