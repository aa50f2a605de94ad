"""What a row of each kind does, and which it refuses."""

from decimal import Decimal

import pytest

from catalog.models import Product, StockMovement, Variant
from catalog.tests.factories import CategoryFactory, ProductFactory, VariantFactory
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from orders.models import Order, OrderChange
from orders.tests.factories import OrderFactory
from uploads.models import UploadRow

from .factories import counts, csv_of, errors, json_of, uploaded

pytestmark = pytest.mark.django_db


def errors_in(kind, *rows):
    """Upload rows by JSON, where a cell may be left out; return what is wrong with them."""
    return errors(uploaded(json_of(*rows), kind, mode="skip_bad_rows"))


def changes(upload):
    return UploadRow.objects.get(upload=upload).changes


# Customers


def test_a_customer_is_changed_by_code_and_empty_cells_leave_what_is_there():
    customer = CustomerFactory.create(code="A", name="Amina", phone="+254722000001", email="a@x.ke")

    upload = uploaded(csv_of({"code": "A", "name": "Amina H.", "phone": "", "email": "A@x.ke"}))

    customer.refresh_from_db()
    assert (counts(upload), changes(upload)) == ((0, 1, 0, 0), {"name": ["Amina", "Amina H."]})
    assert (customer.name, customer.phone, customer.email) == (
        "Amina H.",
        "+254722000001",
        "a@x.ke",
    )


@pytest.mark.parametrize("phone", ["0722000001", "722000001", "254722000001", "+254 722 000 001"])
def test_a_phone_that_a_spreadsheet_took_for_a_number_is_known_again(phone):
    upload = uploaded(csv_of({"name": "Amina", "phone": phone}))

    assert (counts(upload), Customer.objects.get().phone) == ((1, 0, 0, 0), "+254722000001")


def test_without_a_code_nobody_is_made_twice_nor_merged():
    CustomerFactory.create(code="A", name="Amina", phone="+254722000001", email="")
    rows = [
        {"name": "Amina", "phone": "0722 000 001"},
        {"name": "Baraka", "phone": "0722 000 001"},
        {"name": "Chausiku", "email": "c@x.ke"},
        {"name": "C.", "email": "C@x.ke"},
    ]
    upload = uploaded(json_of(*rows), mode="skip_bad_rows")

    assert counts(upload) == (1, 0, 1, 2)
    assert errors(upload) == [(2, "phone", "duplicate"), (4, "email", "duplicate")]
    assert errors_in("customers", rows[1]) == [(1, "code", "exists")]
    assert Customer.objects.count() == 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"phone": "0722 000 001"}, [("name", "required")]),
        ({"name": "A"}, [("phone", "required"), ("email", "required")]),
        ({"name": "A", "phone": "2.54722E+11"}, [("phone", "impossible_phone")]),
        ({"name": "#REF!", "phone": "0722 000 001"}, [("name", "formula_error")]),
        ({"name": "A" * 201, "email": "a", "language": "xx"}, [("name", "max_length"), ("email", "invalid"), ("language", "invalid_choice")]),
        ({"code": "a b", "name": "A", "email": "a@x.ke"}, [("code", "invalid")]),
    ],
)  # fmt: skip
def test_a_customer_s_errors_are_those_of_rest(row, said):
    assert errors_in("customers", row) == [(1, *each) for each in said]
    assert not Customer.objects.exists()


# Products

TEA = {"slug": "chai", "name": "Chai", "sku": "C-1", "price": "180", "stock": 60}


def test_rows_with_one_slug_are_variants_of_one_product(shopkeeper):
    category = CategoryFactory.create(slug="drinks")
    second = {"slug": "chai", "sku": "C-2", "price": "340.00", "variant_name": "500 g"}
    rows = [TEA | {"category": "drinks", "is_published": False}, second]

    assert counts(uploaded(json_of(*rows), "products", by=shopkeeper)) == (2, 0, 0, 0)
    product = Product.objects.get()
    assert (product.slug, product.category, product.is_published) == ("chai", category, False)
    assert list(product.variants.order_by("sku").values_list("sku", "price", "stock", "name")) == [
        ("C-1", Decimal("180.00"), 60, ""),
        ("C-2", Decimal("340.00"), 0, "500 g"),
    ]
    movement = StockMovement.objects.get()
    assert (movement.kind, movement.quantity, movement.by) == ("received", 60, shopkeeper)


def test_a_known_sku_is_changed_and_its_stock_counted(shopkeeper):
    variant = VariantFactory.create(sku="C-1", stock=10, product__name="Chai")

    row = {"sku": "c-1", "name": "Chai!", "price": "9.5", "stock": 7, "weight": 250}
    upload = uploaded(json_of(row), "products", by=shopkeeper)

    assert changes(upload) == {
        "name": ["Chai", "Chai!"],
        "sku": ["C-1", "c-1"],
        "price": ["10.00", "9.50"],
        "stock": [10, 7],
        "weight": [0, 250],
    }
    variant.refresh_from_db()
    assert (variant.stock, variant.price, variant.product.name) == (7, Decimal("9.50"), "Chai!")
    movement = StockMovement.objects.latest("pk")
    assert (movement.kind, movement.quantity, movement.by) == ("counted", -3, shopkeeper)


