"""The admin's looks and its menu."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
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
    "SITE_URL": "/",
    # The green of the pages where people sign in, from light to dark.
    "COLORS": {
        "primary": {
            "50": "#edf6f1",
            "100": "#d5eadf",
            "200": "#aed6c2",
            "300": "#7fbb9f",
            "400": "#4f9c7b",
            "500": "#2f8262",
            "600": "#1f6b4f",
            "700": "#1a5741",
            "800": "#174636",
            "900": "#133a2d",
            "950": "#0a211a",
        }
    },
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "orders.admin.start_page",
    "STYLES": [lambda request: static("core/admin.css")],
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Selling",
                "items": [
                    _item("Orders", "receipt_long", "orders.order"),
                    _item("Customers", "group", "customers.customer"),
                    _item("Uploads and exports", "upload_file", "uploads.upload"),
                    _item("Messages", "sms", "notifications.message"),
                    _item("What messages say", "edit_note", "notifications.template"),
                    _item("Who wants none", "do_not_disturb_on", "notifications.consent"),
                    _item("Answers to messages", "forum", "notifications.inboundmessage"),
                    _item("Gateways", "cell_tower", "notifications.pace"),
                    _item("What gateways told", "call_received", "notifications.callback"),
                    _item("Links in messages", "link", "notifications.statuslink"),
                ],
            },
            {
                "title": "Shipping",
                "items": [
                    _item("Shipments", "local_shipping", "shipping.shipment"),
                    _item("Standing orders", "event_repeat", "shipping.standingorder"),
                    _item("Carriers", "warehouse", "shipping.carrier"),
                    _item("What carriers told", "call_received", "shipping.news"),
                ],
            },
            {
                "title": "Bookings",
                "items": [
                    _item("Bookings", "event", "bookings.booking"),
                    _item("Services", "home_repair_service", "bookings.service"),
                    _item("Resources", "meeting_room", "bookings.resource"),
                    _item("Closed days", "event_busy", "bookings.closedday"),
                ],
            },
            {
                "title": "Repairs",
                "items": [
                    _item("Repair jobs", "build", "repairs.job"),
                    _item("Clients' databases", "database", "repairs.source"),
                    _item("Rows set aside", "rule", "repairs.aside"),
                ],
            },
            {
                "title": "Conversations",
                "items": [
                    _item("Interactions", "forum", "conversations.interaction"),
                    _item("Engagements", "hub", "conversations.engagement"),
                    _item("Clients", "domain", "conversations.client"),
                    _item("Imported files", "upload_file", "conversations.importedfile"),
                ],
            },
            {
                "title": "Catalogue",
                "items": [
                    _item("Products", "inventory_2", "catalog.product"),
                    _item("Stock and prices", "sell", "catalog.variant"),
                    _item("Stock movements", "swap_vert", "catalog.stockmovement"),
                    _item("Categories", "account_tree", "catalog.category"),
                ],
            },
            {
                "title": "People who work here",
                "items": [
                    _item("Employees", "badge", "accounts.membership"),
                    _item("Invitations", "person_add", "accounts.invitation"),
                    _item("Machines", "smart_toy", "accounts.machine"),
                    _item("Audit log", "history", "accounts.auditentry"),
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
