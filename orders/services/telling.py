"""What customers are told of an order."""

from django.conf import settings

from orders.models import Order


def data_of(order: Order) -> dict[str, str]:
    """Return what fills the words of any event of an order, but for what was said at that event."""
    return {
        "customer": order.customer.name,
        "number": order.number,
        "total": f"{order.currency} {order.total:,.2f}",
        "shop": settings.SHOP_NAME,
    }


def data_of_number(number: str) -> dict[str, str] | None:
    order = Order.objects.select_related("customer").filter(number=number).first()
    return data_of(order) if order else None
