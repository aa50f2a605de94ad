"""Documents of other systems read: MongoDB's Extended JSON, legacy mode or what comes close.

The contract names the members: `docs/conversations.md`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId, json_util
from bson.errors import BSONError, InvalidId

from conversations.exceptions import BadDocument, TooLarge
from core.errors import FieldError
from core.stored import storable

from .text import Member, indexable, members_of, with_members

# MongoDB's own limit of a document.
LARGEST = 16 * 1024 * 1024
OPTIONS = json_util.LEGACY_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)
# Duka's own members: beside the document, not in it.
OWN = ("sourceId", "customer", "order")
_LONGEST = {"agentName": 200, "sentiment": 64, "sourceId": 200, "customer": 32, "order": 32}


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
    try:
        return str(ObjectId(text))
    except InvalidId:
        raise ValueError("It must be an ObjectId: 24 hex digits.") from None


def date(value: Any) -> datetime:
    """Return the time of `{"$date": milliseconds}`, or of a newer mode's `{"$date": "…"}`.

    Raises:
        ValueError: it is none, or none that a calendar knows.
    """
    wrong = 'It must be a date: {"$date": milliseconds since 1970 in UTC}.'
    if type(value) is not dict or value.keys() != {"$date"}:
        raise ValueError(wrong)
    inner = value["$date"]
    if type(inner) is dict:
        if inner.keys() != {"$numberLong"} or type(inner["$numberLong"]) is not str:
            raise ValueError(wrong)
        value = {"$date": json_util.object_hook(inner)}
    elif type(inner) not in (int, str):
        raise ValueError(wrong)
    try:
        read = json_util.object_hook(value, OPTIONS)
    except (ValueError, TypeError, OverflowError, IndexError, BSONError):
        raise ValueError(wrong) from None
    if not isinstance(read, datetime):
        raise ValueError(wrong)
    return read


def legacy_date(moment: datetime) -> str:
    """Return a date in legacy mode: `{"$date":1589630400000}`."""
    return json_util.dumps(moment, json_options=OPTIONS, separators=(",", ":"))


def read_interaction(text: str, *, engagement_id: str = "") -> InteractionDocument:
    """Read a document, whose text stays as it came but for a date in another mode than legacy.

    Args:
        engagement_id: whose it is where it does not say so itself.

    Raises:
        BadDocument: with all that is wrong with its members.
        TooLarge: it has more than 16 MB.
    """
    check_size(text)
    members = {member.name: member for member in members_of(text)}
    read = _Read(members, text)
    ident = read.one("_id", object_id, "")
    engagement = read.one("engagementId", object_id, "")
    if engagement_id and engagement not in {"", engagement_id}:
        read.refuse("engagementId", "wrong_engagement", "It is of another engagement.")
    elif not engagement and not engagement_id and "engagementId" not in read.refused:
        read.refuse("engagementId", "required", "This field is required.")
    moment = read.one("interactionDate", date, None)
    if moment is None and "interactionDate" not in read.refused:
        read.refuse("interactionDate", "required", "This field is required.")
    words = {name: read.one(name, text_of, "") for name in ("agentName", "sentiment", *OWN)}
    for name, word in words.items():
        if len(word) > _LONGEST[name]:
            read.refuse(name, "max_length", f"At most {_LONGEST[name]} characters.")
    custom = read.custom("custom")
    read.unknown({"_id", "engagementId", "interactionDate", *words, "custom"})
    read.check()
    assert moment is not None  # noqa: S101  refused above
    changes: dict[str, str | None] = {name: None for name in OWN if name in members}
    if "_id" in members and members["_id"].value is None:
        changes["_id"] = None
    if engagement_id and not engagement:
        changes["engagementId"] = _oid(engagement_id)
    if type(members["interactionDate"].value["$date"]) is not int:
        changes["interactionDate"] = legacy_date(moment)
    return InteractionDocument(
        text=with_members(text, changes) if changes else text,
        id=ident,
        engagement_id=engagement or engagement_id,
        interaction_date=moment,
        agent_name=storable(words["agentName"]),
        sentiment=storable(words["sentiment"]),
        custom=custom,
        source_id=words["sourceId"],
        customer=words["customer"],
        order=words["order"],
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


def check_size(text: str) -> None:
    # A quarter of it in characters can have as many bytes.
    if len(text) > LARGEST // 4 and len(text.encode()) > LARGEST:
        raise TooLarge("A document may have 16 MB at most.")


def text_of(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("It must be a text.")
    return value


def _oid(ident: str) -> str:
    return f'{{"$oid":"{ident}"}}'


@dataclass(slots=True)
class _Read:
    """The members of a document, and what is wrong with them."""

    members: Mapping[str, Member]
    text: str
    errors: list[FieldError] = field(default_factory=list)

    @property
    def refused(self) -> set[str]:
        return {str(error.path[0]) for error in self.errors}

    def one(self, name: str, read: Callable[[Any], Any], default: Any) -> Any:
        member = self.members.get(name)
        if member is None or member.value is None:
            return default
        try:
            return read(member.value)
        except ValueError as error:
            self.refuse(name, "invalid", str(error))
            return default

    def custom(self, name: str) -> str:
        """Return what can be indexed of a document within the document."""
        member = self.members.get(name)
        if member is None or member.value is None:
            return "{}"
        if type(member.value) is not dict:
            self.refuse(name, "invalid", "It must be an object.")
            return "{}"
        return indexable(self.text[member.value_begins : member.ends])

    def unknown(self, known: set[str]) -> None:
        for name in self.members:
            if name not in known:
                self.refuse(
                    name,
                    "unknown_field",
                    "There is no such field; what is the source's own goes into `custom`.",
                )

    def refuse(self, name: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(path=(name,), code=code, detail=detail))

    def check(self) -> None:
        if self.errors:
            raise BadDocument("The document has errors.", errors=self.errors)
