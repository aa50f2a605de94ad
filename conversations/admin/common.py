"""What the admin pages of conversations share: long lists, and text that is not ours."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.utils.html import format_html
from django.utils.safestring import SafeString

# Of a longer list nobody counts, or walks through, more.
MOST_ROWS = 10_000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPENS, _CLOSES = frozenset("{["), frozenset("}]")


class CappedPaginator(Paginator[Any]):
    """Counts so many rows, and no more: of a million that would take a second for each page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().values("pk")[:MOST_ROWS].count())


def indented(text: str) -> str:
    """Return JSON, or the beginning of it, with a line for each member; values as they stand."""
    return "".join(_indented(text))


def _indented(text: str) -> Iterator[str]:
    depth, before = 0, ""
    for match in _TOKEN.finditer(text):
        each = match[0]
        if each in _CLOSES:
            depth -= 1
            # What is empty stays on its line.
            yield each if before in _OPENS else f"\n{'  ' * depth}{each}"
        else:
            if before in _OPENS or before == ",":
                yield f"\n{'  ' * depth}"
            yield ": " if each == ":" else each
            depth += each in _OPENS
        before = each


def as_block(text: str) -> SafeString:
    """Return somebody's text, escaped, in a box of its own."""
    return format_html('<pre class="document" tabindex="0">{}</pre>', text)
