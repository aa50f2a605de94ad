"""What a standing order would bring: its next dates, at the prices and with the stock of now."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import NamedTuple, Unpack

from catalog.models import Variant
from orders.models import CartNotice
from orders.services import Wanted
from orders.states import CartNoticeCode
from shipping.models import StandingOrder
from shipping.states import Interval

from .dates import Rhythm
from .life import rhythm_of
from .standing import Ends, check_rhythm, goods_of, wanted_goods


class Coming(NamedTuple):
    """A date to come, what it would cost, and why it could not be had now, in sentences."""

    on: date
    total: Decimal
    notices: Sequence[str]


def preview(standing: StandingOrder, *, most: int = 6) -> list[Coming]:
    """Return the next dates that are not skipped; none, where it is ended."""
    if standing.next_on is None:
        return []
    done = set(standing.occurrences.filter(on__gte=standing.next_on).values_list("on", flat=True))
    dates = (day for _, day in rhythm_of(standing).dates_from(standing.position))
    return _coming((day for day in dates if day not in done), goods_of(standing), most)


def preview_new(
    *,
    items: Sequence[Wanted],
    interval: Interval,
    start: date,
    every: int = 1,
    most: int = 6,
    **ends: Unpack[Ends],
) -> list[Coming]:
    """Return the first dates of a standing order that is not there yet.

    Raises `InvalidInput` and `UnknownGoods` as `create_standing_order` does.
    """
    rhythm = Rhythm(interval=Interval(interval), every=every, start=start, **ends)
    check_rhythm(rhythm, anew=True)
    goods = wanted_goods(items)
    return _coming((day for _, day in rhythm.dates_from(0)), goods, most)


def total_of(standing: StandingOrder) -> Decimal:
    """Return what all of it costs now."""
    return _total(goods_of(standing))


def _coming(days: Iterable[date], goods: Mapping[Variant, int], most: int) -> list[Coming]:
    total, notices = _total(goods), notices_of(goods)
    return [Coming(on=day, total=total, notices=notices) for day in islice(days, most)]


def _total(goods: Mapping[Variant, int]) -> Decimal:
    return sum((variant.price * quantity for variant, quantity in goods.items()), Decimal("0.00"))


def notices_of(goods: Mapping[Variant, int]) -> list[str]:
    """Return why goods cannot be had now, in sentences."""
    notices = []
    for variant, quantity in goods.items():
        product = variant.product
        if not product.is_published or variant.archived_at or product.archived_at:
            code = CartNoticeCode.NOT_FOR_SALE
        elif not variant.stock:
            code = CartNoticeCode.OUT_OF_STOCK
        elif variant.stock < quantity:
            code = CartNoticeCode.LESS_LEFT
        else:
            continue
        notice = CartNotice(
            sku=variant.sku, name=variant.display_name, code=code, left=variant.stock
        )
        notices.append(notice.detail)
    return notices
