"""Conditions made at random: PostgreSQL answers what Python works out, or it is a 400."""

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversations.exceptions import BadFilter
from conversations.models import Interaction
from conversations.services.conditions import path_of, read_condition
from conversations.services.finding import fulfilling

from .factories import EngagementFactory, make_interaction

# Whatever may mean something to SQL, to jsonpath, to JSON or to the driver.
SIGNS = "\"'\\$@?*.[](){}<>=!&|,:;%_-+ #/~^`\u2028\u00a0\ufeff\t\n\x01\x7f"
NAMES = [
    "a",
    "b",
    "$",
    "@",
    "*",
    "**",
    '"',
    "\\",
    "a.b",
    "",
    "é",
    "😀",
    "last",
    "'",
    "%s",
    "type()",
    "a>=",
    "!",
]
VALUES = [
    *NAMES,
    "1",
    "1.0",
    "-1",
    "1e0",
    "true",
    "false",
    "null",
    "x') OR true --",
    '") || true || (@ == "',
    "\\u0061",
    "\\",
    '\\"',
    "$.a",
    "like_regex",
    "2020-05-16",
    "\U0010ffff",
    "\uffff",
]
_atoms = st.one_of(
    st.sampled_from([1, -1, 1.5, 0, True, False, None, 10**30]), st.sampled_from(VALUES)
)
_documents = st.dictionaries(
    st.sampled_from(NAMES),
    st.recursive(
        _atoms,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        ),
        max_leaves=6,
    ),
    max_size=4,
)
_texts = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(VALUES).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(alphabet=SIGNS + "ab01", max_size=12),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6),
)
_names = st.one_of(st.sampled_from(NAMES), st.text(alphabet=SIGNS + "ab", max_size=5))
_operators = st.sampled_from(
    ["", "[eq]", "[ne]", "[gt]", "[gte]", "[lt]", "[lte]", "[exists]", "[in]"]
)
_parameters = st.one_of(
    st.builds(
        lambda names, operator: f"custom.{path_of(names)}{operator}",
        st.lists(_names, min_size=1, max_size=3),
        _operators,
    ),
    # Not put together as they should be.
    st.builds(
        lambda names, operator: f"custom.{'.'.join(names)}{operator}",
        st.lists(_names, min_size=1, max_size=3),
        _operators,
    ),
    st.text(alphabet=SIGNS + "abeqin", max_size=16).map("custom.".__add__),
)

Documents = list[dict[str, Any]]


def _steps(value: Any, name: str) -> list[Any]:
    """Return what a name leads to: an array is looked through, once."""
    values = value if isinstance(value, list) else [value]
    return [each[name] for each in values if isinstance(each, dict) and name in each]


def _operands(value: Any) -> list[Any]:
    """Return what is compared: elements of an array, and of the arrays in it."""
    if not isinstance(value, list):
        return [value]
    return [inner for each in value for inner in (each if isinstance(each, list) else [each])]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number_of(text: str) -> int | float | None:
    if not text or text[0] not in "-0123456789" or not text.isascii():
        return None
    try:
        number = json.loads(text) if text == text.strip() else None
    except ValueError:
        return None
    return number if _is_number(number) else None


def _equals(value: Any, text: str) -> bool:
    if text.startswith('"'):
        return isinstance(value, str) and value == json.loads(text)
    if isinstance(value, str):
        return value == text
    if text in {"true", "false", "null"}:
        return value is {"true": True, "false": False, "null": None}[text]
    number = _number_of(text)
    return number is not None and _is_number(value) and value == number


def _compares(value: Any, sign: str, text: str) -> bool:
    number = None if text.startswith('"') else _number_of(text)
    if number is not None:
        if not _is_number(value):
            return False
        left, right = value, number
    else:
        if not isinstance(value, str):
            return False
        left, right = value, json.loads(text) if text.startswith('"') else text
    return {
        "gt": left > right,
        "gte": left >= right,
        "lt": left < right,
        "lte": left <= right,
    }[sign]


def _fulfils(document: Any, names: list[str], operator: str, values: list[str]) -> bool:
    found = [document]
    for name in names:
        found = [step for each in found for step in _steps(each, name)]
    if operator == "exists":
        return bool(found) == (values[0] == "true")
    operands = [operand for each in found for operand in _operands(each)]
    if operator in {"gt", "gte", "lt", "lte"}:
        return any(_compares(operand, operator, values[0]) for operand in operands)
    equal = any(_equals(operand, value) for operand in operands for value in values)
    return not equal if operator == "ne" else equal


def _found(documents: Documents, parameter: str, value: str) -> list[int] | None:
    """Return which of the documents PostgreSQL finds; None: it is a 400."""
    try:
        condition = read_condition(parameter, value)
    except BadFilter:
        return None
    engagement = EngagementFactory()
    for at, document in enumerate(documents):
        make_interaction(
            engagement, custom=json.dumps(document), agent_name=f"{at}", sentiment="mine"
        )
    # None of these, whatever is asked.
    make_interaction(custom=json.dumps(documents[0]), agent_name="99")
    kept = fulfilling(Interaction.objects.filter(engagement=engagement), [condition])
    return sorted(int(name) for name in kept.values_list("agent_name", flat=True))


_some = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.mark.django_db
@_some
@given(
    documents=st.lists(_documents, min_size=1, max_size=3),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    operator=st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
    value=_texts,
)
def test_conditions_find_what_python_finds(
    documents: Documents, names: list[str], operator: str, value: str
):
    with transaction.atomic():
        found = _found(documents, f"custom.{path_of(names)}[{operator}]", value)
        transaction.set_rollback(True)

    if found is None:
        # Only what begins as a JSON string can be wrong.
        assert value.startswith('"')
        return
    assert found == [
        at for at, document in enumerate(documents) if _fulfils(document, names, operator, [value])
    ]


@pytest.mark.django_db
@_some
@given(
    documents=st.lists(_documents, min_size=1, max_size=3),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    values=st.lists(st.sampled_from(VALUES), min_size=1, max_size=4),
    yes=st.booleans(),
)
def test_lists_and_presence_find_what_python_finds(
    documents: Documents, names: list[str], values: list[str], yes: bool
):
    quoted = [json.dumps(value) for value in values]
    with transaction.atomic():
        among = _found(documents, f"custom.{path_of(names)}[in]", ",".join(quoted))
        there = _found(documents, f"custom.{path_of(names)}[exists]", json.dumps(yes))
        transaction.set_rollback(True)

    def expected(operator: str, wanted: list[str]) -> list[int]:
        return [
            at
            for at, document in enumerate(documents)
            if _fulfils(document, names, operator, wanted)
        ]

    assert among == expected("in", quoted)
    assert there == expected("exists", [json.dumps(yes)])


@pytest.mark.django_db
@_some
@given(parameter=_parameters, value=_texts)
def test_whatever_is_asked_never_breaks_a_statement_or_finds_another_row(
    parameter: str, value: str
):
    with transaction.atomic():
        # An error of the database would be one of the test.
        found = _found([{"a": "b"}, {"b": [1, {"a": None}]}], parameter, value)
        transaction.set_rollback(True)

    assert found is None or set(found) <= {0, 1}
