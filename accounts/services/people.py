"""A person's own account: its beginning, their data, its end."""

from typing import Any, cast
from uuid import UUID

from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import transaction
from django.db.models import Model, Q
from django.utils import timezone

from accounts.exceptions import NotYours
from accounts.models import AuditEntry, Identity, Invitation, ProviderSession, User
from accounts.signals import changed, data_asked_for, leaving, registered
from accounts.states import Action
from core.forgetting import Erasure, collected, forget_traces
from core.models import IdempotencyKey
from core.names import check_name

from .audit import forget, forget_in_audit, record
from .memberships import check_may_leave

# Of the audit log, the newest so many go into what somebody downloads of themselves.
AUDIT_ENTRIES = 1000
_LOG = "That one and the same person did it, and from which address of the network."
_PROVIDER = "The account at an outside sign-in provider, where they have one: ask it."


@transaction.atomic
def register(*, user: User) -> None:
    """Tell the other apps of somebody whose account counts from now on."""
    registered.send(sender=User, user=user)
    record(Action.REGISTERED, by=user, target=user)


@transaction.atomic
def create_person(
    *, issuer: str, subject: str, given_name: str = "", family_name: str = "", email: str = ""
) -> User:
    """Make the user of somebody who signed in at an outside provider for the first time.

    `email` must be one that the provider has verified, or "".
    """
    user = User(first_name=given_name[:150], last_name=family_name[:150], email=email)
    user.username = str(user.subject)
    user.set_unusable_password()
    user.save()
    Identity.objects.create(issuer=issuer, subject=subject, user=user)
    register(user=user)
    return user


@transaction.atomic
def create_local_person(*, name: str, email: str, password: str) -> User:
    """Make an account of the embedded provider whose e-mail address needs no proof.

    People sign up by its pages; this is for the demo shop and for tests.
    """
    user = User(first_name=name, email=email)
    user.username = str(user.subject)
    user.set_password(password)
    user.save()
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    register(user=user)
    return user


@transaction.atomic
def change_name(*, user: User, name: str) -> User:
    """Change how somebody is called.

    Raises:
        NotYours: a machine is named by those who manage employees.
        InvalidInput: it holds what no name does: line ends, marks that turn text round.
    """
    check_name(name)
    user = User.objects.select_for_update().get(pk=user.pk)
    if hasattr(user, "machine"):
        raise NotYours("A machine's name is changed by those who manage employees.")
    if user.get_full_name() != name:
        record(Action.RENAMED, by=user, target=user, was=user.get_full_name(), name=name)
    user.first_name, user.last_name = name, ""
    user.save(update_fields=["first_name", "last_name"])
    changed.send(sender=User, user=user)
    return user


@transaction.atomic
def confirm_email(*, user: User) -> None:
    """Follow an e-mail address that was proved; the first time, the account begins to count."""
    if user.last_login is None:
        # Nobody signs in before.
        register(user=user)
    else:
        changed.send(sender=User, user=user)


def personal_data(*, user: User) -> dict[str, Any]:
    """Return all that the shop keeps of somebody, by section, ready for JSON."""
    data: dict[str, Any] = {
        "account": {
            "subject": str(user.subject),
            "name": user.get_full_name(),
            "email": user.email,
            "joined_at": user.date_joined,
            "last_login_at": user.last_login,
            "roles": user.roles,
            "identities": [
                {"issuer": each.issuer, "subject": each.subject} for each in user.identities.all()
            ],
        },
        "work": [
            {"role": each.role, "source": each.source, "rights": each.rights}
            for each in user.memberships.all()
        ],
        "audit": list(
            AuditEntry.objects.filter(actor=user)
            .order_by("-pk")
            .values("at", "action", "target", "address")[:AUDIT_ENTRIES]
        ),
    }
    for _, sections in data_asked_for.send(sender=User, user=user):
        data |= cast("dict[str, Any]", sections)
    # Written once a minute: what is asked for in a loop must not fill the log.
    if cache.add(f"data-taken-{user.pk}", 1, 60):
        record(Action.DATA_TAKEN, by=user, target=user)
    return data


