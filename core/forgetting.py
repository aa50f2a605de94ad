"""What became of somebody's data when they were forgotten, and the traces that no app owns."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import phonenumbers
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import BinaryField, F, Func, Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from .models import IdempotencyKey

Row = TypeVar("Row", bound=Model)

# Stands where there must be something.
NOBODY = "–"
# Between the digits of a number, as people write them.
_BETWEEN = r"[ \t().\-/]{0,3}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What an app did about one kind of rows: emptied, deleted, or kept, and why.

    A receiver of `customers.signals.forgotten`, `stranger_forgotten` or `accounts.signals.leaving`
    returns a list of these. It counts only what changed, so that a second time comes to nothing.
    """

    app: str
    what: str
    blanked: int = 0
    deleted: int = 0
    kept: int = 0
    # Why they are kept, and what is left in them.
    reason: str = ""
    # What of them is elsewhere, and who could forget it there.
    beyond: str = ""

    @property
    def is_nothing(self) -> bool:
        return not self.blanked and not self.deleted

    @property
    def untouched(self) -> int:
        """How many are left as they were: of those that are kept, most are emptied as well."""
        return max(0, self.kept - self.blanked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """What somebody else's rows say of a number or an address, and so are not deleted unasked."""

    app: str
    what: str
    count: int
    # The first of them, as people look for them.
    keys: tuple[str, ...] = ()
    deleted: bool = False
    # The number or the address; whoever asks for both in turn fills it in.
    of: str = ""


def collected(answers: Iterable[tuple[Any, Any]]) -> list[Erasure]:
    """Return what the receivers of a signal did."""
    return [erasure for _, erasures in answers for erasure in erasures]


def summed(erasures: Iterable[Erasure]) -> list[Erasure]:
    """Return one erasure of each kind: an account, a customer and a number may all tell of some.

    What is kept they all count.
    """
    sums: dict[tuple[str, str], Erasure] = {}
    for each in erasures:
        kind = each.app, each.what
        so_far = sums.get(kind, Erasure(app=each.app, what=each.what))
        sums[kind] = Erasure(
            app=each.app,
            what=each.what,
            blanked=so_far.blanked + each.blanked,
            deleted=so_far.deleted + each.deleted,
            kept=max(so_far.kept, each.kept),
            reason=so_far.reason or each.reason,
            beyond=so_far.beyond or each.beyond,
        )
    return list(sums.values())


def pattern_of(*, phone: str = "", email: str = "", code: str = "") -> str:
    """Return a regular expression of what names somebody; "" where nothing does.

    Both Python and PostgreSQL read it. A phone number is found however people write it, a
    customer's code only as a text of JSON: it may be a short word.
    """
    words = []
    if phone:
        words.append(_pattern_of_phone(phone))
    if email:
        # Behind an escape of JSON there is a letter that is none of the address: `\n`.
        before = r"(?:(?<![a-z0-9_.+\-])|(?<=\\[bfnrt]))"
        words.append(rf"{before}{re.escape(email.lower())}(?![a-z0-9_\-]|\.[a-z0-9])")
    if code:
        words.append(f'"{re.escape(code)}"')
    return "|".join(words)


def _pattern_of_phone(phone: str) -> str:
    number = phonenumbers.parse(phone)
    national = _BETWEEN.join(phonenumbers.national_significant_number(number))
    country = _BETWEEN.join(str(number.country_code))
    # +254 722…, 00254 (0)722…, 0722…, 722…; never within a longer number.
    before = rf"(?:{country}{_BETWEEN})?0?{_BETWEEN}"
    return rf"(?<![0-9])(?:00{_BETWEEN})?{before}{national}(?![0-9])"


def saying(rows: QuerySet[Row], pattern: str, *fields: str) -> QuerySet[Row]:
    """Return the rows in one of whose fields the pattern is found: text, JSON or bytes."""
    found = Q(pk__in=[])
    if pattern:
        for field in fields:
            said: Any = Cast(field, TextField())
            if isinstance(rows.model._meta.get_field(field), BinaryField):
                said = Func(F(field), Value("escape"), function="encode", output_field=TextField())
            rows = rows.alias(**{f"{field}_said": said})
            found |= Q(**{f"{field}_said__iregex": pattern})
    return rows.filter(found)


def forget_traces(
    *, phone: str = "", email: str = "", code: str = "", rows: Sequence[Model] = ()
) -> list[Erasure]:
    """Forget what is kept for no app's sake: stored answers, tasks, the admin's own log.

    Args:
        rows: what the admin's log names, and must name no more.
    """
    pattern = pattern_of(phone=phone, email=email)
    answers = pattern_of(phone=phone, email=email, code=code)
    # What a worker has in hand it must find again; it is done soon, and gone a day later.
    tasks = DBTaskResult.objects.exclude(status=TaskResultStatus.RUNNING)
    stored = saying(IdempotencyKey.objects.all(), answers, "body")
    queued = saying(tasks, pattern, "args_kwargs", "return_value", "traceback")
    return [
        Erasure(app="core", what="stored answers", deleted=stored.delete()[0]),
        Erasure(app="core", what="mails and other tasks", deleted=queued.delete()[0]),
        Erasure(app="core", what="log of the admin", blanked=_forget_in_log(pattern, rows)),
    ]


def _forget_in_log(pattern: str, rows: Sequence[Model]) -> int:
    theirs = Q(pk__in=[])
    for row in rows:
        kind = ContentType.objects.get_for_model(row)
        theirs |= Q(content_type=kind, object_id=str(row.pk))
    entries = LogEntry.objects.exclude(object_repr=NOBODY, change_message="")
    keys = set(entries.filter(theirs).values_list("pk", flat=True))
    keys |= set(
        saying(entries, pattern, "object_repr", "change_message").values_list("pk", flat=True)
    )
    return LogEntry.objects.filter(pk__in=keys).update(object_repr=NOBODY, change_message="")
