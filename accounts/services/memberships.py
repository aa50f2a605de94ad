"""Who works here and what they may."""

from collections.abc import Collection, Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.exceptions import (
    AlreadyEmployed,
    LastShopkeeper,
    NotYours,
    ProviderDecides,
    UnknownRight,
)
from accounts.models import Membership, User
from accounts.permissions import labels_of, permissions_of_right
from accounts.states import Action, Role, Source

from .audit import record


def check_grant(*, by: User | None, role: Role, rights: Collection[str]) -> None:
    """Refuse what `by` could not give away; None is the shop itself.

    Raises:
        UnknownRight: there is no such right.
        NotYours: they lack it themselves.
    """
    check_known(rights)
    if by is None:
        return
    if role == Role.SHOPKEEPER and not _is_shopkeeper(by):
        raise NotYours("Only a shopkeeper can make a shopkeeper.")
    lacking = [right for right in rights if not all(map(by.has_perm, permissions_of_right(right)))]
    if lacking:
        named = ", ".join(labels_of(lacking))
        raise NotYours(f"You can't grant what you may not do yourself: {named}.")


def check_known(rights: Collection[str]) -> None:
    """Raises `UnknownRight`, which names the first that does not exist."""
    for index, right in enumerate(rights):
        if right not in settings.SHOP_RIGHTS:
            raise UnknownRight.at("rights", index, detail=f"There is no right {right!r}.")


@transaction.atomic
def employ(
    *, user: User, role: Role, rights: Collection[str] = (), by: User | None = None
) -> Membership:
    """Make somebody an employee or a shopkeeper.

    Raises:
        AlreadyEmployed: they work here already.
        User.DoesNotExist: they have deleted their account meanwhile.
    """
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.memberships.filter(source=Source.LOCAL).exists():
        raise AlreadyEmployed("They work here already.")
    membership = Membership.objects.create(
        user=user, role=role, rights=_in_order(rights), source=Source.LOCAL
    )
    _follow(user)
    record(Action.GRANTED, by=by, target=user, role=role, rights=membership.rights)
    return membership


@transaction.atomic
def change_membership(
    *,
    membership_id: int,
    by: User | None,
    role: Role | None = None,
    rights: Collection[str] | None = None,
) -> Membership:
    """Give and take rights, or change the role.

    Raises:
        UnknownRight: there is no such right.
        NotYours: what changes is more than `by` has.
        ProviderDecides: the role comes from the sign-in provider.
        LastShopkeeper: nobody would be left who may do everything.
    """
    check_known(rights or ())
    membership = _locked(membership_id, by=by)
    new_role = role or Role(membership.role)
    new_rights = membership.rights if rights is None else _in_order(rights)
    if membership.source == Source.OIDC and new_role != membership.role:
        raise ProviderDecides("Their role is decided by the sign-in provider.")
    # What is taken counts as well as what is given.
    check_grant(by=by, role=new_role, rights=_in_order(set(new_rights) ^ set(membership.rights)))
    was = {"role": membership.role, "rights": membership.rights}
    membership.role, membership.rights = new_role, new_rights
    membership.save()
    _keep_a_shopkeeper(was=was["role"])
    _follow(membership.user)
    record(Action.GRANTED, by=by, target=membership.user, was=was, role=new_role, rights=new_rights)
    return membership


@transaction.atomic
def suspend(*, membership_id: int, by: User | None) -> Membership:
    """Take all rights from somebody for a time; what they may is kept for `resume`.

    Raises:
        NotYours: they may more than `by`.
        LastShopkeeper: nobody would be left who may do everything.
    """
    membership = _locked(membership_id, by=by)
    if membership.suspended_at is None:
        _check_holds(membership, by=by)
        membership.suspended_at = timezone.now()
        membership.save()
        _keep_a_shopkeeper(was=membership.role)
        _follow(membership.user)
        record(Action.SUSPENDED, by=by, target=membership.user)
    return membership


@transaction.atomic
def resume(*, membership_id: int, by: User | None) -> Membership:
    """Lift a suspension.

    Raises:
        NotYours: what they would get back is more than `by` has.
    """
    membership = _locked(membership_id, by=by)
    if membership.suspended_at is not None:
        _check_holds(membership, by=by)
        membership.suspended_at = None
        membership.save()
        _follow(membership.user)
        record(Action.RESUMED, by=by, target=membership.user)
    return membership


