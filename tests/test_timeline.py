"""All that the shop knows of a customer, of all apps together: REST, GraphQL and their limits."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from graphql_relay import to_global_id

from accounts.services.people import delete_account
from accounts.tests.factories import ShopkeeperFactory, StaffFactory, UserFactory
from bookings.models import Booking
from bookings.tests.factories import BookingFactory
from conversations.models import Interaction
from conversations.tests.factories import make_interaction
from core import timeline
from core.tests.graph import Graph, failures, verdict
from core.tests.rest import parameters, problem_of, utc
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from notifications.tests.factories import MessageFactory
from orders.models import Order
from repairs.models import Job
from repairs.tests.factories import JobFactory
from shipping.models import Shipment, StandingOrder
from shipping.tests.conftest import carriers  # noqa: F401  a fixture
from shipping.tests.factories import DeliveryOrderFactory, ShipmentFactory, StandingOrderFactory

pytestmark = pytest.mark.django_db
PHONE = "+447770123456"
KINDS = ["booking", "contact", "message", "order", "repair", "shipment", "standing_order"]
RIGHTS = {
    "booking": "bookings.view_booking",
    "contact": "conversations.view_interaction",
    "message": "notifications.view_message",
    "order": "orders.view_order",
    "repair": "repairs.view_job",
    "shipment": "shipping.view_shipment",
    "standing_order": "shipping.handle_standingorder",
}
MOMENT = datetime(2026, 11, 21, 8, tzinfo=UTC)
COLUMNS = (
    (Booking, "created_at"),
    (Interaction, "interaction_date"),
    (Message, "created_at"),
    (Order, "placed_at"),
    (Job, "collected_at"),
    (Shipment, "created_at"),
    (StandingOrder, "created_at"),
)
ADDRESS = "/customers/k0/timeline/"


@pytest.fixture
def customer(carriers):  # noqa: F811  the fixture itself
    return CustomerFactory.create(code="k0", phone=PHONE)


def one_of_each(customer):
    """Let a customer have one thing more of each kind."""
    ShipmentFactory.create(order=DeliveryOrderFactory.create(customer=customer))
    StandingOrderFactory.create(customer=customer)
    BookingFactory.create(customer=customer)
    # Of what they were told of all that, one message stays.
    Message.objects.exclude(event="by.hand").delete()
    MessageFactory.create(recipient=customer.code, event="by.hand")
    JobFactory.create()
    make_interaction(
        customer=customer,
        interaction_date=timezone.now(),
        custom={"text": "Hello.", "direction": "in"},
    )


def all_at_once():
    """Let everything have begun at one moment."""
    for model, column in COLUMNS:
        model.objects.update(**{column: MOMENT})


def places(answer):
    return [(each["kind"], each["reference"]) for each in answer["results"]]


def walk(api, path):
    """Return (places, pages) of all pages from an address on, by `next`."""
    seen, pages = [], 0
    while path:
        answer = api.get(path.partition("/api/v1")[2] or path).json()
        seen += places(answer)
        pages += 1
        path = answer["next"]
    return seen, pages


# REST


def test_a_timeline_has_all_kinds_the_newest_first(api, customer):
    one_of_each(customer)
    one_of_each(CustomerFactory.create(phone="+447770999999"))
    order = Order.objects.get(customer=customer)

    answer = api.get(ADDRESS).json()

    assert list(answer) == ["next", "previous", "kinds", "results"]
    assert (answer["next"], answer["previous"], answer["kinds"]) == (None, None, KINDS)
    times = [each["at"] for each in answer["results"]]
    assert times == sorted(times, reverse=True)
    found = {each["kind"]: each for each in answer["results"]}
    assert found.keys() == set(KINDS)
    assert found["order"] == {
        "at": utc(order.placed_at),
        "kind": "order",
        "reference": order.number,
        "title": f"Order {order.number}, 1 line, {order.currency} {order.total:,.2f}",
        "status": "accepted",
        "text": "",
        "url": f"http://testserver/api/v1/orders/{order.number}/",
    }
    assert (found["contact"]["title"], found["contact"]["text"], found["contact"]["status"]) == (
        "Chat from the customer with John Ford",
        "Hello.",
        "",
    )


def test_each_entry_is_found_at_its_own_address(api, customer):
    one_of_each(customer)

    for each in api.get(ADDRESS).json()["results"]:
        response = api.get(each["url"].partition("/api/v1")[2])
        assert response.status_code == 200, each
        assert each["reference"].rpartition(":")[2] in response.content.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_who_may_see_one_kind_sees_that_one(api_as, customer, kind):
    one_of_each(customer)
    user = StaffFactory.create(permissions=["customers.view_customer", RIGHTS[kind]])
    seen = ["shipment", "standing_order"] if kind == "shipment" else [kind]

    answer = api_as(user).get(ADDRESS).json()

    assert answer["kinds"] == seen
    assert {each["kind"] for each in answer["results"]} == set(seen)


def test_a_kind_that_one_may_not_see_is_left_out_and_not_looked_at(api_as, customer):
    one_of_each(customer)
    user = StaffFactory.create(permissions=["customers.view_customer", RIGHTS["order"]])

    with CaptureQueriesContext(connection) as captured:
        answer = api_as(user).get(f"{ADDRESS}?kind=message,repair").json()

    assert answer == {"next": None, "previous": None, "kinds": [], "results": []}
    assert not any("notifications_message" in each["sql"] for each in captured)


def test_without_the_right_to_see_customers_there_is_none(api_as, customer):
    user = StaffFactory.create(permissions=RIGHTS.values())

    assert api_as(user).get(ADDRESS).status_code == 403
    assert api_as(None).get(ADDRESS).status_code == 401
    assert api_as(UserFactory.create()).get(ADDRESS).status_code == 403


def test_of_a_customer_whom_nobody_knows_it_is_404(api, customer):
    assert api.get("/customers/nobody/timeline/").status_code == 404


@pytest.mark.parametrize("size", [1, 2, 5, 7, 8, 21, 200])
@pytest.mark.parametrize("level", [False, True])
def test_pages_skip_and_repeat_nothing_of_any_number_of_kinds(api, customer, size, level):
    for _ in range(3):
        one_of_each(customer)
    if level:
        all_at_once()
    whole = places(api.get(f"{ADDRESS}?page_size=200").json())
    assert sorted({kind: 3 for kind, _ in whole}) == KINDS
    assert len(set(whole)) == 21

    seen, pages = walk(api, f"{ADDRESS}?page_size={size}")

    assert (seen, pages) == (whole, -(-21 // size))


def test_the_way_back_has_the_same_pages(api, customer):
    for _ in range(3):
        one_of_each(customer)
    all_at_once()
    whole = places(api.get(ADDRESS).json())
    answer = api.get(f"{ADDRESS}?page_size=5").json()
    while answer["next"]:
        answer = api.get(answer["next"].partition("/api/v1")[2]).json()

    back = [places(answer)]
    while answer["previous"]:
        answer = api.get(answer["previous"].partition("/api/v1")[2]).json()
        back.append(places(answer))

    assert [each for page in back[::-1] for each in page] == whole
    assert [len(each) for each in back] == [1, 5, 5, 5, 5]


def test_what_comes_in_between_two_pages_shifts_nothing(api, customer):
    for _ in range(3):
        one_of_each(customer)
    whole = places(api.get(ADDRESS).json())

    first = api.get(f"{ADDRESS}?page_size=10").json()
    one_of_each(customer)
    rest, _ = walk(api, first["next"])

    assert places(first) + rest == whole


def test_it_is_filtered_by_kind_and_by_time(api, customer):
    one_of_each(customer)
    old = make_interaction(customer=customer, interaction_date=MOMENT)

    def found(**query):
        return places(api.get(f"{ADDRESS}?{urlencode(query)}").json())

    later = (MOMENT + timedelta(seconds=1)).isoformat()
    assert found(kind="contact", before=later) == [("contact", old.pk)]
    assert found(before=later) == [("contact", old.pk)]
    assert found(before=MOMENT.isoformat()) == []
    assert found(after=MOMENT.isoformat(), before="2026-11-21T09:00:00Z") == [("contact", old.pk)]
    assert {kind for kind, _ in found(after=later)} == set(KINDS) - {"contact"} | (
        {"contact"} if timezone.now() > MOMENT else set()
    )
    assert [kind for kind, _ in sorted(found(kind="order,message"))] == ["message", "order"]


def test_pages_keep_the_filters(api, customer):
    for _ in range(3):
        one_of_each(customer)

    seen, pages = walk(api, f"{ADDRESS}?page_size=1&kind=order,message")

    assert pages == 6
    assert sorted(kind for kind, _ in seen) == ["message"] * 3 + ["order"] * 3


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("kind=sale", [("kind", "invalid")]),
        ("kind=order,", [("kind", "invalid")]),
        ("kind=order&status=new", [("status", "invalid")]),
        ("ordering=at&search=x", [("ordering", "invalid"), ("search", "invalid")]),
        ("count=true", [("count", "invalid")]),
        ("after=yesterday&before=0", [("after", "invalid"), ("before", "invalid")]),
        ("kind=%00", [("kind", "invalid")]),
        ("page_size=0", [("page_size", "invalid")]),
        ("page_size=201", [("page_size", "invalid")]),
        ("cursor=x", [("cursor", "invalid")]),
        ("cursor=", [("cursor", "invalid")]),
        ("cursor=%C3%A9%00", [("cursor", "invalid")]),
    ],
)
def test_what_it_does_not_know_is_refused(api, customer, query, errors):
    assert parameters(api.get(f"{ADDRESS}?{query}")) == errors


def test_an_unknown_kind_is_named_with_those_that_there_are(api, customer):
    [error] = problem_of(api.get(f"{ADDRESS}?kind=sale,order,b"))["errors"]

    assert error["detail"] == (
        "There is no b, sale. Known: booking, contact, message, order, repair, shipment,"
        " standing_order."
    )


def test_a_cursor_of_another_list_is_refused(api, customer):
    CustomerFactory.create()
    cursor = api.get("/customers/?page_size=1").json()["next"].partition("cursor=")[2]

    assert parameters(api.get(f"{ADDRESS}?cursor={cursor}")) == [("cursor", "invalid")]


def test_of_somebody_forgotten_it_shows_what_is_kept(api, customer):
    user = UserFactory.create(email="amina@example.com")
    customer.user = user
    customer.save()
    one_of_each(customer)

    delete_account(user=user)

    answer = api.get(ADDRESS).json()
    kept = {each["kind"]: each["status"] for each in answer["results"]}
    # By no number nobody's repairs are theirs.
    assert kept.keys() & {
        "booking",
        "message",
        "order",
        "shipment",
        "standing_order",
        "repair",
    } == ({"booking", "message", "order", "shipment", "standing_order"})
    assert kept["booking"] == "cancelled"
    assert kept["standing_order"] == "ended"
    assert all(each["text"] == "" for each in answer["results"] if each["kind"] != "contact")


# Statements


def statements(ask):
    with CaptureQueriesContext(connection) as captured:
        ask()
    found = [each["sql"] for each in captured]
    return [sql for sql in found if sql.startswith("SELECT")]


def test_it_takes_as_many_statements_of_one_as_of_three(customer):
    def ask():
        return timeline.page_of(customer, user=boss, size=50)

    boss = ShopkeeperFactory.create()
    # So that their rights are known.
    ask()
    taken = {}
    for rows in (1, 3):
        while Booking.objects.count() < rows:
            one_of_each(customer)
        taken[rows] = statements(ask)
        assert len(ask().entries) == rows * 7

    # One of each kind; bookings with their services.
    assert [len(each) for each in taken.values()] == [8, 8]


def test_a_later_page_takes_as_many(customer):
    boss = ShopkeeperFactory.create()
    for _ in range(3):
        one_of_each(customer)
    first = timeline.page_of(customer, user=boss, size=5)

    later = statements(lambda: timeline.page_of(customer, user=boss, size=20, cursor=first.next))

    assert len(later) == 8


# Indexes

MANY = 6000
# Of the copies of a row one in twenty is the same customer's, the others are fifty others'.
WHOSE = "CASE WHEN n % 20 = 0 THEN r.customer_id ELSE {others} + n % 50 END"
# What each copy has of its own.
OWN = {
    Order: {"id": "n + 1000000", "number": "'N' || n", "customer_id": WHOSE, "placed_at": "at"},
    # As history it takes no time.
    Booking: {"id": "n + 1000000", "imported": "true", "customer_id": WHOSE, "created_at": "at"},
    Message: {
        "id": "n + 1000000",
        "occurrence": "'N' || n",
        "recipient": "CASE WHEN n % 20 = 0 THEN r.recipient ELSE 'X' || n % 50 END",
        "created_at": "at",
    },
    Shipment: {
        "id": "n + 1000000",
        "number": "'N' || n",
        "order_id": "n + 1000000",
        "created_at": "at",
    },
    StandingOrder: {
        "id": "n + 1000000",
        "number": "'N' || n",
        "customer_id": WHOSE,
        "created_at": "at",
    },
    Interaction: {
        "id": "lpad(to_hex(n), 24, '0')",
        "customer_id": WHOSE,
        "interaction_date": "at",
    },
    Job: {"id": "n + 1000000", "key": "n + 1000000", "phone_key": "'1' || n", "collected_at": "at"},
}
INDEXES = {
    "booking": "booking_by_creation",
    "contact": "interaction_by_customer",
    "message": "message_by_recipient",
    "order": "order_by_customer",
    "repair": "job_by_phone",
    "standing_order": "standing_order_by_customer",
}


@pytest.fixture
def crowd(customer):
    """Let there be many other things: three hundred of each of another customer, and fifty others'."""
    busy = CustomerFactory.create(code="busy", phone=PHONE)
    one_of_each(busy)
    others = CustomerFactory.create_batch(50)
    rows = {model: model.objects.get() for model in OWN}
    for model, own in OWN.items():
        table = model._meta.db_table
        columns = [each.column for each in model._meta.concrete_fields if not each.generated]
        names = ", ".join(f'"{column}"' for column in columns)
        changes = ", ".join(f"'{column}', {value}" for column, value in own.items())
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM ("
                f" SELECT (jsonb_populate_record(r, jsonb_build_object({changes}))).*"
                f" FROM {table} r, generate_series(1, {MANY}) n,"
                " LATERAL (SELECT timestamptz '2020-01-01' + n * interval '1 hour' AS at) t"
                f" WHERE r.id = '{rows[model].pk}') copied".replace("{others}", str(others[0].pk))
            )
    for _ in range(2):
        one_of_each(customer)
    with connection.cursor() as cursor:
        for model in OWN:
            cursor.execute(f"ANALYZE {model._meta.db_table}")
    return customer, busy


