"""Whatever the OpenAPI document allows, and what it does not, has an answer that it describes.

Requests are made up by schemathesis from the document that the running code writes, and mostly
name things that are there. `FUZZ=20 make test ARGS=tests/test_openapi_fuzz.py` makes more of them.
"""

from datetime import date

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import AuditEntry, Membership
from accounts.services.invitations import invite
from accounts.services.machines import create_machine
from accounts.tests.factories import (
    MembershipFactory,
    ShopkeeperFactory,
    UserFactory,
    browser_of,
)
from bookings.services import close_day
from bookings.tests.factories import IN_STATUS as BOOKINGS
from bookings.tests.factories import ResourceFactory, ServiceFactory
from catalog.models import Category, StockMovement
from catalog.tests.factories import ProductImageFactory, VariantFactory
from config.wsgi import application
from conversations.tests.factories import ClientFactory, EngagementFactory, make_interaction
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders import services
from orders.services import Addition, Shopper, Wanted
from orders.tests.factories import IN_STATUS
from repairs.models import Aside
from repairs.tests.factories import JobFactory, SourceFactory
from shipping.tests.conftest import carriers, simulated  # noqa: F401  lets the shop work with them
from shipping.tests.faces import NewsFactory, StandingOrderFactory
from shipping.tests.factories import IN_STATUS as SHIPMENTS
from shipping.tests.factories import CarrierFactory, DeliveryOrderFactory
from uploads.tests.factories import csv_of, uploaded

from .fuzz import TIMES, fuzzing

# Left out: `negative_data_rejection` and `positive_data_acceptance` (what is read-only may be sent
# back and is let pass; whether a verb is accepted depends on where the order stands), `ignored_auth`
# (strangers may read what is for sale), `unsupported_method` (in core/tests).
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CSRF = "c" * 32


@pytest.fixture
def one_connection():
    """Leave the test's connection open between requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def shop(db, one_connection, settings, tmp_path, simulated):  # noqa: F811  the fixture itself
    """A shop in which the document's examples mean something; what is there, by kind of name."""
    settings.MEDIA_ROOT = tmp_path
    # Standing orders come soon, so that their dates can be skipped.
    simulated("2028-12-01 12:00")
    boss, shopper = ShopkeeperFactory.create(), UserFactory.create()
    customers = [
        CustomerFactory.create(code="C1001", user=shopper),
        CustomerFactory.create(code="C1002"),
    ]
    drinks = Category.objects.create(name="Drinks", slug="drinks")
    goods = [VariantFactory.create(sku=sku, product__category=drinks) for sku in ("TEA-1", "TEA-2")]
    lines = [Wanted(sku=each.sku, quantity=2) for each in goods]
    orders = [
        factory.create(customer=customer, lines=lines)
        for factory in IN_STATUS.values()
        for customer in customers
    ]
    orders.append(services.draft_order(customer=customers[0], lines=lines, by=boss))
    services.add_to_cart(shopper=Shopper(user=shopper), lines=[Addition(sku="TEA-1", quantity=1)])
    image = ProductImageFactory.create(product=goods[0].product)
    machine, _ = create_machine(by=boss, name="Till", rights=("see_orders",))
    invitation, _ = invite(by=boss, email="new@shop.example", rights=("see_orders",))
    upload = uploaded(csv_of({"name": "Amina", "phone": "0722000009"}, {"name": "B"}), by=boss)
    MembershipFactory.create()
    offered = [ServiceFactory.create(id=key).pk for key in (123, 789)]
    bookings = [
        each.create(customer=customer, services=offered)
        for each in BOOKINGS.values()
        for customer in customers
    ]
    bays = ResourceFactory.create_batch(2)
    closed = [close_day(date=date(2029, 12, day), resource=bays[0]) for day in (24, 25)]
    to_ship = [DeliveryOrderFactory.create(customer=each, lines=lines) for each in customers]
    orders += to_ship
    shipments = [
        each.create(order=DeliveryOrderFactory.create(customer=customers[0], lines=lines))
        for each in SHIPMENTS.values()
    ]
    standing = [StandingOrderFactory.create(customer=each, items=lines) for each in customers]
    news = [NewsFactory.create(state=state).pk for state in ("unmatched", "bad", "done")]
    jobs = [JobFactory.create(statuses=("NEW", each)) for each in ("OPENED", "JOB COMPLETED")]
    jobs.append(JobFactory.create(conflict="CLOSED", client_status="CLOSED"))
    bikes = SourceFactory.create(name="bikes")
    for source in (jobs[0].source, bikes):
        JobFactory.create(key=99, source=source)
    acme = ClientFactory.create()
    channel = EngagementFactory.create(client=acme)
    contacts = [make_interaction(channel, custom={"text": "Tea?"}) for _ in range(3)]
    aside = Aside.objects.create(source=bikes, key="x", reason="bad_key", detail="No number.")
    by_address = {
        "orders": [order.number for order in orders],
        "customers": [each.code for each in customers],
        "products": [each.product_id for each in goods],
        "variants": [each.pk for each in goods],
        "categories": [drinks.pk],
        "employees": list(Membership.objects.values_list("pk", flat=True)),
        "machines": [machine.pk],
        "invitations": [invitation.pk],
        "messages": list(Message.objects.values_list("pk", flat=True)),
        "stock-movements": list(StockMovement.objects.values_list("pk", flat=True)),
        "uploads": [upload.pk],
        "service-orders": [each.pk for each in bookings],
        "services": offered,
        "resources": ["default", *(each.code for each in bays)],
        "closed-days": [each.pk for each in closed],
        "shipments": [each.number for each in shipments],
        "carriers": [CarrierFactory.create(name=each).name for each in ("courier", "parcelpost")],
        "carrier-news": news,
        "standing-orders": [each.number for each in standing],
        "repairs": [*(each.job_id for each in jobs), jobs[0].full_id, "99"],
        "repair-sources": ["workshop", "bikes"],
        "repair-rows-aside": [aside.pk],
        "clients": [acme.pk],
        "engagements": [channel.pk],
        "interactions": [each.pk for each in contacts],
        "audit": list(AuditEntry.objects.values_list("pk", flat=True)),
    }
    by_name = {
        "sku": [each.sku for each in goods],
        "image_id": [image.pk],
        "customer": by_address["customers"],
        "order": by_address["orders"],
        "category": ["drinks"],
        "parent": ["drinks"],
        "variant": by_address["variants"],
        "product": by_address["products"],
        "quantity": [1, 2],
        "price": ["12.50"],
        "phone": ["0722000000"],
        "email": ["amina@shop.example"],
        "language": ["en"],
        "country": ["KE"],
        "datetime": ["2029-06-04T09:00:00Z", "2029-01-01T09:00:00Z"],
        "resource": ["default"],
        "gap": [60, 180],
        "step": [30],
        "weekday": [0, 6],
        "opens": ["08:00", "13:00"],
        "closes": ["12:00", "00:00"],
        "date": ["2029-12-26"],
        "carrier": by_address["carriers"],
        "start": ["2029-01-01"],
        "on": ["2029-01-01", "2029-01-08"],
        "services": [[{"id": "123"}], [{"id": 789}]],
        "to": [boss.pk],
        "rights": [["see_orders"]],
        "job_status": ["OPENED", "Job completed", "CLOSED"],
        "source": by_address["repair-sources"],
        "columns": [{"client_mobile": "phone"}],
        "statuses": [{"In the shop": "OPENED"}],
        "client": by_address["clients"],
        "clientId": [{"$oid": acme.pk}],
        "engagement": by_address["engagements"],
        "engagementId": [{"$oid": channel.pk}],
        "interactionDate": [{"$date": 1589630400000}],
        "by": ["day", "agent,channel"],
    }
    people = {"stranger": None, "shopper": shopper, "shopkeeper": boss}
    return people, by_address, by_name


