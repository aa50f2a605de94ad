"""Rows of a client's table as jobs can hold them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from core.stored import storable
from repairs.clients import COLUMNS, Layout, Row
from repairs.models import LARGEST_KEY
from repairs.states import AsideReason, JobStatus

# Of a cell, as much is kept; of a product's number what its index can hold.
LONGEST = 10_000
LONGEST_SKU = 600
# Of each cell of a row that is set aside.
_SHOWN = 200
# Of a key of such a row.
_LONGEST_KEY = 128
_SKU = COLUMNS.index("product_sku")


@dataclass(frozen=True, kw_only=True, slots=True)
class Good:
    """A row that can become a job; `cells` are its texts in the contract's order."""

    key: int
    # As rows set aside are called by it.
    key_text: str
    # See `own_key`.
    own_key: str | None
    status: JobStatus
    cells: tuple[str, ...]

    @property
    def word(self) -> str:
        return self.cells[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bad:
    """A row that cannot."""

    key_text: str
    reason: AsideReason
    detail: str
    row: dict[str, str]


class Reader:
    """Reads the rows of one source."""

    def __init__(self, layout: Layout) -> None:
        # Of many rows few words.
        self.meaning = lru_cache(maxsize=1000)(layout.meaning)

    def read(self, row: Row) -> Good | Bad:
        key = whole_number(row.job_id)
        if key is None:
            said = f"job_id is {shown(row.job_id)!r}: it must be a whole number that is not below 0"
            return _bad(row, AsideReason.BAD_KEY, f"{said}, nor above {LARGEST_KEY}.")
        cells = [text_of(cell) for cell in row]
        if None in cells:
            names = [name for name, cell in zip(COLUMNS, cells, strict=True) if cell is None]
            return _bad(row, AsideReason.UNREADABLE, f"{', '.join(names)}: this is no text.")
        texts = [(cell or "")[:LONGEST] for cell in cells]
        texts[_SKU] = texts[_SKU][:LONGEST_SKU]
        status = self.meaning(texts[2])
        if status is None:
            said = f"job_status is {texts[2][:_SHOWN]!r}: nobody knows what that means."
            return _bad(row, AsideReason.UNKNOWN_STATUS, said)
        return Good(
            key=key,
            key_text=key_shown(row.job_id),
            own_key=own_key(row.job_id, key),
            status=status,
            cells=tuple(texts),
        )

    def read_all(self, rows: Sequence[Row]) -> tuple[list[Good], list[Bad]]:
        """Return those that can become jobs, by their keys, each once; and those that cannot.

        Two texts may be one number: "7" and "007".
        """
        good: dict[tuple[int, str], Good] = {}
        bad: dict[str, Bad] = {}
        for row in rows:
            read = self.read(row)
            if isinstance(read, Good):
                good.setdefault((read.key, read.own_key or ""), read)
            else:
                bad.setdefault(read.key_text, read)
        return [good[key] for key in sorted(good)], [bad[key] for key in sorted(bad)]


def _bad(row: Row, reason: AsideReason, detail: str) -> Bad:
    return Bad(
        key_text=key_shown(row.job_id),
        reason=reason,
        detail=detail,
        row={name: shown(cell) for name, cell in zip(COLUMNS, row, strict=True)},
    )


def second_row(row: Good, text: str) -> Bad:
    """Return a row whose number is that of another row, which was first."""
    said = f"job_id is {row.key_text!r}, which is {row.key}: so is that of another row"
    return Bad(
        key_text=row.key_text,
        reason=AsideReason.BAD_KEY,
        detail=f"{said}, {text or str(row.key)!r}, which is the job of this number.",
        row={name: shown(cell) for name, cell in zip(COLUMNS, row.cells, strict=True)},
    )


def text_of(cell: Any) -> str | None:
    """Return a cell as text, "" where nothing is in it; None: its bytes are no text."""
    if cell is None:
        return ""
    if isinstance(cell, memoryview | bytearray):
        cell = bytes(cell)
    if isinstance(cell, bytes):
        try:
            cell = cell.decode()
        except UnicodeDecodeError:
            return None
    elif isinstance(cell, Decimal):
        cell = f"{cell:f}"
    return storable(str(cell))


def word_of(cell: Any) -> str:
    """Return the word of a status, in the form in which it is kept."""
    text = text_of(cell)
    # What is no text means nothing, and is shown to whoever looks at it.
    return (shown(cell) if text is None else text)[:LONGEST]


def shown(cell: Any, limit: int = _SHOWN) -> str:
    """Return a cell for people, not too long."""
    text = text_of(cell)
    return (str(bytes(cell[:limit])) if text is None else text)[:limit]


def key_shown(cell: Any) -> str:
    """Return a key as rows set aside are called by it."""
    return shown(cell, _LONGEST_KEY)


def whole_number(cell: Any) -> int | None:
    """Return a key; None: it is none."""
    if isinstance(cell, str | bytes):
        # As it is, so that it can be asked for.
        text = cell if isinstance(cell, str) else text_of(cell) or ""
        number = int(text) if re.fullmatch(r"\s{0,40}[0-9]{1,40}\s{0,40}", text, re.ASCII) else None
    elif isinstance(cell, float | Decimal):
        number = _integral(cell)
    else:
        number = cell if isinstance(cell, int) else None
    return number if number is not None and 0 <= number <= LARGEST_KEY else None


def own_key(cell: Any, key: int) -> str | None:
    """Return a key as its database has it where its text is another ("00123"), else "".

    None: it is no text there.
    """
    if not isinstance(cell, str):
        return None
    return "" if cell == str(key) else cell


def kept_key(cell: Any) -> int | str | None:
    """Return a key as JSON can hold it, to go on behind it in a later round; None: it cannot."""
    if isinstance(cell, int):
        return cell
    if isinstance(cell, Decimal | float):
        return _integral(cell)
    return cell if isinstance(cell, str) and storable(cell) == cell else None


def last_key(page: Sequence[Sequence[Any]], limit: int) -> Any | None:
    """Return the key behind which a further page begins; None: this was the last one."""
    return page[-1][0] if len(page) >= limit else None


def _integral(number: float | Decimal) -> int | None:
    return int(number) if math.isfinite(number) and number == number // 1 else None
