"""Files of documents taken apart, with little of them in memory, whatever is in them.

Positions are bytes of what is in a file, unpacked.
"""

import codecs
import gzip
import hashlib
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, NoReturn, cast

from conversations.documents import LARGEST
from conversations.exceptions import BadFile, ImportTaken

CHUNK = 1024 * 1024
# A document, Duka's own members and space around it. Of what is longer, some bytes are kept.
LONGEST = LARGEST + 64 * 1024
KEPT = 1000
_GZIP = b"\x1f\x8b"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# A text that ends here is passed over at once.
_OUTSIDE = re.compile(rb'"[^"\\\n]*+"|["{}\[\]]')
# A line's end as well: no text goes on behind it, so that one without its end spoils one object.
_IN_TEXT = re.compile(rb'["\\\n]')
_PRETTY = re.compile(rb'\s*{[ \t\r]*\n\s*"')
# Between two objects, and what is no object there.
_BETWEEN = re.compile(rb"[\s,\[\]]*")
_NO_OBJECT = re.compile(rb"[^{,\]\n]+")
_SPACE = re.compile(rb"\s*")
_STRAY = re.compile(rb"[^{,\[\]]+")


class Form(Enum):
    LINES = "lines"
    # An array, or objects of several lines each.
    OBJECTS = "objects"


@dataclass(frozen=True, slots=True)
class Piece:
    """A line of a file, or an object of an array, as it came.

    `length` is more than `content` has where it is longer than a document may be. `number` is the
    line's, or the object's; the first is 1. `ends` is the position behind it. Of a row of CSV,
    which may have several lines, `number` is the first of them and `last` the last.
    """

    number: int
    content: bytes
    length: int
    ends: int
    last: int


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A file that was read once from its beginning to its end, and is as it should be."""

    path: Path
    digest: str
    size: int
    # Behind a mark that says it is UTF-8, if there is one.
    begins: int
    form: Form
    # Whether its first line that is not blank begins as one of JSON does.
    is_json: bool
    stamp: tuple[int, ...]

    def check(self) -> None:
        """Raise `ImportTaken` if the file was written to since."""
        try:
            stamp = _stamp(self.path.stat())
        except OSError:
            stamp = ()
        if stamp != self.stamp:
            raise ImportTaken(f"{self.path.name} was changed or moved while it was read.")


def survey(path: Path, *, told: Callable[[int], bool], is_csv: bool = False) -> Surveyed | None:
    """Read a file to its end, as a torn or damaged one is better known before than halfway.

    Args:
        told: called with the bytes unpacked so far; where it answers False, None is returned.

    Raises:
        BadFile: it cannot be read, is no text in UTF-8, or an array without its end or its commas.
    """
    digest, size, text, begins, order = hashlib.sha256(), 0, b"", 0, None
    with unpacked(path) as file:
        stamp = _stamp(os.fstat(file.fileno()))
        while chunk := read(file):
            digest.update(chunk)
            if not size:
                if chunk.startswith(_UTF_16):
                    raise BadFile(f"{path.name} is in UTF-16. Save it as UTF-8 and try again.")
                begins = len(codecs.BOM_UTF8) if chunk.startswith(codecs.BOM_UTF8) else 0
                text = chunk = chunk[begins:]
                size = begins
                if _form(text) == Form.OBJECTS and not is_csv:
                    order = _Order(path.name, is_array=text.lstrip().startswith(b"["))
            if order:
                order.read(chunk)
            size += len(chunk)
            if not told(size):
                return None
    if order:
        order.end()
    is_json = text.lstrip()[:1] in {b"", b"{", b"["}
    return Surveyed(path, digest.hexdigest(), size, begins, _form(text), is_json, stamp)


def unpacked(path: Path) -> IO[bytes]:
    """Open a file, packed by gzip or not, whatever its name says.

    Raises:
        BadFile: it is not there, may not be read, or is none that can be read twice.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadFile(f"{path} is no file.")
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        packed = file.peek(2).startswith(_GZIP)
    except OSError as error:
        file.close()
        raise _unreadable(path, error) from None
    return cast("IO[bytes]", _OwnGzip(file) if packed else file)


