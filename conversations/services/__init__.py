"""Verbs of conversations, the only writers of their tables."""

from .changing import (
    change_interaction,
    delete_interaction,
    replace_interaction,
)
from .contacts import (
    LONGEST_REPLY,
    customer_at,
    data_of_reply,
    move_contacts,
    note_contact,
    own_engagement,
    phone_of,
    record_contact,
    reply,
)
from .csv_mapping import CsvMapping, read_mapping
from .exporting import Chosen, export_documents
from .importing import Progress, Rejected, import_file
from .people import find_mentions, forget_customer, forget_stranger, personal_data
from .records import (
    create_client,
    create_engagement,
    delete_client,
    delete_engagement,
    update_client,
    update_engagement,
)
from .set_aside import write_rejected
from .storing import (
    Result,
    create_interaction,
    create_interactions,
)
from .timeline import contacts_of
from .writing_files import written

__all__ = [
    "LONGEST_REPLY",
    "Chosen",
    "CsvMapping",
    "Progress",
    "Rejected",
    "Result",
    "change_interaction",
    "contacts_of",
    "create_client",
    "create_engagement",
    "create_interaction",
    "create_interactions",
    "customer_at",
    "data_of_reply",
    "delete_client",
    "delete_engagement",
    "delete_interaction",
    "export_documents",
    "find_mentions",
    "forget_customer",
    "forget_stranger",
    "import_file",
    "move_contacts",
    "note_contact",
    "own_engagement",
    "personal_data",
    "phone_of",
    "read_mapping",
    "record_contact",
    "replace_interaction",
    "reply",
    "update_client",
    "update_engagement",
    "write_rejected",
    "written",
]
