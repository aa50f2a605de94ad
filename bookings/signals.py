"""What bookings announce, inside the transaction that makes it true."""

from core.events import Event

_VARIABLES = {
    "customer": "Wanjiru Kamau",
    "number": "1001",
    "time": "2026-11-23 09:30",
    "total": "KES 1,250.00",
    "shop": "Duka",
    "link": "https://shop.example/t/1-9fQ2LxkR0aVbWcXdYeZf1g",
}

booking_booked = Event(
    "booking.booked",
    texts={
        "en": "{shop}: thank you, {customer}. Your time is {time}, booking {number}. {link}",
        "sw": "{shop}: asante, {customer}. Muda wako ni {time}, nafasi {number}. {link}",
    },
    variables=_VARIABLES,
)
booking_moved = Event(
    "booking.moved",
    texts={
        "en": "{shop}: {customer}, your booking {number} is moved. Your time is now {time}. {link}",
        "sw": "{shop}: {customer}, nafasi yako {number} imehamishwa. Muda wako sasa ni {time}."
        " {link}",
    },
    variables=_VARIABLES,
)
booking_cancelled = Event(
    "booking.cancelled",
    texts={
        "en": "{shop}: {customer}, your booking {number} at {time} is cancelled.",
        "sw": "{shop}: {customer}, nafasi yako {number} ya {time} imefutwa.",
    },
    variables=_VARIABLES,
)
booking_reminder = Event(
    "booking.reminder",
    texts={
        "en": "{shop}: {customer}, we expect you at {time}, booking {number}. {link}",
        "sw": "{shop}: {customer}, tunakutarajia {time}, nafasi {number}. {link}",
    },
    variables=_VARIABLES,
)

BOOKING_EVENTS = (booking_booked, booking_moved, booking_cancelled, booking_reminder)
