"""Verbs of orders and carts, the only writers of their tables.

Each locks, checks, writes and announces, in that order and in one transaction.
"""

from .moving import (
    accept_order,
    assign_order,
    cancel_order,
    fulfil_order,
    reject_order,
    return_lines,
)
from .placing import (
    COLLECTION,
    MAX_LINES,
    MAX_QUANTITY,
    Delivery,
    Wanted,
    draft_order,
    edit_order,
    place_draft,
    place_order,
)
from .records import count_by_status, forget_customer, move_orders, personal_data

__all__ = [
    "COLLECTION",
    "MAX_LINES",
    "MAX_QUANTITY",
    "Delivery",
    "Wanted",
    "accept_order",
    "assign_order",
    "cancel_order",
    "count_by_status",
    "draft_order",
    "edit_order",
    "forget_customer",
    "fulfil_order",
    "move_orders",
    "personal_data",
    "place_draft",
    "place_order",
    "reject_order",
    "return_lines",
]
