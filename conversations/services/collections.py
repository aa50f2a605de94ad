"""The documents of the three collections: how one is read, and how many are stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from conversations.documents import check_size, members_of, object_id, read_interaction, text_of
from conversations.exceptions import BadDocument, IdTaken
from conversations.models import Client, Engagement
from conversations.states import Collection, Outcome
from core.errors import DomainError, FieldError
from core.stored import storable

from .records import create_client, create_engagement
from .storing import Result, create_interactions


@dataclass(frozen=True, slots=True)
class Record:
    """A client or an engagement as it came; `id` is "" where it has none yet."""

    id: str
    values: Mapping[str, str]


# Reads a text; its second argument is the engagement of those that name none.
Reader = Callable[[str, str], Any]
Storer = Callable[[Sequence[Any]], list[Result]]

_MEMBERS: Mapping[Collection, Mapping[str, tuple[str, Callable[[Any], str], bool]]] = {
    Collection.CLIENTS: {
        "name": ("name", text_of, True),
        "nickName": ("nick_name", text_of, False),
    },
    Collection.ENGAGEMENTS: {
        "clientId": ("client_id", object_id, True),
        "name": ("name", text_of, True),
    },
}

# What the services call them that make one.
_WIRE_NAMES: Mapping[str | int, str] = {
    "id": "_id",
    "nick_name": "nickName",
    "client": "clientId",
}


def reader_of(collection: Collection) -> Reader:
    if collection == Collection.INTERACTIONS:
        return lambda text, engagement_id: read_interaction(text, engagement_id=engagement_id)
    return lambda text, _: _read_record(text, collection)


def storer_of(collection: Collection) -> Storer:
    return {
        Collection.INTERACTIONS: lambda documents: create_interactions(documents=documents),
        Collection.CLIENTS: lambda records: [
            _store(Client, create_client, each) for each in records
        ],
        Collection.ENGAGEMENTS: lambda records: [
            _store(Engagement, create_engagement, each) for each in records
        ],
    }[collection]


def _read_record(text: str, collection: Collection) -> Record:
    check_size(text)
    members = {member.name: member.value for member in members_of(text)}
    known = {"_id": ("id", object_id, False), **_MEMBERS[collection]}
    values: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, (field, read, required) in known.items():
        value = members.pop(name, None)
        try:
            if value is not None:
                values[field] = read(value)
            elif required:
                detail = "This field is required."
                errors.append(FieldError(path=(name,), code="required", detail=detail))
        except ValueError as error:
            errors.append(FieldError(path=(name,), code="invalid", detail=str(error)))
    errors += [
        FieldError(path=(name,), code="unknown_field", detail="There is no such field.")
        for name in members
    ]
    if errors:
        raise BadDocument("The document has errors.", errors=errors)
    return Record(values.pop("id", ""), values)


def _store(model: type[Client | Engagement], create: Callable[..., Any], record: Record) -> Result:
    try:
        with transaction.atomic():
            return Result(id=create(ident=record.id, **record.values).pk, outcome=Outcome.CREATED)
    except IdTaken as error:
        # None: it was deleted this moment.
        there = model._default_manager.filter(pk=record.id).values(*record.values).first()
        if there == {name: storable(value) for name, value in record.values.items()}:
            return Result(id=record.id, outcome=Outcome.UNCHANGED)
        return _failed(record, error)
    except DomainError as error:
        return _failed(record, error)


def _failed(record: Record, error: DomainError) -> Result:
    """Return the failure, its members called as they are in the file."""
    error.errors = tuple(
        FieldError(
            path=tuple(_WIRE_NAMES.get(name, name) for name in each.path),
            code=each.code,
            detail=each.detail,
        )
        for each in error.errors
    )
    return Result(id=record.id, outcome=Outcome.FAILED, error=error)
