"""All that the apps know of a customer, as one list, the newest first.

    timeline.register(
        "order",
        label="Orders",
        read=services.orders_of,
        may=can_see_orders,
        model=Order,
        route="order-detail",
    )

`read(customer=…, window=…)` returns the entries of one kind that the window holds, in the
timeline's order, in a fixed number of statements. A kind that the viewer may not see is not read.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q, QuerySet

from .keyset import BadCursor
from .permissions import Predicate

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User
    from customers.models import Customer

# So much of what was said is shown of each.
LONGEST_TEXT = 200
_Row = TypeVar("_Row", bound=Model)
_signer = Signer(salt="duka.cursor.timeline")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing, where it began.

    `key` is its primary key, `reference` what the API knows it by, `status` where it stands now,
    in the words of its app (empty: it does not stand anywhere), `title` a short sentence and
    `text` the first that was written in it.
    """

    at: datetime
    kind: str
    key: Any
    reference: str
    title: str
    status: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """An entry's place: the newest first, of one moment by kind, of one kind the last key first."""

    at: datetime
    kind: str
    key: Any


@dataclass(frozen=True, kw_only=True)
class Window:
    """So many rows of one kind: those beyond a mark, from `after` on and until `before`.

    The next ones after the mark, or the last ones before it where it is read `backwards`.
    """

    kind: str
    limit: int
    after: datetime | None = None
    before: datetime | None = None
    mark: Mark | None = None
    backwards: bool = False

    def of(self, rows: QuerySet[_Row], *, at: str) -> list[_Row]:
        """Cut a queryset, by the index that has its column or annotation `at` and then the key."""
        if self.after is not None:
            rows = rows.filter(**{f"{at}__gte": self.after})
        if self.before is not None:
            rows = rows.filter(**{f"{at}__lt": self.before})
        if (mark := self.mark) is not None:
            beyond = "gt" if self.backwards else "lt"
            level = mark.kind == self.kind or self._is_beyond(mark)
            # It bounds what the index reads; the next condition alone would not.
            rows = rows.filter(**{f"{at}__{beyond}{'e' if level else ''}": mark.at})
            if mark.kind == self.kind:
                rows = rows.filter(~Q(**{at: mark.at}) | Q(**{f"pk__{beyond}": mark.key}))
        order = (at, "pk") if self.backwards else (f"-{at}", "-pk")
        found = list(rows.order_by(*order)[: self.limit])
        return found[::-1] if self.backwards else found

    def cut(self, rows: Iterable[_Row], *, at: Callable[[_Row], datetime]) -> list[_Row]:
        """Cut a few rows that no index has in this order."""
        held = [(at(row), row.pk, row) for row in rows]
        held = [each for each in held if self._holds(*each[:2])]
        held.sort(key=lambda each: each[:2], reverse=True)
        held = held[-self.limit :] if self.backwards else held[: self.limit]
        return [row for _, _, row in held]

    def _holds(self, at: datetime, key: Any) -> bool:
        if (self.after and at < self.after) or (self.before and at >= self.before):
            return False
        mark = self.mark
        if mark is None:
            return True
        if at != mark.at:
            return (at < mark.at) != self.backwards
        if self.kind != mark.kind:
            return self._is_beyond(mark)
        return bool(key > mark.key if self.backwards else key < mark.key)

    def _is_beyond(self, mark: Mark) -> bool:
        """Tell whether rows of the mark's own moment are beyond it, as their kind is."""
        return self.kind < mark.kind if self.backwards else self.kind > mark.kind


class Read(Protocol):
    """Returns what an app knows of a customer, as far as the window goes."""

    def __call__(self, *, customer: "Customer", window: Window) -> Sequence[Entry]: ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an app has registered: `model` for the admin's pages, `route` for REST's."""

    name: str
    label: str
    read: Read
    may: Predicate
    model: type[Model]
    route: str


_kinds: dict[str, Kind] = {}


def register(
    name: str, *, label: str, read: Read, may: Predicate, model: type[Model], route: str
) -> None:
    """Let things of a kind stand in their customer's timeline; from an app's `receivers.py`.

    Args:
        name: a word that stays: it stands in addresses, in GraphQL's enum and in cursors.
        label: of several of them.
        may: who may see them.
        route: name of the REST address that has an entry's `reference`.
    """
    _kinds[name] = Kind(name=name, label=label, read=read, may=may, model=model, route=route)


def kinds() -> dict[str, Kind]:
    """Return all kinds by their names, in the order of these."""
    return dict(sorted(_kinds.items()))


def shortened(text: str) -> str:
    """Return as much of what was said as is shown, on one line."""
    # No more of it is looked at than is needed: it may be of any length.
    words = " ".join(text[: LONGEST_TEXT * 4].split())
    return words if len(words) <= LONGEST_TEXT else f"{words[: LONGEST_TEXT - 1]}…"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Entries of a page, the kinds that were looked at, and whether there are further entries."""

    kinds: list[str]
    entries: list[Entry]
    has_next: bool
    has_previous: bool

    @property
    def next(self) -> str | None:
        """The next page's cursor."""
        return cursor_of(self.entries[-1]) if self.entries and self.has_next else None

    @property
    def previous(self) -> str | None:
        """The cursor of the page before it."""
        if not (self.entries and self.has_previous):
            return None
        return cursor_of(self.entries[0], backwards=True)


def page_of(
    customer: "Customer",
    *,
    user: "User | AnonymousUser",
    size: int,
    only: Collection[str] = (),
    after: datetime | None = None,
    before: datetime | None = None,
    cursor: str | None = None,
) -> Page:
    """Return a page of a customer's timeline, as `user` may see it.

    Pages neither skip nor repeat an entry, whatever comes in meanwhile.

    Args:
        only: of these kinds; empty: of all.
        after: what began then or later.
        before: what began earlier.

    Raises:
        BadCursor: it is no cursor of a timeline.
    """
    backwards, mark = _read(cursor) if cursor is not None else (False, None)
    looked_at = [
        each for name, each in kinds().items() if (not only or name in only) and each.may(user)
    ]
    found: list[Entry] = []
    for kind in looked_at:
        window = Window(
            kind=kind.name,
            # One row more tells whether there is a further page.
            limit=size + 1,
            after=after,
            before=before,
            mark=mark,
            backwards=backwards,
        )
        found += kind.read(customer=customer, window=window)
    # Stable: of one moment and kind they stay in the order of their keys.
    found.sort(key=lambda entry: entry.kind)
    found.sort(key=lambda entry: entry.at, reverse=True)
    further = len(found) > size
    has_next, has_previous = (True, further) if backwards else (further, mark is not None)
    return Page(
        kinds=[each.name for each in looked_at],
        entries=found[-size:] if backwards else found[:size],
        has_next=has_next,
        has_previous=has_previous,
    )


def cursor_of(entry: Entry, *, backwards: bool = False) -> str:
    """Return the cursor of the page after an entry, or of the one before it."""
    word = "p" if backwards else "n"
    return _signer.sign_object([word, entry.at.isoformat(), entry.kind, entry.key])


def _read(cursor: str) -> tuple[bool, Mark]:
    try:
        word, at, kind, key = _signer.unsign_object(cursor)
    except (BadSignature, UnicodeError):
        raise BadCursor(cursor) from None
    return word == "p", Mark(at=datetime.fromisoformat(at), kind=kind, key=key)
