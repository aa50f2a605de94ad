"""Addresses of conversations in plain JSON; `extended_urls` has the same in the other dialect."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, path

from .contacts import ContactViewSet
from .plain import PlainClientViewSet, PlainEngagementViewSet, PlainInteractionViewSet
from .views import ClientViewSet, ConversationViewSet, EngagementViewSet, InteractionViewSet

_MANY: Any = {"get": "list", "post": "create"}
_ONE: Any = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def addresses(
    clients: type[ClientViewSet],
    engagements: type[EngagementViewSet],
    interactions: type[InteractionViewSet],
    *,
    prefix: str = "",
) -> Iterator[tuple[str, str, Any]]:
    """Yield (address without a slash at its end, name, view) of everything in a dialect.

    Args:
        prefix: what their names begin with.
    """
    yield from _resource("clients", f"{prefix}client", clients)
    yield from _resource("engagements", f"{prefix}engagement", engagements)
    yield from _resource("interactions", f"{prefix}interaction", interactions)
    yield from _nested("clients/<str:id>/engagements", f"{prefix}client-engagement", engagements)
    below, name = "engagements/<str:id>/interactions", f"{prefix}engagement-interaction"
    yield from _nested(below, name, interactions)
    options = {**interactions.bulk.kwargs, "basename": name, "detail": False, "nested": True}
    yield f"{below}/bulk", f"{name}-bulk", interactions.as_view({"post": "bulk"}, **options)


def _resource(
    address: str, name: str, view: type[ConversationViewSet]
) -> Iterator[tuple[str, str, Any]]:
    yield address, f"{name}-list", view.as_view(_MANY, basename=name, detail=False)
    # Before a single one, whose id may be any word so far.
    actions: list[Any] = view.get_extra_actions()
    for each in sorted(actions, key=lambda action: bool(action.detail)):
        where = f"{address}/<str:id>" if each.detail else address
        options = {**each.kwargs, "basename": name, "detail": each.detail}
        made = view.as_view(dict(each.mapping.items()), **options)
        yield f"{where}/{each.url_path}", f"{name}-{each.url_name}", made
    yield f"{address}/<str:id>", f"{name}-detail", view.as_view(_ONE, basename=name, detail=True)


def _nested(
    address: str, name: str, view: type[ConversationViewSet]
) -> Iterator[tuple[str, str, Any]]:
    made = view.as_view(_MANY, basename=name, detail=False, nested=True)
    yield address, f"{name}-list", made


urlpatterns: list[URLPattern] = [
    path(f"{address}/", view, name=name)
    for address, name, view in addresses(
        PlainClientViewSet, PlainEngagementViewSet, PlainInteractionViewSet
    )
]
# Of the shop itself, and so in this dialect alone.
urlpatterns += [
    path(
        "contacts/",
        ContactViewSet.as_view({"post": "create"}, basename="contact", detail=False),
        name="contact-list",
    ),
    path(
        "interactions/<str:id>/reply/",
        ContactViewSet.as_view({"post": "reply"}, basename="interaction", detail=True),
        name="interaction-reply",
    ),
]
