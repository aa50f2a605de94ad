"""Rows into files, a part at a time."""

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from openpyxl import Workbook

from uploads.states import Format

CONTENT_TYPES: dict[str, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.JSON: "application/json",
}
_PIECE = 65_536
# What a spreadsheet would run, or has an apostrophe before that.
_DANGEROUS = re.compile(r"'*[=+\-@\t\r]")
# What XML cannot hold, and what would be read as an escape of it.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

Rows = Iterable[Mapping[str, Any]]


def write_rows(format_: Format, columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    """Yield the file's bytes."""
    match format_:
        case Format.CSV:
            return _csv(columns, rows)
        case Format.XLSX:
            return _xlsx(columns, rows)
        case Format.JSON:
            return _json(columns, rows)


def _csv(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    # By the byte order mark Excel knows it for UTF-8.
    text.write("\ufeff")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
        if text.tell() > _PIECE:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _xlsx(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Duka")
    sheet.freeze_panes = "A2"
    sheet.append(columns)
    for row in rows:
        sheet.append([_sheet_cell(row.get(name)) for name in columns])
    with tempfile.TemporaryFile() as file:
        book.save(file)
        file.seek(0)
        while piece := file.read(_PIECE):
            yield piece


def _json(columns: Sequence[str], rows: Rows) -> Iterator[bytes]:
    before = b"[\n"
    piece = bytearray()
    for row in rows:
        document = {name: row.get(name) for name in columns if row.get(name) not in {None, ""}}
        piece += before + json.dumps(document, ensure_ascii=False).encode()
        before = b",\n"
        if len(piece) > _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece) + (b"\n]\n" if before != b"[\n" else b"[]\n")


def _cell(value: Any) -> Any:
    """Return what a spreadsheet will not run; `reading` takes the apostrophe off again."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and _DANGEROUS.match(value) else value


def _sheet_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", _cell(value))
