"""Who may upload and export what; asked by REST, GraphQL and admin alike."""

from typing import TYPE_CHECKING

from catalog.permissions import can_manage_catalogue, can_see_catalogue
from core.permissions import Predicate
from customers.permissions import can_manage_customers, can_see_customers
from orders.permissions import can_handle_orders, can_see_orders

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from accounts.models import User

# By `states.Kind`: whoever may type in one may upload many, whoever may see one may export all.
UPLOADING: dict[str, Predicate] = {
    "customers": can_manage_customers,
    "products": can_manage_catalogue,
    "orders": can_handle_orders,
}
EXPORTING: dict[str, Predicate] = {
    "customers": can_see_customers,
    "products": can_see_catalogue,
    "orders": can_see_orders,
}


def kinds_uploaded_by(user: "User | AnonymousUser") -> list[str]:
    return [kind for kind, may in UPLOADING.items() if may(user)]


def kinds_exported_by(user: "User | AnonymousUser") -> list[str]:
    return [kind for kind, may in EXPORTING.items() if may(user)]


def can_upload(user: "User | AnonymousUser") -> bool:
    return bool(kinds_uploaded_by(user))


def can_export(user: "User | AnonymousUser") -> bool:
    return bool(kinds_exported_by(user))
