"""The contract's form of a job, and the outbox of what MongoDB is to have."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from repairs.models import Job
from repairs.states import status_meant


def document_of(job: Job) -> dict[str, Any]:
    """Return a job as the contract has it; its times are those of the shop's clocks.

    `job_status` is spelt as the client spelt it, but never one of the client's own words: other
    programs know the contract's alone. `updates` have every word as it came.
    """
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    return {
        "job_id": job.job_id,
        "job_date": str(job.job_date),
        "job_type": job.job_type,
        "job_status": job_status_of(job),
        "customer": {
            "client_firstname": job.firstname,
            "client_lastname": job.lastname,
            "client_postcode": job.postcode,
            "client_mobile": job.mobile,
        },
        "product": {"product_id": job.product_sku, "product_type": job.product_type},
        "updates": [
            {
                "timestamp": f"{_shown(each['at'], zone):%Y-%m-%d %H:%M:%S}",
                "status": each["status"],
            }
            for each in job.updates
        ],
    }


def job_status_of(job: Job) -> str:
    """Return where a job stands, as its document says it."""
    word: str = job.updates[-1]["status"] if job.updates else job.status
    return word if status_meant(word) == job.status else job.status


def _shown(at: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(at).astimezone(zone)


def documents_changed(job_keys: Sequence[int]) -> None:
    """Note that MongoDB is to have these jobs anew, inside the transaction that changed them."""
    if not settings.MONGO_URL or not job_keys:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO repairs_documentwrite (job_id, revision, due_at, attempts, error)"
            " SELECT unnest(%s), 1, now(), 0, '' ORDER BY 1"
            " ON CONFLICT (job_id) DO UPDATE SET"
            " revision = repairs_documentwrite.revision + 1,"
            # Not under the hands of a worker that has it: it sees to it that it comes up again.
            " due_at = CASE WHEN repairs_documentwrite.fence IS NULL THEN now()"
            " ELSE repairs_documentwrite.due_at END",
            [list(job_keys)],
        )