def plan_of(sql, *, analyze=False):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON, ANALYZE {analyze}) {sql}")
        return cursor.fetchone()[0][0]["Plan"]


def nodes(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def first_read(kind, customer, **options):
    """Return the statement that reads things of a kind, and their table."""
    boss = ShopkeeperFactory.create()
    model = timeline.kinds()[kind].model
    found = statements(
        lambda: timeline.page_of(customer, user=boss, size=50, only=[kind], **options)
    )
    table = model._meta.db_table
    [sql] = [sql for sql in found if f'FROM "{table}"' in sql]
    return sql, table


def test_each_kind_is_read_by_an_index_that_has_it_in_order(crowd):
    boss, until = ShopkeeperFactory.create(), datetime(2020, 6, 1, tzinfo=UTC)
    later_on = timeline.page_of(crowd[1], user=boss, size=1, before=until).next
    assert later_on

    for kind, index in INDEXES.items():
        for cursor in (None, later_on):
            sql, _ = first_read(kind, crowd[1], cursor=cursor)
            found = list(nodes(plan_of(sql)))
            assert index in {each.get("Index Name") for each in found}, (kind, cursor)
            # But for what is cut in Python.
            assert kind == "repair" or not any("Sort" in each["Node Type"] for each in found), kind


def test_who_has_little_costs_little(crowd):
    for kind in INDEXES:
        sql, table = first_read(kind, crowd[0])

        plan = nodes(plan_of(sql, analyze=True))
        [read] = [each for each in plan if each.get("Relation Name") == table]
        assert read["Node Type"] in {"Index Scan", "Bitmap Heap Scan"}, kind
        # Not picked out of those of others.
        assert read.get("Rows Removed by Filter", 0) == 0, kind
        assert read["Actual Rows"] <= 3, kind


def test_the_shipments_of_some_orders_are_looked_up_not_searched_for_among_all(crowd):
    sql, _ = first_read("shipment", crowd[0])

    found = {
        each["Relation Name"]: each
        for each in nodes(plan_of(sql, analyze=True))
        if "Relation Name" in each
    }
    for table in ("orders_order", "shipping_shipment"):
        assert found[table]["Node Type"] in {"Index Scan", "Bitmap Heap Scan"}
        assert found[table]["Actual Rows"] <= 2


# GraphQL

DOCUMENT = """
query ($first: Int!, $after: String, $kinds: [TimelineKind!]) {
  customer(code: "k0") {
    timeline(first: $first, after: $after, kinds: $kinds) {
      kinds
      nodes { reference }
      edges { cursor node { at kind reference title status text } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""


def asked(user, **variables):
    return Graph(user)(DOCUMENT, {"first": 100, **variables})["timeline"]


def test_graphql_shows_what_rest_does(api, shopkeeper, customer):
    one_of_each(customer)
    rest = api.get(ADDRESS).json()

    found = asked(shopkeeper)

    assert found["kinds"] == [kind.upper() for kind in KINDS]
    assert [
        {
            **each["node"],
            "kind": each["node"]["kind"].lower(),
            "at": each["node"]["at"].replace("+00:00", "Z"),
        }
        for each in found["edges"]
    ] == [
        {name: value for name, value in each.items() if name != "url"} for each in rest["results"]
    ]
    assert found["nodes"] == [{"reference": each["reference"]} for each in rest["results"]]
    assert found["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": found["edges"][0]["cursor"],
        "endCursor": found["edges"][-1]["cursor"],
    }


def test_its_pages_follow_one_another(shopkeeper, customer):
    for _ in range(3):
        one_of_each(customer)
    all_at_once()
    whole = [each["reference"] for each in asked(shopkeeper)["nodes"]]

    seen, after, pages = [], None, 0
    while True:
        found = asked(shopkeeper, first=4, after=after)
        seen += [each["reference"] for each in found["nodes"]]
        assert found["pageInfo"]["hasPreviousPage"] == (pages > 0)
        after, pages = found["pageInfo"]["endCursor"], pages + 1
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert (seen, pages) == (whole, 6)


def test_a_page_of_nothing_has_no_cursors(shopkeeper, customer):
    assert asked(shopkeeper) == {
        "kinds": [kind.upper() for kind in KINDS],
        "nodes": [],
        "edges": [],
        "pageInfo": {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        },
    }


def test_only_some_kinds_are_asked_for_and_only_some_may_be_seen(customer):
    one_of_each(customer)
    user = StaffFactory.create(permissions=["customers.view_customer", RIGHTS["order"]])

    found = asked(user, kinds=["ORDER", "MESSAGE"])

    assert found["kinds"] == ["ORDER"]
    assert [each["node"]["kind"] for each in found["edges"]] == ["ORDER"]


def test_shoppers_do_not_see_their_own(customer):
    user = UserFactory.create(email="amina@example.com")
    customer.user = user
    customer.save()

    response = Graph(user).ask("{ myCustomer { code timeline(first: 1) { kinds } } }")

    assert response.json()["data"] == {"myCustomer": {"code": "k0", "timeline": None}}
    assert verdict(response) == ("permission_denied", 403)


def test_in_a_list_it_is_refused_before_anything_is_read(shopkeeper, customer):
    one_of_each(customer)
    document = "{ customers(first: 1) { nodes { code timeline(first: 1) { kinds } } } }"

    with CaptureQueriesContext(connection) as captured:
        response = Graph(shopkeeper).ask(document)

    assert response.json()["data"]["customers"]["nodes"] == [{"code": "k0", "timeline": None}]
    [error] = response.json()["errors"]
    assert error["message"] == "Ask for the timeline of one customer: `customer(code:)`."
    assert verdict(response) == ("invalid", 400)
    assert not any("notifications_message" in each["sql"] for each in captured)


def test_by_its_id_it_is_the_same(shopkeeper, customer):
    one_of_each(customer)
    ident = to_global_id("Customer", customer.pk)

    found = Graph(shopkeeper)(
        f'{{ node(id: "{ident}") {{ ... on Customer {{ timeline(first: 9) {{ nodes {{ kind }} }} }} }} }}'
    )

    assert sorted(each["kind"].lower() for each in found["timeline"]["nodes"]) == KINDS


def test_a_cursor_that_somebody_made_up_is_told(shopkeeper, customer):
    response = Graph(shopkeeper).ask(DOCUMENT, {"first": 1, "after": "x"})

    assert failures(response) == [("after", "invalid")]


def test_a_page_counts_as_a_read_of_its_own(shopkeeper, customer, settings):
    document = '{ customer(code: "k0") { timeline(first: 10) { nodes { title } } } }'
    # The customer and the page are a read each; with ten entries of a field.
    settings.GRAPHQL_MAX_COST = 213
    assert Graph(shopkeeper)(document) == {"timeline": {"nodes": []}}

    settings.GRAPHQL_MAX_COST = 200
    [error] = Graph(shopkeeper).ask(document).json()["errors"]
    assert error["extensions"]["cost"] == {"requested": 213, "limit": 200}


def test_pages_are_as_large_as_of_other_lists(shopkeeper, customer):
    response = Graph(shopkeeper).ask(DOCUMENT, {"first": 101})

    assert verdict(response)[0] == "page_too_large"
