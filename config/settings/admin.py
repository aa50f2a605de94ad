"""The admin's looks and its menu."""

from typing import Any

from django.urls import reverse_lazy

from .shop import SHOP_NAME


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{model}_changelist")}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": SHOP_NAME,
    "SITE_HEADER": SHOP_NAME,
    "SITE_SYMBOL": "storefront",
    "SHOW_HISTORY": True,
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Selling",
                "items": [
                    _item("Orders", "receipt_long", "orders_order"),
                    _item("Customers", "group", "customers_customer"),
                    _item("Messages", "sms", "notifications_message"),
                ],
            },
            {
                "title": "Catalogue",
                "items": [
                    _item("Products", "inventory_2", "catalog_product"),
                    _item("Stock and prices", "sell", "catalog_variant"),
                    _item("Categories", "account_tree", "catalog_category"),
                ],
            },
            {
                "title": "System",
                "items": [
                    _item("Users", "person", "accounts_user"),
                    _item("Periodic jobs", "schedule", "core_periodicjob"),
                    _item("Workers", "dns", "core_worker"),
                ],
            },
        ],
    },
}
