"""What follows for repair jobs when a customer asks for their data, or is forgotten.

A job names nobody but a phone number: whose number it is, theirs it is.
"""

from typing import Any

import phonenumbers
from django.db import transaction
from django.db.models import F, Func, Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Left, Now, Right

from core.forgetting import Erasure
from customers.models import Customer
from customers.signals import recoded
from repairs.models import LONGEST_MOBILE, Aside, Job, JobNote
from repairs.querysets import AsideQuerySet, JobQuerySet

from .documents import document_of, documents_changed
from .telling import read_phone, unreachable

# Of a client's row, what tells who somebody is.
_PERSONAL = ("client_firstname", "client_lastname", "client_postcode", "client_mobile")
_BLANK = dict.fromkeys(
    ["firstname", "lastname", "postcode", "mobile", "client_key", "postcode_key", "phone_key"], ""
)
_SHARED = "Another customer has the same number: whose they are nobody can tell."
_BEYOND = (
    "Clients' databases: the rows of repair jobs stay in the client's own table, and a changed row"
    " comes in again. Documents in MongoDB follow when the worker writes them, within a minute."
)


def personal_data(*, customer: Customer) -> dict[str, list[dict[str, Any]]]:
    """Return what is kept of a customer's jobs, the newest first, and of rows that are none yet."""
    jobs = jobs_of(customer.phone, Job.objects.for_display().order_by("-pk"))
    data = {"repairs": [{"source": job.source.name, **document_of(job)} for job in jobs]}
    if aside := _rows_of(customer.phone, Aside.objects.order_by("-pk")):
        data["repairs_set_aside"] = [each.row for each in aside]
    return data


def forget_customer(*, customer: Customer) -> list[Erasure]:
    """Keep of a customer's jobs what was repaired and when, not for whom.

    The work goes on, as the goods are here; nobody is told of it any more.
    """
    others = Customer.objects.filter(phone=customer.phone).exclude(pk=customer.pk)
    if customer.phone and others.exists():
        # Somebody else's as well, and so not theirs alone.
        kept = len(jobs_of(customer.phone, Job.objects.for_display()))
        return [Erasure(app="repairs", what="jobs", kept=kept, reason=_SHARED)]
    return _forget(customer.phone, customer=customer)


def forget_stranger(*, phone: str) -> list[Erasure]:
    """Keep of the jobs with a number that is no customer's what was repaired, not for whom."""
    # What they were told of them is known by the number as well.
    return _forget(phone, customer=Customer(code=phone))


@transaction.atomic
def _forget(phone: str, *, customer: Customer) -> list[Erasure]:
    # Locked first: who moves one meanwhile tells it in its own transaction.
    locked = Job.objects.for_display().select_for_update(of=("self",), no_key=True)
    jobs = jobs_of(phone, locked.order_by("pk"))
    keys = [job.pk for job in jobs]
    Job.objects.filter(pk__in=keys).update(**_BLANK, phone="", phone_error="", updated_at=Now())
    notes = JobNote.objects.filter(job__in=keys).exclude(text="").update(text="")
    documents_changed(keys)
    for job in jobs:
        # What could not be told before the number was corrected is to be forgotten with the rest.
        recoded.send(sender=Job, customer=customer, code=unreachable(job))
    rows = _rows_of(phone, Aside.objects.select_for_update().order_by("pk"))
    for aside in rows:
        aside.row |= {name: "" for name in _PERSONAL if name in aside.row}
        aside.save(update_fields=["row"])
    return [
        Erasure(
            app="repairs",
            what="jobs",
            blanked=len(jobs),
            kept=len(jobs),
            reason="What was repaired, and when.",
            beyond=_BEYOND,
        ),
        Erasure(app="repairs", what="notes on jobs", blanked=notes),
        Erasure(app="repairs", what="rows set aside", blanked=len(rows)),
    ]


def jobs_of(phone: str, jobs: JobQuerySet) -> list[Job]:
    """Return those of the jobs that have a number, however it is written there."""
    if not phone:
        return []
    # By the index, and of those few by the number itself.
    near = jobs.filter(phone_key__in=_endings(phone))
    return [
        job
        for job in near
        if phone == (read_phone(job.mobile)[0] if job.phone is None else job.phone)
    ]


def _rows_of(phone: str, rows: AsideQuerySet) -> list[Aside]:
    if not phone:
        return []
    mobile = KeyTextTransform("client_mobile", "row")
    digits = Func(
        Left(mobile, LONGEST_MOBILE),
        Value("[^0-9]"),
        Value(""),
        Value("g"),
        function="regexp_replace",
    )
    near = rows.alias(mobile=mobile, digits=digits).alias(ending=Right(F("digits"), 9))
    # There may be digits other than 0 to 9 as well; those few are read one by one.
    near = near.filter(Q(ending__in=_endings(phone)) | Q(mobile__regex=r"[^\x01-\x7f]"))
    return [
        each for each in near.iterator() if phone == read_phone(str(each.row["client_mobile"]))[0]
    ]


def _endings(phone: str) -> set[str]:
    """Return what the last nine digits of a number can be: with its country's, without, by 0."""
    national = phonenumbers.national_significant_number(phonenumbers.parse(phone))
    return {each[-9:] for each in (phone.removeprefix("+"), national, f"0{national}")}