def read(file: IO[bytes], size: int = CHUNK) -> bytes:
    """Return the next bytes, or raise `BadFile`."""
    try:
        return file.read(size)
    except EOFError:
        raise BadFile("It ends in the middle of what gzip packed: it is cut off.") from None
    except (gzip.BadGzipFile, zlib.error):
        raise BadFile("What gzip packed is damaged, or something else stands behind it.") from None
    except OSError as error:
        raise BadFile(f"It cannot be read: {error.strerror}.") from None


def go_to(file: IO[bytes], position: int) -> None:
    """Go to a position. What is packed has to be unpacked up to there."""
    if not isinstance(cast("object", file), gzip.GzipFile):
        file.seek(position)
        return
    while position and (chunk := read(file, min(position, CHUNK))):
        position -= len(chunk)


def lines(file: IO[bytes], *, position: int, number: int) -> Iterator[Piece]:
    r"""Yield lines without their `\n`.

    Args:
        position: where the file stands.
        number: of lines before that.
    """
    held = _Held()
    while chunk := read(file):
        begins, ends = 0, chunk.find(b"\n")
        while ends >= 0:
            number += 1
            if held.length:
                held.add(chunk[begins:ends])
                content, length = held.take()
            else:
                content, length = chunk[begins:ends], ends - begins
            position += length + 1
            yield Piece(number, content, length, position, number)
            begins = ends + 1
            ends = chunk.find(b"\n", begins)
        held.add(chunk[begins:])
    if held.length:
        content, length = held.take()
        yield Piece(number + 1, content, length, position + length, number + 1)


def objects(file: IO[bytes], *, position: int, number: int) -> Iterator[Piece]:
    """Yield the objects of an array, or those that stand one behind the other.

    What stands between them and is no object is yielded as well, to be refused by its reader.
    The arguments are those of `lines`.
    """
    held, nesting = _Held(), _Nesting()
    while chunk := read(file):
        at = 0
        while at < len(chunk):
            if nesting.is_between:
                if held.length and chunk[at] in b"{,]\n":
                    number += 1
                    yield Piece(number, *held.take(), position + at, number)
                at = _end_of(_BETWEEN, chunk, at)
                stray = _end_of(_NO_OBJECT, chunk, at)
                held.add(chunk[at:stray])
                at = stray
                if at == len(chunk) or chunk[at] != 0x7B:
                    continue
                if held.length:
                    continue
            ends = nesting.read(chunk, at)
            held.add(chunk[at:ends])
            at = ends
            if nesting.is_between:
                number += 1
                yield Piece(number, *held.take(), position + at, number)
        position += len(chunk)
    if held.length:
        yield Piece(number + 1, *held.take(), position, number + 1)


class _At(Enum):
    """Where in an array we are."""

    BEFORE = "before it"
    BEGINNING = "behind its bracket"
    COMMA = "behind a comma"
    STRAY = "in what is no object"
    ELEMENT = "behind an element"
    BEHIND = "behind all of it"


