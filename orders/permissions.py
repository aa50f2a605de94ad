"""Who may see and handle orders; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_orders = staff_with("orders.view_order", "orders.handle_order")
can_handle_orders = staff_with("orders.handle_order")
