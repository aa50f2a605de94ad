"""JSON text taken apart and put together again, its values left as they were written."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conversations.exceptions import BadDocument
from core.errors import FieldError

# MongoDB's own.
DEEPEST = 100
_LONGEST_NUMBER = 4300
_LARGEST_EXPONENT = 1000
_SPACE = re.compile(r"[ \t\n\r]*")
# An escape in a JSON string: what stands behind a backslash that is none itself.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.", re.DOTALL
)


class RawJson(str):
    """JSON text that an answer holds as it is (`conversations.api.renderers`)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object: its value, and where in the text it and its name are."""

    name: str
    value: Any
    begins: int
    value_begins: int
    ends: int


class _NotANumber(ValueError):
    pass


class _NumberTooLarge(ValueError):
    pass


def _number(text: str) -> float:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _LONGEST_NUMBER or (
        exponent and (len(exponent) > 6 or abs(int(exponent)) > _LARGEST_EXPONENT)
    ):
        raise _NumberTooLarge(text)
    return float(text)


def _no_constant(text: str) -> float:
    raise _NotANumber(text)


_decoder = json.JSONDecoder(parse_float=_number, parse_constant=_no_constant)


def members_of(text: str) -> list[Member]:
    """Take an object apart.

    Raises:
        BadDocument: it is no JSON, no object, names a member twice, or holds what cannot be kept:
            NaN, a number of thousands of digits, more than 100 levels.
    """
    try:
        members = list(_members(text))
    except RecursionError:
        raise _too_deep() from None
    except _NotANumber as error:
        raise BadDocument(f"{error} is no number in JSON.") from None
    except _NumberTooLarge:
        raise BadDocument("A number in it is too large.") from None
    except json.JSONDecodeError as error:
        raise BadDocument(f"It is not JSON: {error}.") from None
    except ValueError:
        # An integer of more digits than Python reads.
        raise BadDocument("A number in it is too large.") from None
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise _at(member.name, "duplicate_key", "It is there twice.")
        seen.add(member.name)
        if type(member.value) in (dict, list) and _is_too_deep(member.value):
            raise _too_deep()
    return members


def with_members(text: str, changes: Mapping[str, str | None]) -> str:
    """Return an object's text with these members' JSON in place, added at its end, or (None) gone.

    The rest of it stays as it was written.
    """
    members = members_of(text)
    by_name = {member.name: member for member in members}
    gone = {name for name, value in changes.items() if value is None}
    pieces, at = [], 0
    kept = [member for member in members if member.name not in gone]
    if gone & by_name.keys():
        # Put together again of what stays: the commas between them belong to nobody.
        inner = ",".join(text[member.begins : member.ends] for member in kept)
        return with_members(
            "{" + inner + "}", {name: value for name, value in changes.items() if value is not None}
        )
    for member in kept:
        value = changes.get(member.name)
        if value is not None:
            pieces += [text[at : member.value_begins], value]
            at = member.ends
    added = [
        f"{json.dumps(name)}:{value}"
        for name, value in changes.items()
        if value is not None and name not in by_name
    ]
    if added:
        end = text.rindex("}") if not members else members[-1].ends
        if end < at:
            end = at
        pieces += [text[at:end], "," if members else "", ",".join(added)]
        at = end
    return "".join([*pieces, text[at:]])


def indexable(text: str) -> str:
    """Return a value's JSON as JSONB can hold it.

    It knows neither NUL nor half a surrogate pair; both become the replacement character there.
    """
    if "\\u0000" not in text and "\\ud" not in text and "\\uD" not in text:
        return text
    return _ESCAPE.sub(_storable_escape, text)


def _storable_escape(match: re.Match[str]) -> str:
    escape = match[0]
    if len(escape) != 6 or escape[1] != "u":
        return escape
    code = int(escape[2:], 16)
    return "\\ufffd" if code == 0 or 0xD800 <= code <= 0xDFFF else escape


def without_line_breaks(text: str) -> str:
    """Return JSON in one line. Inside its strings there are none, as they are escaped there."""
    return text.replace("\r", " ").replace("\n", " ") if "\n" in text or "\r" in text else text


def _members(text: str) -> Iterator[Member]:
    at = _after_space(text, 0)
    if text[at : at + 1] != "{":
        _decode(text, at)
        raise BadDocument("It is not an object.")
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "}":
        return _end(text, at + 1)
    while True:
        begins = at
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting a name in double quotes", text, at)
        name, at = _decode(text, at)
        at = _after_space(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':'", text, at)
        value_begins = _after_space(text, at + 1)
        value, ends = _decode(text, value_begins)
        yield Member(name, value, begins, value_begins, ends)
        at = _after_space(text, ends)
        sign = text[at : at + 1]
        if sign == "}":
            return _end(text, at + 1)
        if sign != ",":
            raise json.JSONDecodeError("Expecting ',' or '}'", text, at)
        at = _after_space(text, at + 1)


def _end(text: str, at: int) -> None:
    at = _after_space(text, at)
    if at != len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        return _decoder.scan_once(text, at)
    except StopIteration as error:
        raise json.JSONDecodeError("Expecting a value", text, error.value) from None


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # noqa: S101  it matches nothing, too
    return match.end()


def _is_too_deep(value: Any) -> bool:
    """Tell whether a member's value goes deeper than the document may; that is the first level."""
    level = [value]
    for _ in range(DEEPEST - 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in (dict, list)
        ]
        if not level:
            return False
    return True


def _too_deep() -> BadDocument:
    return BadDocument(f"It is nested more than {DEEPEST} levels deep.")


def _at(name: str, code: str, detail: str) -> BadDocument:
    return BadDocument(
        "The document has errors.", errors=[FieldError(path=(name,), code=code, detail=detail)]
    )
