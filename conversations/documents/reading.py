"""Documents of other systems read: MongoDB's Extended JSON, legacy mode or what comes close.

The contract names the members: `docs/conversations.md`.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import json_util

from conversations.exceptions import BadDocument, TooLarge
from core.errors import FieldError
from core.stored import storable

from .text import Member, error_at, indexable, members_of, with_members

# MongoDB's own limit of a document.
LARGEST = 16 * 1024 * 1024
OPTIONS = json_util.LEGACY_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)
# What may stand around a document in a body.
SPARE = 64 * 1024
# Duka's own members: beside the document, not in it.
OWN = ("sourceId", "customer", "order")
# What these may take, at most, and an `_id` that is put in front.
_OWN_SPACE = 8 * 1024
_ID_SPACE = len('"_id":{"$oid":""},') + 24
# Of so many that are wrong the others are not told.
MOST_ERRORS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# What a date may be: beyond, there is a time zone in which Python knows no such year, and no page
# could show it.
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC) - _MILLISECOND
_HEX = re.compile("[0-9a-fA-F]{24}")
_WHOLE_NUMBER = re.compile("-?[0-9]{1,19}")
_ISO = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
    "(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
_LONGEST = {"agentName": 200, "sentiment": 64, "sourceId": 200, "customer": 32, "order": 32}
_KNOWN = {"_id", "engagementId", "interactionDate", "custom", *_LONGEST}


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionDocument:
    """An interaction as it came, taken apart for its columns.

    `id` is "" where it has none yet; `customer` is a code, `order` a number, "" none.
    """

    text: str
    id: str
    engagement_id: str
    interaction_date: datetime
    agent_name: str
    sentiment: str
    custom: str
    source_id: str
    customer: str
    order: str


def object_id(value: Any) -> str:
    """Return an ObjectId's 24 hex digits from `{"$oid": "…"}`.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not dict or value.keys() != {"$oid"} or type(value["$oid"]) is not str:
        raise ValueError('It must be an ObjectId: {"$oid": "24 hex digits"}.')
    return read_hex(value["$oid"])


def read_hex(text: str) -> str:
    """Return 24 hex digits, small, or raise `ValueError`."""
    if not _HEX.fullmatch(text):
        raise ValueError("It must be an ObjectId: 24 hex digits.")
    return text.lower()


def date(value: Any) -> datetime:
    """Return the time of `{"$date": milliseconds}`, or of a newer mode's `{"$date": "…"}`.

    A part of a millisecond is left out, as MongoDB does.

    Raises:
        ValueError: it is none, or none that every time zone can show.
    """
    if type(value) is dict and value.keys() == {"$date"}:
        inner = value["$date"]
        if type(inner) is dict and inner.keys() == {"$numberLong"}:
            inner = _whole(inner["$numberLong"])
        try:
            if type(inner) is int:
                return showable(_EPOCH + timedelta(milliseconds=inner))
            if type(inner) is str and _ISO.fullmatch(inner):
                return showable(_iso(inner))
        except OverflowError:
            # Before the year 1 or after 9999.
            raise _not_showable() from None
    raise ValueError('It must be a date: {"$date": milliseconds since 1970 in UTC}.')


def showable(moment: datetime) -> datetime:
    """Return a time, or raise `ValueError` where some time zone cannot show it."""
    if not EARLIEST <= moment <= LATEST:
        raise _not_showable()
    return moment


def _not_showable() -> ValueError:
    return ValueError(f"It must be a date from {EARLIEST.date()} to {LATEST.date()}.")


def _whole(value: Any) -> int | None:
    return int(value) if type(value) is str and _WHOLE_NUMBER.fullmatch(value) else None


