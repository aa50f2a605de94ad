"""Addresses of conversations in Extended JSON, at the root: without a slash at their end.

One is accepted, but not told of.
"""

from django.urls import URLPattern, path

from .extended import (
    ExtendedClientViewSet,
    ExtendedEngagementViewSet,
    ExtendedInteractionViewSet,
)
from .urls import addresses

_all = list(
    addresses(
        ExtendedClientViewSet,
        ExtendedEngagementViewSet,
        ExtendedInteractionViewSet,
        prefix="extended-",
    )
)
with_slash: list[URLPattern] = [
    path(f"{address}/", view.cls.as_view(view.actions, **{**view.initkwargs, "schema": None}))
    for address, _, view in _all
]
urlpatterns: list[URLPattern] = [
    *(path(address, view, name=name) for address, name, view in _all),
    *with_slash,
]
