"""What must hold of every type, field and code of the schema, whoever adds one."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from graphql import GraphQLInterfaceType, get_named_type, is_composite_type, is_leaf_type
from graphql.type import GraphQLObjectType
from graphql_relay import to_global_id

from accounts.tests.factories import ShopkeeperFactory, UserFactory
from bookings import services as bookings
from bookings.models import Booking, Resource
from bookings.tests.factories import BookingFactory, ResourceFactory, ServiceFactory
from catalog.models import Category, Product
from catalog.tests.factories import (
    CategoryFactory,
    ProductFactory,
    ProductImageFactory,
    VariantFactory,
)
from config.schema import Mutation, schema
from conversations import services as conversations
from conversations.tests.factories import ClientFactory, EngagementFactory, make_interaction
from core.errors import DomainError
from core.graphql.errors import ErrorCode
from core.graphql.relations import ModelType
from core.tests.graph import Graph
from customers.tests.factories import CustomerFactory
from orders import services
from orders.services import Addition, Shopper, Wanted
from orders.states import CartNoticeCode
from repairs.models import Job, Source
from repairs.services import add_note
from repairs.tests.factories import JobFactory, SourceFactory
from shipping import services as shipping
from shipping.models import Carrier, News
from shipping.tests.conftest import carriers  # noqa: F401  a fixture
from shipping.tests.faces import NewsFactory, StandingOrderFactory
from shipping.tests.factories import CarrierFactory, DeliveryOrderFactory, fold

KINDS = {
    name: kind for name, kind in schema.graphql_schema.type_map.items() if not name.startswith("__")
}
QUERY = schema.graphql_schema.query_type
MODEL_TYPES = {
    name
    for name, kind in KINDS.items()
    if isinstance(kind, GraphQLObjectType) and issubclass(kind.graphene_type, ModelType)
}


# Descriptions


def parts():
    """Yield (name, part) of all that a client's author reads."""
    for name, kind in KINDS.items():
        yield name, kind
        for field_name, field in getattr(kind, "fields", {}).items():
            yield f"{name}.{field_name}", field
            for argument_name, argument in getattr(field, "args", {}).items():
                yield f"{name}.{field_name}({argument_name})", argument
        for value_name, value in getattr(kind, "values", {}).items():
            yield f"{name}.{value_name}", value


def test_everything_is_described():
    described = dict(parts())

    assert len(described) > 400
    assert [name for name, part in described.items() if not (part.description or "").strip()] == []


# Codes

# Beside those of who may not (401, 403), too much (429) and what fails (5xx): no payload has them.
ELSEWHERE = {
    "account_changed": "of forgetting: a command alone",
    "ambiguous_job": "of a job's number, which no mutation takes",
    "bad_file": "of files of conversations: a command alone",
    "bad_filter": "of a list's conditions, which no mutation takes",
    "bad_mapping": "of clients' databases: REST alone",
    "duplicate_column": "of files of conversations: a command alone",
    "gap_clash": "of what can be booked: REST alone",
    "has_it": "what becomes of a shipment",
    "idempotency_in_flight": "of the whole request",
    "idempotency_key_reused": "of the whole request",
    "import_taken": "of files of conversations: a command alone",
    "invalid_unicode": "another wording of `invalid`",
    "malformed": "of the whole request, or of a template's words: REST alone",
    "not_configured": "what becomes of a message",
    "source_busy": "of clients' databases: REST alone",
    "source_inactive": "of clients' databases: REST alone",
    "too_many": "of many documents at once: REST alone",
    "too_slow": "of a list, which no mutation reads",
    "try_again": "a 503",
    "unreachable": "what becomes of a message or a shipment",
    "unknown_column": "of files of conversations: a command alone",
    "unknown_source": "of clients' databases: REST alone",
    "unknown_variable": "of a template's words: REST alone",
    "untrusted": "what becomes of a message or a shipment",
}
OURS = (
    "accounts", "bookings", "catalog", "conversations", "core", "customers", "notifications", "orders",
    "repairs", "shipping",
)  # fmt: skip


