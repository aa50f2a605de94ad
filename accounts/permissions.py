"""Who may manage access, and what each right means."""

from collections.abc import Iterable

from django.conf import settings

from core.permissions import staff_with

can_manage_employees = staff_with("accounts.manage_employees")


def permissions_of_right(right: str) -> tuple[str, ...]:
    """Return Django's permissions behind a right; none for one that is no longer."""
    _, permissions = settings.SHOP_RIGHTS.get(right, ("", ()))
    return permissions


def labels_of(rights: Iterable[str]) -> list[str]:
    """Return how a shopkeeper calls these rights."""
    return [settings.SHOP_RIGHTS[each][0] for each in rights if each in settings.SHOP_RIGHTS]


def all_permissions() -> set[str]:
    """Return what a shopkeeper may: everything in the shop."""
    granted = {each for right in settings.SHOP_RIGHTS for each in permissions_of_right(right)}
    return granted | set(settings.SHOPKEEPER_PERMISSIONS)
