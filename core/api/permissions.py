"""Who may call the API at all, and how an app's predicates are asked."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from rest_framework.permissions import BasePermission

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from accounts.models import User

# A predicate of an app's permissions.py; REST, GraphQL and admin ask the same one.
Predicate = Callable[["User | AnonymousUser"], bool]


class IsStaff(BasePermission):
    """Signed-in staff whom the view's predicate for this action lets through.

    A view names its predicates in `permitted`, by action; `"*"` stands for the rest.
    """

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        if not (request.user.is_authenticated and request.user.is_staff):
            return False
        permitted: Mapping[str, Predicate] = getattr(view, "permitted", {})
        action: Any = getattr(view, "action", None)
        predicate = permitted.get(action) or permitted.get("*")
        # A wrong method has no action: let it reach its 405.
        return predicate is None or action is None or predicate(request.user)
