"""`manage.py notifications status`: what is stuck, and why."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count, Max, Min, Q
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from core.models import Worker
from notifications.models import Callback, Message, Pace
from notifications.services.pace import LONGEST_PAUSE
from notifications.states import CallbackState, MessageStatus

# Of what was refused for good nothing more is to come: it is told for so long.
FAILED_FOR = timedelta(days=7)
# What waits for less is not stuck: workers look every few seconds. Nothing less is counted.
MOMENT = timedelta(minutes=1)
_ORDER: list[str] = [
    MessageStatus.QUEUED,
    MessageStatus.SENDING,
    MessageStatus.UNKNOWN,
    MessageStatus.PARKED,
    MessageStatus.FAILED,
]
_CALLBACKS: dict[str, str] = {
    CallbackState.NEW: "wait to be looked at",
    CallbackState.UNMATCHED: "are about messages that nobody here knows, or not yet",
    CallbackState.BAD: "could not be understood; see them in the admin",
}


class Command(BaseCommand):
    help = "Say which messages wait or went wrong, why, and what to do about it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["status"])

    def handle(self, *args: Any, **options: Any) -> None:
        lines = [
            *_about_workers(),
            *_about_gateways(),
            *_about_messages(),
            *_about_callbacks(),
        ]
        for line in lines or ["Nothing waits, nothing went wrong."]:
            self.stdout.write(line)


def _about_workers() -> Iterator[str]:
    long_due = Message.objects.filter(
        status=MessageStatus.QUEUED, due_at__lt=timezone.now() - MOMENT
    )
    alive = Worker.objects.seen_within(timedelta(seconds=settings.WORKER_LEASE_SECONDS))
    if long_due.exists() and not alive.exists():
        yield "No worker runs, so nothing goes out: start `manage.py worker` and `ticker`."


def _about_gateways() -> Iterator[str]:
    for pace in Pace.objects.down().order_by("transport"):
        since = _age(pace.failing_since) if pace.failing_since else "a while"
        yield (
            f"{pace.transport} has taken nothing for {since}: {pace.error.rstrip('.')}. Messages"
            f" wait for it and lose no try; it is asked again every {LONGEST_PAUSE} seconds or"
            " sooner."
        )


def _about_messages() -> Iterator[str]:
    late = Q(status=MessageStatus.FAILED, created_at__lt=timezone.now() - FAILED_FOR)
    rows = (
        Message.objects.filter(status__in=_ORDER)
        .exclude(late)
        .values("status", "transport", "error_code")
        .annotate(
            count=Count("pk"), since=Min("created_at"), next_at=Min("due_at"), error=Max("error")
        )
        .order_by("-count", "transport", "error_code")
    )
    for row in sorted(rows, key=lambda row: _ORDER.index(row["status"])):
        label = MessageStatus(row["status"]).label.lower()
        yield f"{row['count']:>6} {label}, the oldest for {_age(row['since'])}: {_why(row)}"


def _why(row: Mapping[str, Any]) -> str:
    said = row["error"].rstrip(".")
    error = f"{said} ({row['error_code']})" if said else row["error_code"]
    gateway = row["transport"]
    match row["status"]:
        case MessageStatus.QUEUED if not error:
            return "not tried yet."
        case MessageStatus.QUEUED:
            soon = row["next_at"] <= timezone.now() + MOMENT
            wait = _plain(timeuntil(row["next_at"], depth=1))
            when = "within a minute" if soon else f"in {wait}"
            return f"{gateway} refused: {error}. The next try is due {when}."
        case MessageStatus.SENDING:
            return f"{gateway} is being asked."
        case MessageStatus.UNKNOWN:
            return (
                f"nobody knows whether {gateway} took them: {said}. They are not sent again by"
                " themselves. Ask the customers or the gateway, then settle them in the admin."
            )
        case MessageStatus.PARKED:
            return (
                f"{gateway} refused again and again: {error}. When that is mended, retry them in"
                " the admin, or cancel them."
            )
    days = FAILED_FOR.days
    return f"{gateway} refused for good: {error}. Of the last {days} days; nothing more is tried."


def _about_callbacks() -> Iterator[str]:
    waits = Q(state=CallbackState.NEW, received_at__lt=timezone.now() - MOMENT)
    odd = Q(state__in=[CallbackState.UNMATCHED, CallbackState.BAD])
    rows = (
        Callback.objects.filter(waits | odd)
        .values("state", "transport")
        .annotate(count=Count("pk"))
        .order_by("state", "transport")
    )
    for row in rows:
        yield f"{row['count']:>6} callbacks of {row['transport']} {_CALLBACKS[row['state']]}."


def _age(since: datetime) -> str:
    return _plain(timesince(since, depth=1))


def _plain(words: str) -> str:
    return words.replace("\xa0", " ")
