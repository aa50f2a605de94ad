"""What the last backup came to, as whoever makes them wrote it down (BACKUP_STATUS_FILE)."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime


class BackupUnknown(Exception):
    """Nothing can be said of the last backup; it says why in a sentence."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    finished_at: datetime
    tool: str
    kind: str
    ok: bool
    error: str

    @property
    def age(self) -> timedelta:
        return timezone.now() - self.finished_at


def last_backup() -> Backup:
    """Return what BACKUP_STATUS_FILE says.

    Raises:
        BackupUnknown: it is not there, or cannot be understood.
    """
    path = Path(settings.BACKUP_STATUS_FILE)
    try:
        read = json.loads(path.read_text())
        finished_at = parse_datetime(read["finished_at"])
        if finished_at is None or timezone.is_naive(finished_at):
            raise BackupUnknown(f"{path} does not say when the last backup ended.")
        return Backup(
            finished_at=finished_at,
            tool=str(read.get("tool", "")),
            kind=str(read.get("kind", "")),
            ok=read["ok"] is True,
            error=str(read.get("error", "")),
        )
    except OSError as error:
        raise BackupUnknown(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise BackupUnknown(f"{path} does not say what the last backup came to.") from None
