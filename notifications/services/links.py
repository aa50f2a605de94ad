"""Status links: looking at one thing without signing in."""

import base64
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from notifications.models import StatusLink

if TYPE_CHECKING:
    from accounts.models import User

_BYTES = 16
_LONGEST = 64
_SIGNATURE = 22


def make_link(*, subject: str, reference: str, language: str) -> str:
    """Return the address of a page that shows one thing and nothing else, for a time."""
    link = StatusLink.objects.create(
        subject=subject,
        reference=reference,
        language=language,
        salt=secrets.token_urlsafe(12),
        expires_at=timezone.now() + timedelta(days=settings.STATUS_LINK_DAYS),
    )
    return f"{settings.SHOP_URL}/t/{link.pk}-{_signature(link)}"


def example_link() -> str:
    """Return an address that opens nothing and is as long as one of many customers."""
    return f"{settings.SHOP_URL}/t/10001-{'x' * _SIGNATURE}"


def find_link(token: str) -> StatusLink | None:
    """Return what a token opens; None: it is none, is over or was revoked, nobody is told which."""
    key, _, signature = token.partition("-")
    # A bigint at most, and nothing that takes long to compare.
    if not (key.isascii() and key.isdigit() and len(key) <= 18 and len(token) <= _LONGEST):
        return None
    link = StatusLink.objects.filter(pk=key).first()
    # Compared with something also where there is no such link, so that it takes as long.
    expected = _signature(link or StatusLink(pk=int(key), salt=""))
    if not hmac.compare_digest(expected.encode(), signature.encode()) or link is None:
        return None
    if link.revoked_at is not None or link.expires_at <= timezone.now():
        return None
    return link


def revoke_link(*, statuslink_id: int, by: "User | None") -> StatusLink:
    """Let one link open nothing any more; who did so first, and when, stays."""
    StatusLink.objects.filter(pk=statuslink_id, revoked_at=None).update(
        revoked_at=Now(), revoked_by=by
    )
    return StatusLink.objects.get(pk=statuslink_id)


def remove_old_links() -> int:
    """Delete links that are over; return how many."""
    return StatusLink.objects.filter(expires_at__lt=Now() - timedelta(days=30)).delete()[0]


def _signature(link: StatusLink) -> str:
    signed = salted_hmac(
        "duka.status-link",
        f"{link.pk} {link.salt} {link.subject} {link.reference}",
        algorithm="sha256",
    ).digest()
    return base64.urlsafe_b64encode(signed[:_BYTES]).rstrip(b"=").decode()
