"""GraphQL of bookings: what can be booked, when, and what a shopper does with it."""

from datetime import timedelta

import pytest
from graphql_relay import to_global_id

from accounts.tests.factories import UserFactory
from bookings import services
from core.tests.graph import Graph, failures, verdict
from customers.tests.factories import CustomerFactory

from .factories import MONDAY, BookingFactory, ResourceFactory, ServiceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BOOK = """mutation ($input: OwnBookingInput!) { book(input: $input) {
  booking { number datetime totalFee currency status customer resource services { number name fee } }
  errors { field code message }
} }"""
MOVE = """mutation ($id: ID!, $input: MoveInput!) { moveBooking(id: $id, input: $input) {
  booking { datetime } errors { field code message }
} }"""
CANCEL = """mutation ($id: ID!, $input: WhyInput) { cancelBooking(id: $id, input: $input) {
  booking { status history { verb toStatus reason by } } errors { field code message }
} }"""


@pytest.fixture
def shopper():
    return UserFactory.create()


@pytest.fixture
def customer(shopper):
    return CustomerFactory.create(user=shopper, code="C1", name="Wanjiru")


@pytest.fixture
def graph(shopper, customer):
    ServiceFactory.create(id=123, name="Inspection", fee="40.50", duration=90)
    return Graph(shopper)


def order(**fields):
    return {"input": {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": "123"}], **fields}}


def ident(booking):
    return to_global_id("Booking", booking.pk)


def test_a_shopper_sees_what_is_offered_and_when(graph):
    ServiceFactory.create(active=False)
    BookingFactory.create(time=MONDAY, services=[123])

    assert graph("{ services(first: 5) { nodes { number name duration fee active } } }") == {
        "nodes": [
            {"number": "123", "name": "Inspection", "duration": 90, "fee": "40.50", "active": True}
        ]
    }
    assert graph(
        '{ availability(from: "2029-01-01", to: "2029-01-02", services: "123") {'
        " resource timeZone gap days { date times } } }"
    ) == {
        "resource": "default",
        "timeZone": "Africa/Nairobi",
        "gap": 180,
        "days": [
            {
                "date": "2029-01-01",
                "times": [
                    f"2029-01-01T{each}:00+00:00"
                    for each in ("05:00", "05:30", "06:00", "12:00", "12:30", "13:00", "13:30")
                ],
            },
            {
                "date": "2029-01-02",
                "times": [
                    (MONDAY.replace(day=2, hour=5) + number * HOUR / 2).isoformat()
                    for number in range(18)
                ],
            },
        ],
    }


def test_a_shopper_sees_who_and_what_can_be_booked_and_when(graph):
    ResourceFactory.create(code="old", active=False)
    bay = ResourceFactory.create(code="bay", name="Bay", gap=HOUR, step=15)
    for opens, closes in (("13:00", "00:00"), ("08:30", "12:00")):
        bay.opening_hours.create(weekday=6, opens=opens, closes=closes)

    assert graph(
        '{ resources(first: 5, search: "bay") { nodes {'
        " code name gap step isDefault active openingHours { weekday opens closes } } } }"
    ) == {
        "nodes": [
            {
                "code": "bay",
                "name": "Bay",
                "gap": 60,
                "step": 15,
                "isDefault": False,
                "active": True,
                "openingHours": [
                    {"weekday": 6, "opens": "08:30", "closes": "12:00"},
                    {"weekday": 6, "opens": "13:00", "closes": "00:00"},
                ],
            }
        ]
    }
    assert graph("{ resources(first: 5) { totalCount } }") == {"totalCount": 2}


def test_who_has_enough_to_come_is_told_so(graph, customer, settings):
    settings.BOOKING_OPEN_LIMIT = 1
    BookingFactory.create(customer=customer)

    assert graph.refused(BOOK, order()) == [(None, "TOO_MANY_BOOKINGS")]


def test_a_shopper_books_moves_and_cancels_their_own(graph, customer):
    done = graph.done(BOOK, order())["booking"]
    booking = customer.bookings.get()
    assert done == {
        "number": str(booking.pk),
        "datetime": "2029-01-01T09:00:00+00:00",
        "totalFee": "40.50",
        "currency": "KES",
        "status": "PENDING",
        "customer": "C1",
        "resource": "default",
        "services": [{"number": "123", "name": "Inspection", "fee": "40.50"}],
    }

    move = {"id": ident(booking), "input": {"datetime": "2029-01-01T12:30:00+03:00"}}
    assert graph.done(MOVE, move)["booking"] == {"datetime": "2029-01-01T09:30:00+00:00"}
    cancelled = graph.done(CANCEL, {"id": ident(booking), "input": {"reason": "Rain."}})["booking"]
    assert cancelled == {
        "status": "CANCELLED",
        "history": [
            {"verb": "BOOKED", "toStatus": "PENDING", "reason": "", "by": None},
            {"verb": "MOVED", "toStatus": "PENDING", "reason": "", "by": None},
            {"verb": "CANCELLED", "toStatus": "CANCELLED", "reason": "Rain.", "by": None},
        ],
    }


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"datetime": "2029-01-01T10:00:00Z"}, [("datetime", "BOOKING_CONFLICT")]),
        ({"datetime": "2029-01-01T12:10:00Z"}, [("datetime", "NOT_OFFERED")]),
        ({"datetime": "2029-01-01T10:00:00"}, [("datetime", "NAIVE")]),
        ({"services": [{"id": "9"}]}, [("services.0.id", "DOES_NOT_EXIST")]),
        ({"services": []}, [("services", "EMPTY")]),
        ({"services": [{"id": "x"}]}, [("services.0.id", "INVALID")]),
    ],
)
def test_what_cannot_be_booked_is_said_at_its_field(graph, fields, errors):
    BookingFactory.create(time=MONDAY, services=[123], customer=CustomerFactory.create())

    assert graph.refused(BOOK, order(**fields)) == errors


