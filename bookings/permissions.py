"""Who may see and handle bookings; asked by REST, GraphQL and admin alike."""

from core.permissions import staff_with

can_see_bookings = staff_with("bookings.view_booking", "bookings.handle_booking")
can_handle_bookings = staff_with("bookings.handle_booking")
can_manage_services = staff_with("bookings.manage_services")
# All of what the shop offers, what it offers no more included.
can_see_services = staff_with(
    "bookings.view_booking", "bookings.handle_booking", "bookings.manage_services"
)
