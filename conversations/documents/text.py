"""JSON text taken apart and put together again, its values left as they were written."""

import gc
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from conversations.exceptions import BadDocument
from core.errors import FieldError
from core.stored import storable

# MongoDB's own.
DEEPEST = 100
# What Python reads of an integer; JSONB holds far more.
_LONGEST_NUMBER = 4300
_LARGEST_EXPONENT = 1000
# JSONB writes 1e1000 out: so many of them in a document, and it could not be read any more.
_MOST_LARGE = 1000
_LARGE = re.compile(r"[\s,:\[]-?[0-9]++(?:[.][0-9]++)?[eE][+-]?0*+[1-9][0-9]{2}")
_SHORT = 100_000
# Of a name that an error tells.
LONGEST_NAME = 100
_SPACE = re.compile(r"[ \t\n\r]*")
# A name without escapes, as nearly all are, and what separates it from its value.
_NAME = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_BEHIND = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*")
# An escape in a JSON string; a surrogate pair is one.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)


class RawJson(str):
    """JSON text that an answer holds as it is (`conversations.api.renderers`)."""

    __slots__ = ()


class Member(NamedTuple):
    """A member of an object: its value, and where in the text it and its name are."""

    name: str
    value: Any
    begins: int
    value_begins: int
    ends: int


class _NotANumber(ValueError):
    pass


def _number(text: str) -> float:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > _LONGEST_NUMBER or (exponent and abs(int(exponent)) > _LARGEST_EXPONENT):
        raise ValueError(text)
    return float(text)


def _no_constant(text: str) -> float:
    raise _NotANumber(text)


_decode = json.JSONDecoder(parse_float=_number, parse_constant=_no_constant).raw_decode


def members_of(text: str) -> list[Member]:
    """Take an object apart.

    Raises:
        BadDocument: it is no JSON, no object, names a member twice, or holds what cannot be kept:
            NaN, a number of thousands of digits, more than 100 levels, half a character.
    """
    try:
        if not text.isascii():
            text.encode()
        members = list(_members(text)) if len(text) <= _SHORT else _members_of_long(text)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        raise BadDocument("It is not Unicode: it has half a surrogate pair.") from None
    except _NotANumber as error:
        raise BadDocument(f"{error} is no number in JSON.") from None
    except json.JSONDecodeError as error:
        raise BadDocument(f"It is not JSON: {error}.") from None
    except ValueError:
        # Also an integer of more digits than Python reads.
        raise BadDocument("A number in it is too large.") from None
    _check(text, members)
    return members


def _members_of_long(text: str) -> list[Member]:
    """Read a long text while Python looks for no cycles, which it would do for most of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return list(_members(text))
    finally:
        if collects:
            gc.enable()


def _check(text: str, members: Sequence[Member]) -> None:
    if len(text) > _SHORT and sum(1 for _ in _LARGE.finditer(text)) > _MOST_LARGE:
        raise BadDocument("It has too many large numbers.")
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            raise BadDocument(
                "The document has errors.",
                errors=[error_at(member.name, "duplicate_key", "It is there twice.")],
            )
        seen.add(member.name)
        if type(member.value) in (dict, list) and _is_too_deep(text, member):
            raise _too_deep()


def error_at(name: str, code: str, detail: str) -> FieldError:
    """Return what is wrong with a member; its name may be long, or no text for an answer."""
    return FieldError(path=(storable(name, LONGEST_NAME),), code=code, detail=detail)


def with_members(
    text: str, changes: Mapping[str, str | None], members: Sequence[Member] | None = None
) -> str:
    """Return an object's text with these members' JSON in place, added at its end, or (None) gone.

    The rest of it stays as it was written.

    Args:
        members: its own, where they are known already.
    """
    if members is None:
        members = members_of(text)
    pieces: list[str] = []
    kept = ""
    for place, member in enumerate(members):
        value = changes.get(member.name, text[member.value_begins : member.ends])
        if value is None:
            continue
        pieces += [kept, text[member.begins : member.value_begins], value]
        # What stood behind it stands before the next that stays, whichever that is.
        kept = text[member.ends : members[place + 1].begins] if place + 1 < len(members) else ","
    known = {member.name for member in members}
    for name, value in changes.items():
        if value is not None and name not in known:
            pieces += ["," if pieces else "", f"{json.dumps(name)}:{value}"]
    begins = members[0].begins if members else text.index("{") + 1
    ends = members[-1].ends if members else begins
    return "".join([text[:begins], *pieces, text[ends:]])


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
    code = int(escape.removeprefix("\\u"), 16)
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
        if plain := _NAME.match(text, at):
            name, value_begins = plain[1], plain.end()
        else:
            name, value_begins = _name(text, at)
        value, ends = _decode(text, value_begins)
        yield Member(name, value, begins, value_begins, ends)
        behind = _BEHIND.match(text, ends)
        if behind is None:
            raise json.JSONDecodeError("Expecting ',' or '}'", text, _after_space(text, ends))
        at = behind.end()
        if behind[1] == "}":
            return _end(text, at)


def _name(text: str, at: int) -> tuple[str, int]:
    """Return a name with escapes, and where its value begins; or tell what is wrong with it."""
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("Expecting a name in double quotes", text, at)
    name, at = _decode(text, at)
    at = _after_space(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("Expecting ':'", text, at)
    return name, _after_space(text, at + 1)


def _end(text: str, at: int) -> None:
    at = _after_space(text, at)
    if at != len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None  # noqa: S101  it matches nothing, too
    return match.end()


def _is_too_deep(text: str, member: Member) -> bool:
    """Tell whether a member's value goes deeper than the document may; that is the first level."""
    span = (member.value_begins, member.ends)
    if text.count("{", *span) + text.count("[", *span) < DEEPEST:
        return False
    level = [member.value]
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
