"""Rows of a CSV file into documents, by a mapping that says what its columns become.

The mapping is a JSON object: `docs/conversations.md` shows one.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from conversations.documents import OWN, InteractionDocument, legacy_date, read_interaction
from conversations.exceptions import BadDocument, BadMapping, TooLarge
from core.errors import FieldError

from .files import KEPT, LONGEST, Piece

_IDS = ("_id", "engagementId")
_TEXTS = ("agentName", "sentiment", *OWN)
_KNOWN = (*_IDS, "interactionDate", *_TEXTS, "custom", "rest")
_OPTIONS = {"column", "value", "type", "format", "timezone"}
_TYPES = ("text", "number", "date")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")

# A cell's JSON, or None where it is empty; `ValueError` says what is wrong with it.
Render = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member of the document comes from: a column, or a value for all rows."""

    name: str
    column: str
    render: Render
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class CsvMapping:
    """How a CSV file is read. `source` is the mapping as it came, for the file's fingerprint."""

    source: Any
    members: Sequence[_Member]
    custom: Sequence[_Member]
    rest: bool
    delimiter: str
    encoding: str

    @property
    def fingerprint(self) -> Sequence[Any]:
        return (self.source, self.delimiter, self.encoding)


def read_mapping(text: str, *, delimiter: str = "", encoding: str = "utf-8-sig") -> CsvMapping:
    """Read a mapping; its columns are compared with a file's by `CsvReader`.

    Args:
        delimiter: "" for the one of , ; and tabulator that the header has most of.

    Raises:
        BadMapping: with all that is wrong with it.
    """
    _check_options(delimiter, encoding)
    try:
        source = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMapping(f"The mapping is not JSON: {error}.") from None
    if not isinstance(source, dict):
        raise BadMapping("The mapping must be a JSON object.")
    read = _Reading()
    members = [
        read.member((name,), name, source[name], date=name == "interactionDate")
        for name in (*_IDS, "interactionDate", *_TEXTS)
        if name in source
    ]
    if "interactionDate" not in source:
        read.refuse(("interactionDate",), "It must say when it was.")
    custom = source.get("custom", {})
    if not isinstance(custom, dict):
        read.refuse(("custom",), "It must be an object.")
        custom = {}
    inner = [read.member(("custom", name), name, value) for name, value in custom.items()]
    rest = source.get("rest", False)
    if not isinstance(rest, bool):
        read.refuse(("rest",), "It must be true or false.")
    for name in source:
        if name not in _KNOWN:
            read.refuse((name,), f"There is no such member. Known: {', '.join(_KNOWN)}.")
    if read.errors:
        raise _bad_mapping(read.errors)
    return CsvMapping(
        source=source,
        members=[member for member in members if member],
        custom=[member for member in inner if member],
        rest=rest,
        delimiter=delimiter,
        encoding=encoding,
    )


def _check_options(delimiter: str, encoding: str) -> None:
    if delimiter and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise BadMapping("The delimiter must be one character.")
    try:
        is_ascii = ',;"\r\n\t'.encode(encoding.removesuffix("-sig")) == b',;"\r\n\t'
    except (LookupError, UnicodeError):
        raise BadMapping(f"There is no encoding {encoding}.") from None
    if not is_ascii:
        raise BadMapping(f"{encoding} cannot be read line by line. Save the file as UTF-8.")


