"""Who may see and handle shipments and standing orders; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_shipments = staff_with("shipping.view_shipment", "shipping.handle_shipment")
can_handle_shipments = staff_with("shipping.handle_shipment")
can_see_standing_orders = staff_with(
    "shipping.view_shipment", "shipping.handle_shipment", "shipping.handle_standingorder"
)
can_handle_standing_orders = staff_with("shipping.handle_standingorder")
can_manage_carriers = staff_with("shipping.manage_carriers")
can_see_carriers = staff_with(
    "shipping.view_shipment", "shipping.handle_shipment", "shipping.manage_carriers"
)
