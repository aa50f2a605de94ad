"""Verbs of orders and carts, the only writers of their tables.

Each locks, checks, writes and announces, in that order and in one transaction.
"""

from .carts import (
    Addition,
    Shopper,
    accept_cart_changes,
    add_to_cart,
    carts_of,
    change_cart_line,
    empty_cart,
    merge_cart,
    open_cart,
    personal_cart,
    place_cart,
    remove_cart_line,
    remove_expired_carts,
    token_digest,
)
from .measuring import measure
from .moving import (
    accept_order,
    assign_order,
    cancel_as_allowed,
    cancel_order,
    cancel_own_order,
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
from .status import status_page
from .telling import data_of_number
from .timeline import orders_of

__all__ = [
    "COLLECTION",
    "MAX_LINES",
    "MAX_QUANTITY",
    "Addition",
    "Delivery",
    "Shopper",
    "Wanted",
    "accept_cart_changes",
    "accept_order",
    "add_to_cart",
    "assign_order",
    "cancel_as_allowed",
    "cancel_order",
    "cancel_own_order",
    "carts_of",
    "change_cart_line",
    "count_by_status",
    "data_of_number",
    "draft_order",
    "edit_order",
    "empty_cart",
    "forget_customer",
    "fulfil_order",
    "measure",
    "merge_cart",
    "move_orders",
    "open_cart",
    "orders_of",
    "personal_cart",
    "personal_data",
    "place_cart",
    "place_draft",
    "place_order",
    "reject_order",
    "remove_cart_line",
    "remove_expired_carts",
    "return_lines",
    "status_page",
    "token_digest",
]
