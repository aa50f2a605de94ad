"""Conditions on the custom document: read from query parameters, told to PostgreSQL as jsonpath.

`custom.<path>=value` or `custom.<path>[<operator>]=value`. A path has names with dots between
them; a name that holds a dot, a bracket, a quote or a sign of comparison stands in double quotes,
as a JSON string. An array is looked through: the condition holds where it holds for an element.

Nothing of it becomes SQL: each condition is one parameter, a jsonpath whose names and values are
JSON strings and numbers. There are no patterns, so that nothing of it can take long but to read
the documents.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import TextChoices

from conversations.exceptions import BadFilter

PREFIX = "custom."
MOST_CONDITIONS = 10
MOST_NAMES = 8
LONGEST_NAME = 64
MOST_VALUES = 50
LONGEST_VALUE = 200
# PostgreSQL's numbers end beyond; documents with larger ones are refused as well.
_LARGEST_EXPONENT = 1000
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_NAME = re.compile(r'[^.\[\]<>=!"\x00-\x1f\x7f][^.\[\]<>=!\x00-\x1f\x7f]*')
# `custom.score>=5` comes as the name `score>` with the value 5.
_SIGN = re.compile("[<>=!]")
_OPERATOR = re.compile(r"\[([^\[\]]*)\]")
_PLAIN_VALUE = re.compile(r"[^,]*")
_LONE = re.compile("[\ud800-\udfff\x00]")
_decoder = json.JSONDecoder()


class Operator(TextChoices):
    EQ = "eq", "equal (when none is written)"
    NE = "ne", "not equal, or not there"
    GT = "gt", "greater"
    GTE = "gte", "greater or equal"
    LT = "lt", "less"
    LTE = "lte", "less or equal"
    IN = "in", "equal to one of these"
    EXISTS = "exists", "there (true), or not (false)"


_SIGNS = {Operator.GT: ">", Operator.GTE: ">=", Operator.LT: "<", Operator.LTE: "<="}


@dataclass(frozen=True, slots=True)
class Condition:
    """What a custom document is to fulfil, or (`negated`) not to.

    `indexed` tells whether the index over `custom` finds such documents.
    """

    jsonpath: str
    negated: bool = False
    indexed: bool = False


def read_condition(parameter: str, value: str) -> Condition:
    """Return the condition of one query parameter, `custom.score[gte]` and `5`.

    Raises:
        BadFilter: it cannot be read, or is longer than it may be.
    """
    names, operator = _read_parameter(parameter)
    path = "$" + "".join(f".{_quoted(name)}" for name in names)
    if operator == Operator.EXISTS:
        return Condition(path, negated=not _read_yes_or_no(value))
    if operator == Operator.IN:
        values = [_Value.read(text) for text in _split(value)]
        return Condition(f"{path} ? ({_any_of(values)})", indexed=True)
    if len(value) > LONGEST_VALUE:
        raise BadFilter(f"A value may have {LONGEST_VALUE} characters at most.")
    single = _Value.read(value)
    if operator in _SIGNS:
        return Condition(f"{path} ? (@ {_SIGNS[operator]} {single.compared})")
    negated = operator == Operator.NE
    return Condition(f"{path} ? ({_any_of([single])})", negated=negated, indexed=not negated)


def values_of(text: str) -> list[str]:
    """Split a list of values at its commas; one in double quotes is a JSON string.

    Raises:
        BadFilter: it is none, or too long.
    """
    return [_unquoted(each) if each.startswith('"') else each for each in _split(text)]


def path_of(names: list[str]) -> str:
    """Return names as a path that `read_condition` understands."""
    return ".".join(
        name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names
    )


@dataclass(frozen=True, slots=True)
class _Value:
    """A value as jsonpath: what is equal to it, and what is compared with it."""

    equals: tuple[str, ...]
    compared: str

    @classmethod
    def read(cls, text: str) -> "_Value":
        if text.startswith('"'):
            quoted = _quoted(_unquoted(text))
            return cls((quoted,), quoted)
        if _LONE.search(text):
            raise BadFilter("A value holds no NUL and no half of a surrogate pair.")
        quoted = _quoted(text)
        if text in {"true", "false", "null"}:
            return cls((text, quoted), quoted)
        number = _NUMBER.fullmatch(text)
        if number and abs(int(number[1] or 0)) <= _LARGEST_EXPONENT:
            return cls((text, quoted), text)
        return cls((quoted,), quoted)


def _any_of(values: list[_Value]) -> str:
    equals = dict.fromkeys(each for value in values for each in value.equals)
    return " || ".join(f"@ == {each}" for each in equals)


def _quoted(text: str) -> str:
    # What jsonpath takes for a string is what JSON does.
    return json.dumps(text, ensure_ascii=False)


def _read_parameter(parameter: str) -> tuple[list[str], Operator]:
    names, at = [], len(PREFIX) - 1
    while parameter[at : at + 1] == ".":
        name, at = _read_name(parameter, at + 1)
        if len(name) > LONGEST_NAME:
            raise BadFilter(f"A name in a path may have {LONGEST_NAME} characters at most.")
        names.append(name)
        if len(names) > MOST_NAMES:
            raise BadFilter(f"A path may have {MOST_NAMES} names at most.")
    rest = parameter[at:]
    if not rest:
        return names, Operator.EQ
    found = _OPERATOR.fullmatch(rest)
    if found is None:
        _check_sign(rest)
        raise BadFilter(
            "It is custom.name.name or custom.name[operator]; a name with dots, brackets or "
            "quotes stands in double quotes."
        )
    if found[1] not in Operator.values:
        raise BadFilter(f"There is no such operator. Known: {', '.join(Operator)}.")
    return names, Operator(found[1])


def _read_name(parameter: str, at: int) -> tuple[str, int]:
    if parameter[at : at + 1] == '"':
        return _read_string(parameter, at)
    found = _NAME.match(parameter, at)
    if found is None:
        _check_sign(parameter[at:])
    if found is None or _LONE.search(found[0]):
        raise BadFilter(
            "A name in the path is empty or holds a control character; in double quotes it may "
            "have any characters of a JSON string."
        )
    return found[0], found.end()


def _check_sign(rest: str) -> None:
    if _SIGN.match(rest):
        raise BadFilter(
            "Compare with [gt], [gte], [lt], [lte] or [ne]: custom.score[gte]=5. A name with "
            "<, >, = or ! stands in double quotes."
        )


def _read_string(text: str, at: int = 0) -> tuple[str, int]:
    """Return the JSON string that begins here, and where it ends."""
    try:
        read, end = _decoder.raw_decode(text, at)
    except json.JSONDecodeError:
        raise BadFilter("What begins with a double quote must be a JSON string.") from None
    if _LONE.search(read):
        raise BadFilter("A text holds no NUL and no half of a surrogate pair.")
    return read, end


def _unquoted(text: str) -> str:
    read, end = _read_string(text)
    if end != len(text):
        raise BadFilter("What begins with a double quote must be a JSON string.")
    return read


def _read_yes_or_no(value: str) -> bool:
    try:
        return {"true": True, "false": False}[value]
    except KeyError:
        raise BadFilter("Must be true or false.") from None


def _split(text: str) -> list[str]:
    values = list(_split_at_commas(text))
    if len(values) > MOST_VALUES:
        raise BadFilter(f"There may be {MOST_VALUES} values at most.")
    if any(len(value) > LONGEST_VALUE for value in values):
        raise BadFilter(f"A value may have {LONGEST_VALUE} characters at most.")
    return values


def _split_at_commas(text: str) -> Iterator[str]:
    at = 0
    while True:
        if text[at : at + 1] == '"':
            end = _read_string(text, at)[1]
        else:
            found = _PLAIN_VALUE.match(text, at)
            assert found is not None  # noqa: S101  it matches nothing, too
            end = found.end()
        yield text[at:end]
        if end == len(text):
            return
        if text[end] != ",":
            raise BadFilter("Behind a value in double quotes comes a comma or the end.")
        at = end + 1