@dataclass(slots=True)
class _Reading:
    errors: list[FieldError] = field(default_factory=list)

    def refuse(self, path: tuple[str, ...], detail: str) -> None:
        self.errors.append(FieldError(path=path, code="invalid", detail=detail))

    def member(
        self, path: tuple[str, ...], name: str, value: Any, *, date: bool = False
    ) -> _Member | None:
        """Read one member: a column's name, or an object that says more."""
        options = {"column": value} if isinstance(value, str) else value
        if not isinstance(options, dict) or ("column" in options) == ("value" in options):
            self.refuse(path, 'It must be a column\'s name, {"column": …} or {"value": …}.')
            return None
        if unknown := sorted(options.keys() - _OPTIONS):
            self.refuse(path, f"There is no option {', '.join(unknown)}.")
            return None
        if "value" in options:
            return self._fixed(path, name, options["value"])
        if not isinstance(options["column"], str):
            self.refuse((*path, "column"), "It must be a column's name.")
            return None
        kind = options.get("type", "date" if date else "text")
        allowed = ("date",) if date else _TYPES if path[0] == "custom" else ("text",)
        if kind not in allowed:
            self.refuse((*path, "type"), f"It must be one of {', '.join(allowed)}.")
            return None
        render = self._date(path, options) if kind == "date" else _RENDER[kind]
        if path[0] in _IDS:
            render = _oid
        # An empty text is one in a document of the source's own, and nothing elsewhere.
        if path[0] == "custom" and kind == "text":
            render = _json
        return _Member(name, options["column"], render)

    def _fixed(self, path: tuple[str, ...], name: str, value: Any) -> _Member | None:
        if path[0] != "custom" and not isinstance(value, str):
            self.refuse((*path, "value"), "It must be a text.")
            return None
        if path[0] == "interactionDate":
            self.refuse(path, "It must come from a column.")
            return None
        return _Member(name, "", _json, _oid(value) if path[0] in _IDS else _json(value))

    def _date(self, path: tuple[str, ...], options: Mapping[str, Any]) -> Render:
        form = options.get("format", "")
        if not isinstance(form, str):
            self.refuse((*path, "format"), "It must be a text such as %d/%m/%Y %H:%M.")
            form = ""
        name = options.get("timezone", settings.SHOP_TIME_ZONE)
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            self.refuse((*path, "timezone"), f"There is no time zone {name}.")
            zone = ZoneInfo("UTC")
        return lambda cell: _moment(cell.strip(), form, zone)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(cell: str) -> str | None:
    return _json(cell) if cell else None


def _number(cell: str) -> str | None:
    cell = cell.strip()
    if cell and not _NUMBER.fullmatch(cell):
        raise ValueError(f"{cell[:50]} is no number.")
    return cell or None


def _oid(cell: str) -> str | None:
    return _json({"$oid": cell.strip()}) if cell.strip() else None


