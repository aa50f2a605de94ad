"""Who may see and change the catalogue; asked by REST, GraphQL and admin alike."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User


def can_see_catalogue(user: "User | AnonymousUser") -> bool:
    return user.is_staff


def can_manage_catalogue(user: "User | AnonymousUser") -> bool:
    return user.is_staff and user.has_perm("catalog.manage_catalogue")
