"""Telling customers of dates that come up, with a link by which they skip one."""

import base64
import hmac
import re
from datetime import date, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from shipping.models import StandingOrder
from shipping.states import StandingOrderVerb

from .dates import last_due
from .life import record
from .notices import tell_coming
from .running import each_on_its_own, lock_free

_BYTES = 16
_TOKEN = re.compile(r"(R[0-9]{1,18})\.([0-9]{8})-([A-Za-z0-9_-]{22})", re.ASCII)


def announce_coming() -> int:
    """Tell customers of dates that come up, once of each; return how many were told."""
    if not settings.STANDING_ORDERS_NOTICE_DAYS:
        return 0
    coming = StandingOrder.objects.to_announce(*_window()).order_by("next_on", "pk")
    return each_on_its_own(coming.values_list("pk", flat=True), _announce)


def skip_link(standing: StandingOrder, on: date) -> str:
    """Return the address of a page on which a date can be skipped, without signing in."""
    return f"{settings.SHOP_URL}/skip/{_named(standing, on)}-{_signature(standing, on)}"


def find_by_skip_link(token: str) -> tuple[StandingOrder, date] | None:
    """Return what a link is about; None: it is none of ours."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    number, day, signature = match.groups()
    try:
        on = date.fromisoformat(day)
    except ValueError:
        return None
    standing = StandingOrder.objects.select_related("customer").filter(number=number).first()
    # Compared with something also where there is none, so that it takes as long.
    expected = _signature(standing or StandingOrder(number=number), on)
    if not hmac.compare_digest(expected, signature) or standing is None:
        return None
    return standing, on


@transaction.atomic
def _announce(key: int) -> int:
    standing = lock_free(StandingOrder.objects.to_announce(*_window()), key)
    if standing is None or standing.next_on is None:
        return 0
    on = standing.told_of = standing.next_on
    standing.save(update_fields=["told_of", "updated_at"])
    told = record(standing, StandingOrderVerb.ANNOUNCED, by=None, changes={"on": [None, str(on)]})
    tell_coming(standing, told, on=on, link=skip_link(standing, on))
    return 1


def _window() -> tuple[date, date]:
    """Return after and until which day dates come up."""
    # By the time of the day at which they are due, so that nobody is woken at midnight.
    today = last_due()
    return today, today + timedelta(days=settings.STANDING_ORDERS_NOTICE_DAYS)


def _named(standing: StandingOrder, on: date) -> str:
    return f"{standing.number}.{on:%Y%m%d}"


def _signature(standing: StandingOrder, on: date) -> str:
    signed = salted_hmac("duka.skip-link", _named(standing, on), algorithm="sha256").digest()
    return base64.urlsafe_b64encode(signed[:_BYTES]).rstrip(b"=").decode()
