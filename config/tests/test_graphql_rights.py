"""Each permission rule gives the same answer through GraphQL as through REST."""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from graphene.utils.str_converters import to_camel_case
from graphql_relay import to_global_id

from accounts.models import User
from accounts.services.memberships import suspend
from accounts.tests.callers import employee, fresh, keeper, membership_of, person
from bookings.tests.factories import (
    BookingFactory,
    DoneBookingFactory,
    ResourceFactory,
    ServiceFactory,
)
from catalog.services import remove_product
from catalog.tests.factories import CategoryFactory, VariantFactory
from config.schema import schema
from conftest import Api
from conversations.services import record_contact
from conversations.states import Channel, Direction
from conversations.tests.factories import (
    WHEN,
    ClientFactory,
    EngagementFactory,
    make_interaction,
)
from core.tests.graph import Graph
from core.tests.rest import Program, program_with
from customers.services import update_customer
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order
from orders.services import Addition, Shopper
from orders.tests.shop import order_of
from repairs.tests.factories import JobFactory, SourceFactory
from shipping import services as shipping
from shipping.tests.conftest import carriers, simulated  # noqa: F401  a fixture
from shipping.tests.faces import STANDING, NewsFactory, StandingOrderFactory
from shipping.tests.factories import DeliveryOrderFactory, SentShipmentFactory, ShipmentFactory

pytestmark = pytest.mark.django_db

