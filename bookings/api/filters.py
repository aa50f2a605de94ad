"""Filters of the lists."""

import django_filters

from bookings.models import LARGEST_ID, Booking, ClosedDay, Resource, Service
from bookings.states import BookingStatus
from core.api.filters import IntegerFilter, TimeFilter, YesNoFilter


class ServiceFilter(django_filters.FilterSet):
    active = YesNoFilter(help_text="Whether it can be booked.")

    class Meta:
        model = Service
        fields = ()


class ResourceFilter(django_filters.FilterSet):
    active = YesNoFilter(help_text="Whether it can be booked.")

    class Meta:
        model = Resource
        fields = ()


class ClosedDayFilter(django_filters.FilterSet):
    resource = django_filters.CharFilter(
        "resource__code", help_text="Code of what is closed; without the days of all of them."
    )
    date_after = django_filters.DateFilter(
        "date", "gte", input_formats=["%Y-%m-%d"], help_text="On this day or later."
    )
    date_before = django_filters.DateFilter(
        "date", "lt", input_formats=["%Y-%m-%d"], help_text="Before this day."
    )

    class Meta:
        model = ClosedDay
        fields = ()


class ServiceOrderFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=BookingStatus.choices, help_text="Its status.")
    customer = django_filters.CharFilter("customer__code", help_text="Code of the customer.")
    resource = django_filters.CharFilter("resource__code", help_text="Code of what is booked.")
    service = IntegerFilter(
        "booked__service", help_text="Id of a service.", min_value=1, max_value=LARGEST_ID
    )
    imported = YesNoFilter(help_text="Whether it is history from elsewhere.")
    datetime_after = TimeFilter("datetime", "gte", help_text="At this time or later (RFC 3339).")
    datetime_before = TimeFilter("datetime", "lt", help_text="Before this time (RFC 3339).")

    class Meta:
        model = Booking
        fields = ()
