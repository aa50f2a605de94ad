"""Verbs of bookings, the only writers of their tables.

Each locks, checks, writes and announces, in that order and in one transaction. The resource is
locked before its bookings, or inserts that race for one time would deadlock.
"""

from .availability import Day, free_days, last_offered_day, next_free_times
from .booking import MAX_SERVICES, book, change_booking, delete_booking
from .gaps import (
    Clash,
    change_gap,
    clashes_by,
    create_resource,
    set_opening_hours,
    update_resource,
)
from .history import hold_booking
from .importing import Imported, Order, import_booking
from .moving import cancel_booking, confirm_booking, finish_booking, miss_booking
from .offered import (
    close_day,
    create_service,
    default_resource,
    delete_service,
    open_day,
    update_service,
)
from .own import book_own, cancel_as_allowed, move_as_allowed
from .records import forget_customer, move_bookings, personal_data
from .reminding import remind_customers
from .status import status_page
from .telling import data_of_number
from .timeline import bookings_of

__all__ = [
    "MAX_SERVICES",
    "Clash",
    "Day",
    "Imported",
    "Order",
    "book",
    "book_own",
    "bookings_of",
    "cancel_as_allowed",
    "cancel_booking",
    "change_booking",
    "change_gap",
    "clashes_by",
    "close_day",
    "confirm_booking",
    "create_resource",
    "create_service",
    "data_of_number",
    "default_resource",
    "delete_booking",
    "delete_service",
    "finish_booking",
    "forget_customer",
    "free_days",
    "hold_booking",
    "import_booking",
    "last_offered_day",
    "miss_booking",
    "move_as_allowed",
    "move_bookings",
    "next_free_times",
    "open_day",
    "personal_data",
    "remind_customers",
    "set_opening_hours",
    "status_page",
    "update_resource",
    "update_service",
]
