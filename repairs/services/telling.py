"""What customers are told of a repair job."""

import re

from django.conf import settings

from core.events import Notice, Recipient
from core.phones import ImpossiblePhone, parse_phone
from customers.models import Customer
from repairs import signals
from repairs.models import LONGEST_MOBILE, Job
from repairs.states import JobStatus

from .finding import find_job

_EVENTS = {
    JobStatus.OPENED: signals.repair_opened,
    JobStatus.CLOSED: signals.repair_closed,
    JobStatus.CANCELLED: signals.repair_cancelled,
}
# What stands for a name, and for a product, that the client did not write.
_UNNAMED = {"en": ("customer", "item"), "sw": ("mteja", "kifaa")}
_LINK = re.compile(r"://|\bwww\.|\w\.[a-z]{2,}/", re.IGNORECASE)


def look_at_phone(job: Job) -> None:
    """Work out, once, whether its number can be somebody's phone."""
    if job.phone is not None:
        return
    job.phone, job.phone_error = read_phone(job.mobile)


def read_phone(mobile: str) -> tuple[str, str]:
    """Return a number in E.164 and "", or "" and why it can be nobody's."""
    if not mobile.strip():
        return "", "There is no phone number."
    try:
        return parse_phone(mobile[:LONGEST_MOBILE], field="client_mobile"), ""
    except ImpossiblePhone as error:
        return "", error.detail


def tell(job: Job, status: JobStatus, *, corrected: bool = False) -> None:
    """Tell its customer that it came to a status, once for each, inside the move's transaction.

    Without a number that can be right it is kept as a message that was not sent.

    Args:
        corrected: it is kept so already, and there is a number since.
    """
    event = _EVENTS[status]
    recipient = _recipient(job)
    # A person may have led it back, so that it comes to a status again.
    times = sum("settled" in each for each in job.updates)
    event.announce(
        notice=Notice(
            occurrence=f"{job.source.name}:{job.key}"
            + (f":{times}" if times else "")
            + (":phone" if corrected else ""),
            subject="repair",
            reference=job.full_id,
            recipient=recipient,
            data=data_of(job, recipient.language),
        )
    )


def _recipient(job: Job) -> Recipient:
    phone = job.phone or ""
    known = Customer.objects.filter(phone=phone).first() if phone else None
    if known:
        return Recipient(reference=known.code, phone=phone, language=known.language)
    # Known by the number alone, by which notifications know what they wrote as well.
    return Recipient(reference=phone or unreachable(job), phone=phone)


def unreachable(job: Job) -> str:
    """Return the name of whoever is to be told of a job, but has no phone."""
    return f"repair-{job.full_id}"


def data_of(job: Job, language: str) -> dict[str, str]:
    """Return what fills the words of any event of a job."""
    nameless, nothing = _UNNAMED.get(language, _UNNAMED["en"])
    return {
        "customer": _plain(f"{job.firstname} {job.lastname}", 80) or nameless,
        "number": job.job_id,
        "product": _plain(job.product_type, 60) or nothing,
        "shop": settings.SHOP_NAME,
    }


def _plain(text: str, limit: int) -> str:
    """Return words of the client's on one line; "" where they hold a link, which would be ours."""
    return "" if _LINK.search(text) else " ".join(text.split())[:limit]


def data_of_id(reference: str) -> dict[str, str] | None:
    job = find_job(reference)
    return data_of(job, settings.LANGUAGE_CODE) if job else None
