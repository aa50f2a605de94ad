"""The text of documents: read, changed member by member, written. No database here."""

from .pieces import elements_of, lines_of
from .reading import (
    LARGEST,
    OPTIONS,
    OWN,
    InteractionDocument,
    check_size,
    date,
    document_of,
    legacy_date,
    object_id,
    read_hex,
    read_interaction,
    text_of,
    with_id,
)
from .text import (
    Member,
    RawJson,
    indexable,
    members_of,
    with_members,
    without_line_breaks,
)
from .writing import extended, extended_client, extended_engagement

__all__ = [
    "LARGEST",
    "OPTIONS",
    "OWN",
    "InteractionDocument",
    "Member",
    "RawJson",
    "check_size",
    "date",
    "document_of",
    "elements_of",
    "extended",
    "extended_client",
    "extended_engagement",
    "indexable",
    "legacy_date",
    "lines_of",
    "members_of",
    "object_id",
    "read_hex",
    "read_interaction",
    "text_of",
    "with_id",
    "with_members",
    "without_line_breaks",
]
