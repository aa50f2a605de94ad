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
# Hours before its time that a customer is reminded of a booking. 0: never.
BOOKING_REMINDER_HOURS = checked(
    "BOOKING_REMINDER_HOURS",
    env.float("BOOKING_REMINDER_HOURS", default=24),
    fits=lambda hours: 0 <= hours <= 30 * 24,
    must="0 to 720",
)
