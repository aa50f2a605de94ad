"""Verbs of the catalogue, the only writers of its tables."""

from .categories import create_category, delete_category, update_category
from .products import (
    NewVariant,
    add_variant,
    create_product,
    remove_product,
    remove_variant,
    update_product,
    update_variant,
)
from .shared import MAX_STOCK
from .stock import (
    adjust_stock,
    change_stock,
    count_stock,
    give_back_stock,
    receive_stock,
    take_stock,
)

__all__ = [
    "MAX_STOCK",
    "NewVariant",
    "add_variant",
    "adjust_stock",
    "change_stock",
    "count_stock",
    "create_category",
    "create_product",
    "delete_category",
    "give_back_stock",
    "receive_stock",
    "remove_product",
    "remove_variant",
    "take_stock",
    "update_category",
    "update_product",
    "update_variant",
]