class _Order:
    """Whether what stands between objects is what belongs there.

    Of an array: one bracket, commas, one bracket; `objects` passes over these wherever they are,
    so that one that is torn or torn and patched together would be taken for a whole one. What is
    no object is left to that as well, to be set aside.
    """

    def __init__(self, name: str, *, is_array: bool) -> None:
        self.name, self.is_array = name, is_array
        self.nesting, self.place, self.count = _Nesting(), _At.BEFORE, 0

    def read(self, chunk: bytes) -> None:
        """Go on to the chunk's end, or raise `BadFile`."""
        at = 0
        while at < len(chunk):
            if self.nesting.is_between:
                at = _end_of(_SPACE, chunk, at)
                sign = chunk[at : at + 1]
                if sign in {b"[", b"]", b","}:
                    self._sign(sign)
                    at += 1
                    continue
                if not sign:
                    return
                if sign != b"{":
                    self._element(_At.STRAY)
                    at = _end_of(_STRAY, chunk, at)
                    continue
                self._element(_At.ELEMENT)
            at = self.nesting.read(chunk, at)

    def end(self) -> None:
        if self.is_array and self.place != _At.BEHIND:
            self._refuse("it does not end: it is cut off")

    def _element(self, place: _At) -> None:
        if place == self.place and place != _At.ELEMENT:
            # It goes on in the next chunk.
            return
        if self.is_array and self.place in {_At.ELEMENT, _At.STRAY}:
            self._refuse("there is no comma")
        if self.place == _At.BEHIND:
            self._refuse("there is more behind it")
        self.place = place
        self.count += 1

    def _sign(self, sign: bytes) -> None:
        if not self.is_array:
            if sign != b",":
                self._refuse("there is a bracket")
            return
        match sign, self.place:
            case b"[", _At.BEFORE:
                self.place = _At.BEGINNING
            case _, _At.BEHIND:
                self._refuse("there is more behind it")
            case b"[", _:
                self._refuse("there is an array in it")
            case b",", _At.ELEMENT | _At.STRAY:
                self.place = _At.COMMA
            case b"]", _At.ELEMENT | _At.STRAY | _At.BEGINNING:
                self.place = _At.BEHIND
            case _:
                self._refuse("a comma has nothing beside it")

    def _refuse(self, what: str) -> NoReturn:
        whole = "an array of documents" if self.is_array else "documents one behind the other"
        raise BadFile(
            f"{self.name} is not {whole}: behind document {self.count:,}, {what}. Nothing was"
            " stored."
        )


@dataclass(slots=True)
class _Nesting:
    """How deep in an object we are."""

    depth: int = 0
    in_text: bool = False
    escaped: bool = False

    @property
    def is_between(self) -> bool:
        return self.depth == 0

    def read(self, chunk: bytes, at: int) -> int:
        """Go on to the object's end or the chunk's; return where that is."""
        while at < len(chunk):
            if self.escaped:
                self.escaped = False
                at += 1
                continue
            found = (_IN_TEXT if self.in_text else _OUTSIDE).search(chunk, at)
            if found is None:
                return len(chunk)
            at = found.end()
            match found[0]:
                case text if len(text) > 1:
                    pass
                case b'"':
                    self.in_text = not self.in_text
                case b"\\":
                    self.escaped = True
                case b"\n":
                    self.in_text = False
                case b"{" | b"[":
                    self.depth += 1
                case _:
                    self.depth -= 1
                    if self.depth == 0:
                        return at
        return at


@dataclass(slots=True)
class _Held:
    """A piece whose end has not come yet; of one that is too long only the beginning."""

    beginning: bytearray = field(default_factory=bytearray)
    length: int = 0

    def add(self, more: bytes) -> None:
        self.length += len(more)
        if self.length <= LONGEST:
            self.beginning += more
        elif len(self.beginning) != KEPT:
            self.beginning = (self.beginning + more[:KEPT])[:KEPT]

    def take(self) -> tuple[bytes, int]:
        taken = bytes(self.beginning), self.length
        self.beginning, self.length = bytearray(), 0
        return taken


class _OwnGzip(gzip.GzipFile):
    """Closes the file under it as well."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file)
        self.packed = file

    def close(self) -> None:
        super().close()
        self.packed.close()


def _end_of(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    found = pattern.match(chunk, at)
    return found.end() if found else at


def _form(beginning: bytes) -> Form:
    # `mongoexport --jsonArray` writes all in one line, `--pretty` each in several.
    is_array = beginning.lstrip().startswith(b"[")
    return Form.OBJECTS if is_array or _PRETTY.match(beginning) else Form.LINES


def _stamp(of: os.stat_result) -> tuple[int, ...]:
    return (of.st_ino, of.st_size, of.st_mtime_ns)


def _unreadable(path: Path, error: OSError) -> BadFile:
    return BadFile(f"{path} cannot be read: {error.strerror}.")
