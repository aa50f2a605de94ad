"""What documents belong to: looked up, and held so that it is not deleted before the commit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from conversations.documents import InteractionDocument
from conversations.exceptions import BadDocument
from core.errors import FieldError

_ENGAGEMENTS = """
SELECT id, client_id FROM conversations_engagement WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE
"""
_CUSTOMERS = """
SELECT id, code, forgotten_at IS NOT NULL FROM customers_customer
WHERE code = ANY(%s) OR id IN (SELECT customer_id FROM orders_order WHERE number = ANY(%s))
ORDER BY id FOR KEY SHARE
"""
_ORDERS = """
SELECT id, number, customer_id FROM orders_order WHERE number = ANY(%s) ORDER BY id FOR KEY SHARE
"""


@dataclass(frozen=True, slots=True)
class Links:
    """The keys of what a document belongs to."""

    client_id: str
    customer_id: int | None
    order_id: int | None


@dataclass(slots=True)
class Held:
    """What the documents of a batch name, by how they name it."""

    clients: dict[str, str] = field(default_factory=dict)
    customers: dict[str, int] = field(default_factory=dict)
    # With whose they are; None: of somebody who was forgotten.
    orders: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def links_of(self, document: InteractionDocument) -> Links:
        """Return what a document belongs to.

        Raises:
            BadDocument: it names what is not there, or an order of another customer.
        """
        errors = []
        client = self.clients.get(document.engagement_id)
        if client is None:
            errors.append(_not_found("engagementId", "There is no such engagement."))
        customer = self.customers.get(document.customer)
        if document.customer and customer is None:
            errors.append(_not_found("customer", "There is no such customer."))
        order, whose = self.orders.get(document.order, (None, None))
        if document.order and order is None:
            errors.append(_not_found("order", "There is no such order."))
        elif document.customer and order is not None and customer != whose:
            errors.append(
                FieldError(
                    path=("order",), code="wrong_customer", detail="It is another customer's order."
                )
            )
        if errors:
            raise BadDocument("The document has errors.", errors=errors)
        assert client is not None  # noqa: S101  refused above
        return Links(client, whose if order and not document.customer else customer, order)


def hold(documents: Iterable[InteractionDocument]) -> Held:
    """Look up what documents belong to, in one statement for each kind.

    It is locked as a foreign key locks: who deletes, merges or forgets it waits, or we for them.
    """
    engagements, codes, numbers = set(), set(), set()
    for document in documents:
        engagements.add(document.engagement_id)
        codes.add(document.customer)
        numbers.add(document.order)
    held = Held(clients=dict(_rows(_ENGAGEMENTS, list(engagements))))
    wanted_codes, wanted_numbers = list(codes - {""}), list(numbers - {""})
    if not wanted_codes and not wanted_numbers:
        return held
    while True:
        customers = _rows(_CUSTOMERS, wanted_codes, wanted_numbers)
        orders = _rows(_ORDERS, wanted_numbers) if wanted_numbers else []
        present = {key: None if forgotten else key for key, _, forgotten in customers}
        if all(customer in present for _, _, customer in orders):
            break
        # An order became another customer's before we held them: once more.
    held.customers = {code: key for key, code, forgotten in customers if not forgotten}
    held.orders = {number: (key, present[customer]) for key, number, customer in orders}
    return held


def _rows(statement: str, *parameters: list[str]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _not_found(name: str, detail: str) -> FieldError:
    return FieldError(path=(name,), code="not_found", detail=detail)
