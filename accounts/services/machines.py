"""Access for programs."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from allauth.idp.oidc.models import Client, Token
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.exceptions import IdentityTaken, NoMachinesHere
from accounts.models import Identity, Machine, User
from accounts.oidc.discovery import API_SCOPE
from accounts.states import Action, Role
from core.constraints import constraints_as
from core.errors import InvalidInput

from . import memberships
from .audit import record

# A machine's last use is noted once in so many seconds, not at every request.
LAST_USE_SECONDS = 60


@transaction.atomic
def create_machine(
    *,
    by: User | None,
    name: str,
    rights: Collection[str] = (),
    expires_at: datetime | None = None,
    subject: str = "",
) -> tuple[Machine, str]:
    """Give a program access.

    Args:
        expires_at: when it ends by itself; None: never.
        subject: with an outside provider, the `sub` of its tokens there.

    Returns:
        The machine and its client secret, which is not kept ("" with an outside provider).

    Raises:
        UnknownRight, NotYours: see `memberships.check_grant`.
        NoMachinesHere: an outside provider, and no subject.
        IdentityTaken: somebody else is known by the subject.
    """
    memberships.check_grant(by=by, role=Role.EMPLOYEE, rights=rights)
    _check_expiry(expires_at)
    user = User(username=f"machine-{secrets.token_hex(8)}", first_name=name)
    user.set_unusable_password()
    user.save()
    client, secret = None, ""
    if settings.OIDC_EMBEDDED:
        client, secret = _make_client(name)
    elif not subject:
        raise NoMachinesHere(
            "Make the client at the sign-in provider, and give the `sub` of its tokens as subject."
        )
    else:
        taken = IdentityTaken.at("subject", detail="Somebody is known by this subject already.")
        with constraints_as({"identity_is_of_one_user": taken}):
            Identity.objects.create(issuer=settings.OIDC_ISSUER, subject=subject, user=user)
    machine = Machine.objects.create(
        name=name,
        user=user,
        client=client,
        rights=[right for right in settings.SHOP_RIGHTS if right in rights],
        expires_at=expires_at,
        created_by=by,
    )
    record(Action.MACHINE_MADE, by=by, target=machine, rights=machine.rights)
    return machine, secret


@transaction.atomic
def change_machine(
    *,
    machine_id: int,
    by: User | None,
    name: str | None = None,
    rights: Collection[str] | None = None,
    **changes: datetime | None,
) -> Machine:
    """Change a machine's `name`, `rights` or `expires_at`.

    Raises:
        UnknownRight, NotYours: see `memberships.check_grant`.
        InvalidInput: `expires_at` is in the past.
    """
    machine = _locked(machine_id)
    if rights is not None:
        memberships.check_known(rights)
        changed = (set(rights) ^ set(machine.rights)) & set(settings.SHOP_RIGHTS)
        memberships.check_grant(by=by, role=Role.EMPLOYEE, rights=sorted(changed))
        machine.rights = [right for right in settings.SHOP_RIGHTS if right in rights]
    if name is not None:
        machine.name = name
    if "expires_at" in changes:
        # A later end gives its rights for longer, or anew.
        _check_rights_of(machine, by=by)
        _check_expiry(changes["expires_at"])
        machine.expires_at = changes["expires_at"]
    machine.save()
    record(Action.MACHINE_CHANGED, by=by, target=machine, rights=machine.rights)
    return machine


@transaction.atomic
def renew_secret(*, machine_id: int, by: User | None) -> tuple[Machine, str]:
    """Give a machine a new secret; the old one is void at once.

    Raises:
        NotYours: it may more than `by`.
        NoMachinesHere: its secret is kept by an outside provider.
    """
    machine = _locked(machine_id)
    _check_rights_of(machine, by=by)
    if machine.client is None or machine.revoked_at:
        raise NoMachinesHere("This machine has no secret of this shop.")
    secret = secrets.token_urlsafe(32)
    machine.client.secret = make_password(secret, hasher="generated")
    machine.client.save(update_fields=["secret"])
    record(Action.MACHINE_CHANGED, by=by, target=machine, secret="renewed")  # noqa: S106  no secret
    return machine, secret


@transaction.atomic
def revoke_machine(*, machine_id: int, by: User | None) -> Machine:
    """End a machine's access at once, tokens that it holds included.

    Whoever manages employees may do so whatever it may: it is what one does in an emergency.
    """
    machine = _locked(machine_id)
    if machine.revoked_at is None:
        machine.revoked_at = timezone.now()
        machine.save()
        if machine.client:
            Token.objects.filter(client=machine.client).delete()
        record(Action.MACHINE_REVOKED, by=by, target=machine)
    return machine


def note_use(machine: Machine) -> None:
    """Note that a machine was here, at most once a minute."""
    last = machine.last_used_at
    if last is not None and last > timezone.now() - timedelta(seconds=LAST_USE_SECONDS):
        return
    # Asked again there, as others note it too.
    Machine.objects.used_before(LAST_USE_SECONDS).filter(pk=machine.pk).update(
        last_used_at=timezone.now()
    )


def _locked(machine_id: int) -> Machine:
    return (
        Machine.objects.select_for_update(of=("self",))
        .select_related("client", "user")
        .get(pk=machine_id)
    )


def _check_rights_of(machine: Machine, *, by: User | None) -> None:
    known = [right for right in settings.SHOP_RIGHTS if right in machine.rights]
    memberships.check_grant(by=by, role=Role.EMPLOYEE, rights=known)


def _make_client(name: str) -> tuple[Client, str]:
    secret = secrets.token_urlsafe(32)
    client = Client(
        # Never to be taken for a user's subject.
        id=f"machine-{secrets.token_hex(12)}",
        name=name,
        secret=make_password(secret, hasher="generated"),
        type=Client.Type.CONFIDENTIAL,
        scopes=API_SCOPE,
        default_scopes=API_SCOPE,
        grant_types=Client.GrantType.CLIENT_CREDENTIALS,
        response_types="",
        redirect_uris="",
    )
    client.save()
    return client, secret


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput.at("expires_at", detail="This is in the past.")
