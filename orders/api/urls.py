"""Addresses of orders and carts."""

from typing import Any

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from core.permissions import signed_in

from .carts import CartViewSet
from .views import OrderViewSet


def _cart(actions: Any, **options: Any) -> Any:
    return CartViewSet.as_view(actions, basename="cart", detail=True, **options)


router = SimpleRouter()
router.register("orders", OrderViewSet, basename="order")
urlpatterns = [
    *router.urls,
    # One for each caller, so that no key is in its addresses.
    path("cart/", _cart({"get": "retrieve", "delete": "destroy"}), name="cart-detail"),
    path("cart/lines/", _cart({"post": "add"}), name="cart-lines"),
    # A SKU may hold anything but NUL, which the database refuses; slashes too.
    re_path(
        r"^cart/lines/(?P<sku>[^\x00]{1,64})/$",
        _cart({"patch": "change_line", "delete": "remove_line"}),
        name="cart-line",
    ),
    path("cart/accept-changes/", _cart({"post": "accept_changes"}), name="cart-accept-changes"),
    path("cart/place/", _cart({"post": "place"}, permitted={"*": signed_in}), name="cart-place"),
]
