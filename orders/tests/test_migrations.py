"""A shop that sold before there was a ledger and a history of more than statuses."""

from contextlib import contextmanager

import pytest
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("orders", "0002_order_number"), ("catalog", "0001_initial")]
MOVES = {
    "1001": ["pending", "accepted", "fulfilled"],
    "1002": ["pending", "rejected"],
    "1003": ["pending"],
}


@contextmanager
def another_database(name):
    """Yield a connection to an empty database of its own."""
    own = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    other = connection.copy(alias="old")
    other.settings_dict = {**connection.settings_dict, "NAME": name}
    connections["old"] = other
    connections.databases["old"] = other.settings_dict
    try:
        yield other
    finally:
        other.close()
        del connections["old"], connections.databases["old"]
        assert connection.settings_dict["NAME"] == own
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


def rows(database, statement):
    with database.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture
def blocked(django_db_blocker, django_db_setup):
    # No transaction: a database is not made within one.
    with django_db_blocker.unblock():
        yield


def test_a_shop_that_has_sold_reads_right_in_the_newest_version(blocked):
    with another_database(f"{connection.settings_dict['NAME']}_old") as old:
        executor = MigrationExecutor(old)
        newest = [
            each for each in executor.loader.graph.leaf_nodes() if each[0] in {"orders", "catalog"}
        ]
        shop = executor.migrate(BEFORE).apps
        product = (
            shop.get_model("catalog", "Product").objects.using("old").create(name="Tea", slug="tea")
        )
        variant = (
            shop.get_model("catalog", "Variant")
            .objects.using("old")
            .create(product=product, sku="TEA", price="12.50", stock=7)
        )
        customer = (
            shop.get_model("customers", "Customer")
            .objects.using("old")
            .create(code="C1", name="Wanjiru", phone="+254722000001")
        )
        for number, statuses in MOVES.items():
            order = (
                shop.get_model("orders", "Order")
                .objects.using("old")
                .create(
                    number=number,
                    customer=customer,
                    status=statuses[-1],
                    currency="KES",
                    total="25.00",
                )
            )
            order.lines.create(
                variant=variant, sku="TEA", name="Tea", unit_price="12.50", quantity=2
            )
            for before, after in zip(["", *statuses], statuses, strict=False):
                order.history.create(from_status=before, to_status=after, reason=f"to {after}")

        executor = MigrationExecutor(old)
        executor.migrate(newest)

        assert rows(
            old,
            "SELECT number, verb, from_status, to_status, reason, changes::text"
            " FROM orders_orderchange JOIN orders_order AS o ON o.id = order_id"
            " ORDER BY orders_orderchange.id",
        ) == [
            (number, "placed" if after == "pending" else after, before, after, f"to {after}", "{}")
            for number, statuses in MOVES.items()
            for before, after in zip(["", *statuses], statuses, strict=False)
        ]
        assert rows(
            old,
            "SELECT number, quantity, fulfilled, returned, delivery_method, reference, recipient"
            " FROM orders_orderline JOIN orders_order AS o ON o.id = order_id ORDER BY number",
        ) == [
            ("1001", 2, 2, 0, "collection", None, ""),
            ("1002", 2, 0, 0, "collection", None, ""),
            ("1003", 2, 0, 0, "collection", None, ""),
        ]
        assert rows(old, "SELECT sum(quantity) FROM catalog_stockmovement") == [(7,)]
        with pytest.raises(Exception, match="order_enters_each_status_once"):
            rows(
                old,
                "INSERT INTO orders_orderchange"
                " (order_id, verb, from_status, to_status, reason, changes)"
                " SELECT id, 'placed', '', 'pending', '', '{}' FROM orders_order RETURNING id",
            )
