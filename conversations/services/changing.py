"""Documents changed, replaced, deleted."""

from collections.abc import Mapping
from dataclasses import replace

from django.db import transaction
from django.db.models.functions import Now

from conversations.documents import (
    InteractionDocument,
    extended,
    read_interaction,
    with_id,
    with_members,
)
from conversations.exceptions import BadDocument
from conversations.models import Interaction
from core.constraints import constraints_as

from .linking import Links, hold
from .storing import source_taken


@transaction.atomic
def replace_interaction(*, interaction_id: str, document: InteractionDocument) -> Interaction:
    """Let another document stand in the place of one, under its id.

    What the new one leaves out is gone, also its customer, its order and its source's name for it.
    Its engagement may be another, and so its client.

    Raises:
        Interaction.DoesNotExist: there is none.
        BadDocument: it has another `_id`; otherwise as `create_interaction`.
        IdTaken: its source's name for it is another's.
    """
    row = _locked(interaction_id)
    _check_id(document.id or row.pk, row)
    return _store(row, document, hold([document]).links_of(document))


@transaction.atomic
def change_interaction(*, interaction_id: str, changes: Mapping[str, str | None]) -> Interaction:
    """Change members of a document; all others stay as they were written.

    Args:
        changes: JSON by member, also of `customer`, `order` and `sourceId`; None takes one away.
            An order brings its customer where the document has none.

    Raises: as `replace_interaction`.
    """
    row = _locked(interaction_id)
    code = row.customer.code if row.customer else ""
    number = row.order.number if row.order else ""
    text = extended(row.document, source_id=row.source_id, customer=code, order=number)
    document = read_interaction(with_members(text, changes))
    _check_id(document.id, row)
    if (document.customer, document.order) == (code, number):
        # As it was, though its customer were forgotten or its order another's by now.
        alone = replace(document, customer="", order="")
        links = replace(
            hold([alone]).links_of(alone), customer_id=row.customer_id, order_id=row.order_id
        )
    else:
        links = hold([document]).links_of(document)
    return _store(row, document, links)


@transaction.atomic
def delete_interaction(*, interaction_id: str) -> None:
    """Delete a document; of one that is not there, nothing."""
    Interaction.objects.filter(pk=interaction_id).delete()


def _locked(interaction_id: str) -> Interaction:
    rows = Interaction.objects.for_display().select_for_update(of=("self",), no_key=True)
    return rows.get(pk=interaction_id)


def _check_id(ident: str, row: Interaction) -> None:
    if ident != row.pk:
        raise BadDocument.at("_id", code="fixed", detail="The id of a document does not change.")


def _store(row: Interaction, document: InteractionDocument, links: Links) -> Interaction:
    with constraints_as({"interaction_of_a_source_is_one": source_taken()}):
        Interaction.objects.filter(pk=row.pk).update(
            client_id=links.client_id,
            engagement_id=document.engagement_id,
            source_id=document.source_id,
            interaction_date=document.interaction_date,
            agent_name=document.agent_name,
            sentiment=document.sentiment,
            customer_id=links.customer_id,
            order_id=links.order_id,
            document=document.text if document.id else with_id(document.text, row.pk),
            custom=document.custom,
            updated_at=Now(),
        )
    return Interaction.objects.for_display().get(pk=row.pk)
