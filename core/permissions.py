"""How an app's `permissions.py` says who may do what."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User

# REST, GraphQL and admin ask the same one.
Predicate = Callable[["User | AnonymousUser"], bool]


def staff_with(*permissions: str) -> Predicate:
    """Return the predicate that lets through who has any of these permissions.

    Whoever works here has some, by their membership; shoppers have none. Django's
    `is_staff` opens the admin and nothing else.
    """

    def may(user: "User | AnonymousUser") -> bool:
        return any(user.has_perm(each) for each in permissions)

    return may


def anybody(user: "User | AnonymousUser") -> bool:
    """Let strangers through too: what they get is for everybody, or shown to be theirs."""
    return True


def signed_in(user: "User | AnonymousUser") -> bool:
    """Let everybody through who has signed in: what they get is their own."""
    return user.is_authenticated
