"""Who may see messages; asked by REST, GraphQL and admin alike."""

from typing import TYPE_CHECKING

from django.contrib.auth.models import AnonymousUser

if TYPE_CHECKING:
    from accounts.models import User


def can_see_messages(user: "User | AnonymousUser") -> bool:
    return user.is_staff and user.has_perm("notifications.view_message")
