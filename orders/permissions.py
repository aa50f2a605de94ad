"""Who may see and handle orders; asked by REST, GraphQL and admin alike."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User


def can_see_orders(user: "User | AnonymousUser") -> bool:
    return user.is_staff and (user.has_perm("orders.view_order") or can_handle_orders(user))


def can_handle_orders(user: "User | AnonymousUser") -> bool:
    return user.is_staff and user.has_perm("orders.handle_order")
