"""Filters of the customer list."""

import django_filters
from django.db.models import QuerySet

from core.errors import InvalidInput
from core.phones import parse_phone
from customers.models import Customer


class CustomerFilter(django_filters.FilterSet):
    phone = django_filters.CharFilter(
        method="with_phone", help_text="Phone number, as people write it."
    )
    email = django_filters.CharFilter(lookup_expr="iexact", help_text="E-mail address.")
    language = django_filters.CharFilter(help_text="Language code.")

    class Meta:
        model = Customer
        fields = ()

    def with_phone(self, queryset: QuerySet[Customer], name: str, value: str) -> QuerySet[Customer]:
        try:
            return queryset.filter(phone=parse_phone(value))
        except InvalidInput:
            # Nobody has an impossible number.
            return queryset.none()
