"""Files into rows, with little in memory at a time, whatever is in the file."""

import codecs
import csv
import io
import itertools
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import date, datetime, time
from typing import IO, Any

import ijson
import openpyxl

from core.errors import FieldError
from uploads.exceptions import UnreadableFile
from uploads.states import Format

# The longest that a spreadsheet's cell can be; our own fields are shorter.
MAX_CELL = 32_767
# Characters of one line of a CSV file, or what JSON puts between two values.
MAX_LINE = 1_000_000
MAX_COLUMNS = 100
# Digits in a row, in JSON.
MAX_DIGITS = 4000
# Rows that a spreadsheet can have; beyond are only those made to hurt.
MAX_SHEET_ROWS = 1_048_576
# Bytes of a workbook's unpacked parts. The texts are held in memory, the sheet is not.
MAX_UNPACKED = 1_000_000_000
MAX_TEXTS = 50_000_000
# Bytes of what is read as a whole: the workbook's list of sheets, its styles and the like.
MAX_TREES = 5_000_000
# One row of a sheet is held in memory: what has every column there can be, or very long texts.
MAX_ROW_TAGS = 100_000
MAX_ROW_BYTES = 16_000_000
_PIECE = 65_536

_EXCEL_ERRORS = {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"}
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_DIGITS = re.compile(rb"[0-9]+")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")

# The row's number, and its cells by column; empty ones are left out.
Row = tuple[int, dict[str, str]]


def format_of(name: str, beginning: bytes) -> Format:
    """Return what kind of file it is, by its content, which its name must not belie.

    Raises:
        UnreadableFile: it is none of those that we read, or empty.
    """
    found = _content_of(beginning)
    ending = name.rpartition(".")[2].lower()
    if ending in set(Format.values) - {found}:
        # A CSV file may begin as JSON does.
        if ending == Format.CSV and found == Format.JSON:
            return Format.CSV
        raise _unreadable(
            f"The file is called .{ending}, but what is in it is {found.upper()}.",
            code="wrong_format",
        )
    return found


def _content_of(beginning: bytes) -> Format:
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text:
        raise _unreadable("The file is empty.", code="empty")
    if beginning.startswith(b"PK\x03\x04"):
        return Format.XLSX
    if beginning.startswith(b"\xd0\xcf\x11\xe0"):
        raise _unreadable(
            "This is an old Excel file, or one with a password."
            " Save it as .xlsx without a password.",
            code="wrong_format",
        )
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _not_utf8()
    if text.startswith((b"[", b"{")):
        return Format.JSON
    if b"\x00" in beginning or beginning.startswith(b"%PDF"):
        raise _unreadable(
            "This is neither CSV nor XLSX nor JSON.",
            code="wrong_format",
        )
    return Format.CSV


def read_rows(
    file: IO[bytes], format_: Format, columns: Sequence[str], required: Sequence[str]
) -> Iterator[Row]:
    """Return an iterator of the rows that are not wholly empty; the header is checked at once.

    Rows are numbered as a spreadsheet shows them: the header is 1. In JSON the first is 1.

    Raises:
        UnreadableFile: now, or while iterating.
    """
    if format_ == Format.JSON:
        rows = _json_rows(file, set(columns))
    else:
        lines = _csv_lines(file) if format_ == Format.CSV else _sheet_lines(file)
        # The next is read only here: an empty file, or a wrong kind of it, is told first.
        header = _header(next(lines, []), columns, required)
        rows = _table_rows(lines, header)
    # Whether the file can be read at all is to be told now.
    first = list(itertools.islice(rows, 1))
    if not first:
        raise _unreadable("There are no rows in the file.", code="empty")
    return itertools.chain(first, rows)


def _header(cells: list[str], columns: Sequence[str], required: Sequence[str]) -> list[str]:
    names = [cell.strip().lower().replace(" ", "_") for cell in cells]
    while names and not names[-1]:
        names.pop()
    errors = [
        FieldError(
            path=("file",),
            code="unknown_column",
            detail=f"There is no column {name or index}. Known: {', '.join(columns)}."
            if name
            else f"Column {index} has no name.",
        )
        for index, name in enumerate(names, start=1)
        if name not in columns
    ]
    errors += [
        FieldError(
            path=("file",), code="duplicate_column", detail=f"The column {name} stands twice."
        )
        for name in sorted({name for name in names if name and names.count(name) > 1})
    ]
    errors += [
        FieldError(path=("file",), code="missing_column", detail=f"The column {name} is missing.")
        for name in required
        if name not in names
    ]
    if errors:
        raise UnreadableFile(
            "The first row must name the columns. " + " ".join(each.detail for each in errors[:5]),
            errors=errors,
        )
    return names


def _table_rows(lines: Iterator[list[str]], header: list[str]) -> Iterator[Row]:
    for number, cells in enumerate(lines, start=2):
        if any(cells[len(header) :]):
            raise _unreadable(
                f"Row {number} has more cells than the header.", code="too_many_cells"
            )
        row = {
            name: _unguarded(cell)
            for name, cell in zip(header, cells, strict=False)
            if cell.strip()
        }
        if row:
            yield number, _sound(number, row)


def _sound(number: int, row: dict[str, str]) -> dict[str, str]:
    for name, cell in row.items():
        if len(cell) > MAX_CELL:
            raise _unreadable(
                f"Row {number}: {name} is longer than {MAX_CELL} characters.", code="cell_too_long"
            )
        if "\x00" in cell or not _is_text(cell):
            raise _unreadable(
                f"Row {number}: {name} has characters that are none.", code="not_text"
            )
    return row


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair.
        return False
    return True


def _unguarded(cell: str) -> str:
    """Take off the apostrophe that keeps a spreadsheet from running an exported text."""
    return cell[1:] if _GUARDED.match(cell) else cell


# CSV


def _csv_lines(file: IO[bytes]) -> Iterator[list[str]]:
    # Not closed with this iterator: the file is the caller's.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        beginning = text.readline(MAX_LINE)
        text.seek(0)
        delimiter = max(";,\t", key=beginning.count) if beginning else ","
        # Shorter lines than asked for are whole; a longer one would be held in memory.
        lines = iter(lambda: _line_of(text), "")
        csv.field_size_limit(MAX_LINE)
        yield from (
            cells[:MAX_COLUMNS] for cells in csv.reader(lines, delimiter=delimiter, strict=True)
        )
    except UnicodeDecodeError:
        raise _not_utf8() from None
    except csv.Error as error:
        raise _unreadable(f"This is not CSV: {error}.", code="malformed") from None
    finally:
        # Not if this is only being thrown away, after the file was closed.
        with suppress(ValueError):
            text.detach()


def _line_of(text: io.TextIOWrapper) -> str:
    line = text.readline(MAX_LINE)
    if len(line) == MAX_LINE:
        raise _unreadable(f"A line is longer than {MAX_LINE} characters.", code="malformed")
    return line


def _not_utf8() -> UnreadableFile:
    return _unreadable(
        "The file is not in UTF-8. In Excel, save it as “CSV UTF-8”; in LibreOffice, choose the"
        " character set “Unicode (UTF-8)”.",
        code="encoding",
    )


# XLSX


def _sheet_lines(file: IO[bytes]) -> Iterator[list[str]]:
    _refuse_bombs(file)
    try:
        with closing(openpyxl.load_workbook(file, read_only=True, data_only=True)) as book:
            yield from _sheet_cells(book)
    except (UnreadableFile, MemoryError):
        raise
    except Exception as error:
        # The library fails in its own many ways on what is not a workbook.
        raise _unreadable(
            "This workbook cannot be read. Open it in Excel or LibreOffice and save it anew.",
            code="malformed",
        ) from error


def _sheet_cells(book: Any) -> Iterator[list[str]]:
    if not book.worksheets:
        raise _unreadable("There is no sheet in the workbook.", code="empty")
    sheet = book.worksheets[0]
    # Not what the file says of its size, which may be wrong.
    sheet.reset_dimensions()
    rows = sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True)
    for number, cells in enumerate(rows, start=1):
        if number > MAX_SHEET_ROWS:
            raise _unreadable("The sheet has too many rows.", code="too_many_rows")
        # A million rows may be there only to be coloured.
        blank = cells.count(None) == len(cells)
        yield [] if blank else [_cell_text(cell) for cell in cells]


