"""`manage.py notifications status`: what is stuck, and why."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count, Min
from django.utils import timezone

from notifications.models import Callback, Message
from notifications.states import CallbackState, MessageStatus

# What waits for a worker, for a gateway, or for a person.
_STUCK = (
    MessageStatus.QUEUED,
    MessageStatus.SENDING,
    MessageStatus.UNKNOWN,
    MessageStatus.PARKED,
    MessageStatus.FAILED,
)


class Command(BaseCommand):
    help = "Say which messages wait or went wrong, and why."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["status"])

    def handle(self, *args: Any, **options: Any) -> None:
        rows = (
            Message.objects.filter(status__in=_STUCK)
            .values("status", "transport", "error_code")
            .annotate(count=Count("pk"), since=Min("created_at"))
            .order_by("status", "-count")
        )
        for row in rows:
            why = " ".join(filter(None, (row["transport"], row["error_code"]))) or "not tried yet"
            age = timezone.now() - row["since"]
            minutes = int(age.total_seconds() // 60)
            label = MessageStatus(row["status"]).label
            self.stdout.write(f"{row['count']:>6} {label}: {why}; the oldest for {minutes} min")
        odd = Callback.objects.filter(state__in=[CallbackState.UNMATCHED, CallbackState.BAD])
        for each in odd.values("state", "transport").annotate(count=Count("pk")).order_by("state"):
            label = CallbackState(each["state"]).label.lower()
            self.stdout.write(f"{each['count']:>6} callbacks of {each['transport']}: {label}")
        if not rows and not odd.exists():
            self.stdout.write("Nothing waits, nothing went wrong.")
