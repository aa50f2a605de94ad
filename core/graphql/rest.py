"""REST's views as GraphQL uses them: their rows, filters, forms and permissions, declared once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django.db.models import QuerySet
from django.http import QueryDict
from graphql import GraphQLResolveInfo
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from core.api.permissions import IsPermitted
from core.api.views import ResourceViewSet


@dataclass
class Asked:
    """As much of a request as a list's filters read."""

    user: Any
    query_params: QueryDict = field(default_factory=QueryDict)
    method: str = "GET"


def view_for(
    view: type[ResourceViewSet],
    info: GraphQLResolveInfo,
    action: str,
    parameters: Mapping[str, str | list[str]] | None = None,
) -> ResourceViewSet:
    """Return a view that stands ready to do an action for who asks, and may do it.

    Raises:
        NotAuthenticated, PermissionDenied: as REST.
    """
    asked = Asked(info.context.user, QueryDict(mutable=True))
    for name, given in (parameters or {}).items():
        asked.query_params.setlist(name, given if isinstance(given, list) else [given])
    made: Any = view(request=asked, action=action, kwargs={}, format_kwarg=None)
    if not IsPermitted().has_permission(made.request, made):
        raise PermissionDenied if asked.user.is_authenticated else NotAuthenticated
    return cast("ResourceViewSet", made)


def bare(queryset: QuerySet[Any]) -> QuerySet[Any]:
    """Return a view's rows without what REST shows of them."""
    return queryset.select_related(None).prefetch_related(None)
