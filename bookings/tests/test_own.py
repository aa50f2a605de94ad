"""What shoppers do with bookings of their own, by REST."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.tests.factories import StaffFactory, UserFactory
from bookings import services
from bookings.exceptions import TooManyBookings
from bookings.models import Booking
from core.tests.races import at_once
from core.tests.rest import pointers
from customers.tests.factories import CustomerFactory

from .factories import (
    IN_STATUS,
    MONDAY,
    BookingFactory,
    CancelledBookingFactory,
    DoneBookingFactory,
    ResourceFactory,
    ServiceFactory,
)

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


# How many


def test_a_shopper_has_so_many_bookings_to_come_and_no_more(own, customer, settings):
    settings.BOOKING_OPEN_LIMIT = 2
    BookingFactory.create(customer=customer)
    # None of these counts: closed, over, of others, or nobody's.
    CancelledBookingFactory.create(customer=customer)
    DoneBookingFactory.create(customer=customer)
    BookingFactory.create(customer=customer, time=MONDAY.replace(year=2022))
    BookingFactory.create(customer=CustomerFactory.create())
    BookingFactory.create()

    last = own.post("/service-orders/book/", ORDER | {"datetime": "2029-12-03T09:00:00Z"})
    more = ORDER | {"datetime": "2029-12-10T09:00:00Z"}
    refused = own.post("/service-orders/book/", more)

    assert last.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_bookings")
    assert refused.json()["detail"] == (
        "You have as many bookings to come as you can have: 2. Cancel one that you do not need, or"
        " ask the shop."
    )
    # One less, one more.
    assert own.post(f"/service-orders/{last.json()['id']}/cancel/").status_code == 200
    assert own.post("/service-orders/book/", more).status_code == 201


def test_the_shop_books_more_for_a_customer_and_all_of_it_counts(own, api, customer, settings):
    settings.BOOKING_OPEN_LIMIT = 1
    for day in (3, 4):
        body = ORDER | {"datetime": f"2029-12-0{day}T09:00:00Z", "customer": customer.code}
        assert api.post("/service-orders/", body).status_code == 201

    refused = own.post("/service-orders/book/", ORDER)

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_bookings")


def test_a_booking_that_is_over_is_not_moved_past_the_limit_by_its_customer(own, api, customer):
    booking = BookingFactory.create(
        id=7, time=MONDAY.replace(year=2022), customer=customer, services=[123]
    )

    refused = own.post("/service-orders/7/move/", {"datetime": "2029-01-01T09:00:00Z"})

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert refused.json()["detail"] == ("Booking 7 was at 2022-01-01 12:00, which is over.")
    # Nor called off, to have been there.
    refused = own.post("/service-orders/7/cancel/")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_move")
    assert Booking.objects.get().datetime == booking.datetime
    # The shop may.
    moved = api.post("/service-orders/7/move/", {"datetime": "2029-01-01T09:00:00Z"})
    assert moved.status_code == 200


def test_what_is_free_instead_can_be_booked(own, customer):
    ServiceFactory.create(id=789, duration=120)
    BookingFactory.create(time=MONDAY - HOUR)

    # The shop closes at 15:00 UTC.
    order = {"datetime": "2029-01-01T10:30:00Z", "services": [{"id": 123}, {"id": 789}]}
    refused = own.post("/service-orders/book/", order)

    free = refused.json()["free"]
    assert free[0] == "2029-01-01T11:00:00Z"
    assert "2029-01-01T12:00:00Z" not in free
    assert own.post("/service-orders/book/", {**order, "datetime": free[0]}).status_code == 201


def test_of_a_move_what_is_free_instead_is_so_without_the_booking_itself(own, customer):
    booking = BookingFactory.create(time=MONDAY, customer=customer, services=[123])

    refused = own.post(f"/service-orders/{booking.pk}/move/", {"datetime": "2029-01-01T09:10:00Z"})

    assert refused.json()["code"] == "not_offered"
    free = ["2029-01-01T09:30:00Z", "2029-01-01T10:00:00Z", "2029-01-01T10:30:00Z"]
    assert refused.json()["free"] == free


def test_a_shopper_does_not_see_who_had_a_booking_before(own, api, customer):
    booking = BookingFactory.create(time=MONDAY, customer=CustomerFactory.create())
    path = f"/service-orders/{booking.pk}/"
    api.patch(path, {"customer": customer.code, "totalfee": 7})

    seen = own.get(path).json()["history"][-1]

    assert seen["changes"] == {"totalfee": ["100.00", "7.00"]}
    assert api.get(path).json()["history"][-1]["changes"].keys() == {"totalfee", "customer"}


@pytest.mark.django_db(transaction=True)
def test_who_books_in_many_places_at_once_gets_as_many_as_they_can_have(own, shopper, settings):
    settings.BOOKING_OPEN_LIMIT = 3
    bays = ResourceFactory.create_batch(12)
    for bay in bays:
        bay.opening_hours.create(weekday=0, opens="08:00", closes="18:00")

    def booking(bay):
        return lambda: services.book_own(time=MONDAY, services=[123], by=shopper, resource=bay).pk

    outcomes = at_once([booking(bay) for bay in bays])

    assert sorted(type(each).__name__ for each in outcomes) == [
        *[TooManyBookings.__name__] * 9,
        *["int"] * 3,
    ]
    assert Booking.objects.count() == 3


# How far ahead


@pytest.fixture
def two_days(settings, own):
    """Two days ahead alone; open each day from 8:00 to 18:00. Return the last of them in UTC."""
    settings.BOOKING_DAYS_AHEAD = 2
    resource = services.default_resource()
    hours = [
        resource.opening_hours.model(weekday=day, opens=time(8), closes=time(18))
        for day in range(7)
    ]
    services.set_opening_hours(resource_id=resource.pk, hours=hours)
    today = timezone.now().astimezone(ZoneInfo("Africa/Nairobi")).date()
    return datetime.combine(today, time(9), UTC) + timedelta(days=2)


def test_a_shopper_books_until_the_last_day_that_is_offered_and_the_shop_any(own, api, two_days):
    late = two_days + timedelta(days=1)

    refused = own.post("/service-orders/book/", ORDER | {"datetime": late.isoformat()})

    assert (refused.status_code, refused.json()["code"]) == (409, "not_offered")
    assert refused.json()["detail"] == (
        f"{late:%Y-%m-%d} 12:00 is too far ahead: the last day that is offered is"
        f" {two_days:%Y-%m-%d}."
    )
    assert (refused.json()["clashes_with"], refused.json()["free"]) == (None, [])
    booked = own.post("/service-orders/book/", ORDER | {"datetime": two_days.isoformat()})
    assert booked.status_code == 201
    path = f"/service-orders/{booked.json()['id']}/move/"
    moved = own.post(path, {"datetime": late.isoformat()})
    assert (moved.status_code, moved.json()["code"]) == (409, "not_offered")
    assert api.post(path, {"datetime": late.isoformat()}).status_code == 200


def test_shoppers_are_offered_nothing_after_that_day_and_the_shop_is(own, api, two_days):
    def days(caller):
        found = caller.get(f"/availability/?from={two_days:%Y-%m-%d}").json()["results"]
        return [len(each["times"]) for each in found]

    assert days(own) == [20, 0, 0, 0, 0, 0, 0]
    assert days(api) == [20] * 7


def test_what_is_free_instead_is_not_after_that_day_either(own, api, two_days):
    BookingFactory.create(time=two_days + 3 * HOUR)

    # The booking keeps the afternoon: 15:00 to 18:00 in Nairobi are too near to it.
    refused = own.post(
        "/service-orders/book/", ORDER | {"datetime": (two_days + 4 * HOUR).isoformat()}
    )

    assert (refused.json()["code"], refused.json()["free"]) == ("booking_conflict", [])
    # Who asks for later is answered: it is the shop.
    body = ORDER | {"datetime": (two_days + timedelta(days=3)).isoformat()}
    assert api.post("/service-orders/", body).status_code == 201
    assert len(api.post("/service-orders/", body).json()["free"]) == 3
