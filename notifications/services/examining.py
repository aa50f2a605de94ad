"""Checks of messages for `manage.py doctor`. Nothing is sent."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Min
from django.db.models.functions import Now

from core.doctor import Finding, ok, problem, warning
from core.examining import reach
from notifications.models import Message, Pace
from notifications.states import MessageStatus
from notifications.transports import transport

# For which a message may be due while workers are busy.
LATE = timedelta(minutes=5)


def examine_gateways() -> Iterator[Finding]:
    """Whether each gateway is set up."""
    for name in sorted(settings.SMS_GATEWAYS):
        try:
            transport(name)
        except ImproperlyConfigured as error:
            yield problem(str(error), do="See docs/messages.md for what it needs.")
            continue
        if name == "console":
            yield warning(
                "Messages are printed, not sent: SMS_TRANSPORT is console.",
                do="Set SMS_TRANSPORT to africastalking or vonage.",
            )
        else:
            yield ok(f"{name} is set up; `manage.py send_test_sms` tries it.")


def examine_messages() -> Iterator[Finding]:
    """Whether messages go out, as the last ones did."""
    for pace in Pace.objects.down().filter(pk__in=settings.SMS_GATEWAYS):
        yield problem(
            f"{pace.pk} has failed {pace.failures} times in a row: {pace.error[:200]}",
            do="See the account there (balance, key); it is asked again by itself.",
        )
    late = Message.objects.due().aggregate(late=Now() - Min("due_at"))["late"]
    if late is not None and late > LATE:
        yield problem(
            f"A message has been due for {late.total_seconds() / 60:.0f} min.",
            do="See that workers run, and what they say in their log.",
        )
    else:
        yield ok("None is late.")
    lost = Message.objects.filter(status__in=[MessageStatus.UNKNOWN, MessageStatus.PARKED]).count()
    if lost:
        yield warning(
            f"{lost} wait for a person: parked, or nobody knows whether they went out.",
            do="Settle or retry them in the admin, Messages.",
        )


def reach_gateways() -> Iterator[Finding]:
    """Whether the servers of the gateways take connections."""
    addresses = {
        "africastalking": settings.AFRICASTALKING_URL or "https://api.africastalking.com",
        "vonage": f"https://{settings.VONAGE_API_HOST}",
    }
    for name in sorted(settings.SMS_GATEWAYS):
        if name in addresses:
            yield from reach(addresses[name], what=name)