OPERATIONS = {
    "query": schema.graphql_schema.query_type,
    "mutation": schema.graphql_schema.mutation_type,
}
FIELDS = {f"{operation} {name}" for operation, kind in OPERATIONS.items() for name in kind.fields}
# Each with why nothing is compared.
EXCEPTIONS = {"query shop": "REST has no address for it; it is the same for everybody"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A field, and REST's call that means the same.

    `arguments` are GraphQL's own; of a mutation its `id` is that of what it is `about`, and its
    input REST's body with `more`, or `input`. `shows` names what tells one row of a list from
    another.
    """

    field: str
    rest: str
    about: str = ""
    arguments: Any = None
    body: Any = None
    more: Any = None
    input: Any = None
    shows: str = ""

    @property
    def name(self):
        return f"{self.field} {self.about}{json.dumps(self.arguments) if self.arguments else ''}".strip()


def reads(name, rest, **options):
    return Row(field=f"query {name}", rest=f"GET {rest}", **options)


def does(name, rest, about="", body=None, **options):
    return Row(field=f"mutation {name}", rest=rest, about=about, body=body, **options)


ONE_TEA = {"lines": [{"sku": "TEA", "quantity": 1}]}
# A Monday and a Sunday to come.
FREE, SUNDAY = "2029-01-01T12:00:00Z", "2029-01-07T12:00:00Z"
TO_SHIP = {"order": "TO-SHIP"}
# As GraphQL writes it.
WEEKLY = {"interval": "WEEK"}
DATES = {name: STANDING[name] for name in ("items", "interval", "start")}
CLIENT, ENGAGEMENT = "5f18d12f42262eec0d435580", "5f18d12f42262eec0d435583"
FOR_STAFF = ("archived", "is_published")
TABLE = [
    reads("products", "/products/", shows="slug"),
    *(
        reads("products", f"/products/?{name}=true", arguments={name: True}, shows="slug")
        for name in FOR_STAFF
    ),
    reads("products", "/products/?slug=secret", arguments={"slug": "secret"}, shows="slug"),
    *(
        reads(field, f"/products/{{{each}.pk}}/", about=each)
        for field in ("product", "node")
        for each in ("product", "hidden", "archived")
    ),
    *(reads("node", f"/variants/{{{each}.pk}}/", about=each) for each in ("tea", "secret", "gone")),
    *(reads("node", f"/orders/{{{each}.number}}/", about=each) for each in ("order", "draft")),
    *(reads("order", f"/orders/{{{each}.number}}/", about=each) for each in ("order", "draft")),
    reads("order", "/orders/{order.number}/", arguments={"number": "{order.number}"}),
    reads("node", "/customers/{customer.code}/", about="customer"),
    reads("node", "/categories/{category.pk}/", about="category"),
    reads("categories", "/categories/", shows="slug"),
    reads("category", "/categories/{category.pk}/", arguments={"slug": "{category.slug}"}),
    reads("orders", "/orders/", shows="number"),
    reads("orders", "/orders/?assigned_to=none", arguments={"assigned_to": "none"}, shows="number"),
    reads("orders", "/orders/?customer=AMINA", arguments={"customer": "AMINA"}, shows="number"),
    reads("orderCounts", "/orders/counts/"),
    reads("cart", "/cart/"),
    reads("customers", "/customers/", shows="code"),
    reads("customer", "/customers/{customer.code}/", arguments={"code": "{customer.code}"}),
    reads("myCustomer", "/me/customer/"),
    reads("myMessages", "/me/messages/"),
    reads("services", "/services/", shows="name"),
    *(reads("node", f"/services/{{{each}.pk}}/", about=each) for each in ("service", "retired")),
    reads("resources", "/resources/", shows="code"),
    *(reads("node", f"/resources/{{{each}.code}}/", about=each) for each in ("bay", "old_bay")),
    reads("availability", "/availability/"),
    reads("bookings", "/service-orders/", shows="customer"),
    reads("node", "/service-orders/{booking.pk}/", about="booking"),
    reads("booking", "/service-orders/{booking.pk}/", about="booking"),
    reads("booking", "/service-orders/{booking.pk}/", arguments={"number": "{booking.pk}"}),
    does("book", "POST /service-orders/book/", body={"datetime": FREE, "services": [{"id": "123"}]}),
    does("book", "POST /service-orders/book/", body={"datetime": SUNDAY, "services": [{"id": "123"}]}, about="closed"),
    *(
        does(field, f"POST /service-orders/{{{each}.pk}}/{path}/", each, body)
        for field, path, body in (
            ("moveBooking", "move", {"datetime": FREE}),
            ("moveBooking", "move", {"datetime": SUNDAY}),
            ("cancelBooking", "cancel", None),
        )
        for each in ("booking", "done")
    ),
    reads("shipments", "/shipments/", shows="number"),
    reads("shipments", "/shipments/?attention=true", arguments={"attention": True}, shows="number"),
    *(
        reads(field, f"/shipments/{{{each}.number}}/", about=each)
        for field in ("shipment", "node")
        for each in ("shipment", "other")
    ),
    reads("shipment", "/shipments/{sent.number}/", arguments={"number": "{sent.number}"}),
    Row(field="query shipmentQuotes", rest="POST /shipments/quote/", body=TO_SHIP),
    does("prepareShipment", "POST /shipments/", body=TO_SHIP),
    does("prepareShipment", "POST /shipments/", body={"order": "NONE"}, about="sent"),
    *(
        does(field, f"{method} /shipments/{{{each}.number}}/{path}", each, body)
        for field, method, path, body in (
            ("editShipment", "PATCH", "", {"carrier": "parcelpost"}),
            ("sendShipment", "POST", "send/", None),
            ("settleShipment", "POST", "settle/", None),
            ("cancelShipment", "POST", "cancel/", {"reason": "Sold."}),
        )
        for each in ("shipment", "sent")
    ),
    reads("carriers", "/carriers/", shows="name"),
    reads("node", "/carriers/{carrier.name}/", about="carrier"),
    does("updateCarrier", "PATCH /carriers/{carrier.name}/", "carrier", {"days": [1]}),
    reads("carrierNews", "/carrier-news/", shows="reference"),
    reads("node", "/carrier-news/{news.pk}/", about="news"),
    does("replayCarrierNews", "POST /carrier-news/{news.pk}/replay/", "news"),
    reads("standingOrders", "/standing-orders/", shows="number"),
    *(
        reads(field, f"/standing-orders/{{{each}.number}}/{path}", about=each)
        for field, path in (("standingOrder", ""), ("node", ""), ("standingOrderPreview", "preview/"))
        for each in ("standing", "paused")
    ),
    reads(
        "standingOrder",
        "/standing-orders/{standing.number}/",
        arguments={"number": "{standing.number}"},
    ),
    *(
        Row(
            field="query newStandingOrderPreview",
            rest="POST /standing-orders/preview/",
            about=about,
            body=DATES | end,
            more=WEEKLY,
        )
        for about, end in (("standing", {}), ("paused", {"end": "2028-01-01"}))
    ),
    does("createStandingOrder", "POST /standing-orders/", body={"customer": "AMINA", **STANDING}, more=WEEKLY),
    does("makeStandingOrder", "POST /standing-orders/own/", body=STANDING, more=WEEKLY),
    *(
        does(field, f"{method} /standing-orders/{{{each}.number}}/{path}", each, body)
        for field, method, path, body in (
            ("changeStandingOrder", "PATCH", "", {"every": 3}),
            ("pauseStandingOrder", "POST", "pause/", {"reason": "Away."}),
            ("resumeStandingOrder", "POST", "resume/", None),
            ("skipStandingOrder", "POST", "skip/", {"on": "2029-01-08"}),
            ("endStandingOrder", "POST", "end/", None),
        )
        for each in ("standing", "paused")
    ),
    reads("repairs", "/repairs/", shows="job_id"),
    reads("repairs", "/repairs/?attention=true", arguments={"attention": True}, shows="job_id"),
    reads("repairs", "/repairs/?source=none", arguments={"source": "none"}, shows="job_id"),
    reads("repairCounts", "/repairs/counts/"),
    *(
        reads(field, f"/repairs/{{{each}.job_id}}/", about=each)
        for field in ("repair", "node")
        for each in ("repair", "settled")
    ),
    *(
        reads("repair", f"/repairs/{number}/", arguments={"job_id": number})
        for number in ("{repair.full_id}", "99999")
    ),
    *(
        does(field, f"POST /repairs/{{{each}.job_id}}/{path}/", each, body)
        for field, path, body in (
            ("moveRepair", "status", {"job_status": "CANCELLED"}),
            ("noteRepair", "notes", {"text": "Hm."}),
            ("settleRepair", "settle", {"keep": "ours"}),
        )
        for each in ("repair", "settled")
    ),
    reads("repairSources", "/repair-sources/", shows="name"),
    reads("node", "/repair-sources/{workshop.name}/", about="workshop"),
    reads("clients", "/clients/", shows="name"),
    reads("engagements", "/engagements/", shows="name"),
    reads("engagements", f"/engagements/?client={CLIENT}", arguments={"client": CLIENT}, shows="name"),
    reads("interactions", "/interactions/", shows="agent_name"),
    reads("interactions", "/interactions/?channel=SMS", arguments={"channel": "SMS"}, shows="agent_name"),
    reads("interactions", "/interactions/?search=ford", arguments={"search": "ford"}, shows="agent_name"),
    *(
        reads("interactions", f"/interactions/?custom.{each}", arguments={"custom": [each]}, shows="agent_name")
        for each in ("score[gte]=5", "score[near]=5")
    ),
    *(
        reads(field, f"/{each}s/{{{each}.pk}}/", about=each)
        for each in ("client", "engagement", "interaction")
        for field in (each, "node")
    ),
    *(
        reads(each, f"/{each}s/{ident}/", arguments={"object_id": ident})
        for each in ("client", "engagement", "interaction")
        for ident in (f"{{{each}.pk}}", "0" * 24)
    ),
    does("recordContact", "POST /contacts/", body={"text": "Hm.", "phone": "0722 000 001"}),
    *(
        does("replyToContact", f"POST /interactions/{{{each}.pk}}/reply/", each, {"text": "Hm."})
        for each in ("contact", "interaction")
    ),
    does(
        "createInteraction",
        "POST /interactions/",
        body={"engagement": ENGAGEMENT, "interaction_date": "2026-03-02T08:00:00Z"},
        input={
            "document": f'{{"engagementId":{{"$oid":"{ENGAGEMENT}"}},"interactionDate":{{"$date":0}}}}'
        },
    ),
    does("deleteInteraction", "DELETE /interactions/{interaction.pk}/", "interaction"),
    does("createClient", "POST /clients/", body={"name": "New"}),
    does("updateClient", "PATCH /clients/{client.pk}/", "client", {"name": "New"}),
    does("createEngagement", "POST /engagements/", body={"client": CLIENT, "name": "New"}),
    does("updateEngagement", "PATCH /engagements/{engagement.pk}/", "engagement", {"name": "New"}),
    *(
        does(f"delete{each.capitalize()}", f"DELETE /{each}s/{{{about}.pk}}/", about)
        for each, names in (("client", ("client", "lonely")), ("engagement", ("engagement", "silent")))
        for about in names
    ),
    reads("me", "/me/"),
    does("updateMe", "PATCH /me/", body={"name": "New"}),
    does("updateMyCustomer", "PATCH /me/customer/", body={"language": "sw"}),
    does("updateMyMessages", "PUT /me/messages/", body={"opted_out": True}),
    does("sendPhoneCode", "POST /me/phone/", body={"phone": "0722 000 000"}),
    does("confirmPhone", "POST /me/phone/confirm/", body={"code": "000000"}),
    does("createCustomer", "POST /customers/", body={"name": "New", "phone": "0722 000 000"}),
    does("updateCustomer", "PATCH /customers/{customer.code}/", "customer", {"name": "New"}),
    does("createProduct", "POST /products/", body={"name": "Pot", "sku": "POT", "price": "1.00"}),
    *(
        does(field, f"{method} /products/{{{each}.pk}}/{path}", each, body)
        for each in ("product", "hidden", "archived")
        for field, method, path, body in (
            ("updateProduct", "PATCH", "", {"name": "New"}),
            ("hideProduct", "POST", "hide/", None),
            ("showProduct", "POST", "show/", None),
            ("removeProduct", "DELETE", "", None),
            ("restoreProduct", "POST", "restore/", None),
        )
    ),
    *(
        does(field, f"POST /variants/{{{each}.pk}}/{path}/", each, body)
        for each in ("tea", "gone")
        for field, path, body in (
            ("receiveStock", "receive-stock", {"quantity": 1}),
            ("adjustStock", "adjust-stock", {"quantity": -1}),
            ("countStock", "count-stock", {"counted": 1}),
        )
    ),
    does("createCart", "POST /cart/lines/", body=ONE_TEA),
    does("addToCart", "POST /cart/lines/", body=ONE_TEA),
    does("addToCart", "POST /cart/lines/", body={"sku": "SECRET", "quantity": 1}, about="hidden"),
    does("setCartQuantity", "PATCH /cart/lines/TEA/", body={"quantity": 3}, more={"sku": "TEA"}),
    does("removeFromCart", "DELETE /cart/lines/TEA/", more={"sku": "TEA"}),
    does("emptyCart", "DELETE /cart/"),
    does("acceptCartChanges", "POST /cart/accept-changes/"),
    does("placeCart", "POST /cart/place/"),
    does("placeOrder", "POST /orders/", body={"customer": "AMINA", **ONE_TEA}),
    does("placeOrder", "POST /orders/", body={"customer": "AMINA", **ONE_TEA, "draft": True}, about="draft"),
    *(
        does(field, f"{method} /orders/{{{each}.number}}/{path}", each, body)
        for field, method, path, body, rows in (
            ("placeDraft", "POST", "place/", None, ("draft", "order")),
            ("editOrder", "PATCH", "", {"note": "Ring twice."}, ("order", "draft", "accepted")),
            ("acceptOrder", "POST", "accept/", None, ("order", "draft", "accepted")),
            ("rejectOrder", "POST", "reject/", {"reason": "Closed."}, ("order", "fulfilled")),
            ("fulfilOrder", "POST", "fulfil/", None, ("accepted", "order")),
            (
                "returnOrderLines",
                "POST",
                "return/",
                {**ONE_TEA, "restock": True},
                ("fulfilled", "order"),
            ),
            ("cancelOrder", "POST", "cancel/", None, ("order", "draft", "accepted", "fulfilled")),
            ("assignOrder", "POST", "assign/", {"to": None}, ("order", "draft")),
        )
        for each in rows
    ),
]  # fmt: skip
KINDS = {
    "product": "Product", "hidden": "Product", "archived": "Product",
    "tea": "Variant", "secret": "Variant", "gone": "Variant",
    "order": "Order", "draft": "Order", "accepted": "Order", "fulfilled": "Order",
    "customer": "Customer", "category": "Category",
    "service": "Service", "retired": "Service", "bay": "Resource", "old_bay": "Resource",
    "booking": "Booking", "done": "Booking",
    "shipment": "Shipment", "sent": "Shipment", "other": "Shipment", "carrier": "Carrier",
    "news": "CarrierNews", "standing": "StandingOrder", "paused": "StandingOrder",
    "repair": "Repair", "settled": "Repair", "workshop": "RepairSource",
    "client": "Client", "lonely": "Client", "engagement": "Engagement", "silent": "Engagement",
    "interaction": "Interaction", "contact": "Interaction",
}  # fmt: skip


@pytest.fixture
def shop(simulated):  # noqa: F811  the fixture itself
    """Amina's orders in each state, and things that are for sale, hidden and archived."""
    # Standing orders come soon, so that their dates can be skipped.
    simulated("2028-12-01 12:00")
    category = CategoryFactory.create(slug="drinks")
    goods = {
        name: VariantFactory.create(
            sku=name.upper(), product__slug=name, product__category=category
        )
        for name in ("tea", "secret", "gone")
    }
    goods["secret"].product.is_published = False
    goods["secret"].product.save()
    amina = person("Amina")
    customer = update_customer(customer_id=amina.customer.pk, code="AMINA")
    order_of(customer=CustomerFactory.create(code="OTHER"), GONE=1)
    remove_product(product_id=goods["gone"].product_id)
    orders = {
        status: order_of(status=status, customer=customer, TEA=1)
        for status in ("draft", "accepted", "fulfilled")
    }
    to_ship = DeliveryOrderFactory.create(customer=customer)
    Order.objects.filter(pk=to_ship.pk).update(number="TO-SHIP")
    shipments = {
        name: factory.create(order=DeliveryOrderFactory.create(customer=customer))
        for name, factory in (("shipment", ShipmentFactory), ("sent", SentShipmentFactory))
    }
    paused = StandingOrderFactory.create(customer=customer)
    shipping.pause_standing_order(standing_order_id=paused.pk, by=None)
    client = ClientFactory.create(id=CLIENT)
    engagement = EngagementFactory.create(id=ENGAGEMENT, client=client)
    return SimpleNamespace(
        **goods,
        **shipments,
        other=ShipmentFactory.create(),
        carrier=shipments["sent"].carrier,
        news=NewsFactory.create(),
        standing=StandingOrderFactory.create(customer=customer),
        paused=paused,
        **orders,
        order=order_of(customer=customer, TEA=1),
        product=goods["tea"].product,
        hidden=goods["secret"].product,
        archived=goods["gone"].product,
        category=category,
        customer=customer,
        amina=amina,
        service=ServiceFactory.create(id=123),
        retired=ServiceFactory.create(active=False),
        bay=ResourceFactory.create(),
        old_bay=ResourceFactory.create(active=False),
        booking=BookingFactory.create(customer=customer),
        done=DoneBookingFactory.create(customer=customer),
        repair=JobFactory.create(key=123, conflict="CLOSED", client_status="CLOSED"),
        settled=JobFactory.create(key=124, statuses=("NEW", "CLOSED")),
        workshop=SourceFactory.create(),
        client=client,
        lonely=ClientFactory.create(),
        engagement=engagement,
        silent=EngagementFactory.create(client=client),
        interaction=make_interaction(engagement, custom={"score": 7}),
        contact=record_contact(
            channel=Channel.SMS,
            direction=Direction.IN,
            text="Tea?",
            at=WHEN,
            phone="+254722000001",
            agent_name="Jane Fords",
        ),
    )


CALLERS = {
    "stranger": None,
    "shopper, of their own": lambda: User.objects.get(customer__code="AMINA"),
    "another shopper": lambda: person("Otieno"),
    **{right: partial(employee, right) for right in settings.SHOP_RIGHTS},
    "shopkeeper": lambda: with_phone(keeper()),
    "suspended": lambda: suspended(employee(*settings.SHOP_RIGHTS)),
    "machine that handles orders": lambda: program_with("handle_orders"),
    "machine that handles bookings": lambda: program_with("handle_bookings"),
    "machine that handles conversations": lambda: program_with("handle_conversations"),
    "machine that manages the catalogue": lambda: program_with("manage_catalogue"),
}


def with_phone(user):
    update_customer(customer_id=user.customer.pk, phone="0722 000 009")
    return user


def suspended(user):
    suspend(membership_id=membership_of(user).pk, by=None)
    return fresh(user)


class Caller:
    """Somebody with a tea in the cart, by REST and by GraphQL."""

    def __init__(self, shop, user):
        self.shop = shop
        self.headers = user.headers if isinstance(user, Program) else {}
        user = user.user if isinstance(user, Program) else user
        tea = [Addition(sku="TEA", quantity=1)]
        _, token = services.add_to_cart(shopper=Shopper(user=user), lines=tea)
        if token:
            self.headers = {"X-Cart-Token": token}
        signed_in = None if "Authorization" in self.headers else user
        self.rest, self.graph = Api(signed_in), Graph(signed_in)

    def by_rest(self, row):
        method, path = self._filled(row.rest).split()
        response = self.rest._call(method, path, row.body, **self.headers)
        body = response.json() if response.content else {}
        if response.status_code >= 400:
            return codes(body["errors"]) or [body["code"]]
        return shown(body["results"], row.shows) if row.shows else "done"

    def by_graphql(self, row):
        operation, name = row.field.split()
        given = self._arguments(row, OPERATIONS[operation].fields[name])
        response = self.graph.ask(document(row, given), given, **self.headers)
        answer = response.json()
        if "errors" in answer:
            [error] = answer["errors"]
            told = error["extensions"]
            assert (response.status_code == 401) == (told["code"] == "not_authenticated")
            assert (response.status_code == 403) == (told["code"] == "permission_denied")
            return codes(told.get("errors", ())) or [told["code"]]
        found = answer["data"]["it"]
        if operation == "mutation":
            return codes(found["errors"]) or "done"
        if row.shows:
            rows = found if isinstance(found, list) else found["nodes"]
            return shown(rows, to_camel_case(row.shows))
        return ["not_found"] if found is None else "done"

    def _arguments(self, row, field):
        given = {name: self._filled(value) for name, value in camel(row.arguments or {}).items()}
        if "first" in field.args:
            given["first"] = 50
        if "id" in field.args and row.about:
            given["id"] = to_global_id(KINDS[row.about], getattr(self.shop, row.about).pk)
        if "input" in field.args and (
            body := row.input or {**(row.body or {}), **(row.more or {})}
        ):
            given["input"] = camel(body)
        return given

    def _filled(self, value):
        return value.format(**vars(self.shop)) if isinstance(value, str) else value


def codes(errors):
    return sorted(each["code"].lower() for each in errors)


def shown(rows, name):
    return [each[name] for each in rows]


def camel(value):
    if isinstance(value, dict):
        return {to_camel_case(name): camel(each) for name, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value


def document(row, given):
    operation, name = row.field.split()
    arguments = OPERATIONS[operation].fields[name].args
    kinds = ", ".join(f"${each}: {arguments[each].type}" for each in given)
    passed = ", ".join(f"{each}: ${each}" for each in given)
    return (
        f"{operation} {f'({kinds})' if kinds else ''}"
        f"{{ it: {name} {f'({passed})' if passed else ''} {inner(row)} }}"
    )


def inner(row):
    if row.field.startswith("mutation"):
        return "{ errors { code } }"
    if row.field == "query categories":
        return "{ slug }"
    return f"{{ nodes {{ {to_camel_case(row.shows)} }} }}" if row.shows else "{ __typename }"


@contextmanager
def undone():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("who", CALLERS)
def test_graphql_answers_everybody_as_rest_does(who, shop):
    caller = Caller(shop, CALLERS[who] and CALLERS[who]())
    rest, graphql = {}, {}
    for row in TABLE:
        with undone():
            rest[row.name] = caller.by_rest(row)
        with undone():
            graphql[row.name] = caller.by_graphql(row)

    assert graphql == rest
    if who == "shopkeeper":
        # Each field is asked for something that can be had: all else is refused for its own reason.
        had = {row.field for row in TABLE if row.shows or rest[row.name] == "done"}
        # No code was sent, and nobody answers at the carriers' addresses.
        assert FIELDS - had - set(EXCEPTIONS) == {"mutation confirmPhone", "query shipmentQuotes"}


def test_every_field_is_compared_or_it_is_said_why_not():
    compared = {row.field for row in TABLE}

    assert compared | set(EXCEPTIONS) == FIELDS
    assert compared & set(EXCEPTIONS) == set()
