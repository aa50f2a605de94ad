"""Verbs of consent: who wants to hear from the shop."""

import unicodedata
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Subquery

from core.events import Event
from customers.services import ensure_customer_of
from notifications.exceptions import NoPhone, OptedOut
from notifications.models import Consent, ConsentChange, InboundMessage
from notifications.states import ConsentSource

if TYPE_CHECKING:
    from accounts.models import User

# In the languages of the shop; what networks and gateways understand by themselves, too.
STOP = {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "acha", "simamisha", "sitisha"}
START = {"start", "unstop", "subscribe", "anza", "endelea"}
HELP = {"help", "info", "msaada", "usaidizi"}


# One statement, so that of callers at once each changes what the one before it left. The first
# wish that becomes known is a change as well.
_NOTE = """
INSERT INTO notifications_consent AS known (phone, opted_out) VALUES (%s, %s)
ON CONFLICT (phone) DO UPDATE
SET opted_out = excluded.opted_out, changed_at = statement_timestamp()
WHERE known.opted_out <> excluded.opted_out
RETURNING id
"""


@transaction.atomic
def note_consent(
    *,
    phone: str,
    opted_out: bool,
    source: ConsentSource,
    detail: str = "",
    by: "User | None" = None,
) -> bool:
    """Note what somebody wants, with how it became known; return whether it is something new."""
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [phone, opted_out])
        noted = cursor.fetchone()
    if noted is None:
        return False
    ConsentChange.objects.create(
        consent_id=noted[0], opted_out=opted_out, source=source, detail=detail[:300], by=by
    )
    return True


def phone_of(*, user: "User") -> str:
    """Return the number at which somebody who signs in hears from the shop.

    Raises:
        NoPhone: none is proved to be theirs.
    """
    customer = ensure_customer_of(user=user)
    if customer is None or not customer.phone:
        raise NoPhone("Prove a phone number first, at /me/phone/.")
    return customer.phone


def may_be_told(*, phone: str, event: Event | None) -> bool:
    """Tell whether somebody may get a message: about an event of now, or one that is no more."""
    if event is not None and event.answer:
        return True
    if not settings.SMS_STOP_STOPS_ALL or not is_opted_out(phone=phone):
        return True
    return event is not None and event.reply and _wrote_since(phone)


def check_may_be_answered(*, phone: str) -> None:
    """Raise `OptedOut` where somebody wants to hear nothing, and has not written since."""
    if settings.SMS_STOP_STOPS_ALL and is_opted_out(phone=phone) and not _wrote_since(phone):
        raise OptedOut("They want to hear nothing from the shop, and have not written since.")


def _wrote_since(phone: str) -> bool:
    """Tell whether somebody who opted out wrote after it, and not that they want nothing again."""
    changed_at = Consent.objects.filter(phone=phone).values("changed_at")
    since = InboundMessage.objects.filter(phone=phone, received_at__gt=Subquery(changed_at))
    last = since.order_by("-pk").first()
    return last is not None and meaning_of(last.text) != "stop"


def is_opted_out(*, phone: str) -> bool:
    return Consent.objects.filter(phone=phone, opted_out=True).exists()


def meaning_of(text: str) -> str:
    """Return what somebody's message asks for: "stop", "start", "help", or "": something else.

    Only a message of that word alone: "please stop by at noon" is none.
    """
    # In whatever letters and with whatever marks a phone or a person writes it.
    plain = unicodedata.normalize("NFKC", text).casefold()
    word = "".join(char for char in plain if char.isalnum())
    for meaning, words in (("stop", STOP), ("start", START), ("help", HELP)):
        if word in words:
            return meaning
    return ""