def test_products_of_one_name_are_two_unless_they_have_one_slug():
    rows = [{"name": "Chai", "sku": f"C-{n}", "price": "1"} for n in range(3)]

    assert counts(uploaded(json_of(*rows), "products")) == (3, 0, 0, 0)
    assert sorted(Product.objects.values_list("slug", flat=True)) == ["chai", "chai-2", "chai-3"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_rows_of_one_product_may_not_differ(dry_run):
    rows = [TEA, TEA | {"sku": "C-2", "name": "Tea"}, TEA | {"sku": "C-1"}]
    upload = uploaded(json_of(*rows), "products", mode="skip_bad_rows", dry_run=dry_run)

    assert errors(upload) == [(2, "name", "differs"), (3, "sku", "duplicate")]


def test_a_product_s_errors_are_those_of_rest():
    VariantFactory.create(sku="T-1", product=ProductFactory.create(slug="taa"))

    assert errors_in(
        "products",
        {"name": "A", "price": "1"},
        {"sku": "A", "price": "-1", "stock": "1.5", "variant_name": "A" * 201},
        {"sku": "T-1", "slug": "chai"},
        TEA | {"category": "drinks", "is_published": "perhaps"},
    ) == [
        (1, "sku", "required"),
        (2, "name", "required"),
        (2, "variant_name", "max_length"),
        (2, "price", "min_value"),
        (2, "stock", "invalid"),
        (3, "slug", "belongs_elsewhere"),
        (4, "is_published", "invalid"),
        (4, "category", "does_not_exist"),
    ]
    assert Variant.objects.count() == 1


# Orders


@pytest.fixture
def goods(db):
    CustomerFactory.create(code="A")
    return [VariantFactory.create(sku=sku, stock=5) for sku in ("S-1", "S-2")]


LINE = {"reference": "R-1", "customer": "A", "sku": "S-1", "quantity": 2}


def test_neighbouring_rows_with_one_reference_are_one_order(goods, shopkeeper):
    rows = [LINE | {"note": "Ring.", "unit_price": "10", "total": "50"}]
    rows += [{"reference": "R-1", "sku": "s-2", "quantity": "3"}]

    for expected in ((2, 0, 0, 0), (0, 0, 2, 0)):
        upload = uploaded(json_of(*rows), "orders", by=shopkeeper)
        assert counts(upload) == expected
    order = Order.objects.get()
    assert (order.reference, order.note, order.total) == ("R-1", "Ring.", Decimal("50.00"))
    assert [(line.sku, line.quantity) for line in order.lines.all()] == [("S-1", 2), ("S-2", 3)]
    assert OrderChange.objects.get().by == shopkeeper
    assert sorted(Variant.objects.values_list("stock", flat=True)) == [2, 3]


def test_an_order_that_is_known_may_not_differ(goods):
    uploaded(json_of(LINE), "orders")
    number = Order.objects.get().number

    for row, said in (
        (LINE | {"quantity": 3}, [(1, "sku", "differs")]),
        (LINE | {"note": "x", "status": "accepted"}, [(1, "note", "differs"), (1, "status", "differs")]),
        (LINE | {"total": "1", "unit_price": "1"}, [(1, "total", "differs"), (1, "unit_price", "differs")]),
        (LINE | {"number": number, "reference": "R-2"}, [(1, "reference", "differs")]),
    ):  # fmt: skip
        assert errors_in("orders", row) == said
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reference": None}, ("reference", "required")),
        ({"number": "99"}, ("number", "does_not_exist")),
        ({"customer": "B"}, ("customer", "does_not_exist")),
        ({"sku": "S-9"}, ("sku", "unknown_sku")),
        ({"quantity": 0}, ("quantity", "min_value")),
        ({"quantity": 6}, ("quantity", "out_of_stock")),
        ({"unit_price": "9"}, ("unit_price", "price_changed")),
        ({"total": "19.99"}, ("total", "differs")),
        ({"status": "fulfilled"}, ("status", "not_allowed")),
        ({"placed_at": "2020-01-01T00:00:00Z"}, ("placed_at", "not_allowed")),
        ({"city": "Nairobi", "recipient": "A", "address_line_1": "x"}, ("", "not_allowed")),
        ({"delivery_method": "delivery", "city": "N", "recipient": "A"}, ("address_line_1", "required")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_new_order_s_errors_are_those_of_rest(goods, change, said, dry_run):
    rows = [{"reference": "R-0", "customer": "A", "sku": "S-2", "quantity": 1}, LINE | change]
    upload = uploaded(json_of(*rows), "orders", mode="skip_bad_rows", dry_run=dry_run)

    found = errors(upload)
    assert [found[0][0], found[0][2]] == [2, said[1]]
    assert found[0][1] in {said[0], "delivery_address"}
    assert (counts(upload), Order.objects.count()) == ((1, 0, 0, 1), 0 if dry_run else 1)


def test_a_dry_run_counts_the_stock_down_without_taking_it(goods):
    rows = [LINE | {"reference": f"R-{n}"} for n in range(3)]
    upload = uploaded(json_of(*rows), "orders", dry_run=True)

    assert (counts(upload), errors(upload)) == ((2, 0, 0, 1), [(3, "quantity", "out_of_stock")])
    assert set(Variant.objects.values_list("stock", flat=True)) == {5}
    # No number is used up either.
    before = int(OrderFactory.create().number)
    uploaded(json_of(*rows), "orders", dry_run=True)
    assert int(OrderFactory.create().number) == before + 1


def test_an_order_in_two_pieces_is_refused_rather_than_placed_in_part(goods):
    rows = [LINE, LINE | {"reference": "R-2"}, LINE | {"sku": "S-2"}]
    assert errors_in("orders", *rows) == [(3, "reference", "duplicate")]

    many = [LINE | {"reference": "R-9"}] * 250
    found = errors_in("orders", *many)
    assert {each[2] for each in found} == {"max_length", "not_alone", "duplicate"}
    assert Order.objects.filter(reference="R-9").count() == 0
