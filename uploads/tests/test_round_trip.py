"""What is exported can be uploaded again, and changes nothing."""

import pytest

from catalog.models import Product, StockMovement, Variant
from catalog.tests.factories import CategoryFactory, ProductFactory, VariantFactory
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.models import Order, OrderChange, OrderLine
from orders.services import Delivery, Wanted, draft_order
from orders.states import DeliveryMethod
from orders.tests.factories import IN_STATUS, OrderFactory
from uploads.services import export

from .factories import counts, uploaded

pytestmark = pytest.mark.django_db

ODD = '=1+1 \'+x\n"é"; _x0041_,\tß'


def all_rows():
    tables = (Customer, Product, Variant, StockMovement, Order, OrderChange, Message)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.fixture
def shop(db):
    customer = CustomerFactory.create(name=ODD, email="a@example.com", language="sw")
    CustomerFactory.create(name="'-x", phone="", email="b@example.com")
    Customer.objects.create(code="gone", name="Former customer", forgotten_at="2026-01-01T00:00Z")
    product = ProductFactory.create(
        name=ODD, description=f"  {ODD}\r\n", category=CategoryFactory.create(), is_published=False
    )
    hidden = VariantFactory.create(product=product, name="+L", low_stock_threshold=0, weight=5)
    shown = VariantFactory.create(stock=50)
    VariantFactory.create(archived_at="2026-01-01T00:00Z")
    for make in IN_STATUS.values():
        make.create(customer=customer, lines=[Wanted(sku=shown.sku, quantity=2)])
    draft_order(customer=customer, lines=[Wanted(sku=shown.sku, quantity=1)], by=None)
    address = Delivery(
        delivery_method=DeliveryMethod.DELIVERY,
        recipient="-W",
        address_line_1="@home",
        city="Nairobi",
    )
    other = VariantFactory.create()
    lines = [Wanted(sku=each.sku, quantity=3) for each in (shown, other)]
    OrderFactory.create(
        customer=customer, lines=lines, note=ODD, delivery=address, reference="=R", quietly=True
    )
    # Sold no longer, and dearer, which is nothing to an order that is known.
    Variant.objects.filter(pk=shown.pk).update(price=99)
    Product.objects.filter(pk=other.product_id).update(is_published=False)
    return hidden


@pytest.mark.parametrize("format_", ["csv", "xlsx", "json"])
@pytest.mark.parametrize("kind", ["customers", "products", "orders"])
@pytest.mark.parametrize("mode", ["stop_at_first_error", "all_or_nothing"])
def test_an_export_uploaded_again_is_unchanged(shop, kind, format_, mode):
    rows = {"customers": 3, "products": 3, "orders": OrderLine.objects.count()}[kind]
    before = all_rows()
    file = b"".join(export(kind=kind, format=format_))

    upload = uploaded(file, kind, name=f"{kind}.{format_}", mode=mode)

    assert (upload.status, counts(upload)) == ("done", (0, 0, rows, 0))
    assert all_rows() == before
