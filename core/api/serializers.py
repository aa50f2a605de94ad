"""Serializer bases and fields that every app uses."""

from datetime import time
from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_CLOCK = "%H:%M"
MONEY = {"max_digits": 12, "decimal_places": 2}


class MoneyField(serializers.DecimalField):
    """An amount of the shop's currency: a decimal string such as `"12.50"`, never negative."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**MONEY, "min_value": Decimal(0), **kwargs})


@extend_schema_field({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"})
class ClockField(serializers.TimeField):
    """Hours and minutes as the shop's clocks show them: `08:00`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format=_CLOCK, input_formats=[_CLOCK], **kwargs)


def on_clock(moment: time) -> str:
    return f"{moment:{_CLOCK}}"


class InputSerializer(serializers.Serializer[Any]):
    """What a caller may send. A field that nobody knows is an error: it is a typing error.

    Fields of the answer that can't be set (`id`, `status`, …) are let pass, so
    that what was read can be sent back: name them in `ignored`.
    """

    ignored: ClassVar[tuple[str, ...]] = ()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            known = set(self.fields) | set(self.ignored)
            unknown = {
                name: [serializers.ErrorDetail("There is no such field.", code="unknown_field")]
                for name in data
                if name not in known
            }
            if unknown:
                # With all other failures of the form, at once.
                try:
                    super().to_internal_value(data)
                except serializers.ValidationError as error:
                    raise serializers.ValidationError({**unknown, **error.detail}) from None  # type: ignore[dict-item]
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class NothingInput(InputSerializer):
    """No fields; the body may be left out."""


class ReasonInput(InputSerializer):
    reason = serializers.CharField(max_length=500, help_text="The other side is told it.")


class ProblemErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(
        required=False, help_text="JSON pointer to the field of the body, e.g. `/lines/0/sku`."
    )
    parameter = serializers.CharField(required=False, help_text="Name of the query parameter.")
    code = serializers.CharField(help_text="Stable code of this error.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457 problem document."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="Stable code, for programs.")
    errors = ProblemErrorSerializer(  # type: ignore[assignment]  # a field, not the property
        many=True, help_text="All failures of the input at once."
    )
    request_id = serializers.CharField(
        allow_null=True, help_text="Tell us this when you ask for help."
    )
    status_now = serializers.CharField(
        required=False, help_text="409 `illegal_move`: the present status."
    )
    allowed = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="409 `illegal_move`: the statuses that may follow.",
    )
    clashes_with = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="409 `booking_conflict`: when the booking is that is too near.",
    )
    free = serializers.ListField(
        child=serializers.DateTimeField(),
        required=False,
        help_text="409 `booking_conflict`: the next times that can be booked.",
    )
    ids = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="409 `ambiguous_job`: what the jobs of this number are called in full.",
    )