def test_a_clash_says_times_and_nothing_of_the_other_customer(graph):
    BookingFactory.create(time=MONDAY, customer=CustomerFactory.create(name="Amina Hassan"))

    [error] = graph(BOOK, order())["errors"]

    assert error["message"] == (
        "There is a booking at 2029-01-01 12:00, which is too near. Keep 3 h between them."
        " Free: 2029-01-01 15:00, 2029-01-01 15:30, 2029-01-01 16:00."
    )


def test_of_others_bookings_a_shopper_cannot_know(graph):
    booking = BookingFactory.create(time=MONDAY, customer=CustomerFactory.create())
    move = {"id": ident(booking), "input": {"datetime": "2029-01-01T12:00:00Z"}}

    assert graph(f'{{ booking(number: "{booking.pk}") {{ number }} }}') is None
    assert graph("{ bookings(first: 5) { totalCount } }") == {"totalCount": 0}
    for document, variables in ((MOVE, move), (CANCEL, {"id": ident(booking)})):
        assert verdict(graph.ask(document, variables)) == ("not_found", 404)


def test_strangers_are_asked_to_sign_in():
    for field in (
        "services(first: 1) { totalCount }",
        "resources(first: 1) { totalCount }",
        "bookings(first: 1) { totalCount }",
        "availability { gap }",
    ):
        assert verdict(Graph().ask(f"{{ {field} }}")) == ("not_authenticated", 401)


def test_the_shop_sees_all_by_id_number_and_filter(shopkeeper, customer):
    ServiceFactory.create(id=123)
    booking = BookingFactory.create(id=223, time=MONDAY, customer=customer, services=[123])
    services.confirm_booking(booking_id=223, by=shopkeeper)
    BookingFactory.create()
    graph = Graph(shopkeeper)

    seen = {
        "number": "223",
        "customerName": "Wanjiru",
        "history": [{"by": None}, {"by": str(shopkeeper)}],
    }
    asked = "{ number customerName history { by } }"
    assert graph(f'{{ booking(number: "223") {asked} }}') == seen
    assert graph(f'{{ booking(id: "{ident(booking)}") {asked} }}') == seen
    assert graph(f"{{ bookings(status: CONFIRMED, first: 5) {{ nodes {asked} }} }}") == {
        "nodes": [seen]
    }
    for number in ("x", "", "9" * 30, "²"):
        assert graph("query ($n: String) { booking(number: $n) { number } }", {"n": number}) is None


def test_a_query_that_is_wrong_names_its_argument(graph):
    for arguments, errors in (
        ('resource: "nothing"', [("resource", "DOES_NOT_EXIST")]),
        ('from: "2029-01-02", to: "2029-01-01"', [("to", "INVALID")]),
        ('services: "9"', [("services", "DOES_NOT_EXIST")]),
    ):
        answer = graph.ask(f"{{ availability({arguments}) {{ gap }} }}")
        assert failures(answer) == [(field, code.lower()) for field, code in errors]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_page_takes_the_same_statements_for_1_and_3_rows(
    shopkeeper, rows, django_assert_num_queries
):
    offered = [ServiceFactory.create().pk for _ in range(rows)]
    for _ in range(rows):
        booking = BookingFactory.create(services=offered, customer=CustomerFactory.create())
        services.confirm_booking(booking_id=booking.pk, by=shopkeeper)
    graph = Graph(shopkeeper)

    # session, user, membership; bookings with customer and resource, services, history with by
    with django_assert_num_queries(6):
        page = graph(
            "{ bookings(first: 9) { nodes {"
            " number customer customerName resource services { name fee } history { by } } } }"
        )

    assert [len(each["services"]) for each in page["nodes"]] == [rows] * rows
