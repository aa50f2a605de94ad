"""The audit log: who did what about access, when and from where."""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache

from accounts.models import AuditEntry, Invitation, User
from accounts.states import Action
from core import request_id
from core.outages import without_cache

# A caller who is refused again and again is told of once in so many seconds.
REFUSAL_SECONDS = 60
REFUSALS_AT_MOST = 20
# In a request's META: its refusal is written down already, in better words.
REFUSAL_TOLD = "duka.refusal_told"


def record(
    action: Action, *, by: User | AnonymousUser | None, target: object = "", **detail: Any
) -> None:
    """Write down what was done, in the transaction that does it."""
    actor = by if isinstance(by, User) and by.pk else None
    AuditEntry.objects.create(
        actor=actor,
        actor_subject=actor.subject if actor else None,
        action=action,
        target=_plain(target),
        target_subject=target.subject if isinstance(target, User) else None,
        address=request_id.address(),
        request_id=request_id.current() or "",
        detail=detail,
    )


def record_refusal(*, by: User | AnonymousUser | None, target: str, **detail: Any) -> None:
    """Write down that somebody was refused; the same again within a minute is not written."""
    who = getattr(by, "pk", None) or request_id.address()
    same = hashlib.sha256(f"{who}\n{target}\n{sorted(detail.items())}".encode(errors="replace"))
    # Of one caller so many at most, whatever they try.
    many = f"refusals-{who}"
    is_new = False
    # Who is refused must hear just that, cache or not.
    with without_cache("a refusal is not written down"):
        cache.add(many, 0, REFUSAL_SECONDS)
        is_new = cache.add(f"refusal-{same.hexdigest()}", 1, REFUSAL_SECONDS) and (
            cache.get(many, 0) < REFUSALS_AT_MOST
        )
        if is_new:
            with suppress(ValueError):
                cache.incr(many)
    if is_new:
        record(Action.REFUSED, by=by, target=target, **detail)


def forget(user: User, *, invitations: Collection[Invitation]) -> int:
    """Keep of somebody who leaves that it was one and the same, not who it was.

    Returns how many entries said so.
    """
    theirs = AuditEntry.objects.filter(target_subject=user.subject)
    told = theirs.exclude(target=str(user.subject), detail={})
    return told.update(target=str(user.subject), detail={}) + forget_in_audit(
        email=user.email, invitations=invitations
    )


def forget_in_audit(*, email: str, invitations: Collection[Invitation]) -> int:
    """Forget an address, and to whom invitations went; return how many entries said so."""
    entries = AuditEntry.objects.all()
    named = {str(each) for each in invitations if each.email or each.phone}
    told = entries.filter(target__in=named).update(target="An invitation", detail={})
    if email:
        told += entries.filter(detail__email__iexact=email).update(detail={})
    return told


def _plain(target: object) -> str:
    return str(target).replace("\x00", "")[:200]
