"""What the verbs of people and those of workers share."""

from uploads.models import Upload, UploadKey, UploadRow
from uploads.states import Outcome


def rewind(upload: Upload) -> None:
    """Go back to the first row."""
    upload.position = upload.rows_done = 0
    upload.created = upload.changed = upload.unchanged = upload.failed = 0
    upload.memo = {}


def forget_outcomes(upload: Upload) -> None:
    """Forget what became, or would have become, of the rows."""
    UploadKey.objects.filter(upload=upload).delete()
    looked_at = UploadRow.objects.filter(upload=upload).exclude(outcome=Outcome.PENDING)
    looked_at.update(outcome=Outcome.PENDING, changes={}, errors=[], subject="")
