"""What a status link shows of a repair job."""

from datetime import datetime

from core.status_pages import StatusPage, Step
from repairs.states import JobStatus

from .finding import find_job
from .sources import meaning_in

_TITLE = {"en": "Repair {number}", "sw": "Matengenezo {number}"}
_STATES = {
    "en": {
        JobStatus.NEW: "Noted",
        JobStatus.OPENED: "Received",
        JobStatus.JOB_COMPLETED: "The work is done",
        JobStatus.CLOSED: "Complete",
        JobStatus.CANCELLED: "Cancelled",
    },
    "sw": {
        JobStatus.NEW: "Imeandikwa",
        JobStatus.OPENED: "Imepokelewa",
        JobStatus.JOB_COMPLETED: "Kazi imefanyika",
        JobStatus.CLOSED: "Imekamilika",
        JobStatus.CANCELLED: "Imefutwa",
    },
}


def status_page(reference: str, language: str) -> StatusPage | None:
    """Return how a job stands and how it came there, without what is repaired, or for whom."""
    job = find_job(reference)
    if job is None:
        return None
    language = language if language in _TITLE else "en"
    meaning = meaning_in(job.source)
    reached = [(each["at"], meaning(each["status"])) for each in job.updates]
    return StatusPage(
        title=_TITLE[language].format(number=job.job_id),
        state=_STATES[language][job.state],
        # A word that means nothing any more is the client's own: it may say anything.
        steps=[
            Step(at=datetime.fromisoformat(at), label=_STATES[language][status])
            for at, status in reached
            if status
        ],
    )
