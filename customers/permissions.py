"""Who may see and change customers; asked by REST, GraphQL and admin alike."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User


def can_see_customers(user: "User | AnonymousUser") -> bool:
    return user.is_staff and (
        user.has_perm("customers.view_customer") or can_manage_customers(user)
    )


def can_manage_customers(user: "User | AnonymousUser") -> bool:
    return user.is_staff and user.has_perm("customers.manage_customers")
