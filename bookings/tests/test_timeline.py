"""Bookings in the timeline of their customer."""

from datetime import UTC, datetime

import pytest

from bookings import services
from core.timeline import Entry, Window
from customers.tests.factories import CustomerFactory

from .factories import BookingFactory, CancelledBookingFactory, ServiceFactory

pytestmark = pytest.mark.django_db
WINDOW = Window(kind="booking", limit=10)


def read(customer):
    return services.bookings_of(customer=customer, window=WINDOW)


def test_a_booking_stands_where_it_was_made_and_says_what_is_when(settings):
    settings.SHOP_TIME_ZONE = "Africa/Nairobi"
    customer = CustomerFactory.create()
    haircut, shave = (ServiceFactory.create(name=name).pk for name in ("Haircut", "Shave"))
    booking = BookingFactory.create(
        customer=customer,
        services=[haircut, shave],
        time=datetime(2029, 6, 4, 11, tzinfo=UTC),
    )
    BookingFactory.create(customer=CustomerFactory.create())
    BookingFactory.create()

    assert read(customer) == [
        Entry(
            at=booking.created_at,
            kind="booking",
            key=booking.pk,
            reference=str(booking.pk),
            title="Booking of Haircut, Shave on 4 June 2029 14:00",
            status="pending",
        )
    ]


def test_what_was_booked_last_comes_first_whenever_it_is():
    customer = CustomerFactory.create()
    late = BookingFactory.create(customer=customer, time=datetime(2029, 12, 3, 9, tzinfo=UTC))
    early = CancelledBookingFactory.create(
        customer=customer, time=datetime(2029, 6, 4, 9, tzinfo=UTC)
    )

    assert [(each.key, each.status) for each in read(customer)] == [
        (early.pk, "cancelled"),
        (late.pk, "pending"),
    ]


def test_of_somebody_forgotten_the_bookings_are_kept():
    customer = CustomerFactory.create()
    booking = BookingFactory.create(customer=customer)

    services.forget_customer(customer=customer)

    assert [(each.key, each.status) for each in read(customer)] == [(booking.pk, "cancelled")]
