"""What a customer's timeline has of the contacts with them."""

from typing import Any

from django.db.models import F, Func, QuerySet, TextField, Value
from django.db.models.functions import Left

from conversations.models import Interaction
from conversations.states import Direction
from core.timeline import LONGEST_TEXT, Entry, Window, shortened
from customers.models import Customer


def contacts_of(*, customer: Customer, window: Window) -> list[Entry]:
    """Return the contacts with a customer, at the dates that their sources give."""
    contacts: QuerySet[Any] = (
        Interaction.objects.filter(customer=customer)
        .select_related("engagement")
        .only("interaction_date", "agent_name", "engagement__name")
        .annotate(
            # The document stays where it is: it may have 16 MB.
            said=_begin_of("text", LONGEST_TEXT * 2),
            direction=_begin_of("direction", 16),
        )
    )
    return [
        _entry(contact, contact.said or "", contact.direction or "")
        for contact in window.of(contacts, at="interaction_date")
    ]


def _begin_of(member: str, length: int) -> Left:
    value = Func(
        F("custom"),
        Value(member),
        function="jsonb_extract_path_text",
        output_field=TextField(),
    )
    return Left(value, length)


def _entry(contact: Interaction, said: str, direction: str) -> Entry:
    words = [contact.engagement.name]
    if direction in Direction.values:
        words.append(Direction(direction).label.lower())
    if contact.agent_name:
        words.append(f"with {contact.agent_name}")
    return Entry(
        at=contact.interaction_date,
        kind="contact",
        key=contact.pk,
        reference=contact.pk,
        title=" ".join(words),
        text=shortened(said),
    )
