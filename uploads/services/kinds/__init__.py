"""Each kind of upload: its columns, its rules, its export."""

from uploads.states import Kind

from .base import Batch, Cells, Column, Plan
from .customers import Customers
from .orders import Orders
from .products import Products

KINDS: dict[str, type[Batch]] = {
    Kind.CUSTOMERS: Customers,
    Kind.PRODUCTS: Products,
    Kind.ORDERS: Orders,
}

__all__ = ["KINDS", "Batch", "Cells", "Column", "Plan"]
