"""How an app's `permissions.py` says who may do what."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User

# REST, GraphQL and admin ask the same one.
Predicate = Callable[["User | AnonymousUser"], bool]


def staff_with(*permissions: str) -> Predicate:
    """Return the predicate that lets staff through who have any of these permissions."""

    def may(user: "User | AnonymousUser") -> bool:
        return user.is_staff and any(user.has_perm(each) for each in permissions)

    return may