@transaction.atomic
def remove(*, membership_id: int, by: User | None) -> None:
    """End somebody's work here; their account stays, as a shopper's.

    Raises:
        NotYours: they may more than `by`.
        ProviderDecides: the sign-in provider would make it anew; suspend it instead.
        LastShopkeeper: nobody would be left who may do everything.
    """
    membership = _locked(membership_id, by=by)
    if membership.source == Source.OIDC:
        raise ProviderDecides(
            "The sign-in provider says that they work here. Suspend them, or change it there."
        )
    _check_holds(membership, by=by)
    membership.delete()
    _keep_a_shopkeeper(was=membership.role)
    _follow(membership.user)
    record(Action.REMOVED, by=by, target=membership.user, role=membership.role)


@transaction.atomic
def follow_claims(*, user: User, roles: Collection[str] | None) -> None:
    """Let the membership that the sign-in provider decides follow its roles claim.

    Without the claim (None) nothing changes. What the shop itself decided is
    never touched, and the last shopkeeper stays one.
    """
    if roles is None:
        return
    lock_shopkeepers()
    user = User.objects.select_for_update().get(pk=user.pk)
    present = Membership.objects.filter(user=user, source=Source.OIDC).first()
    role = next((each for each in (Role.SHOPKEEPER, Role.EMPLOYEE) if each in roles), None)
    if (present.role if present else None) != role:
        try:
            with transaction.atomic():
                if role is None:
                    Membership.objects.filter(user=user, source=Source.OIDC).delete()
                else:
                    Membership.objects.update_or_create(
                        user=user, source=Source.OIDC, defaults={"role": role}
                    )
                if present is not None and present.role == Role.SHOPKEEPER:
                    _keep_a_shopkeeper(was=present.role if present else None)
        except LastShopkeeper as error:
            record(Action.REFUSED, by=user, target=user, reason=error.detail)
        else:
            record(Action.GRANTED, by=None, target=user, role=role or "", source=Source.OIDC)
    _follow(user)


def check_may_leave(*, user: User) -> None:
    """Lock the shopkeepers and refuse if, without this one, none were left.

    Raises:
        LastShopkeeper: nobody would be left who may do everything.
    """
    lock_shopkeepers()
    active = Membership.objects.shopkeepers().active()
    if active.filter(user=user).exists() and not active.exclude(user=user).exists():
        raise LastShopkeeper("The last shopkeeper cannot leave. Make somebody else one first.")


def _locked(membership_id: int, *, by: User | None) -> Membership:
    # All of them, so that two shopkeepers who remove each other at once wait for one another.
    lock_shopkeepers()
    membership = (
        Membership.objects.select_for_update(of=("self",))
        .select_related("user")
        .get(pk=membership_id)
    )
    if membership.role == Role.SHOPKEEPER and by is not None and not _is_shopkeeper(by):
        raise NotYours("Only a shopkeeper can change what a shopkeeper may.")
    return membership


def _check_holds(membership: Membership, *, by: User | None) -> None:
    """Nobody gives or takes what they lack themselves; leaving is another matter."""
    if by != membership.user:
        check_grant(by=by, role=Role(membership.role), rights=_in_order(membership.rights))


def lock_shopkeepers() -> None:
    """Lock all shopkeepers' rows: whoever changes memberships does so before any other lock."""
    list(Membership.objects.shopkeepers().order_by("pk").select_for_update())


def _keep_a_shopkeeper(*, was: str | None) -> None:
    # A shop that only a superuser looks after may have none.
    if was == Role.SHOPKEEPER and not Membership.objects.shopkeepers().active().exists():
        raise LastShopkeeper("The shop needs a shopkeeper. Make somebody else one first.")


def _is_shopkeeper(user: User) -> bool:
    # Asked anew: who waited for the lock may have been removed meanwhile.
    return user.is_superuser or Membership.objects.shopkeepers().active().filter(user=user).exists()


def _follow(user: User) -> None:
    """Let people who work here into the admin, and nobody else.

    The provider's claims open it only where OIDC_STAFF_ROLES says so.
    """
    opens = Q(source=Source.LOCAL) | Q(role__in=settings.OIDC_STAFF_ROLES)
    is_staff = user.is_superuser or (Membership.objects.active().filter(opens, user=user).exists())
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])


def _in_order(rights: Iterable[str]) -> list[str]:
    wanted = set(rights)
    return [right for right in settings.SHOP_RIGHTS if right in wanted]
