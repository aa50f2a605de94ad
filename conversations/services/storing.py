"""Documents stored, each once, however often it comes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from django.db import connection, transaction

from conversations.documents import InteractionDocument, with_id, with_members
from conversations.exceptions import IdTaken
from conversations.fields import new_object_id
from conversations.models import Interaction
from conversations.states import Outcome
from core.errors import Conflict, DomainError, FieldError

from .copying import Row, copy, insert
from .linking import Links, hold

# The digest in the place of the document: who stored large ones before is not read them all.
_FOUND = "id, engagement_id, source_id, sha256(convert_to(document, 'UTF8'))"
_BY_ID = f"SELECT {_FOUND} FROM conversations_interaction WHERE id = ANY(%s)"  # noqa: S608  ours
_BY_SOURCE = f"""
SELECT {_FOUND} FROM conversations_interaction
WHERE (engagement_id, source_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
    AND NOT source_id = ''
"""  # noqa: S608  ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a document; its `id` is "" where it failed without one of its own."""

    id: str
    outcome: Outcome
    error: DomainError | None = None


def create_interaction(*, document: InteractionDocument) -> tuple[Interaction, bool]:
    """Store a document; return it, and False where the very same was there already.

    Raises:
        BadDocument: its engagement, customer or order is not there, or they do not fit together.
        IdTaken: another document has its id, or its source's name for it in its engagement.
    """
    with transaction.atomic():
        (result,) = _create([document])
        if result.error is not None:
            raise result.error
        stored = Interaction.objects.for_display().filter(pk=result.id).first()
        if stored is None:
            raise Conflict("It was here, and was deleted this moment. Send it again.")
        return stored, result.outcome == Outcome.CREATED


@transaction.atomic
def create_interactions(*, documents: Sequence[InteractionDocument]) -> list[Result]:
    """Store documents; return what became of each, in their order. Made for 10,000 at once.

    One is `unchanged` where its text is there by its id, or by its source's name for it in its
    engagement. The customer and the order do not count: they may have been corrected since.
    """
    return _create(documents)


def _create(documents: Sequence[InteractionDocument]) -> list[Result]:
    held = hold(documents)
    results: dict[int, Result] = {}
    waiting, store = dict(enumerate(documents)), copy
    while waiting:
        known = _Known(waiting.values())
        rows: dict[int, Row] = {}
        for place, document in waiting.items():
            try:
                if stored := known.find(document):
                    _check_same(document, stored)
                    results[place] = Result(id=stored.id, outcome=Outcome.UNCHANGED)
                    continue
                links = held.links_of(document)
                if known.claim(document):
                    rows[place] = _row(document, links)
            except DomainError as error:
                results[place] = Result(id=document.id, outcome=Outcome.FAILED, error=error)
        ids = store(list(rows.values())) if rows else set()
        for place, row in rows.items():
            if row.id in ids:
                results[place] = Result(id=row.id, outcome=Outcome.CREATED)
        # The others met their like, in this batch or in one beside it: the next look finds it.
        waiting = {place: each for place, each in waiting.items() if place not in results}
        store = insert
    return [results[place] for place in range(len(documents))]


class _Stored(NamedTuple):
    """What is there already."""

    id: str
    engagement_id: str
    source_id: str
    digest: bytes


class _Known:
    """What is there already of some documents, or is about to be."""

    def __init__(self, documents: Iterable[InteractionDocument]) -> None:
        ids = [each.id for each in documents if each.id]
        sources = [(each.engagement_id, each.source_id) for each in documents if each.source_id]
        self._by_id = {each.id: each for each in _stored(_BY_ID, ids)} if ids else {}
        found = _stored(_BY_SOURCE, *map(list, zip(*sources, strict=True))) if sources else []
        self._by_source = {(each.engagement_id, each.source_id): each for each in found}
        self._claimed: set[str | tuple[str, str]] = set()

    def find(self, document: InteractionDocument) -> _Stored | None:
        return self._by_id.get(document.id) or self._by_source.get(
            (document.engagement_id, document.source_id)
        )

    def claim(self, document: InteractionDocument) -> bool:
        """Tell whether no document before this one has its id or its source's name for it."""
        names: set[str | tuple[str, str]] = set()
        if document.id:
            names.add(document.id)
        if document.source_id:
            names.add((document.engagement_id, document.source_id))
        if not self._claimed.isdisjoint(names):
            return False
        self._claimed |= names
        return True


def _stored(statement: str, *parameters: list[str]) -> list[_Stored]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [
            _Stored(ident, engagement, source, bytes(digest))
            for ident, engagement, source, digest in cursor.fetchall()
        ]


def _check_same(document: InteractionDocument, stored: _Stored) -> None:
    if document.id and document.id != stored.id:
        raise source_taken()
    if document.source_id not in {"", stored.source_id}:
        raise id_taken()
    text = document.text if document.id else with_id(document.text, stored.id)
    if sha256(text.encode()).digest() == stored.digest:
        return
    if document.id:
        raise id_taken()
    # It has its `_id` somewhere else than in front.
    here = Interaction.objects.values_list("document", flat=True).filter(pk=stored.id).first()
    # None: it was deleted this moment.
    if here is None or with_members(here, {"_id": None}) != document.text:
        raise source_taken()


def id_taken() -> IdTaken:
    return _taken("_id", "Another document has this id.")


def source_taken() -> IdTaken:
    return _taken("sourceId", "Another document of this engagement has this name at its source.")


def _taken(name: str, detail: str) -> IdTaken:
    return IdTaken(detail, errors=[FieldError(path=(name,), code=IdTaken.code, detail=detail)])


def _row(document: InteractionDocument, links: Links) -> Row:
    ident = document.id or new_object_id()
    return Row(
        id=ident,
        client_id=links.client_id,
        engagement_id=document.engagement_id,
        source_id=document.source_id,
        interaction_date=document.interaction_date.isoformat(),
        agent_name=document.agent_name,
        sentiment=document.sentiment,
        customer_id=links.customer_id,
        order_id=links.order_id,
        document=document.text if document.id else with_id(document.text, ident),
        custom=document.custom,
    )