@transaction.atomic
def delete_account(*, user: User) -> list[Erasure]:
    """Delete somebody's account; what they ordered is kept without who they were.

    Returns what was done, by app.

    Raises:
        LastShopkeeper: nobody would be left who may do everything.
    """
    check_may_leave(user=user)
    # Before the user, as who accepts one locks it; with it goes what they could give.
    invitations = Invitation.objects.filter(invited_by=user)
    invitations.open().update(revoked_at=timezone.now())
    invitations.update(invited_by=None)
    invited = _forget_invitations(Q(email__iexact=user.email) if user.email else Q(pk__in=[]))
    user = User.objects.select_for_update().get(pk=user.pk)
    # Read under the lock: one may just have been accepted.
    accepted = list(Invitation.objects.filter(accepted_by=user))
    erasures = collected(leaving.send(sender=User, user=user))
    told = forget(user, invitations=[*invited, *accepted])
    Invitation.objects.filter(accepted_by=user).update(accepted_by=None, email="", phone="")
    answers = IdempotencyKey.objects.filter(caller=str(user.pk)).delete()[0]
    # What the admin's log calls by their name.
    named: list[Model] = [user, *user.memberships.all(), *invited, *accepted]
    erasures += forget_traces(email=user.email, rows=named)
    identities = Q(pk__in=[])
    for identity in user.identities.all():
        identities |= Q(issuer=identity.issuer, subject=identity.subject)
    sessions = ProviderSession.objects.filter(identities).delete()[0]
    # Tokens, identities and memberships go with the row; a session without its user is none.
    record(Action.LEFT, by=None, target=user.subject)
    user.delete()
    return [
        Erasure(app="accounts", what="account", deleted=1, beyond=_PROVIDER),
        Erasure(app="accounts", what="sessions at the sign-in provider", deleted=sessions),
        Erasure(app="accounts", what="invitations", blanked=len({*invited, *accepted})),
        Erasure(
            app="accounts", what="audit log", blanked=told, kept=_kept_of(user.subject), reason=_LOG
        ),
        Erasure(app="core", what="stored answers", deleted=answers),
        *erasures,
    ]


@transaction.atomic
def forget_address(*, phone: str = "", email: str = "") -> list[Erasure]:
    """Forget whoever is known by a number or an address, and has no account.

    An account's own address stays: `delete_account` is for that.
    """
    if email and User.objects.filter(email__iexact=email).exists():
        return []
    theirs = Q(pk__in=[])
    if phone:
        theirs |= Q(phone=phone)
    if email:
        theirs |= Q(email__iexact=email)
    invited = _forget_invitations(theirs)
    told = forget_in_audit(email=email, invitations=invited)
    # Of somebody who never proved it; who has, has an account with it.
    claims = EmailAddress.objects.filter(email__iexact=email, verified=False) if email else None
    return [
        Erasure(app="accounts", what="invitations", blanked=len(invited)),
        Erasure(app="accounts", what="audit log", blanked=told),
        Erasure(
            app="accounts",
            what="addresses nobody proved",
            deleted=claims.delete()[0] if claims is not None else 0,
        ),
        *forget_traces(rows=invited),
    ]


def _forget_invitations(theirs: Q) -> list[Invitation]:
    """Blank invitations that were sent to somebody; return them as they were."""
    found = Invitation.objects.filter(theirs)
    before = list(found.select_for_update(of=("self",)).order_by("pk"))
    keys = [each.pk for each in before]
    found = Invitation.objects.filter(pk__in=keys)
    found.open().update(revoked_at=timezone.now())
    found.update(email="", phone="")
    return before


def _kept_of(subject: UUID) -> int:
    return AuditEntry.objects.filter(Q(actor_subject=subject) | Q(target_subject=subject)).count()
