"""What tests of the outbox do and look at again and again."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from notifications.models import Message
from notifications.services import begin_sending, claim_messages, next_gateway
from notifications.transports import Accepted, Refused, Unknown

from .factories import MessageFactory

SENT = Accepted(id="ATXid_9", cost="KES 0.8000")
BUSY = Refused(code="500", reason="gateway error", may_pass=True)
REFUSED = Refused(code="403", reason="invalid phone number", may_pass=False)
LOST = Unknown(reason="ReadTimeout")


def let_leases_pass():
    Message.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def claim_one():
    [message] = claim_messages(limit=1)
    return message


def begin(message):
    return begin_sending(message=message, name=next_gateway(message))


def begun():
    """A message that a worker has just handed to the gateway."""
    MessageFactory.create()
    message = claim_one()
    assert begin(message)
    return message


def now_of(message):
    return Message.objects.get(pk=message.pk)


def timeline(message):
    return list(message.timeline.values_list("what", "detail"))


def statuses():
    return list(Message.objects.order_by("pk").values_list("status", flat=True))


def backends_waiting_for_a_lock():
    with connection.cursor() as cursor:
        # Inside a transaction PostgreSQL would say again what it said at first.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return [pid for (pid,) in cursor.fetchall()]


class Between:
    """`with Between() as window: …; assert window.holds(moment, plus=seconds)`."""

    def __enter__(self):
        self.start = timezone.now()
        return self

    def __exit__(self, *_):
        self.end = timezone.now()

    def holds(self, moment, *, plus):
        return self.start <= moment - timedelta(seconds=plus) <= self.end
