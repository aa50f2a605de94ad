"""Verbs of consent: who wants to hear from the shop."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from core.events import Event
from notifications.models import Consent, ConsentChange
from notifications.states import ConsentSource

if TYPE_CHECKING:
    from accounts.models import User

# In the languages of the shop; what networks and gateways understand by themselves, too.
STOP = {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "acha", "simamisha", "sitisha"}
START = {"start", "unstop", "subscribe", "anza", "endelea"}
HELP = {"help", "info", "msaada", "usaidizi"}


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
    Consent.objects.bulk_create(
        [Consent(phone=phone, opted_out=False)], ignore_conflicts=True, unique_fields=["phone"]
    )
    consent = Consent.objects.select_for_update().get(phone=phone)
    if consent.opted_out == opted_out:
        return False
    consent.opted_out = opted_out
    consent.changed_at = Now()
    consent.save(update_fields=["opted_out", "changed_at"])
    ConsentChange.objects.create(
        consent=consent, opted_out=opted_out, source=source, detail=detail[:300], by=by
    )
    return True


def may_be_told(*, phone: str, event: Event | None) -> bool:
    """Tell whether somebody may get a message: about an event of now, or one that is no more."""
    if event is not None and event.answer:
        return True
    if not settings.SMS_STOP_STOPS_ALL:
        return True
    return not is_opted_out(phone=phone)


def is_opted_out(*, phone: str) -> bool:
    return Consent.objects.filter(phone=phone, opted_out=True).exists()


def meaning_of(text: str) -> str:
    """Return what somebody's message asks for: "stop", "start", "help", or "": something else.

    Only a message of that word alone: "please stop by at noon" is none.
    """
    word = text.strip().strip(".!\"' ").casefold()
    for meaning, words in (("stop", STOP), ("start", START), ("help", HELP)):
        if word in words:
            return meaning
    return ""