def kinds_of_errors(kind=DomainError) -> Iterator[type[DomainError]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds_of_errors(each)


def codes_of_errors():
    """Return the codes of what services raise and a payload tells."""
    return {
        each.code
        for each in kinds_of_errors()
        if each.__module__.partition(".")[0] in OURS
        and each.__module__.partition(".")[2].split(".")[0] != "tests"
        and each.status not in {401, 403, 429}
    }


def codes_in(source):
    """Yield each `code="…"` of a call."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            for each in node.keywords:
                if each.arg == "code" and isinstance(each.value, ast.Constant):
                    yield each.value.value


def literal_codes():
    """Return the codes that services and forms give by hand."""
    files = chain.from_iterable(Path(settings.BASE_DIR, app).rglob("*.py") for app in OURS)
    return {
        code
        for file in files
        # What gateways and carriers answer becomes of messages and shipments, and is told to nobody who asks.
        if not {"tests", "pages", "management", "migrations", "transports", "providers"}
        & set(file.parts)
        for code in codes_in(file.read_text())
        if isinstance(code, str) and code.isidentifier()
    }


def fields_of(form):
    """Yield a form's fields, and those within them."""
    yield form
    for each in getattr(form, "fields", {}).values():
        yield from fields_of(each)
    if child := getattr(form, "child", None):
        yield from fields_of(child)


def codes_of_forms():
    """Return what DRF's own checks of the forms behind mutations may say."""
    forms = {each._form for each in Mutation._meta.fields.values() if each._form}
    assert len(forms) > 15
    found = set()
    for field in chain.from_iterable(fields_of(form()) for form in forms):
        found |= set(field.error_messages)
        found |= {each.code for each in field.validators if getattr(each, "code", None)}
    return found


@pytest.mark.parametrize("codes", [codes_of_errors, literal_codes, codes_of_forms])
def test_every_code_that_may_be_told_is_in_the_schema(codes):
    found = codes()

    assert len(found) > 10
    assert found - {each.value for each in ErrorCode} - set(ELSEWHERE) == set()


def test_so_is_each_notice_of_a_cart():
    assert set(CartNoticeCode.values) <= {each.value for each in ErrorCode}


# Statements

ROOTS = {
    "product": 'slug: "p0"',
    "category": 'slug: "c0"',
    "order": 'number: "{order}"',
    "customer": 'code: "k0"',
    "booking": 'number: "223"',
    "shipment": 'number: "{shipment}"',
    "standingOrder": 'number: "{standing}"',
    "standingOrderPreview": 'number: "{standing}"',
    "newStandingOrderPreview": (
        'input: {items: [{sku: "{sku}", quantity: 1}], interval: WEEK, start: "2029-01-01"}'
    ),
    "repair": 'jobId: "w0:00007"',
    "client": 'objectId: "{client}"',
    "engagement": 'objectId: "{engagement}"',
    "interaction": 'objectId: "{interaction}"',
    "node": 'id: "{node}"',
}
# Asks a carrier over the network.
ASKS_OTHERS = {"shipmentQuotes"}
PAGE = "first: 100"


def arguments(name, field):
    given = PAGE if "first" in field.args else ROOTS.get(name, "")
    return f"({given})" if given else ""


def fields_in(kind):
    """Yield (name, field) of a type, without pages: those are of one object, and in no list.

    tests/test_timeline.py asks for them.
    """
    return (
        (name, each)
        for name, each in kind.fields.items()
        if kind is QUERY or "first" not in each.args
    )


def everything(kind, depth, alias=""):
    """Return a selection of all fields of a type, so many types deep; "": too deep."""
    if isinstance(kind, GraphQLInterfaceType):
        possible = schema.graphql_schema.get_possible_types(kind)
        return (
            "{ id "
            + " ".join(f"... on {one.name} {everything(one, depth, one.name)}" for one in possible)
            + " }"
        )
    asked = []
    for name, field in fields_in(kind):
        inner = get_named_type(field.type)
        # Two types may have fields of one name and of different types.
        named = f"{alias}_{name}: {name}" if alias else name
        if is_leaf_type(inner):
            asked.append(named)
        elif depth and (below := everything(inner, depth - 1)):
            asked.append(f"{named} {below}")
    return f"{{ {' '.join(asked)} }}" if asked else ""


def edges(kind, way=(), seen=()):
    """Yield (way, type) of every way from a type to another, and on from there, once each."""
    for name, field in fields_in(kind):
        inner = get_named_type(field.type)
        step = (kind.name, name)
        if not isinstance(inner, GraphQLObjectType) or step in seen or len(way) > 5:
            continue
        here = (*way, f"{name}{arguments(name, field) if kind is QUERY else ''}")
        yield here, inner
        yield from edges(inner, here, (*seen, step))


def one_by_one(nodes):
    """Return a document for each field of each type of the database, by each short way there.

    Args:
        nodes: an id of each type that `node` finds.
    """
    ways = [(way, kind) for way, kind in edges(QUERY) if kind.name in MODEL_TYPES]
    ways += [
        ((f'node(id: "{ident}")', f"... on {name}"), KINDS[name]) for name, ident in nodes.items()
    ]
    documents = {}
    for way, kind in ways:
        for name, field in fields_in(kind):
            asked = name if is_leaf_type(get_named_type(field.type)) else f"{name} {{ __typename }}"
            step = (way[-2:] if "node" not in way[0] else way[1:], kind.name, name)
            # The shortest: by this step from the type before.
            documents.setdefault(step, f"{{ {' { '.join(way)} {{ {asked} {'} ' * (len(way) + 1)}")
    return documents


WHOLE = {
    name: f"{{ {name}{arguments(name, field)} {everything(get_named_type(field.type), 4)} }}"
    for name, field in QUERY.fields.items()
    if is_composite_type(get_named_type(field.type)) and name not in ASKS_OTHERS
}


WHO_ASKS = ('SELECT "django_session"', 'SELECT "accounts_')


class Shop:
    """A shop of so many of everything, of which each has as many of everything."""

    def __init__(self):
        self.users = {
            "shopkeeper": ShopkeeperFactory.create(),
            "shopper": UserFactory.create(first_name="Amina", email="amina@example.com"),
        }
        CustomerFactory.create(user=self.users["shopkeeper"])
        self.amina = CustomerFactory.create(user=self.users["shopper"], code="k0")
        self.staff = ShopkeeperFactory.create(first_name="Baraka")
        self.top = CategoryFactory.create(slug="c0")
        self.rows = 0
        self.token = services.open_cart(shopper=Shopper())

    def grow(self, rows):
        for number in range(self.rows, rows):
            CustomerFactory.create()
            shelf = CategoryFactory.create(parent=self.top)
            CategoryFactory.create(parent=shelf)
            ProductFactory.create(slug=f"p{number}", category=shelf)
        self.rows = rows
        for category in Category.objects.filter(parent=self.top):
            CategoryFactory.create(parent=category)
        skus = []
        for product in Product.objects.filter(slug__startswith="p"):
            variants = VariantFactory.create_batch(rows, product=product)
            ProductImageFactory.create_batch(rows, product=product)
            skus += [each.sku for each in variants]
        for customer in (CustomerFactory.create(), self.amina):
            lines = [Wanted(sku=sku, quantity=1) for sku in skus]
            for _ in range(rows):
                self.order = services.place_order(customer=customer, lines=lines, by=self.staff)
                key = {"order_id": self.order.pk, "by": self.users["shopkeeper"]}
                services.assign_order(**key, to=self.staff)
                services.accept_order(**key)
        self._grow_bookings(rows)
        self._grow_shipping(rows)
        self._grow_repairs(rows)
        self._grow_conversations(rows)
        additions = [Addition(sku=sku, quantity=1) for sku in skus]
        for shopper in (
            *(Shopper(user=user) for user in self.users.values()),
            Shopper(token=self.token),
        ):
            services.add_to_cart(shopper=shopper, lines=additions)

    def _grow_shipping(self, rows):
        goods = VariantFactory.create_batch(rows)
        items = [Wanted(sku=each.sku, quantity=1) for each in goods]
        for _ in range(rows):
            order = DeliveryOrderFactory.create(customer=self.amina, lines=items)
            self.shipment = shipping.prepare_shipment(
                order_id=order.pk, by=self.staff, parcels=[[each] for each in items]
            )
            for minutes in range(rows):
                fold(self.shipment, "in-transit", minutes)
            carrier = CarrierFactory.create(name=f"carrier-{Carrier.objects.count()}")
            self.news = NewsFactory.create(carrier=carrier, shipment=self.shipment)
            self.standing = StandingOrderFactory.create(customer=self.amina, items=items)
            for week in range(rows):
                key = {"standing_order_id": self.standing.pk, "by": self.staff}
                shipping.skip_date(**key, on=self.standing.start + timedelta(weeks=week))

    def _grow_repairs(self, rows):
        for number in range(rows):
            self.source = SourceFactory.create(name=f"w{number}")
            if not self.source.jobs.exists():
                JobFactory.create(source=self.source, key=7)
        for self.job in Job.objects.select_related("source"):
            update = {**self.job.updates[-1], "by": str(self.staff.pk)}
            self.job.updates += [update] * rows
            self.job.save()
            for _ in range(rows):
                add_note(job_id=self.job.pk, text="Hm.", by=self.staff)
        error = {"code": "slow", "detail": "It took 9 s."}
        Source.objects.update(findings=[error] * rows, baseline_to=9)

    def _grow_conversations(self, rows):
        for channel in ("phone", "sms"):
            conversations.own_engagement(channel=channel)
        for _ in range(rows):
            self.client = ClientFactory.create()
            self.engagement = EngagementFactory.create(client=self.client)
            for _ in range(rows):
                self.interaction = make_interaction(
                    self.engagement, customer=self.amina, order=self.order
                )

    def filled(self, document):
        """Return a document with what is here in the place of names."""
        names = {"order": self.order.number, "shipment": self.shipment.number}
        names |= {each: getattr(self, each).pk for each in ("client", "engagement", "interaction")}
        names |= {"standing": self.standing.number, "sku": self.standing.items.first().variant.sku}
        for name, value in names.items():
            document = document.replace(f"{{{name}}}", value)
        return document

    def _grow_bookings(self, rows):
        for resource in [*Resource.objects.all(), *ResourceFactory.create_batch(rows)]:
            resource.opening_hours.all().delete()
            for _ in range(rows):
                resource.opening_hours.create(weekday=0, opens="08:00", closes="18:00")
        offered = [each.pk for each in ServiceFactory.create_batch(rows)]
        for _ in range(rows):
            BookingFactory.create(customer=self.amina, services=offered)
        if not Booking.objects.filter(pk=223).exists():
            BookingFactory.create(id=223, customer=self.amina)
        self.booking = bookings.change_booking(booking_id=223, services=offered, by=self.staff)

    def graph(self, who):
        return Graph(self.users[who]) if who in self.users else Graph(x_cart_token=self.token)

    def nodes(self):
        product = Product.objects.get(slug="p0")
        rows = (
            *(product, product.variants.first(), self.top, self.order, self.amina),
            *(self.booking, self.booking.services.first(), self.booking.resource),
            *(self.shipment, self.shipment.carrier, self.news, self.standing),
            *(self.job, self.source),
            *(self.client, self.engagement, self.interaction),
        )
        others = {News: "CarrierNews", Job: "Repair", Source: "RepairSource"}
        named = {others.get(type(row), type(row).__name__): row for row in rows}
        return {name: to_global_id(name, row.pk) for name, row in named.items()}


def lazy(statements):
    """Return those that fetch one row by its key, as a relation does that nobody brought along."""
    found = [each["sql"] for each in statements if "LIMIT 21" in each["sql"]]
    return [sql for sql in found if not sql.startswith(WHO_ASKS)]


def counted(graph, documents):
    """Return how many statements each document takes; those that are refused, their code."""
    taken = {}
    for document in documents:
        # Django keeps the last 9,000 alone, and counts by how many there are.
        connection.queries_log.clear()
        with CaptureQueriesContext(connection) as statements:
            answer = graph.ask(document).json()
        codes = {each["extensions"]["code"] for each in answer.get("errors", ())}
        assert codes <= {"not_authenticated", "permission_denied"}, (document, answer)
        if not document.startswith("mutation"):
            assert lazy(statements) == [], document
        for changed in answer["data"].values() if document.startswith("mutation") else ():
            assert changed["errors"] == [], document
        taken[document] = codes or len(statements)
    return taken


@pytest.fixture
def unlimited(settings):
    settings.GRAPHQL_MAX_COST = settings.GRAPHQL_MAX_TOKENS = 10**9
    settings.GRAPHQL_MAX_DEPTH, settings.GRAPHQL_MAX_ALIASES = 100, 1000
    settings.GRAPHQL_MAX_BYTES = 10**7


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["shopkeeper", "shopper", "stranger"])
def test_whatever_is_asked_takes_as_many_statements_of_one_as_of_three(unlimited, who):
    shop, taken = Shop(), {}
    for rows in (1, 3):
        shop.grow(rows)
        documents = [
            shop.filled(each.replace("{node}", node))
            for each in WHOLE.values()
            for node in (shop.nodes().values() if "{node}" in each else [""])
        ]
        taken[rows] = list(counted(shop.graph(who), documents).values())

    assert taken[1] == taken[3]
    assert {"shopkeeper": 0, "shopper": 23, "stranger": 45}[who] == sum(
        isinstance(each, set) for each in taken[1]
    )


