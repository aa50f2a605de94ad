"""Filters of the lists of uploads and of their rows."""

import django_filters

from uploads.models import Upload, UploadRow
from uploads.states import Kind, Outcome, UploadStatus


class UploadFilter(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=Kind.choices, help_text="What its rows are.")
    status = django_filters.ChoiceFilter(choices=UploadStatus.choices, help_text="Its status.")

    class Meta:
        model = Upload
        fields = ()


class UploadRowFilter(django_filters.FilterSet):
    outcome = django_filters.ChoiceFilter(
        choices=Outcome.choices, help_text="What became of it; `failed`: those with errors."
    )
    subject = django_filters.CharFilter(help_text="Code, SKU or order number, exactly.")

    class Meta:
        model = UploadRow
        fields = ()
