"""REST's forms and filters as GraphQL's inputs: the same fields, the same checks."""

from enum import Enum
from typing import Any

import django_filters
import graphene
from django.db.models import TextChoices
from graphene.types.inputobjecttype import InputObjectTypeContainer
from rest_framework import serializers

from core.api.filters import IntegerFilter, MoneyFilter, TimeFilter, YesNoFilter
from core.api.serializers import InputSerializer

_ENUMS: dict[tuple[Any, ...], Any] = {}
_INPUTS: dict[str, Any] = {}

_SCALARS: list[tuple[type, Any]] = [
    (serializers.BooleanField, graphene.Boolean),
    (serializers.IntegerField, graphene.Int),
    (serializers.DecimalField, graphene.Decimal),
    (serializers.DateTimeField, graphene.DateTime),
    (serializers.DateField, graphene.Date),
    (serializers.Field, graphene.String),
]
_FILTERS: list[tuple[type, Any]] = [
    (YesNoFilter, graphene.Boolean),
    (IntegerFilter, graphene.Int),
    (MoneyFilter, graphene.Decimal),
    (TimeFilter, graphene.DateTime),
    (django_filters.Filter, graphene.String),
]


def enum_of(choices: type[TextChoices]) -> Any:
    """Return the enum of a model's choices; forms and filters with these choices have it too."""
    key = tuple(choices.choices)
    if key not in _ENUMS:
        _ENUMS[key] = graphene.Enum.from_enum(
            choices,
            description=lambda each: f"{each.label}." if each else (choices.__doc__ or "").strip(),
        )
    return _ENUMS[key]


def filter_argument(each: django_filters.Filter) -> graphene.Argument:
    """Return the argument that stands for a parameter of a list."""
    choices = tuple(each.extra.get("choices", ()))
    kind = _ENUMS.get(choices) or next(to for of, to in _FILTERS if isinstance(each, of))
    return graphene.Argument(kind, description=each.extra.get("help_text"))


def parameters_of(arguments: dict[str, Any]) -> dict[str, str | list[str]]:
    """Return arguments as a list's query would have them; of a list, each of its own."""
    return {
        name: [_as_text(each) for each in value] if isinstance(value, list) else _as_text(value)
        for name, value in arguments.items()
        if value is not None
    }


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def input_of(form: type[InputSerializer], *, name: str = "", partial: bool = False) -> Any:
    """Return the input type of a form.

    Args:
        name: of the type, where it is not the form's.
        partial: nothing need be given; what is left out stays.
    """
    name = name or form.__name__
    if name not in _INPUTS:
        fields = {
            each: _input_field(field, partial=partial) for each, field in form().fields.items()
        }
        own = form.__doc__ if "__doc__" in form.__dict__ else None
        description = (own or f"As REST's `{form.__name__}`.").strip()
        _INPUTS[name] = type(name, (graphene.InputObjectType,), {**fields, "__doc__": description})
    return _INPUTS[name]


def _input_field(field: Any, *, partial: bool) -> graphene.InputField:
    return graphene.InputField(
        _input_type(field),
        # GraphQL has no field that must be given and may be null: of those, the form says it.
        required=field.required and not field.allow_null and not partial,
        description=field.help_text or None,
    )


def _input_type(field: Any) -> Any:
    match field:
        case serializers.ListSerializer() | serializers.ListField():
            return graphene.List(graphene.NonNull(_input_type(field.child)))
        case InputSerializer():
            return input_of(type(field))
        case serializers.ChoiceField() if tuple(field.choices.items()) in _ENUMS:
            return _ENUMS[tuple(field.choices.items())]
    return next(to for of, to in _SCALARS if isinstance(field, of))


def plain(value: Any) -> Any:
    """Return an input as JSON would have brought it, for REST's forms."""
    match value:
        case InputObjectTypeContainer() | dict():
            # Not by its own name: a field of the input may be called `items`.
            return {name: plain(each) for name, each in dict.items(value)}
        case list():
            return [plain(each) for each in value]
        case Enum():
            return value.value
    return value
