"""Verbs of uploads, the only writers of their tables; what they take in, the other apps write."""

from .exporting import as_download, content_type_of, export, template
from .measuring import measure
from .people import forget_customer, forget_stranger
from .running import claim_upload, run_due_upload, run_upload
from .uploading import (
    apply_upload,
    cancel_upload,
    create_upload,
    remove_old_uploads,
)

__all__ = [
    "apply_upload",
    "as_download",
    "cancel_upload",
    "claim_upload",
    "content_type_of",
    "create_upload",
    "export",
    "forget_customer",
    "forget_stranger",
    "measure",
    "remove_old_uploads",
    "run_due_upload",
    "run_upload",
    "template",
]
