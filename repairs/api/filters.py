"""Filters of the lists."""

from typing import Any

import django_filters
from django import forms
from django.db.models import Q, QuerySet

from core.api.filters import YesNoFilter
from repairs.models import Aside, Job, Source, looked_for, phone_key
from repairs.states import AsideReason, JobStatus, status_meant

_DAY = "%Y-%m-%d"


class _StatusField(forms.ChoiceField):
    def to_python(self, value: Any) -> str:
        # As the document shows it, too: "New".
        return str(super().to_python(status_meant(str(value or "")) or value))


class _StatusFilter(django_filters.ChoiceFilter):
    field_class = _StatusField

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=JobStatus.choices, **options)


class _OfSource(django_filters.FilterSet):
    def of_source(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        # Looked up first: by its key the planner knows how many are of it.
        found = Source.objects.filter(name=value).values_list("pk", flat=True)
        return rows.filter(source__in=list(found))


class RepairFilter(_OfSource):
    status = _StatusFilter(help_text="Where it stands, in any case.")
    source = django_filters.CharFilter(
        method="of_source", help_text="Name of whose database it came from."
    )
    client = django_filters.CharFilter(
        method="of_client",
        max_length=100,
        help_text="The customer: a phone number, or how the name begins, either one first.",
    )
    date = django_filters.DateFilter("job_date", input_formats=[_DAY], help_text="Came this day.")
    date_after = django_filters.DateFilter(
        "job_date", "gte", input_formats=[_DAY], help_text="Came on this day or later."
    )
    date_before = django_filters.DateFilter(
        "job_date", "lt", input_formats=[_DAY], help_text="Came before this day."
    )
    product = django_filters.CharFilter(
        method="of_product",
        help_text="Its `product_id` exactly; where no job has it, its type in any case.",
    )
    postcode = django_filters.CharFilter(
        method="at_postcode", help_text="How it begins, in any case and with any spaces."
    )
    attention = YesNoFilter(method="with_attention", help_text="Whether a person is to look at it.")
    baseline = YesNoFilter(help_text="Whether it was there before us, so that nobody was told.")

    class Meta:
        model = Job
        fields = ()

    def of_client(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        digits = phone_key(value)
        if digits and not any(map(str.isalpha, value)):
            return jobs.filter(phone_key=digits)
        words = value.upper().split()
        # "SMITH JOHN" is what is looked for, by an index over how it begins.
        found = Q(client_key__startswith=" ".join(words))
        for at in range(1, len(words)):
            first, last = " ".join(words[:at]), " ".join(words[at:])
            found |= Q(client_key__startswith=last, client_key__endswith=f" {first}")
        if len(words) == 1:
            # A first name alone: no index helps.
            found |= Q(client_key__contains=f" {words[0]}")
        return jobs.filter(found)

    def of_product(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        # One after the other: an "or" could use the index of neither.
        if Job.objects.filter(product_sku=value).exists():
            return jobs.filter(product_sku=value)
        return jobs.filter(product_type__iexact=value)

    def at_postcode(self, jobs: QuerySet[Job], name: str, value: str) -> QuerySet[Job]:
        key = looked_for(firstname="", lastname="", postcode=value, mobile="")["postcode_key"]
        return jobs.filter(postcode_key__startswith=key)

    def with_attention(self, jobs: QuerySet[Job], name: str, value: bool) -> QuerySet[Job]:
        wanted = Job.objects.attention()
        return jobs.filter(wanted) if value else jobs.exclude(wanted)


class RepairSourceFilter(django_filters.FilterSet):
    active = YesNoFilter(help_text="Whether it is collected from.")

    class Meta:
        model = Source
        fields = ()


class RowAsideFilter(_OfSource):
    source = django_filters.CharFilter(
        method="of_source", help_text="Name of whose database it stands in."
    )
    reason = django_filters.ChoiceFilter(
        choices=AsideReason.choices, help_text="Why it could not become a job."
    )
    open = YesNoFilter(
        "resolved_at", "isnull", help_text="Whether it is neither mended nor gone so far."
    )

    class Meta:
        model = Aside
        fields = ()
