"""What conversations say of a person: handed out, forgotten, and where others speak of them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from conversations.documents import indexable
from conversations.models import Interaction, RejectedLine
from conversations.querysets import InteractionQuerySet
from core.forgetting import Erasure, Mention, pattern_of, saying
from customers.models import Customer

# Of what speaks of somebody, so many are named.
NAMED = 100
_AT_ONCE = 1000
_SHARED = "Contacts at a number that another customer has too: whose they are nobody can tell."
_BEYOND = (
    "Files of conversations: what was imported from, exported to, or set aside into them stays"
    " there, and so does what their source systems keep."
)


def personal_data(*, customer: Customer) -> dict[str, list[dict[str, Any]]]:
    """Return the documents of a customer's contacts, the newest first."""
    contacts = _theirs(customer).order_by("-interaction_date", "-pk")
    # Numbers as they are written, as some are larger or more exact than a float.
    documents = [
        json.loads(indexable(document), parse_float=str)
        for document in contacts.values_list("document", flat=True).iterator()
    ]
    return {"interactions": documents} if documents else {}


@transaction.atomic
def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Delete a customer's contacts: the books need none of them."""
    deleted = _theirs(customer).delete()[0]
    kept = _at(customer.phone).count()
    return [
        Erasure(
            app="conversations",
            what="interactions",
            deleted=deleted,
            kept=kept,
            reason=_SHARED if kept else "",
            beyond=_BEYOND,
        )
    ]


@transaction.atomic
def forget_stranger(*, phone: str) -> list[Erasure]:
    """Delete the shop's own contacts with a number that is no customer's."""
    deleted = _at(phone).delete()[0]
    return [Erasure(app="conversations", what="interactions", deleted=deleted, beyond=_BEYOND)]


@transaction.atomic
def find_mentions(*, phone: str, email: str, delete: bool = False) -> list[Mention]:
    """Return what says somebody's number or address without being known as theirs.

    A number is found however it is written, so that all documents are read: of a million that
    takes some ten seconds.

    Args:
        delete: delete it as well.
    """
    pattern = pattern_of(phone=phone, email=email)
    said = saying(Interaction.objects.all(), pattern, "document", "source_id")
    # JSON may write a letter otherwise than it reads.
    escaped = Interaction.objects.filter(document__contains="\\u")
    keys = sorted({*_keys_of(said), *_keys_of(saying(escaped, pattern, "custom"))})
    lines = saying(RejectedLine.objects.select_related("file"), pattern, "content").order_by("pk")
    places = list(lines.values_list("pk", "file__name", "number"))
    if delete:
        for some in _in_parts(keys):
            Interaction.objects.filter(pk__in=some).delete()
        for some in _in_parts([key for key, *_ in places]):
            RejectedLine.objects.filter(pk__in=some).delete()
    found = (
        ("interactions", keys),
        ("lines set aside", [f"{name}:{number}" for _, name, number in places]),
    )
    return [
        Mention(
            app="conversations",
            what=what,
            count=len(each),
            keys=tuple(each[:NAMED]),
            deleted=delete,
        )
        for what, each in found
        if each
    ]


def _theirs(customer: Customer) -> InteractionQuerySet:
    theirs = Interaction.objects.filter(
        Q(customer=customer) | Q(customer=None, order__customer=customer)
    )
    shared = Customer.objects.filter(phone=customer.phone).exclude(pk=customer.pk)
    if not customer.phone or shared.exists():
        return theirs
    return Interaction.objects.filter(
        Q(pk__in=theirs.values("pk")) | Q(pk__in=_at(customer.phone).values("pk"))
    )


def _at(phone: str) -> InteractionQuerySet:
    """Return the shop's own contacts with a number, as far as they are no customer's."""
    if not phone:
        return Interaction.objects.none()
    contains = Func(
        F("custom"),
        Value(json.dumps({"phone": phone})),
        arg_joiner=" @> ",
        template="(%(expressions)s)",
        output_field=BooleanField(),
    )
    return Interaction.objects.filter(contains, customer=None, client__is_shop=True)


def _keys_of(rows: QuerySet[Interaction]) -> Iterator[str]:
    return rows.order_by().values_list("pk", flat=True).iterator()


def _in_parts(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(keys), _AT_ONCE):
        yield keys[begin : begin + _AT_ONCE]
