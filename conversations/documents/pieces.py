"""Many documents in one body taken apart, none of them read yet.

Of bytes, as one that is no UTF-8 spoils itself alone then.
"""

import re
from collections.abc import Iterator

from conversations.exceptions import BadDocument

_SPACE = b" \t\n\r"
# Strings are passed over whole: brackets in them are none. One without its end goes to the end of
# all. (Possessive, so that a long one is not remembered character by character.)
_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_OUTSIDE = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL)
_WITHIN = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)


def elements_of(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each element of a JSON array begins and ends; whether it is JSON stays open.

    Raises:
        BadDocument: it is no array, or has no end.
    """
    begins = len(body) - len(body.lstrip(_SPACE)) + 1
    if body[begins - 1 : begins] != b"[":
        raise BadDocument("It is not an array.")
    at, depth, first = begins, 0, True
    while found := (_WITHIN if depth else _OUTSIDE).search(body, at):
        sign, at = found[0], found.end()
        if sign in {b"[", b"{"}:
            depth += 1
        elif depth:
            depth -= sign in {b"]", b"}"}
        elif sign in {b",", b"]"}:
            span = _stripped(body, begins, at - 1)
            if sign == b"," or not first or span[0] < span[1]:
                yield span
            if sign == b"]":
                return _end(body, at)
            begins, first = at, False
        elif sign == b"}":
            break
    raise BadDocument("It is not JSON: the array does not end.")


def lines_of(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each line that is not blank begins and ends."""
    begins = 0
    while begins < len(body):
        ends = body.find(b"\n", begins)
        ends = len(body) if ends < 0 else ends
        span = _stripped(body, begins, ends)
        if span[0] < span[1]:
            yield span
        begins = ends + 1


def _stripped(body: bytes, begins: int, ends: int) -> tuple[int, int]:
    while begins < ends and body[begins] in _SPACE:
        begins += 1
    while ends > begins and body[ends - 1] in _SPACE:
        ends -= 1
    return begins, ends


def _end(body: bytes, at: int) -> None:
    if body[at:].strip(_SPACE):
        raise BadDocument("It is not JSON: there is more behind the array.")
