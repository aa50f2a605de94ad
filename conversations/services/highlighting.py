"""Where the words that were searched for stand in documents."""

import html
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection

from conversations.models import Interaction

from .conditions import path_of

# Of a document.
MOST_PLACES = 3
# Beyond, PostgreSQL would be at it for seconds.
LONGEST_DOCUMENT = 1024 * 1024
LONGEST_PAGE = 2 * LONGEST_DOCUMENT
_HEADLINES = """
SELECT id, ts_headline(
    'conversations',
    jsonb_build_object('agent', agent_name, 'sentiment', sentiment, 'custom', custom),
    websearch_to_tsquery('conversations', %s), %s
)::text FROM conversations_interaction WHERE id = ANY(%s)
"""

# Characters, before and behind a word; words as close as that are one piece.
_AROUND = 60
_LONGEST_PIECE = 240

Place = dict[str, str]
_Span = tuple[int, int]


def highlights(page: Sequence[Interaction], text: str) -> dict[str, list[Place] | None]:
    """Return where the words stand in each of these, by id: a field, and HTML with `<mark>`.

    A field is called as in a filter (`custom.log.0.text` with the position in an array). At most
    three a document; None for one of more than a megabyte, and for those that come when a page
    has had two megabytes.
    """
    found: dict[str, list[Place] | None] = {}
    size = 0
    for interaction in page:
        length = len(interaction.document)
        if length <= LONGEST_DOCUMENT and size + length <= LONGEST_PAGE:
            size += length
            found[interaction.pk] = []
        else:
            found[interaction.pk] = None
    # Nothing that a document can hold, as nobody knows it beforehand.
    token = secrets.token_hex(8)
    signs = _Signs(f"\ue000{token}\ue001", f"\ue002{token}\ue003")
    keys = [key for key, places in found.items() if places is not None]
    with connection.cursor() as cursor:
        cursor.execute(_HEADLINES, [text, signs.options(), keys])
        for key, headlines in cursor.fetchall() if keys else []:
            # Numbers are of no interest, and may be too long for Python's.
            document = json.loads(headlines, parse_int=str, parse_float=str)
            found[key] = list(islice(signs.places(document), MOST_PLACES))
    return found


@dataclass(frozen=True, slots=True)
class _Signs:
    """What PostgreSQL puts around each word that was found."""

    start: str
    stop: str

    def options(self) -> str:
        # All of each text: which part of it is shown is decided here.
        return f'StartSel="{self.start}", StopSel="{self.stop}", HighlightAll=true'

    def places(self, document: dict[str, Any]) -> Iterator[Place]:
        for field in ("custom", "agent", "sentiment"):
            yield from self._places(document[field], [field])

    def _places(self, value: Any, names: list[str]) -> Iterator[Place]:
        match value:
            case dict():
                for name, inner in value.items():
                    yield from self._places(inner, [*names, name])
            case list():
                for at, inner in enumerate(value):
                    yield from self._places(inner, [*names, str(at)])
            case str() if self.start in value:
                field = path_of(names)
                yield from ({"field": field, "text": piece} for piece in self._pieces(value))

    def _pieces(self, text: str) -> Iterator[str]:
        """Yield HTML of the words that were found, each with what stands around it."""
        first, *others = text.split(self.start)
        pieces, words, at = [first], [], len(first)
        for other in others:
            word, rest = other.split(self.stop)
            words.append((at, at + len(word)))
            pieces += (word, rest)
            at += len(word) + len(rest)
        plain = "".join(pieces)
        group: list[_Span] = []
        for begins, ends in words:
            if group and (begins - group[-1][1] > _AROUND or ends - group[0][0] > _LONGEST_PIECE):
                yield _html(plain, group)
                group = []
            group.append((begins, ends))
        yield _html(plain, group)


def _html(text: str, words: list[_Span]) -> str:
    """Return the part of a text with these words, marked; cut between words where it is cut."""
    begins, ends = max(0, words[0][0] - _AROUND), words[-1][1] + _AROUND
    if begins:
        begins = max(begins, text.find(" ", begins, words[0][0]) + 1)
    if ends < len(text):
        space = text.rfind(" ", words[-1][1], ends)
        ends = ends if space < 0 else space
    shown, at = ["…"] if begins else [], begins
    for begin, end in words:
        shown += (html.escape(text[at:begin]), "<mark>", html.escape(text[begin:end]), "</mark>")
        at = end
    shown.append(html.escape(text[at:ends]))
    return "".join(shown) + ("…" if ends < len(text) else "")
