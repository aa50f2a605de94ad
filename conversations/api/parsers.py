"""Bodies of documents: taken as they are, for what parses them knows their text alone.

The parsers say which kinds are taken and read nothing, as DRF asks them before it knows who calls
(for a form's CSRF token).
"""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class DocumentParser(BaseParser):
    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {}


class LinesParser(DocumentParser):
    """A document in each line, as `mongoexport` writes them."""

    media_type = "application/x-ndjson"


def is_of_lines(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == LinesParser.media_type


def text_of(body: bytes) -> str:
    """Return the text of a document, without the space around it.

    Raises:
        ParseError: it is not UTF-8, or begins with a byte order mark.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ParseError("JSON parse error - not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise ParseError("JSON parse error - it begins with a byte order mark.")
    return text.strip(" \t\r\n")