def _refuse_bombs(file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            # No part is unpacked beyond what is said here.
            sizes = {part.filename: part.file_size for part in archive.infolist()}
            if "[Content_Types].xml" not in sizes:
                raise _unreadable("This is not an XLSX file.", code="wrong_format")
            sheets = {name for name in sizes if name.startswith("xl/worksheets/")}
            texts = sizes.get("xl/sharedStrings.xml", 0)
            others = sum(size for name, size in sizes.items() if name not in sheets)
            trees = sum(
                size
                for name, size in sizes.items()
                if name not in sheets and name.endswith((".xml", ".rels"))
            )
            if (
                sum(sizes.values()) > MAX_UNPACKED
                or others > MAX_TEXTS
                or trees - texts > MAX_TREES
            ):
                raise _unreadable(
                    "There is too much in this workbook. Save the sheet as CSV, or in parts.",
                    code="too_large",
                )
            for name in sheets:
                with archive.open(name) as sheet:
                    _refuse_endless_rows(sheet)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError) as error:
        raise _unreadable("This is not a whole XLSX file.", code="malformed") from error


def _refuse_endless_rows(sheet: IO[bytes]) -> None:
    """Raise where one row alone would fill the memory: it is held there as a whole."""
    size = tags = 0
    while piece := sheet.read(_PIECE):
        # `<row …>`, or with the prefix of its namespace.
        begins = max(piece.rfind(b"<row"), piece.rfind(b":row"), 0)
        if begins:
            size = tags = 0
        size += len(piece) - begins
        tags += piece.count(b"<", begins)
        if size > MAX_ROW_BYTES or tags > MAX_ROW_TAGS:
            raise _unreadable("A row of the sheet is too long.", code="too_large")


