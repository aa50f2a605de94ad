"""What collecting would do, without doing any of it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from repairs.clients import ClientDatabase, Row
from repairs.models import Source

from .reading import Reader, last_key
from .sources import layout_of
from .storing import sort_out
from .sweeping import PAGE, ROWS, beside_ours


class Foreseen(NamedTuple):
    """What would happen to a row: it is "taken in", "aside" or "followed".

    `baseline`: nobody would be told. `detail`: its word, or why it would be set aside.
    """

    what: str
    key: str
    detail: str
    baseline: bool = False


def preview(*, source: Source) -> Iterator[Foreseen]:
    """Ask a client's database, and yield what a round would do. The source may have no row yet.

    Raises:
        SourceFailed: it did not do what was asked.
        UnknownSource: it is in the settings no more.
    """
    layout = layout_of(source)
    reader = Reader(layout)
    with ClientDatabase(layout) as client:
        after: Any = None
        while True:
            page = client.statuses(after=after, limit=PAGE)
            yield from _of_page(source, reader, client, page)
            after = last_key(page, PAGE)
            if after is None:
                return


def _of_page(
    source: Source, reader: Reader, client: ClientDatabase, page: Sequence[tuple[Any, Any]]
) -> Iterator[Foreseen]:
    missing, changed = beside_ours(source, page)
    for each in changed:
        yield Foreseen("followed", f"{each.key:05d}", f"{each.base} → {each.word}")
    raw_keys = [raw_key for raw_key, _ in missing]
    for start in range(0, len(raw_keys), ROWS):
        rows = client.rows_by_key(raw_keys[start : start + ROWS])
        yield from _of_rows(source, reader, rows)


def _of_rows(source: Source, reader: Reader, rows: Sequence[Row]) -> Iterator[Foreseen]:
    good, bad = reader.read_all(rows)
    good, doubled = sort_out(source, good)
    for each in [*bad, *doubled]:
        yield Foreseen("aside", each.key_text, each.detail)
    # Not begun, or under way with what it has not come to.
    to = source.baseline_to
    for row in good:
        before_us = source.baselined_at is None and (not isinstance(to, int) or row.key <= to)
        yield Foreseen("taken in", f"{row.key:05d}", row.word, before_us)
