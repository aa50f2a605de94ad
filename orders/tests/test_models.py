"""What the database holds of orders, whoever writes to it."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from accounts.tests.factories import ShopkeeperFactory
from catalog.tests.factories import VariantFactory
from orders import services
from orders.models import OrderChange, OrderLine
from orders.services import Wanted

from .factories import OrderFactory

pytestmark = pytest.mark.django_db


def execute(statement, *params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


@pytest.mark.parametrize(
    ("assignment", "constraint"),
    [
        ("status = 'lost'", "order_status_is_known"),
        ("status = ''", "order_status_is_known"),
        ("total = -0.01", "order_total_is_not_negative"),
    ],
)
def test_database_refuses_an_order_with(assignment, constraint):
    order = OrderFactory.create()

    with pytest.raises(IntegrityError, match=constraint):
        execute(f"UPDATE orders_order SET {assignment} WHERE id = %s", order.pk)


def test_database_refuses_two_orders_with_one_number():
    first, second = OrderFactory.create(), OrderFactory.create()

    with pytest.raises(IntegrityError, match="orders_order_number_key"):
        execute("UPDATE orders_order SET number = %s WHERE id = %s", first.number, second.pk)


@pytest.mark.parametrize(
    ("assignment", "constraint"),
    [
        ("quantity = 0", "order_line_quantity_is_positive"),
        ("quantity = -1", "order_line"),
        ("fulfilled = 2", "order_line_fulfils_no_more_than_ordered"),
        ("returned = 1", "order_line_returns_no_more_than_fulfilled"),
        ("fulfilled = -1", "fulfilled"),
    ],
)
def test_database_refuses_a_line_with(assignment, constraint):
    order = OrderFactory.create()

    with pytest.raises(IntegrityError, match=constraint):
        execute(f"UPDATE orders_orderline SET {assignment} WHERE order_id = %s", order.pk)


@pytest.mark.parametrize("missing", ["recipient", "address_line_1", "city"])
def test_database_refuses_a_delivery_to_nowhere(missing):
    order = OrderFactory.create()
    execute(
        "UPDATE orders_order SET delivery_method = 'delivery', recipient = 'W',"
        " address_line_1 = 'Moi Avenue 12', city = 'Nairobi' WHERE id = %s",
        order.pk,
    )

    with pytest.raises(IntegrityError, match="order_delivery_has_an_address"):
        execute(f"UPDATE orders_order SET {missing} = '' WHERE id = %s", order.pk)


def test_database_refuses_two_orders_with_one_reference_but_takes_many_without():
    OrderFactory.create(reference="R-1")
    second, _ = OrderFactory.create_batch(2)

    with pytest.raises(IntegrityError, match="orders_order_reference_key"):
        execute("UPDATE orders_order SET reference = 'R-1' WHERE id = %s", second.pk)


def test_database_refuses_a_variant_twice_in_an_order():
    first, second = VariantFactory.create_batch(2)
    order = OrderFactory.create(
        lines=[Wanted(sku=first.sku, quantity=1), Wanted(sku=second.sku, quantity=1)]
    )

    with pytest.raises(IntegrityError, match="order_has_a_variant_once"):
        execute(
            "UPDATE orders_orderline SET variant_id = %s WHERE order_id = %s", first.pk, order.pk
        )


def test_database_refuses_to_enter_a_status_twice():
    order = OrderFactory.create()

    with pytest.raises(IntegrityError, match="order_enters_each_status_once"):
        execute(
            "INSERT INTO orders_orderchange"
            " (order_id, verb, from_status, to_status, reason, changes)"
            " VALUES (%s, 'placed', '', 'pending', '', '{}')",
            order.pk,
        )


def test_database_takes_what_happens_within_a_status_as_often_as_it_happens():
    order = OrderFactory.create()

    for _ in range(2):
        order.history.create(verb="edited", from_status="pending", to_status="pending")

    assert order.history.count() == 3


def test_customer_and_variant_of_an_order_are_protected():
    order = OrderFactory.create()

    with pytest.raises(ProtectedError):
        order.customer.delete()
    with pytest.raises(ProtectedError):
        order.lines.get().variant.delete()


def test_history_outlives_the_user_who_made_it():
    boss = ShopkeeperFactory.create()
    order = OrderFactory.create()
    services.accept_order(order_id=order.pk, by=boss)

    boss.delete()

    assert list(order.history.values_list("to_status", "by")) == [
        ("pending", None),
        ("accepted", None),
    ]


def test_line_total_is_exact():
    line = OrderLine(unit_price=Decimal("0.10"), quantity=3, name="Chai")

    assert (line.total, str(line)) == (Decimal("0.30"), "3 × Chai")


def test_are_called_by_what_a_person_knows_them_by():
    order = OrderFactory.create()

    assert str(order) == order.number
    assert str(OrderChange(from_status="pending", to_status="accepted")) == ("pending → accepted")
