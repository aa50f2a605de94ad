"""The admin's looks and its menu."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

from .shop import SHOP_NAME


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model.replace('.', '_')}_changelist"),
        "permission": _may_open(model),
    }


def _may_open(model: str) -> Callable[[HttpRequest], bool]:
    """Show a menu item to those whom its page lets in."""

    def check(request: HttpRequest) -> bool:
        # Here, as neither the apps nor the admin exist yet while settings are read.
        from django.apps import apps  # noqa: PLC0415
        from django.contrib import admin  # noqa: PLC0415

        page = admin.site.get_model_admin(apps.get_model(model))
        return page.has_module_permission(request)

    return check


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": SHOP_NAME,
    "SITE_HEADER": SHOP_NAME,
    "SITE_SYMBOL": "storefront",
    # There is no site to return to yet but this one.
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Selling",
                "items": [
                    _item("Orders", "receipt_long", "orders.order"),
                    _item("Customers", "group", "customers.customer"),
                    _item("Messages", "sms", "notifications.message"),
                ],
            },
            {
                "title": "Catalogue",
                "items": [
                    _item("Products", "inventory_2", "catalog.product"),
                    _item("Stock and prices", "sell", "catalog.variant"),
                    _item("Categories", "account_tree", "catalog.category"),
                ],
            },
            {
                "title": "System",
                "items": [
                    _item("Users", "person", "accounts.user"),
                    _item("Periodic jobs", "schedule", "core.periodicjob"),
                    _item("Workers", "dns", "core.worker"),
                ],
            },
        ],
    },
}
