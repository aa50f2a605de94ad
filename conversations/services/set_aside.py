"""Lines that were set aside into a file, to be mended and taken in again."""

from collections.abc import Sequence
from pathlib import Path

from conversations.models import RejectedLine

from .files import Form
from .importing import Progress
from .rows_out import for_each_row
from .writing_files import written


def write_rejected(*, progress: Progress, path: Path) -> int:
    """Write the lines of a file that were set aside, as they came, and why beside them.

    What is written is such a file as theirs: with its header, or an array again. Another, `path`
    with `.errors` behind it, has a line of JSON for each:
    `{"line": …, "errors": [{"pointer", "code", "detail"}]}`.
    """
    rows = RejectedLine.objects.filter(file_id=progress.file_id).order_by("number")
    as_array = progress.form == Form.OBJECTS
    count = 0
    with written(path) as out, written(path.with_name(f"{path.name}.errors")) as errors:

        def write(row: Sequence[bytes]) -> None:
            nonlocal count
            number, content, reasons = row
            if as_array:
                out.write(b",\n" if count else b"[")
            # Bytes are hexadecimal in PostgreSQL's text.
            out.write(bytes.fromhex(content[2:].decode()))
            if not as_array:
                out.write(b"\n")
            errors.write(b'{"line":%s,"errors":%s}\n' % (number, reasons))
            count += 1

        if progress.header:
            out.write(progress.header + b"\n")
        for_each_row(rows.values_list("number", "content", "errors"), write)
        if as_array:
            out.write(b"]\n" if count else b"[]\n")
    return count
