"""A few goods to order, and what must hold of the shop whatever happened to its orders."""

from django.db.models import Sum

from catalog.models import Variant
from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order
from orders.services import Delivery, Wanted
from orders.states import DeliveryMethod

ADDRESS = {
    "recipient": "Wanjiru Kamau",
    "line_1": "Moi Avenue 12",
    "line_2": "",
    "city": "Nairobi",
    "postcode": "00100",
    "country": "KE",
}
DELIVERY = Delivery(
    delivery_method=DeliveryMethod.DELIVERY,
    recipient="Wanjiru Kamau",
    address_line_1="Moi Avenue 12",
    city="Nairobi",
    postcode="00100",
    country="KE",
)


def goods():
    """Put TEA at 12.50, CUP at 0.99 and POT at 100.00 on the shelf, ten of each."""
    for sku, price in (("TEA", "12.50"), ("CUP", "0.99"), ("POT", "100.00")):
        VariantFactory.create(sku=sku, price=price, stock=10, product__name=sku.capitalize())


def wanted(**pieces):
    return [Wanted(sku=sku, quantity=quantity) for sku, quantity in pieces.items()]


def order_of(*, status="pending", customer=None, **pieces):
    """Return an order of so many TEA=2, CUP=1, in one of the statuses that lead on."""
    arguments = {
        "customer": customer or CustomerFactory.create(),
        "lines": wanted(**pieces),
        "by": None,
    }
    if status == "draft":
        return services.draft_order(**arguments)
    order = services.place_order(**arguments)
    if status in {"accepted", "fulfilled"}:
        order = services.accept_order(order_id=order.pk, by=None)
    if status == "fulfilled":
        order = services.fulfil_order(order_id=order.pk, by=None)
    return order


def stock():
    return dict(Variant.objects.order_by("pk").values_list("sku", "stock"))


def lines_of(order):
    return {line.sku: (line.quantity, line.fulfilled, line.returned) for line in order.lines.all()}


def assert_books_agree():
    """The ledger says what is on hand, and each total what its lines add up to."""
    on_hand = {each.pk: each.stock for each in Variant.objects.all()}
    ledger = Variant.objects.annotate(moved=Sum("movements__quantity", default=0))
    assert dict(ledger.values_list("pk", "moved")) == on_hand
    assert min(on_hand.values()) >= 0
    for order in Order.objects.prefetch_related("lines"):
        assert sum(line.total for line in order.lines.all()) == order.total
