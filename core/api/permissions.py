"""Who may call the API at all, and how an app's predicates are asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission

from core.permissions import Predicate, anybody

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


class IsPermitted(BasePermission):
    """Somebody whom the view's predicate for this action lets through.

    A view names its predicates in `permitted`, by action; `"*"` stands for the rest. A stranger
    comes through `anybody` alone.
    """

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        permitted: Mapping[str, Predicate] = getattr(view, "permitted", {})
        # A plain view's actions are its methods.
        action: Any = getattr(view, "action", (request.method or "").lower())
        predicate = permitted.get(action) or permitted.get("*")
        if predicate is not anybody and not request.user.is_authenticated:
            return False
        # A wrong method has no action: let it reach its 405. An action nobody permitted is refused.
        return action is None or (predicate is not None and predicate(request.user))
