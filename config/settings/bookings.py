"""How services are booked, where a resource does not say it for itself."""

from datetime import timedelta

from .env import checked, env

# From the beginning of a booking to that of the next: what a new resource begins with.
BOOKING_GAP = timedelta(
    minutes=checked(
        "BOOKING_GAP_MINUTES",
        env.int("BOOKING_GAP_MINUTES", default=180),
        fits=lambda minutes: 0 < minutes <= 7 * 24 * 60,
        must="1 to 10080 (seven days)",
    )
)
# Bookings still to come that a shopper can have at once; what the shop books for them counts too.
BOOKING_OPEN_LIMIT = checked(
    "BOOKING_OPEN_LIMIT",
    env.int("BOOKING_OPEN_LIMIT", default=5),
    fits=lambda bookings: 1 <= bookings <= 1000,
    must="1 to 1000",
)
# Days from today on that shoppers may book; the shop itself books any time.
BOOKING_DAYS_AHEAD = checked(
    "BOOKING_DAYS_AHEAD",
    env.int("BOOKING_DAYS_AHEAD", default=365),
    fits=lambda days: 1 <= days <= 3650,
    must="1 to 3650",
)
# Hours before its time that a customer is reminded of a booking. 0: never.
BOOKING_REMINDER_HOURS = checked(
    "BOOKING_REMINDER_HOURS",
    env.float("BOOKING_REMINDER_HOURS", default=24),
    fits=lambda hours: 0 <= hours <= 30 * 24,
    must="0 to 720",
)
