"""Filters of the lists."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from core.api.filters import TimeFilter, YesNoFilter
from customers.models import Customer
from shipping.models import Carrier, News, Shipment, StandingOrder
from shipping.permissions import can_see_shipments
from shipping.states import (
    DeliveryService,
    NewsSource,
    NewsState,
    ShipmentStatus,
    StandingOrderStatus,
)


class _OfCustomers(django_filters.FilterSet):
    """Of what belongs to a customer; `path` leads there."""

    path = "customer"

    def of_customer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # Looked up first: by their key the planner knows how many are theirs.
        found = Customer.objects.filter(code=value).values_list("pk", flat=True)
        return rows.filter(**{f"{self.path}__in": list(found)})


class ShipmentFilter(_OfCustomers):
    path = "order__customer"

    status = django_filters.ChoiceFilter(
        method="of_status", choices=ShipmentStatus.choices, help_text="Its status."
    )
    service = django_filters.ChoiceFilter(
        choices=DeliveryService.choices, help_text="How fast it goes."
    )
    carrier = django_filters.CharFilter("carrier__name", help_text="Name of the carrier.")
    order = django_filters.CharFilter("order__number", help_text="Number of the order.")
    customer = django_filters.CharFilter(method="of_customer", help_text="Code of the customer.")
    attention = YesNoFilter(
        method="with_attention", help_text="Whether a person is to look at it; to the shop alone."
    )
    created_after = TimeFilter(
        "created_at", "gte", help_text="Made at this time or later (RFC 3339)."
    )
    created_before = TimeFilter("created_at", "lt", help_text="Made before this time (RFC 3339).")

    class Meta:
        model = Shipment
        fields = ()

    def of_status(self, shipments: QuerySet[Shipment], name: str, value: str) -> QuerySet[Shipment]:
        if can_see_shipments(self.request.user):
            return shipments.filter(status=value)
        meant = [each for each in ShipmentStatus if Shipment(status=each).customers_status == value]
        return shipments.filter(status__in=meant)

    def with_attention(
        self, shipments: QuerySet[Shipment], name: str, value: bool
    ) -> QuerySet[Shipment]:
        if not can_see_shipments(self.request.user):
            return shipments.none()
        return shipments.exclude(attention="") if value else shipments.filter(attention="")


class CarrierFilter(django_filters.FilterSet):
    active = YesNoFilter(help_text="Whether anything new goes by it.")

    class Meta:
        model = Carrier
        fields = ()


class NewsFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=NewsState.choices, help_text="What became of it.")
    source = django_filters.ChoiceFilter(
        choices=NewsSource.choices, help_text="How the shop knows of it."
    )
    carrier = django_filters.CharFilter("carrier__name", help_text="Name of the carrier.")
    reference = django_filters.CharFilter(help_text="Which shipment it names.")
    received_after = TimeFilter(
        "received_at", "gte", help_text="Stored at this time or later (RFC 3339)."
    )
    received_before = TimeFilter(
        "received_at", "lt", help_text="Stored before this time (RFC 3339)."
    )

    class Meta:
        model = News
        fields = ()


class StandingOrderFilter(_OfCustomers):
    status = django_filters.ChoiceFilter(
        choices=StandingOrderStatus.choices, help_text="Its status."
    )
    customer = django_filters.CharFilter(method="of_customer", help_text="Code of the customer.")

    class Meta:
        model = StandingOrder
        fields = ()
