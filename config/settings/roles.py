"""What a shopkeeper grants, in their own words, and what it means to Django.

A new app adds its permissions here. A shopkeeper has all of them.
"""

SHOP_RIGHTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "see_orders": (
        "See orders",
        (
            "orders.view_order",
            "shipping.view_shipment",
            "catalog.view_product",
            "notifications.view_message",
        ),
    ),
    "handle_orders": (
        "Handle orders",
        (
            "orders.view_order",
            "orders.handle_order",
            "shipping.view_shipment",
            "shipping.handle_shipment",
            "shipping.handle_standingorder",
            "catalog.view_product",
            "customers.view_customer",
            "notifications.view_message",
            "notifications.handle_message",
        ),
    ),
    "manage_carriers": (
        "Manage carriers",
        ("shipping.view_shipment", "shipping.manage_carriers", "catalog.view_product"),
    ),
    "see_bookings": (
        "See bookings",
        ("bookings.view_booking", "catalog.view_product", "notifications.view_message"),
    ),
    "handle_bookings": (
        "Handle bookings",
        (
            "bookings.view_booking",
            "bookings.handle_booking",
            "catalog.view_product",
            "customers.view_customer",
            "notifications.view_message",
            "notifications.handle_message",
        ),
    ),
    "see_repairs": (
        "See repairs",
        ("repairs.view_job", "catalog.view_product", "notifications.view_message"),
    ),
    "handle_repairs": (
        "Handle repairs",
        (
            "repairs.view_job",
            "repairs.handle_job",
            "catalog.view_product",
            "notifications.view_message",
            "notifications.handle_message",
        ),
    ),
    "manage_sources": (
        "Manage clients' databases",
        ("repairs.view_job", "repairs.manage_sources", "catalog.view_product"),
    ),
    "see_conversations": (
        "See conversations",
        ("conversations.view_interaction", "catalog.view_product", "customers.view_customer"),
    ),
    "handle_conversations": (
        "Handle conversations",
        (
            "conversations.view_interaction",
            "conversations.handle_interaction",
            "catalog.view_product",
            "customers.view_customer",
            "notifications.view_message",
        ),
    ),
    "manage_catalogue": (
        "Manage catalogue",
        ("catalog.view_product", "catalog.manage_catalogue", "bookings.manage_services"),
    ),
    "manage_customers": (
        "Manage customers",
        (
            "catalog.view_product",
            "customers.view_customer",
            "customers.manage_customers",
            "notifications.change_consents",
        ),
    ),
    "see_reports": ("See reports", ("catalog.view_product", "accounts.see_reports")),
    "manage_employees": (
        "Manage employees",
        ("catalog.view_product", "accounts.manage_employees"),
    ),
}
# Beyond these, what only a shopkeeper may: what the shop says, and how its machinery runs.
SHOPKEEPER_PERMISSIONS: tuple[str, ...] = (
    "notifications.manage_templates",
    "core.view_periodicjob",
    "core.change_periodicjob",
    "core.view_worker",
)