def _moment(cell: str, form: str, zone: ZoneInfo) -> str | None:
    if not cell:
        return None
    try:
        moment = datetime.strptime(cell, form) if form else datetime.fromisoformat(cell)  # noqa: DTZ007  below
        return legacy_date(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        meant = f"of the form {form}" if form else "such as 2020-05-16 12:00"
        raise ValueError(f"{cell[:50]} is no date {meant}.") from None


_RENDER: dict[str, Render] = {"text": _text, "number": _number}


class CsvReader:
    """Takes a file's rows apart: each is a piece with the text of all of its lines."""

    def __init__(self, mapping: CsvMapping) -> None:
        self.mapping = mapping
        self.delimiter = mapping.delimiter
        self.header: list[str] = []
        # As it came, for those who write rows into a file again.
        self.header_line = b""
        self._cells: list[str] | Exception = []

    def rows(self, lines: Iterator[Piece]) -> Iterator[Piece]:
        """Yield rows; `document` reads the one that was yielded last."""
        taken = _Taken(lines, self.mapping.encoding.removesuffix("-sig"))
        csv.field_size_limit(LONGEST)
        reader = csv.reader(taken, delimiter=self.delimiter, strict=True)
        while True:
            try:
                self._cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, UnicodeDecodeError, TooLarge) as error:
                self._cells = error
            yield taken.piece()

    def read_header(self, lines: Iterator[Piece]) -> None:
        """Read the first row and compare it with the mapping.

        Raises:
            BadMapping: the mapping names columns that are not there.
        """
        first = next(lines, None)
        line = first.content if first else b""
        self.delimiter = self.delimiter or max(",;\t", key=lambda sign: line.count(sign.encode()))
        row = next(self.rows(iter([first] if first else [])), None)
        if row is None or isinstance(self._cells, Exception):
            raise BadMapping(f"The first line must name the columns. {self._problem()}".strip())
        self.header_line = row.content
        self.header = [cell.strip() for cell in self._cells]
        self._check_header()

    def _check_header(self) -> None:
        mapping, known = self.mapping, ", ".join(filter(None, self.header))
        errors = []
        named = {member.column: member for member in (*mapping.members, *mapping.custom)}
        for column in named:
            if column and column not in self.header:
                detail = f"The file has no column {column}; it has {known}."
                errors.append(FieldError(path=(column,), code="unknown_column", detail=detail))
        for column in dict.fromkeys(self.header):
            if self.header.count(column) > 1 and (column in named or mapping.rest):
                detail = f"The file has the column {column or 'without a name'} twice."
                errors.append(FieldError(path=(column,), code="duplicate_column", detail=detail))
        if mapping.rest and "" in self.header:
            detail = f"Column {self.header.index('') + 1} has no name to be kept by."
            errors.append(FieldError(path=("",), code="unknown_column", detail=detail))
        if errors:
            raise _bad_mapping(errors)
        self._compile()

    def _compile(self) -> None:
        """Look up once for all rows where each member stands."""
        mapping = self.mapping

        def placed(members: Sequence[_Member]) -> list[tuple[str, int, _Member]]:
            return [
                (
                    f"{_json(member.name)}:",
                    self.header.index(member.column) if member.fixed is None else -1,
                    member,
                )
                for member in members
            ]

        used = {member.column for member in (*mapping.members, *mapping.custom)}
        names = {member.name for member in mapping.custom}
        rest = [
            _Member(column, column, _json)
            for column in self.header
            if mapping.rest and column not in used and column not in names
        ]
        self._members = placed(mapping.members)
        self._custom = placed([*mapping.custom, *rest])

    def document(self, engagement_id: str) -> InteractionDocument:
        """Return the document of the row that came last.

        Raises:
            BadDocument, TooLarge: it cannot be one.
        """
        if isinstance(self._cells, TooLarge):
            raise self._cells
        if isinstance(self._cells, Exception):
            raise BadDocument(self._problem())
        cells = self._cells
        if len(cells) != len(self.header):
            raise BadDocument(f"The row has {len(cells)} cells, the header {len(self.header)}.")
        errors: list[FieldError] = []
        members = self._rendered(self._members, cells, (), errors)
        custom = self._rendered(self._custom, cells, ("custom",), errors)
        if errors:
            raise BadDocument("The row has errors.", errors=errors)
        text = "{" + ",".join([*members, '"custom":{' + ",".join(custom) + "}"]) + "}"
        return read_interaction(text, engagement_id=engagement_id)

    @staticmethod
    def _rendered(
        members: Sequence[tuple[str, int, _Member]],
        cells: Sequence[str],
        path: tuple[str, ...],
        errors: list[FieldError],
    ) -> list[str]:
        found = []
        for prefix, at, member in members:
            try:
                value = member.fixed if at < 0 else member.render(cells[at])
            except ValueError as error:
                where = (*path, member.name)
                errors.append(FieldError(path=where, code="invalid", detail=str(error)))
                continue
            if value is not None:
                found.append(prefix + value)
        return found

    @property
    def is_blank(self) -> bool:
        return self._cells == []

    def _problem(self) -> str:
        if isinstance(self._cells, UnicodeDecodeError):
            return f"It is not in {self.mapping.encoding}."
        if isinstance(self._cells, csv.Error):
            return f"This is not CSV: {self._cells}."
        return str(self._cells) if isinstance(self._cells, TooLarge) else ""


@dataclass(slots=True)
class _Taken:
    """Lines as the CSV reader wants them; what it took for a row is kept as it came."""

    lines: Iterator[Piece]
    encoding: str
    pieces: list[Piece] = field(default_factory=list)
    length: int = 0

    def __iter__(self) -> Iterator[str]:
        return cast("Iterator[str]", self)

    def __next__(self) -> str:
        piece = next(self.lines)
        self.pieces.append(piece)
        self.length += piece.length + 1
        if self.length > LONGEST:
            raise TooLarge("A row may have 16 MB at most.")
        return f"{piece.content.decode(self.encoding)}\n"

    def piece(self) -> Piece:
        """Return the row that was taken last, and begin with the next."""
        first, last = self.pieces[0], self.pieces[-1]
        content = b"\n".join(piece.content for piece in self.pieces)
        whole = self.length <= LONGEST
        row = Piece(
            first.number,
            content if whole else content[:KEPT],
            len(content) if whole else self.length,
            last.ends,
            last.number,
        )
        self.pieces, self.length = [], 0
        return row


def _bad_mapping(errors: Sequence[FieldError]) -> BadMapping:
    return BadMapping(
        "The mapping does not fit: "
        + " ".join(f"{'.'.join(map(str, error.path))}: {error.detail}" for error in errors),
        errors=errors,
    )
