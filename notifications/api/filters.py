"""Filters of the message list."""

import django_filters
from django.conf import settings
from django.db.models import QuerySet

from core.api.filters import YesNoFilter
from notifications.models import Consent, Message, StatusLink, Template
from notifications.states import MessageStatus
from repairs.models import Source


class MessageFilter(django_filters.FilterSet):
    order = django_filters.CharFilter(method="about_order", help_text="Number of the order.")
    repair = django_filters.CharFilter(
        method="about_repair", help_text="Number of the repair job, `00123` or `workshop:00123`."
    )
    subject = django_filters.CharFilter(help_text="Kind of thing it is about, e.g. `order`.")
    reference = django_filters.CharFilter(help_text="Which one, e.g. the order's number.")
    status = django_filters.ChoiceFilter(choices=MessageStatus.choices, help_text="Its status.")
    event = django_filters.CharFilter(help_text="What happened, e.g. `order.placed`.")
    recipient = django_filters.CharFilter(help_text="Code of the customer.")
    to = django_filters.CharFilter(help_text="Phone number, E.164.")

    class Meta:
        model = Message
        fields = ()

    def about_order(self, queryset: QuerySet[Message], name: str, value: str) -> QuerySet[Message]:
        return queryset.filter(subject="order", reference=value)

    def about_repair(self, queryset: QuerySet[Message], name: str, value: str) -> QuerySet[Message]:
        source, _, number = value.rpartition(":")
        # Of several clients, each has its own numbers; some may be configured no more.
        sources = [source] if source else Source.objects.values_list("name", flat=True)
        references = [f"{each}:{number.zfill(5)}" for each in sources]
        return queryset.filter(subject="repair", reference__in=references)


class ConsentFilter(django_filters.FilterSet):
    opted_out = YesNoFilter(help_text="Those who want to hear nothing, or the others.")

    class Meta:
        model = Consent
        fields = ()


class TemplateFilter(django_filters.FilterSet):
    event = django_filters.CharFilter(help_text="What happened, e.g. `order.placed`.")
    language = django_filters.ChoiceFilter(choices=settings.LANGUAGES, help_text="Its language.")

    class Meta:
        model = Template
        fields = ()


class StatusLinkFilter(django_filters.FilterSet):
    subject = django_filters.CharFilter(help_text="Kind of thing it shows, e.g. `order`.")
    reference = django_filters.CharFilter(help_text="Which one, e.g. the order's number.")
    revoked = YesNoFilter(
        field_name="revoked_at",
        lookup_expr="isnull",
        exclude=True,
        help_text="Those that were closed by hand, or the others.",
    )

    class Meta:
        model = StatusLink
        fields = ()
