"""How somebody comes to work here."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from accounts.exceptions import NotInvited, NotYours
from accounts.models import Invitation, Membership, User
from accounts.permissions import can_manage_employees
from accounts.signals import invited
from accounts.states import Action, Role, Standing
from core.errors import InvalidInput
from core.events import Notice, Recipient
from core.mail import queue_mail
from core.phones import parse_phone

from . import memberships
from .audit import record


@transaction.atomic
def invite(
    *,
    by: User | None,
    role: Role = Role.EMPLOYEE,
    rights: Collection[str] = (),
    email: str = "",
    phone: str = "",
) -> tuple[Invitation, str]:
    """Invite somebody by e-mail, by SMS, or with neither by the link alone.

    Returns:
        The invitation and its link, which is not kept.

    Raises:
        UnknownRight, NotYours: see `memberships.check_grant`.
        InvalidInput: both addresses are given, or the phone number is none.
    """
    if email and phone:
        raise InvalidInput.at("phone", detail="Give an e-mail address or a phone number, not both.")
    memberships.check_grant(by=by, role=role, rights=rights)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        role=role,
        rights=[right for right in settings.SHOP_RIGHTS if right in rights],
        email=email.strip().lower(),
        phone=parse_phone(phone) if phone else "",
        token_digest=_digest(token),
        invited_by=by,
        expires_at=timezone.now() + timedelta(days=settings.INVITATION_DAYS),
    )
    link = f"{settings.SHOP_URL}/invitations/{token}/"
    if invitation.email:
        _send_mail(invitation, link)
    elif invitation.phone:
        _send_sms(invitation, link)
    record(Action.INVITED, by=by, target=invitation, rights=invitation.rights)
    return invitation, link


@transaction.atomic
def revoke(*, invitation_id: int, by: User | None) -> Invitation:
    """Take an invitation back; one that is no longer open stays as it is.

    Raises:
        NotYours: a shopkeeper's invitation can be revoked only by a shopkeeper.
    """
    invitation = Invitation.objects.select_for_update(of=("self",)).get(pk=invitation_id)
    memberships.check_grant(by=by, role=Role(invitation.role), rights=())
    if invitation.state == Standing.OPEN:
        invitation.revoked_at = timezone.now()
        invitation.save()
        record(Action.INVITATION_REVOKED, by=by, target=invitation)
    return invitation


def find(*, token: str) -> Invitation:
    """Return the open invitation of a token.

    Raises:
        NotInvited: there is none; whether it ever was one is not told.
    """
    return _open(token, lock=False)


@transaction.atomic
def accept(*, token: str, user: User) -> Membership:
    """Make the one who is signed in what the invitation says, once.

    Raises:
        NotInvited: the invitation is not open.
        AlreadyEmployed: they work here already; the invitation stays open.
    """
    # Locked first: a link that two open at once makes one employee.
    invitation = _open(token, lock=True)
    if hasattr(user, "machine"):
        # What a machine may is said by its own rights alone.
        raise NotInvited("An invitation is for a person.")
    try:
        membership = memberships.employ(
            user=user,
            role=Role(invitation.role),
            rights=invitation.rights,
            by=invitation.invited_by,
        )
    except User.DoesNotExist:
        raise NotInvited("An invitation is for somebody with an account.") from None
    invitation.accepted_at = timezone.now()
    invitation.accepted_by = user
    invitation.save()
    record(Action.INVITATION_ACCEPTED, by=user, target=invitation)
    return membership


def _open(token: str, *, lock: bool) -> Invitation:
    invitations = Invitation.objects.open()
    if lock:
        invitations = invitations.select_for_update(of=("self",))
    invitation = (
        invitations.select_related("invited_by").filter(token_digest=_digest(token)).first()
    )
    if invitation is None or not _can_still_be_given(invitation):
        raise NotInvited(
            "This invitation is not valid. It may have been used or be too old: ask for another."
        )
    return invitation


def _can_still_be_given(invitation: Invitation) -> bool:
    """Whether who invited may still do so: a link kept must not bring back what was taken."""
    by = invitation.invited_by
    if by is None:
        return True
    known = [right for right in invitation.rights if right in settings.SHOP_RIGHTS]
    try:
        memberships.check_grant(by=by, role=Role(invitation.role), rights=known)
    except NotYours:
        return False
    return can_manage_employees(by)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _send_mail(invitation: Invitation, link: str) -> None:
    context = {
        "shop": settings.SHOP_NAME,
        "link": link,
        "invitation": invitation,
        "days": settings.INVITATION_DAYS,
    }
    queue_mail(
        subject=f"{settings.SHOP_NAME}: you are invited",
        body=render_to_string("accounts/email/invitation.txt", context),
        to=invitation.email,
    )


def _send_sms(invitation: Invitation, link: str) -> None:
    invited.announce(
        notice=Notice(
            occurrence=str(invitation.pk),
            subject="invitation",
            reference=str(invitation.pk),
            recipient=Recipient(reference=f"invitation-{invitation.pk}", phone=invitation.phone),
            data={"shop": settings.SHOP_NAME, "link": link},
        )
    )
