"""What customers and the shop are told of standing orders."""

from datetime import date

from django.conf import settings

from core.events import Event, Notice, Recipient
from shipping import signals
from shipping.models import Occurrence, StandingOrder, StandingOrderChange

from .preview import total_of


def data_of_standing_order(number: str) -> dict[str, str] | None:
    """Return what fills the words of any event of a standing order."""
    standing = StandingOrder.objects.select_related("customer").filter(number=number).first()
    if standing is None:
        return None
    return _data(standing, standing.next_on or standing.start) | {"reason": ""}


def tell_waiting(occurrence: Occurrence) -> None:
    """Tell both sides that a date has to wait, inside the transaction that lets it wait."""
    standing = occurrence.standing_order
    _tell(
        signals.standing_order_waiting,
        standing,
        occurrence=str(occurrence.pk),
        recipient=_customer_of(standing),
        data=_data(standing, occurrence.on),
    )
    _tell_the_shop(occurrence, key=str(occurrence.pk))


def tell_unpacked(occurrence: Occurrence) -> None:
    """Tell the shop that a date has its order, and that somebody is to ship it."""
    _tell_the_shop(occurrence, key=f"{occurrence.pk} {occurrence.order_id}")


def _tell_the_shop(occurrence: Occurrence, *, key: str) -> None:
    standing = occurrence.standing_order
    _tell(
        signals.standing_order_short,
        standing,
        occurrence=key,
        recipient=Recipient(reference="shop", phone=settings.SHOP_PHONE),
        data={**_data(standing, occurrence.on), "reason": occurrence.reason},
    )


def tell_coming(
    standing: StandingOrder, change: StandingOrderChange, *, on: date, link: str
) -> None:
    """Tell the customer that a date comes up, once for each of these changes."""
    _tell(
        signals.standing_order_coming,
        standing,
        occurrence=str(change.pk),
        recipient=_customer_of(standing),
        data={**_data(standing, on), "link": link},
    )


def _tell(
    event: Event,
    standing: StandingOrder,
    *,
    occurrence: str,
    recipient: Recipient,
    data: dict[str, str],
) -> None:
    event.announce(
        notice=Notice(
            occurrence=occurrence,
            subject="standing_order",
            reference=standing.number,
            recipient=recipient,
            data=data,
        )
    )


def _customer_of(standing: StandingOrder) -> Recipient:
    customer = standing.customer
    return Recipient(reference=customer.code, phone=customer.phone, language=customer.language)


def said_total(standing: StandingOrder) -> str:
    """Return what it costs now, as people read it."""
    return f"{settings.SHOP_CURRENCY} {total_of(standing):,.2f}"


def _data(standing: StandingOrder, on: date) -> dict[str, str]:
    return {
        "customer": standing.customer.name,
        "number": standing.number,
        "date": str(on),
        "total": said_total(standing),
        "shop": settings.SHOP_NAME,
    }