@pytest.mark.django_db
def test_so_does_each_field_by_itself_whichever_way_leads_to_it(unlimited):
    shop, taken = Shop(), {}
    for rows in (1, 3):
        shop.grow(rows)
        documents = one_by_one(shop.nodes())
        assert {kind for _, kind, _ in documents} == MODEL_TYPES
        asked = [shop.filled(each) for each in documents.values()]
        taken[rows] = dict(
            zip(documents, counted(shop.graph("shopkeeper"), asked).values(), strict=True)
        )

    assert taken[1] == taken[3]


@pytest.mark.django_db
def test_so_does_what_a_change_answers(unlimited):
    shop, taken = Shop(), {}
    for rows in (1, 3):
        shop.grow(rows)
        ids = shop.nodes()
        sku = Product.objects.get(slug="p0").variants.first().sku
        verbs = {
            f'hideProduct(id: "{ids["Product"]}")': "Product",
            f'showProduct(id: "{ids["Product"]}")': "Product",
            f'receiveStock(id: "{ids["Variant"]}", input: {{quantity: 1}})': "Variant",
            f'updateCustomer(id: "{ids["Customer"]}", input: {{language: "en"}})': "Customer",
            f'assignOrder(id: "{ids["Order"]}", input: {{to: null}})': "Order",
            f'addToCart(input: {{sku: "{sku}", quantity: 1}})': "Cart",
            f'moveBooking(id: "{ids["Booking"]}", input: {{datetime: "2030-01-0{rows}T09:00:00Z"}})': "Booking",
            f"""settleShipment(id: "{ids["Shipment"]}")""": "Shipment",
            f"""updateCarrier(id: "{ids["Carrier"]}", input: {{days: []}})""": "Carrier",
            f"""replayCarrierNews(id: "{ids["CarrierNews"]}")""": "CarrierNews",
            f"""noteRepair(id: "{ids["Repair"]}", input: {{text: "Hm."}})""": "Repair",
            f"""recordContact(input: {{text: "Hm.", order: "{shop.order.number}"}})""": "Interaction",
            f"""replyToContact(id: "{ids["Interaction"]}", input: {{text: "Hm."}})""": "Interaction",
            f"""updateEngagement(id: "{ids["Engagement"]}", input: {{name: "Hm."}})""": "Engagement",
            f"""pauseStandingOrder(id: "{ids["StandingOrder"]}")""": "StandingOrder",
        }
        documents = [
            f"mutation {{ {verb} {{ errors {{ code }} {kind[0].lower()}{kind[1:]} {everything(KINDS[kind], 4)} }} }}"
            for verb, kind in verbs.items()
        ]
        taken[rows] = list(counted(shop.graph("shopkeeper"), documents).values())

    assert taken[1] == taken[3]