def _cell_text(value: Any) -> str:
    """Return a cell as text: what a person sees in it, as far as that can be known."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case float() if value.is_integer():
            text = str(int(value))
        case datetime() if value.time() == time():
            text = value.date().isoformat()
        case datetime() | date() | time():
            text = value.isoformat()
        case str():
            text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
        case _:
            text = str(value)
    return text


# JSON


def _json_rows(  # noqa: C901, PLR0912  one event after the other
    file: IO[bytes], columns: set[str]
) -> Iterator[Row]:
    """Read an array of flat objects by its events, so that nothing large is ever built."""
    number, row, depth, name = 0, dict[str, str](), 0, ""
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    try:
        for event, value in ijson.basic_parse(_ShortNumbers(file), use_float=False):
            match event:
                case "start_array" if depth == 0:
                    depth = 1
                case "start_map" if depth == 1:
                    number, row, depth = number + 1, {}, 2
                case "end_map":
                    depth = 1
                    if row:
                        yield number, _sound(number, row)
                case "end_array":
                    depth = 0
                case "map_key":
                    name = value
                    if name not in columns:
                        detail = f"Row {number}: there is no field {name[:64]!r}."
                        raise UnreadableFile(
                            f"{detail} Known: {', '.join(sorted(columns))}.",
                            errors=[
                                FieldError(path=("file",), code="unknown_column", detail=detail)
                            ],
                        )
                case "start_map" | "start_array":
                    raise _unreadable(
                        f"Row {number}: {name} must be a plain value."
                        if depth == 2
                        else 'The file must be an array of objects: [{"…": "…"}, …].',
                        code="malformed",
                    )
                case _ if depth == 2:
                    if cell := _json_text(value):
                        row[name] = cell
                case _:
                    raise _unreadable(
                        'The file must be an array of objects: [{"…": "…"}, …].', code="malformed"
                    )
    except ijson.JSONError as error:
        raise _unreadable(f"This is not JSON: {_storable(str(error))}.", code="malformed") from None
    except UnicodeDecodeError:
        raise _not_utf8() from None
    except ValueError:
        raise _unreadable(f"Row {number}: {name} is out of range.", code="malformed") from None


class _ShortNumbers:
    """A file that fails where digits go on and on.

    Python makes no integer of more than 4300, which ends the process if ijson, in C, is told so of
    one that began in the piece before.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digits = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        digits = 0
        for found in _DIGITS.finditer(piece):
            begun = 0 if found.start() else self._digits
            digits = begun + found.end() - found.start()
            if digits > MAX_DIGITS:
                raise _unreadable(f"A number has over {MAX_DIGITS} digits.", code="malformed")
            if found.end() < len(piece):
                digits = 0
        if piece:
            self._digits = digits
        return piece


def _json_text(value: Any) -> str:
    if isinstance(value, str):
        return value if value.strip() else ""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _storable(text: str) -> str:
    return text.replace("\x00", "").partition("\n")[0][:200]


def is_formula_error(cell: str) -> bool:
    """Tell what a spreadsheet shows in place of a formula's value that it could not work out."""
    return cell in _EXCEL_ERRORS


def _unreadable(detail: str, *, code: str) -> UnreadableFile:
    return UnreadableFile.at("file", detail=detail, code=code)