def signed_in(user):
    """Return what a browser sends: its session, and the proof that one of our pages asks."""
    if user is None:
        return {}
    session = browser_of(user).cookies["sessionid"].value
    return {
        "cookies": {"sessionid": session, "csrftoken": CSRF},
        "headers": {"X-CSRFToken": CSRF},
    }


def seasoned(draw, by_name, value, name=""):
    """Return what was made up, mostly with names of things that are there."""
    if name in by_name and draw(st.integers(0, 9)) < 8:
        return draw(st.sampled_from(by_name[name]))
    if isinstance(value, dict):
        return {key: seasoned(draw, by_name, each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [seasoned(draw, by_name, each, name) for each in value]
    return value


@st.composite
def cases(draw, operation, by_address, by_name):
    kinds = [operation.as_strategy(generation_mode=mode) for mode in MODES]
    case = draw(st.one_of(*kinds, *operation.get_strategies_from_examples()))
    # Extended JSON has the same addresses at the root.
    here = by_address.get(operation.path.removeprefix("/api/v1").split("/")[1])
    in_path = dict.fromkeys(case.path_parameters, here) | by_name if here else by_name
    if case.path_parameters:
        case.path_parameters = seasoned(draw, in_path, dict(case.path_parameters))
    if case.query:
        case.query = seasoned(draw, by_name, dict(case.query))
    if not isinstance(case.body, NotSet):
        case.body = seasoned(draw, by_name, case.body)
    if draw(st.booleans()):
        # Made up, they would end most requests before anything is done.
        case.headers.pop("If-Match", None)
        case.headers.pop("Idempotency-Key", None)
    return case


def fuzz(operation, made_up, browser, examples):
    """Send so many requests, each to the shop as it was; return the statuses of the answers."""
    answers = set()

    @fuzzing(examples=examples * TIMES)
    @given(case=made_up)
    def send(case):
        with transaction.atomic():
            response = case.call(**browser)
            transaction.set_rollback(True)
        answers.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()
    return answers


@pytest.fixture(scope="module")
def schema():
    """The document; but that bodies have no other fields, which it leaves open, is known here."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    for name, component in document["components"]["schemas"].items():
        if name.endswith("Request"):
            component.setdefault("additionalProperties", False)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = application
    return schema


# Requests for each operation, and how many of the operations must take at least one of them: else
# what is made up never gets as far as where it could do harm.
ASKED = {"stranger": (2, 10), "shopper": (4, 38), "shopkeeper": (10, 120)}


@pytest.mark.slow
@pytest.mark.parametrize("who", ASKED)
def test_every_answer_is_one_that_the_document_describes(shop, schema, subtests, who):
    examples, least = ASKED[who]
    people, *there = shop
    browser = signed_in(people[who])
    answers = []
    for found in schema.get_all_operations():
        operation = found.ok()
        with subtests.test(operation.label):
            answers.append(fuzz(operation, cases(operation, *there), browser, examples))

    assert sum(min(statuses) < 300 for statuses in answers) >= least
