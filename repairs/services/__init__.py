"""Verbs of repairs, the only writers of their tables.

Each locks, checks, writes and announces, in that order and in one transaction. Clients' databases
are asked outside of any transaction of ours.
"""

from .checking import check_source
from .collecting import collect
from .documents import document_of, job_status_of
from .examining import examine_sources
from .finding import ID, find_job
from .leasing import sources_to_collect
from .measuring import measure
from .mirroring import MongoFailed, documents_due, open_documents, write_due_documents
from .moving import add_note, correct_phone, follow_client, move_job, settle_conflict
from .previewing import preview
from .rebuilding import find_strays, rebuild_documents
from .records import forget_customer, forget_stranger, personal_data
from .rounds import Round
from .sources import collect_soon, is_configured, layout_of, meaning_in, sync_sources, update_source
from .status import status_page
from .telling import data_of_id, tell
from .timeline import repairs_of

__all__ = [
    "ID",
    "MongoFailed",
    "Round",
    "add_note",
    "check_source",
    "collect",
    "collect_soon",
    "correct_phone",
    "data_of_id",
    "document_of",
    "documents_due",
    "examine_sources",
    "find_job",
    "find_strays",
    "follow_client",
    "forget_customer",
    "forget_stranger",
    "is_configured",
    "job_status_of",
    "layout_of",
    "meaning_in",
    "measure",
    "move_job",
    "open_documents",
    "personal_data",
    "preview",
    "rebuild_documents",
    "repairs_of",
    "settle_conflict",
    "sources_to_collect",
    "status_page",
    "sync_sources",
    "tell",
    "update_source",
    "write_due_documents",
]
