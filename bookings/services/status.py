"""What a status link shows of a booking."""

from bookings.models import Booking
from bookings.states import BookingStatus, BookingVerb
from core.status_pages import StatusPage, Step

from .telling import find, in_shop

_TITLE = {"en": "Booking {number}", "sw": "Nafasi {number}"}
_STATES = {
    "en": {
        BookingStatus.PENDING: "Waiting for the shop",
        BookingStatus.CONFIRMED: "Confirmed",
        BookingStatus.CANCELLED: "Cancelled",
        BookingStatus.DONE: "Done",
        BookingStatus.NO_SHOW: "Missed",
    },
    "sw": {
        BookingStatus.PENDING: "Inasubiri duka",
        BookingStatus.CONFIRMED: "Imethibitishwa",
        BookingStatus.CANCELLED: "Imefutwa",
        BookingStatus.DONE: "Imekamilika",
        BookingStatus.NO_SHOW: "Haikuhudhuriwa",
    },
}
_STEPS = {
    "en": {
        BookingVerb.BOOKED: "Booked",
        BookingVerb.IMPORTED: "Noted",
        BookingVerb.MOVED: "Moved",
        BookingVerb.EDITED: "Changed",
        BookingVerb.CONFIRMED: "Confirmed",
        BookingVerb.CANCELLED: "Cancelled",
        BookingVerb.DONE: "Done",
        BookingVerb.NO_SHOW: "Missed",
        BookingVerb.REMINDED: "Reminded",
    },
    "sw": {
        BookingVerb.BOOKED: "Imewekwa",
        BookingVerb.IMPORTED: "Imeandikwa",
        BookingVerb.MOVED: "Imehamishwa",
        BookingVerb.EDITED: "Imebadilishwa",
        BookingVerb.CONFIRMED: "Imethibitishwa",
        BookingVerb.CANCELLED: "Imefutwa",
        BookingVerb.DONE: "Imekamilika",
        BookingVerb.NO_SHOW: "Haikuhudhuriwa",
        BookingVerb.REMINDED: "Imekumbushwa",
    },
}


def status_page(reference: str, language: str) -> StatusPage | None:
    """Return when a booking is and how it stands, without what is done, its price, or for whom."""
    booking = find(reference, Booking.objects.prefetch_related("history"))
    if booking is None:
        return None
    language = language if language in _TITLE else "en"
    return StatusPage(
        title=_TITLE[language].format(number=booking.pk),
        state=f"{_STATES[language][booking.state]}: {in_shop(booking.datetime)}",
        steps=[
            Step(at=change.at, label=_STEPS[language][BookingVerb(change.verb)])
            for change in booking.history.all()
        ],
    )
