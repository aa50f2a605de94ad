"""What a link shows without signing in: each app says it of its own things.

    status_pages.register("order", of_order)

`of_order(reference, language)` returns a `StatusPage`, or None where there is nothing to show.
Another app adds to it what it knows of the same thing: `status_pages.add("order", parts_of_order)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.http import HttpResponse
from django.utils.cache import patch_cache_control


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that happened, in a word or two."""

    at: datetime
    label: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that belongs to it, and where that stands. `url`: where to look at it elsewhere."""

    label: str
    text: str
    url: str = ""

    @property
    def link(self) -> str:
        """The address, where a browser may go there: others can run what they say."""
        return self.url if self.url.startswith(("https://", "http://")) else ""


@dataclass(frozen=True, kw_only=True)
class StatusPage:
    """Where a thing stands and how it came there, in the customer's language. Nothing personal."""

    title: str
    state: str
    steps: Sequence[Step]
    parts: Sequence[Part] = ()


Build = Callable[[str, str], StatusPage | None]
PartsOf = Callable[[str, str], Sequence[Part]]
_builders: dict[str, Build] = {}
_additions: dict[str, list[PartsOf]] = {}


def register(subject: str, build: Build) -> None:
    """Let things of a subject be looked at by a link."""
    _builders[subject] = build


def add(subject: str, parts_of: PartsOf) -> None:
    """Let the pages of a subject show this, too."""
    _additions.setdefault(subject, []).append(parts_of)


def can_be_shown(subject: str) -> bool:
    return subject in _builders


def page_of(subject: str, reference: str, language: str) -> StatusPage | None:
    """Return the page of a thing; None: there is none, or not any more."""
    build = _builders.get(subject)
    page = build(reference, language) if build else None
    if page is None:
        return None
    more = [
        part for parts_of in _additions.get(subject, ()) for part in parts_of(reference, language)
    ]
    return replace(page, parts=[*page.parts, *more])


def keep_private(response: HttpResponse) -> None:
    """Say of a page whose address is its key that nobody keeps it, nor tells where it is."""
    patch_cache_control(response, no_store=True, private=True)
    # It goes to nobody else, and no search engine keeps it.
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    # Words and a style sheet: whatever else should get into it does nothing.
    response["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )
