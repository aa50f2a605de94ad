"""Who may call the API at all, and how an app's predicates are asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission

from core.permissions import Predicate

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView


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
        # A wrong method has no action: let it reach its 405. An action nobody permitted is refused.
        return action is None or (predicate is not None and predicate(request.user))
