"""Bookings in each of their states, come by through the services as in the shop."""

from datetime import UTC, date, datetime, timedelta

import factory

from bookings import services
from bookings.models import Booking, ClosedDay, Resource, Service

# A Monday on which the shop is open; each booking that says no time is a day after the last.
MONDAY = datetime(2029, 1, 1, 9, tzinfo=UTC)


class ServiceFactory(factory.Factory[Service]):
    class Meta:
        model = Service

    name = factory.Sequence(lambda n: f"Service {n}")
    fee = "100.00"

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return services.create_service(**kwargs)


class ResourceFactory(factory.django.DjangoModelFactory[Resource]):
    class Meta:
        model = Resource

    code = factory.Sequence(lambda n: f"bay-{n}")
    name = factory.Sequence(lambda n: f"Bay {n}")


class ClosedDayFactory(factory.Factory[ClosedDay]):
    """A day of its own on which all of the shop is closed."""

    class Meta:
        model = ClosedDay

    date = factory.Sequence(lambda n: date(2029, 12, 1) + timedelta(days=n))

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return services.close_day(**kwargs)


class BookingFactory(factory.Factory[Booking]):
    """A pending booking of a service of its own."""

    class Meta:
        model = Booking

    time = factory.Sequence(lambda n: MONDAY + timedelta(days=n))
    services = factory.LazyFunction(lambda: [ServiceFactory.create().pk])

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return services.book(by=None, **kwargs)


class ConfirmedBookingFactory(BookingFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        booking = super()._create(model_class, *args, **kwargs)
        return services.confirm_booking(booking_id=booking.pk, by=None)


class CancelledBookingFactory(BookingFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        booking = super()._create(model_class, *args, **kwargs)
        return services.cancel_booking(booking_id=booking.pk, by=None)


class DoneBookingFactory(ConfirmedBookingFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        booking = super()._create(model_class, *args, **kwargs)
        return services.finish_booking(booking_id=booking.pk, by=None)


class MissedBookingFactory(ConfirmedBookingFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        booking = super()._create(model_class, *args, **kwargs)
        return services.miss_booking(booking_id=booking.pk, by=None)


IN_STATUS = {
    "pending": BookingFactory,
    "confirmed": ConfirmedBookingFactory,
    "cancelled": CancelledBookingFactory,
    "done": DoneBookingFactory,
    "no_show": MissedBookingFactory,
}
