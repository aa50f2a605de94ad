"""Many documents in one body taken apart, none of them read yet.

Of bytes, as one that is no UTF-8 spoils itself alone then.
"""

import re
from collections.abc import Iterator

from conversations.exceptions import BadDocument

from .text import DEEPEST

_SPACE = b" \t\n\r"
# Strings are passed over whole: brackets in them are none. One without its end goes to the end of
# all. (Possessive, so that a long one is not remembered character by character.)
_STRING = rb'"(?:[^"\\]++|\\.)*+"?+'
_WITHIN = rb'[^\[\]{}"]++|' + _STRING


def _balanced(levels: int) -> bytes:
    """Return what matches an array or an object with whatever is in it, so many levels deep.

    Each level is written out, as one that counts the brackets in Python takes half a minute for
    a body that is nothing but brackets.
    """
    inner = b"(?:" + _WITHIN + b")*+"
    for _ in range(levels - 1):
        inner = b"(?:" + _WITHIN + rb"|[\[{]" + inner + rb"[\]}])*+"
    return rb"[\[{]" + inner + rb"[\]}]"


_ELEMENT = re.compile(
    rb'(?:[^\[\]{}",]++|' + _STRING + b"|" + _balanced(DEEPEST) + b")*+", re.DOTALL
)


def elements_of(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each element of a JSON array begins and ends; whether it is JSON stays open.

    Raises:
        BadDocument: it is no array, has no end, or goes deeper than a document may.
    """
    begins = len(body) - len(body.lstrip(_SPACE)) + 1
    if body[begins - 1 : begins] != b"[":
        raise BadDocument("It is not an array.")
    first = True
    while found := _ELEMENT.match(body, begins):
        at = found.end()
        sign = body[at : at + 1]
        if sign not in {b",", b"]"}:
            break
        span = _stripped(body, begins, at)
        if sign == b"," or not first or span[0] < span[1]:
            yield span
        if sign == b"]":
            return _end(body, at + 1)
        begins, first = at + 1, False
    raise BadDocument(
        "It is not JSON: the array does not end, or something in it is nested more than"
        f" {DEEPEST} levels deep."
    )


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
    piece = body[begins:ends].rstrip(_SPACE)
    ends = begins + len(piece)
    return ends - len(piece.lstrip(_SPACE)), ends


def _end(body: bytes, at: int) -> None:
    if body[at:].strip(_SPACE):
        raise BadDocument("It is not JSON: there is more behind the array.")
