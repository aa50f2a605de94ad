"""Clients and their engagements."""

from typing import Any

from django.db import connection, transaction

from conversations.documents import read_hex
from conversations.exceptions import ClientFixed, IdTaken, InUse
from conversations.fields import new_object_id
from conversations.models import Client, Engagement
from core.constraints import constraints_as
from core.errors import FieldError, InvalidInput
from core.stored import storable

_LONGEST = 200


def create_client(*, name: str, nick_name: str = "", ident: str = "") -> Client:
    """Make a client; without an id it gets one.

    Raises:
        InvalidInput: no name, one that is too long, or an id that is no ObjectId.
        IdTaken: another client has the id.
    """
    client = Client(
        id=_id(ident), name=_name("name", name), nick_name=_text("nick_name", nick_name)
    )
    with constraints_as({"conversations_client_pkey": _id_taken("client")}):
        client.save(force_insert=True)
    return client


@transaction.atomic
def update_client(*, client_id: str, **changes: Any) -> Client:
    """Change a client's `name` or `nick_name`.

    Raises:
        Client.DoesNotExist: there is none.
        InvalidInput: as `create_client`.
    """
    client = Client.objects.select_for_update(no_key=True).get(pk=client_id)
    if "name" in changes:
        client.name = _name("name", changes["name"])
    if "nick_name" in changes:
        client.nick_name = _text("nick_name", changes["nick_name"])
    client.save(update_fields=["name", "nick_name", "updated_at"])
    return client


@transaction.atomic
def delete_client(*, client_id: str) -> None:
    """Raises `InUse` where it has engagements, or is the shop itself."""
    client = Client.objects.select_for_update().filter(pk=client_id).first()
    if client is None:
        return
    if client.is_shop:
        raise InUse("This is the shop itself.")
    if client.engagements.exists():
        raise InUse("It has engagements. Delete those first.")
    client.delete()


@transaction.atomic
def create_engagement(*, client_id: str, name: str, ident: str = "") -> Engagement:
    """Make an engagement of a client; without an id it gets one.

    Raises:
        InvalidInput: there is no such client; otherwise as `create_client`.
        IdTaken: another engagement has the id.
    """
    engagement = Engagement(id=_id(ident), name=_name("name", name), client_id=client_id)
    with connection.cursor() as cursor:
        # Locked as a foreign key locks: who deletes it waits, or we for them.
        cursor.execute("SELECT FROM conversations_client WHERE id = %s FOR KEY SHARE", [client_id])
        if not cursor.rowcount:
            raise InvalidInput.at("client", code="not_found", detail="There is no such client.")
    with constraints_as({"conversations_engagement_pkey": _id_taken("engagement")}):
        engagement.save(force_insert=True)
    return engagement


@transaction.atomic
def update_engagement(*, engagement_id: str, **changes: Any) -> Engagement:
    """Change an engagement's `name`; its `client_id` may be given, as it is.

    Raises:
        Engagement.DoesNotExist: there is none.
        InvalidInput: as `create_engagement`.
        ClientFixed: another client is given.
    """
    engagement = Engagement.objects.select_for_update(no_key=True).get(pk=engagement_id)
    if changes.get("client_id", engagement.client_id) != engagement.client_id:
        detail = "An engagement stays with its client."
        raise ClientFixed(
            detail, errors=[FieldError(path=("client",), code=ClientFixed.code, detail=detail)]
        )
    if "name" in changes:
        engagement.name = _name("name", changes["name"])
    engagement.save(update_fields=["name", "updated_at"])
    return engagement


@transaction.atomic
def delete_engagement(*, engagement_id: str) -> None:
    """Raises `InUse` where it has interactions, or is one of the shop's own."""
    engagement = Engagement.objects.select_for_update().filter(pk=engagement_id).first()
    if engagement is None:
        return
    if engagement.channel is not None:
        raise InUse("It is one of the shop's own channels.")
    # Asked for here: Django would read all of them to tell what it protects.
    if engagement.interactions.exists():
        raise InUse("It has interactions. Delete those first.")
    engagement.delete()


def _id(ident: str) -> str:
    try:
        return read_hex(ident) if ident else new_object_id()
    except ValueError as error:
        raise InvalidInput.at("id", detail=str(error)) from None


def _name(field: str, name: str) -> str:
    read = _text(field, name)
    if not read:
        raise InvalidInput.at(field, code="required", detail="This field is required.")
    return read


def _text(field: str, text: str) -> str:
    read = storable(text)
    if len(read) > _LONGEST:
        raise InvalidInput.at(field, code="max_length", detail=f"At most {_LONGEST} characters.")
    return read


def _id_taken(what: str) -> IdTaken:
    detail = f"Another {what} has this id."
    return IdTaken(detail, errors=[FieldError(path=("id",), code=IdTaken.code, detail=detail)])
