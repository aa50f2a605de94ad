"""What shoppers do with bookings of their own, by REST."""

from datetime import timedelta

import pytest

from accounts.tests.factories import StaffFactory, UserFactory
from bookings import services
from bookings.models import Booking
from core.tests.rest import pointers
from customers.tests.factories import CustomerFactory

from .factories import IN_STATUS, MONDAY, BookingFactory, ServiceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
# The shop is open on Mondays from 5:00 to 15:00 UTC.
ORDER = {"datetime": "2029-01-01T09:00:00Z", "services": [{"id": "123"}]}


@pytest.fixture
def shopper():
    return UserFactory.create()


@pytest.fixture
def customer(shopper):
    return CustomerFactory.create(user=shopper, name="Wanjiru")


@pytest.fixture
def own(api_as, shopper, customer):
    ServiceFactory.create(id=123, duration=90)
    return api_as(shopper)


def test_a_shopper_books_for_themselves_at_a_free_time(own, customer):
    response = own.post("/service-orders/book/", ORDER, Idempotency_Key="k")

    assert response.status_code == 201
    answer = response.json()
    assert (answer["customer"], answer["status"], answer["totalfee"]) == (
        customer.code,
        "pending",
        100,
    )
    assert own.post("/service-orders/book/", ORDER, Idempotency_Key="k").json() == answer
    assert Booking.objects.count() == 1


@pytest.mark.parametrize(
    "time",
    [
        "2029-01-01T04:30:00Z",  # before the opening
        "2029-01-01T09:10:00Z",  # between two steps
        "2029-01-01T14:00:00Z",  # 90 minutes before, it must have begun
        "2029-01-07T09:00:00Z",  # a Sunday
        "2022-11-07T09:00:00Z",  # over
    ],
)
def test_a_shopper_books_nothing_that_is_not_offered(own, time):
    response = own.post("/service-orders/book/", ORDER | {"datetime": time})

    assert (response.status_code, response.json()["code"]) == (409, "not_offered")
    assert response.json()["clashes_with"] is None
    assert len(response.json()["free"]) == 3
    assert not Booking.objects.exists()


def test_a_shopper_is_told_of_a_clash_as_everybody(own):
    BookingFactory.create(time=MONDAY)

    response = own.post("/service-orders/book/", ORDER | {"datetime": "2029-01-01T10:00:00Z"})

    assert (response.status_code, response.json()["code"]) == (409, "booking_conflict")
    assert response.json()["clashes_with"] == "2029-01-01T09:00:00Z"


def test_who_cannot_be_reached_does_not_book(api_as):
    ServiceFactory.create(id=123)

    response = api_as(UserFactory.create()).post("/service-orders/book/", ORDER)

    assert (response.status_code, response.json()["code"]) == (409, "contact_needed")


def test_a_shopper_says_neither_what_it_costs_nor_for_whom_it_is(own):
    body = ORDER | {"totalfee": 0, "customer": "C", "id": 5}

    assert pointers(own.post("/service-orders/book/", body)) == [
        ("/totalfee", "unknown_field"),
        ("/customer", "unknown_field"),
        ("/id", "unknown_field"),
    ]


def test_a_shopper_moves_and_cancels_their_own(own, customer):
    booking = BookingFactory.create(time=MONDAY, customer=customer, services=[123])
    path = f"/service-orders/{booking.pk}"

    # Its own time and gap do not stand in its way.
    moved = own.post(f"{path}/move/", {"datetime": "2029-01-01T09:30:00Z"})
    assert (moved.status_code, moved.json()["datetime"]) == (200, "2029-01-01T09:30:00.000Z")
    late = own.post(f"{path}/move/", {"datetime": "2029-01-01T14:00:00Z"})
    assert (late.status_code, late.json()["code"]) == (409, "not_offered")
    cancelled = own.post(f"{path}/cancel/", {"reason": "Rain."})
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = own.post(f"{path}/move/", {"datetime": "2029-01-01T09:00:00Z"})
    assert (again.status_code, again.json()["code"]) == (409, "illegal_move")


@pytest.mark.parametrize("verb", ["move", "cancel"])
def test_of_others_a_shopper_cannot_know_and_who_sees_all_may_not(own, api_as, verb):
    booking = BookingFactory.create(time=MONDAY, customer=CustomerFactory.create())
    body = {"datetime": "2029-01-01T12:00:00Z"} if verb == "move" else {}

    assert own.post(f"/service-orders/{booking.pk}/{verb}/", body).status_code == 404
    sees = api_as(StaffFactory.create(permissions=["bookings.view_booking"]))
    assert sees.post(f"/service-orders/{booking.pk}/{verb}/", body).status_code == 403
    assert Booking.objects.get().updated_at == booking.updated_at


def test_the_shop_moves_a_booking_to_any_time(api):
    booking = BookingFactory.create(time=MONDAY)

    path = f"/service-orders/{booking.pk}/move/"
    assert api.post(path, {"datetime": "2029-01-07T23:59:00Z"}).status_code == 200
    assert pointers(api.post(path, {})) == [("/datetime", "required")]
    assert pointers(api.post(path, {"datetime": "2029-01-07T23:59:00"})) == [("/datetime", "naive")]


@pytest.mark.parametrize("status", ["cancelled", "done", "no_show"])
def test_what_is_over_is_moved_no_more(own, customer, status):
    booking = IN_STATUS[status].create(time=MONDAY, customer=customer, services=[123])

    response = own.post(f"/service-orders/{booking.pk}/move/", {"datetime": "2029-01-01T12:00:00Z"})

    assert (response.status_code, response.json()["code"]) == (409, "illegal_move")
    assert services.next_free_times(resource=booking.resource, after=MONDAY)