def _iso(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("It must be a date that the calendar knows.") from None
    # Without an offset it is UTC.
    read = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    return read.replace(microsecond=read.microsecond // 1000 * 1000)


def legacy_date(moment: datetime) -> str:
    """Return a date in legacy mode: `{"$date":1589630400000}`."""
    return f'{{"$date":{(moment - _EPOCH) // _MILLISECOND}}}'


def read_interaction(text: str, *, engagement_id: str = "") -> InteractionDocument:
    """Read a document, whose text stays as it came but for a date in another mode than legacy.

    Duka's own members are taken out of it, and what space stands around it.

    Args:
        engagement_id: whose it is where it does not say so itself.

    Raises:
        BadDocument: with what is wrong with its members.
        TooLarge: it has more than 16 MB.
    """
    text = text.strip(" \t\n\r")
    check_size(text, LARGEST + _OWN_SPACE)
    members = members_of(text)
    read = _Read(text, members)
    ident = read.one("_id", object_id, "")
    engagement = read.one("engagementId", object_id, "")
    if engagement_id and engagement not in {"", engagement_id}:
        read.refuse("engagementId", "wrong_engagement", "It is of another engagement.")
    elif not engagement and not engagement_id:
        read.require("engagementId")
    moment = read.one("interactionDate", date, None)
    if moment is None:
        read.require("interactionDate")
    agent_name, sentiment = read.word("agentName"), read.word("sentiment")
    source_id, customer, order = map(read.own, OWN)
    custom = read.custom()
    read.check()
    assert moment is not None  # noqa: S101  refused above
    changes: dict[str, str | None] = {name: None for name in OWN if name in read.members}
    if not ident and "_id" in read.members:
        changes["_id"] = None
    if not engagement:
        changes["engagementId"] = _oid(engagement_id)
    if type(read.members["interactionDate"].value["$date"]) is not int:
        changes["interactionDate"] = legacy_date(moment)
    rest = with_members(text, changes, members) if changes else text
    check_size(rest, LARGEST if ident else LARGEST - _ID_SPACE)
    return InteractionDocument(
        text=rest,
        id=ident,
        engagement_id=engagement or engagement_id,
        interaction_date=moment,
        agent_name=agent_name,
        sentiment=sentiment,
        custom=custom,
        source_id=source_id,
        customer=customer,
        order=order,
    )


def with_id(text: str, ident: str) -> str:
    """Return a document's text with its `_id` in front, where MongoDB has it."""
    rest = text[text.index("{") + 1 :]
    comma = "" if rest.lstrip(" \t\n\r").startswith("}") else ","
    return f'{{"_id":{_oid(ident)}{comma}{rest}'


def document_of(
    *,
    engagement_id: str,
    interaction_date: datetime,
    agent_name: str = "",
    sentiment: str = "",
    custom: str = "{}",
) -> str:
    """Return the text of a document that comes from no other system, without its `_id` yet.

    Args:
        custom: JSON of an object; it stays as it is.
    """
    return (
        f'{{"engagementId":{_oid(engagement_id)},"interactionDate":{legacy_date(interaction_date)},'
        f'"agentName":{json.dumps(agent_name, ensure_ascii=False)},'
        f'"sentiment":{json.dumps(sentiment, ensure_ascii=False)},"custom":{custom}}}'
    )


def check_size(text: str, limit: int = LARGEST) -> None:
    # A quarter of it in characters can have as many bytes. Half a character counts, too.
    if len(text) > limit // 4 and len(text.encode(errors="surrogatepass")) > limit:
        raise TooLarge("A document may have 16 MB at most.")


def text_of(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("It must be a text.")
    return value


def _oid(ident: str) -> str:
    return f'{{"$oid":"{ident}"}}'


class _Read:
    """The members of a document, and what is wrong with them."""

    def __init__(self, text: str, members: Sequence[Member]) -> None:
        self.text = text
        self.members = {member.name: member for member in members}
        self.errors: dict[str, FieldError] = {}

    def one(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        member = self.members.get(name)
        if member is None or member.value is None:
            return default
        try:
            return read(member.value)
        except ValueError as error:
            self.refuse(name, "invalid", str(error))
            return default

    def word(self, name: str) -> str:
        """Return a text that a column holds: without NUL and half characters, which it cannot."""
        word: str = self.one(name, text_of, "")
        if len(word) > _LONGEST[name]:
            self.refuse(name, "max_length", f"At most {_LONGEST[name]} characters.")
        return storable(word)

    def own(self, name: str) -> str:
        """Return a member of Duka's own, of which a column must hold all, as nothing else does."""
        word = self.word(name)
        member = self.members.get(name)
        if member is not None and member.value not in (None, word) and name not in self.errors:
            self.refuse(name, "invalid", "It must be a text without NUL and half characters.")
        return word

    def custom(self) -> str:
        """Return what can be indexed of the document within the document."""
        member = self.members.get("custom")
        if member is None or member.value is None:
            return "{}"
        if type(member.value) is not dict:
            self.refuse("custom", "invalid", "It must be an object.")
            return "{}"
        return indexable(self.text[member.value_begins : member.ends])

    def require(self, name: str) -> None:
        if name not in self.errors:
            self.refuse(name, "required", "This field is required.")

    def refuse(self, name: str, code: str, detail: str) -> None:
        if len(self.errors) < MOST_ERRORS:
            self.errors[name] = error_at(name, code, detail)

    def check(self) -> None:
        for name in self.members:
            if name not in _KNOWN:
                self.refuse(
                    name,
                    "unknown_field",
                    "There is no such field; what is the source's own goes into `custom`.",
                )
        if self.errors:
            raise BadDocument("The document has errors.", errors=list(self.errors.values()))
