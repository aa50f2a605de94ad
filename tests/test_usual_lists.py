"""After 200,000 orders the shop's lists still come from an index, in order, and nothing is sorted.

What is asked about is the very SQL that a call of the API runs.
"""

import json
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import ShopkeeperFactory, UserFactory
from catalog.models import Variant
from conftest import Api
from customers.models import Customer
from orders.models import Order

HISTORY = Path(__file__).with_name("history.sql")
BIG = {
    "orders_order",
    "orders_orderline",
    "orders_orderchange",
    "catalog_stockmovement",
    "catalog_product",
    "catalog_variant",
    "customers_customer",
}
# Rows that may be read and left out to fill a page of 50.
MOST_LEFT_OUT = 5_000
# Rows that may be sorted: a product's few variants.
MOST_SORTED = 10


@pytest.fixture
def old_shop(transactional_db):
    """Load the shop into a copy of the test's database, which would keep the rolled back rows."""
    settings = connection.settings_dict
    name, copy = settings["NAME"], f"{settings['NAME']}_old_shop"

    def instead(*statements):
        connection.close()  # What somebody is connected to is neither copied nor dropped.
        with connection._nodb_cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    instead(f'DROP DATABASE IF EXISTS "{copy}"', f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')
    settings["NAME"] = copy
    try:
        boss, shopper = ShopkeeperFactory.create(), UserFactory.create()
        with connection.cursor() as cursor:
            for statement in HISTORY.read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
        Customer.objects.filter(code="L7").update(user=shopper)
        yield Api(boss), Api(shopper)
    finally:
        settings["NAME"] = name
        instead(f'DROP DATABASE "{copy}"')


def lists(boss):
    """Return the addresses of the shop's usual lists: the shopkeeper's, and a shopper's own."""
    now = timezone.now()
    long_ago, later = (quote((now - timedelta(days=days)).isoformat()) for days in (400, 390))
    # The cursor of a page in the midst of all orders, which is one of the whole list as well.
    deep = boss.get(f"/orders/?placed_before={long_ago}").json()["next"]
    cursor = deep.partition("cursor=")[2].partition("&")[0]
    number = Order.objects.filter(number__startswith="L", status="fulfilled").last().number
    variant = Variant.objects.get(sku="L-70").pk
    return (
        [
            "/orders/",
            f"/orders/?cursor={cursor}",
            *(f"/orders/?status={each}" for each in ("draft", "pending", "accepted", "fulfilled")),
            "/orders/?customer=L7",
            "/orders/?customer=L7&status=fulfilled",
            "/orders/?assigned_to=me",
            "/orders/?assigned_to=none",
            "/orders/?assigned_to=me&status=pending",
            f"/orders/?placed_after={long_ago}",
            f"/orders/?placed_before={long_ago}",
            f"/orders/?placed_after={long_ago}&placed_before={later}",
            f"/orders/?status=fulfilled&placed_after={long_ago}&placed_before={later}",
            "/orders/?ordering=placed_at",
            "/orders/?ordering=total",
            "/orders/?ordering=-total",
            "/stock-movements/",
            f"/stock-movements/?variant={variant}",
            "/stock-movements/?sku=l-70",
            "/stock-movements/?kind=sold",
            f"/stock-movements/?order={number}",
            "/products/",
            "/products/?ordering=-name",
            "/products/?ordering=price",
            "/products/?ordering=-price",
            "/products/?category=shelf-7",
            "/products/?price_min=100&price_max=120",
            "/products/?in_stock=true",
            "/products/?is_published=true",
            f"/variants/?product={Variant.objects.get(pk=variant).product_id}",
            "/variants/?sku=L-70",
            "/variants/?low_stock=true",
            "/customers/",
        ],
        ["/orders/", "/orders/?status=fulfilled", "/products/"],
    )


def statements(api, path):
    """Call the API; return its answer, what it asked of the big tables, and how often it asked."""
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = api.get(path)
    assert response.status_code == 200, response.content
    found = [each["sql"] for each in captured if BIG & set(re.findall(r"\w+", each["sql"]))]
    return response.json(), found, len(captured)


def plan(sql):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        found = cursor.fetchone()[0]
        return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def nodes(node):
    yield node
    for below in node.get("Plans", ()):
        yield from nodes(below)


def faults(sql):
    """Return what a statement does that would take longer with every order."""
    is_page = "LIMIT 51" in sql
    for node in nodes(plan(sql)):
        kind, table = node["Node Type"], node.get("Relation Name")
        if kind == "Seq Scan" and table in BIG:
            yield f"reads all of {table}"
        if is_page and "Sort" in kind and node["Actual Rows"] > MOST_SORTED:
            yield f"sorts {node['Actual Rows']} rows by {node['Sort Key']}"
        left_out = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        if left_out > MOST_LEFT_OUT:
            yield f"leaves out {left_out} rows of {table}: {node.get('Filter')}"


@pytest.mark.slow
def test_the_usual_lists_come_from_an_index_and_nothing_is_sorted(old_shop, subtests):
    boss, shopper = old_shop
    for api, who, paths in zip((boss, shopper), ("boss", "shopper"), lists(boss), strict=True):
        for path in paths:
            with subtests.test(who=who, path=path):
                body, found, _ = statements(api, path)

                assert body["results"]
                assert any("LIMIT 51" in sql for sql in found)
                assert [(fault, sql) for sql in found for fault in faults(sql)] == []

    with subtests.test(path="/orders/counts/"):
        body, (counting,), _ = statements(boss, "/orders/counts/")

        assert body["waiting"] == 1600
        scans = [each for each in nodes(plan(counting)) if "Relation Name" in each]
        assert {(each["Node Type"], each["Heap Fetches"]) for each in scans} == {
            ("Index Only Scan", 0)
        }

    # The session, who it is, their membership; the rows, and two kinds of what belongs to them.
    for path in ("/orders/", "/products/"):
        with subtests.test(path=path, what="statements"):
            pages = [statements(boss, f"{path}?page_size={size}") for size in (1, 3, 50, 200)]

            assert [(len(body["results"]), number) for body, _, number in pages] == [
                (1, 6),
                (3, 6),
                (50, 6),
                (200, 6),
            ]
