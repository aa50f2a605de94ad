"""What customers hear and see of their bookings, and what becomes of it when they leave."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.services.people import delete_account
from accounts.tests.factories import UserFactory
from bookings import services, signals, tasks
from bookings.models import Booking
from core.status_pages import page_of
from core.tests.races import at_once
from customers import services as customers
from customers.models import Customer
from customers.signals import merged
from customers.tests.factories import CustomerFactory
from notifications.models import Message

from .factories import IN_STATUS, MONDAY, BookingFactory, ConfirmedBookingFactory, ServiceFactory

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def reminders():
    found = Message.objects.filter(event="booking.reminder").order_by("pk")
    return list(found.values_list("reference", flat=True))


def booked_long_ago(hours, factory=BookingFactory, **fields):
    """Return a booking that is so many hours ahead, and was booked when nothing was said of it."""
    fields = {"customer": CustomerFactory.create(), **fields}
    booking = factory.create(time=timezone.now() + timedelta(hours=hours), quietly=True, **fields)
    Booking.objects.filter(pk=booking.pk).update(reminded_of=None)
    return booking


# Another's


def test_who_gets_a_booking_of_somebody_is_told_and_who_had_it_is_told_that_it_is_gone():
    before, after = CustomerFactory.create_batch(2)
    booking = BookingFactory.create(time=MONDAY, customer=before, quietly=True)

    services.change_booking(booking_id=booking.pk, customer=after, by=None)

    told = Message.objects.order_by("event").values_list("event", "recipient")
    assert list(told) == [("booking.booked", after.code), ("booking.cancelled", before.code)]
    bodies = Message.objects.order_by("event").values_list("body", flat=True)
    assert [after.name in bodies[0], before.name in bodies[1]] == [True, True]


def test_who_gets_a_booking_that_is_not_near_yet_is_reminded_of_it():
    booking = booked_long_ago(30)
    Booking.objects.filter(pk=booking.pk).update(reminded_of=booking.datetime)

    services.change_booking(booking_id=booking.pk, customer=CustomerFactory.create(), by=None)

    booking.refresh_from_db()
    assert booking.reminded_of is None


# Reminders


def test_who_is_expected_within_a_day_is_reminded_once_of_each_time():
    soon = booked_long_ago(23)
    confirmed = booked_long_ago(19, ConfirmedBookingFactory)
    booked_long_ago(27)

    assert tasks.remind_customers.func() == 2
    assert tasks.remind_customers.func() == 0
    assert reminders() == [str(confirmed.pk), str(soon.pk)]
    assert soon.history.last().verb == "reminded"

    services.change_booking(booking_id=soon.pk, time=soon.datetime + 30 * HOUR, by=None)
    assert services.remind_customers() == 0
    Booking.objects.filter(pk=soon.pk).update(datetime=timezone.now() + 5 * HOUR)
    assert services.remind_customers() == 1
    assert reminders() == [str(confirmed.pk), str(soon.pk), str(soon.pk)]


def test_nobody_is_reminded_of_what_is_over_called_off_nobodys_or_of_a_time_just_told():
    for number, status in enumerate(("cancelled", "done", "no_show")):
        booked_long_ago(1 + 4 * number, IN_STATUS[status])
    booked_long_ago(13, customer=None)
    booked_long_ago(-1)
    BookingFactory.create(time=timezone.now() + 16 * HOUR, customer=CustomerFactory.create())
    moved = booked_long_ago(48)
    services.change_booking(booking_id=moved.pk, time=timezone.now() + 20 * HOUR, by=None)

    assert services.remind_customers() == 0


@pytest.mark.parametrize(("hours", "expected"), [(0, 0), (2, 1), (48, 2)])
def test_a_setting_says_how_long_before(settings, hours, expected):
    settings.BOOKING_REMINDER_HOURS = hours
    booked_long_ago(1)
    booked_long_ago(40)

    assert services.remind_customers() == expected


@pytest.mark.django_db(transaction=True)
def test_several_workers_remind_each_once():
    for number in range(6):
        booked_long_ago(1 + 3 * number)

    assert sum(at_once([services.remind_customers] * 4)) == 6
    assert len(set(reminders())) == len(reminders()) == 6


# Words


@pytest.mark.parametrize("event", signals.BOOKING_EVENTS, ids=lambda event: event.code)
@pytest.mark.parametrize("language", ["en", "sw"])
def test_the_words_tell_the_time_as_the_shops_clocks_show_it(event, language):
    customer = CustomerFactory.create(name="Wanjiru")
    booking = BookingFactory.create(id=223, time=MONDAY, customer=customer, quietly=True)

    words = event.texts[language].format(**event.data_of(str(booking.pk)), link="L")

    assert "2029-01-01 12:00" in words
    assert words.startswith("Duka: ")
    assert ("Wanjiru" in words, "223" in words) == (True, True)


def test_the_time_is_right_on_both_sides_of_a_change_of_the_clocks(settings):
    settings.SHOP_TIME_ZONE = "America/New_York"
    times = []
    for key, day in ((1, 10), (2, 12)):
        BookingFactory.create(id=key, time=datetime(2029, 3, day, 14, tzinfo=UTC), quietly=True)
        times.append(services.data_of_number(str(key))["time"])

    assert times == ["2029-03-10 09:00", "2029-03-12 10:00"]


@pytest.mark.parametrize("number", ["999", "x", "", "9" * 30, "²"])
def test_of_what_is_not_there_nothing_is_said(number):
    assert services.data_of_number(number) is None
    assert page_of("booking", number, "en") is None


# The page of a status link


@pytest.mark.parametrize(
    ("language", "title", "states", "first"),
    [
        ("en", "Booking 223", {"pending": "Waiting for the shop", "no_show": "Missed"}, "Booked"),
        ("sw", "Nafasi 223", {"pending": "Inasubiri duka", "done": "Imekamilika"}, "Imewekwa"),
        ("fr", "Booking 223", {"cancelled": "Cancelled"}, "Booked"),
    ],
)
def test_the_page_shows_when_it_is_and_how_it_stands_and_nothing_personal(
    language, title, states, first
):
    for status, state in states.items():
        customer = CustomerFactory.create(name="Wanjiru")
        booking = IN_STATUS[status].create(id=223, time=MONDAY, customer=customer)

        page = page_of("booking", "223", language)

        assert (page.title, page.state) == (title, f"{state}: 2029-01-01 12:00")
        assert page.steps[0].label == first
        assert len(page.steps) == booking.history.count()
        services.delete_booking(booking_id=223, by=None)


def test_the_link_of_a_message_opens_the_page(client):
    customer = CustomerFactory.create(name="Wanjiru")
    BookingFactory.create(id=223, time=MONDAY, customer=customer)
    link = Message.objects.get().body.split()[-1]

    page = client.get(link.removeprefix("http://127.0.0.1:8000"))

    assert page.status_code == 200
    assert "Waiting for the shop: 2029-01-01 12:00" in page.content.decode()
    assert "Wanjiru" not in page.content.decode()


# The customer


def test_bookings_go_along_where_two_records_are_one_person():
    source, target = CustomerFactory.create_batch(2)
    booking = BookingFactory.create(customer=source)

    merged.send(sender=Customer, source=source, target=target)

    assert Booking.objects.get(pk=booking.pk).customer == target


def test_what_is_kept_is_handed_out_and_forgotten_but_for_the_books():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    service = ServiceFactory.create(name="Inspection")
    booking = BookingFactory.create(
        id=223, time=MONDAY, customer=customer, services=[service.pk], quietly=True
    )
    services.cancel_as_allowed(booking_id=223, by=shopper, reason="My knee hurts.")

    [kept] = customers.personal_data(user=shopper)["bookings"]
    assert (kept["id"], kept["services"], kept["status"]) == ("223", ["Inspection"], "cancelled")
    assert [each["reason"] for each in kept["history"]] == ["", "My knee hurts."]

    delete_account(user=shopper)

    booking.refresh_from_db()
    assert (booking.status, booking.total_fee) == ("cancelled", 100)
    assert [each.reason for each in booking.history.all()] == ["", ""]


def test_what_is_to_come_of_who_is_forgotten_is_called_off_and_nothing_said_of_them_is_kept():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    to_come = BookingFactory.create(time=MONDAY, customer=customer, quietly=True)
    called_off = BookingFactory.create(customer=customer, quietly=True)
    services.cancel_booking(booking_id=called_off.pk, by=None, reason="Wanjiru is ill.")
    over = ConfirmedBookingFactory.create(
        time=timezone.now() - HOUR, customer=customer, quietly=True
    )

    delete_account(user=shopper)

    found = Booking.objects.in_bulk([to_come.pk, called_off.pk, over.pk])
    assert [each.status for each in found.values()] == ["cancelled", "cancelled", "confirmed"]
    reasons = [change.reason for each in found.values() for change in each.history.all()]
    assert set(reasons) == {""}
    assert Message.objects.filter(event="booking.cancelled").count() == 1


@pytest.mark.django_db(transaction=True)
def test_bookings_that_are_handed_over_while_people_are_merged_never_deadlock():
    service = ServiceFactory.create()
    bookings = [BookingFactory.create(services=[service.pk], quietly=True) for _ in range(6)]
    target = CustomerFactory.create(phone="+254722000001")
    Booking.objects.update(customer=target)
    other = CustomerFactory.create()

    def hand_over(booking, customer):
        return lambda: (
            services.change_booking(
                booking_id=booking.pk, customer=customer, by=None, total_fee=Decimal(7)
            ).pk
        )

    def merge():
        # As `customers.services` does it: both locked, then what is theirs.
        with transaction.atomic():
            list(Customer.objects.select_for_update().order_by("pk"))
            services.move_bookings(source=target, target=other)

    calls = [hand_over(each, who) for each in bookings for who in (target, other)]
    outcomes = at_once([*calls, *([merge] * 6)])

    assert [each for each in outcomes if isinstance(each, Exception)] == []
