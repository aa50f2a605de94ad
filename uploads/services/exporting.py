"""Files out: all that there is of a kind, and what to fill in."""

from collections.abc import Iterator

from django.http import StreamingHttpResponse

from uploads.states import Format

from .files.writing import CONTENT_TYPES, write_rows
from .kinds import KINDS


def export(*, kind: str, format: str) -> Iterator[bytes]:  # noqa: A002  as in the address
    """Yield the bytes of a file with all of a kind, which `create_upload` takes back unchanged."""
    batch = KINDS[kind]
    return write_rows(Format(format), [column.name for column in batch.columns], batch.export())


def template(*, kind: str, format: str) -> Iterator[bytes]:  # noqa: A002  as in the address
    """Yield the bytes of a file with the columns of a kind and a row to show how it is meant."""
    columns = KINDS[kind].columns
    example = {column.name: column.example for column in columns}
    return write_rows(Format(format), [column.name for column in columns], [example])


def content_type_of(format_: str) -> str:
    return CONTENT_TYPES[format_]


def as_download(content: Iterator[bytes], kind: str, format_: str) -> StreamingHttpResponse:
    """Return the answer that a browser keeps as a file, sent as it is made."""
    return StreamingHttpResponse(
        content,
        content_type=content_type_of(format_),
        headers={
            "Content-Disposition": f'attachment; filename="{kind}.{format_}"',
            # Of customers, and another one each time.
            "Cache-Control": "no-store",
        },
    )
