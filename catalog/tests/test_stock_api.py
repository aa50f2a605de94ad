"""REST of the stock: booking it, and reading the ledger."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from accounts.tests.factories import StaffFactory, UserFactory
from catalog.models import StockMovement, Variant
from core.tests.rest import parameters, pointers, problem, utc
from orders.tests.factories import OrderFactory

from .factories import VariantFactory, move_stock

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 11, 21, tzinfo=UTC)


def newest(variant):
    fields = ("kind", "quantity", "on_hand", "order", "reason", "by")
    return variant.movements.values_list(*fields).first()


def moved(api, query):
    response = api.get(f"/stock-movements/?{query}")
    assert response.status_code == 200, response.content
    return [row["quantity"] for row in response.json()["results"]]


# Booking


@pytest.mark.parametrize(
    ("verb", "body", "left", "movement"),
    [
        ("receive-stock", {"quantity": 3, "reason": "Note 88"}, 8, ("received", 3, 8, "", "Note 88")),
        ("receive-stock", {"quantity": 2**31 - 6}, 2**31 - 1, ("received", 2**31 - 6, 2**31 - 1, "", "")),
        ("adjust-stock", {"quantity": 3}, 8, ("adjusted", 3, 8, "", "")),
        ("adjust-stock", {"quantity": -5, "reason": "Broken"}, 0, ("adjusted", -5, 0, "", "Broken")),
        ("count-stock", {"counted": 4, "reason": "Shelf"}, 4, ("counted", -1, 4, "", "Shelf")),
        ("count-stock", {"counted": 0}, 0, ("counted", -5, 0, "", "")),
        ("count-stock", {"counted": 9, "reason": ""}, 9, ("counted", 4, 9, "", "")),
    ],
)  # fmt: skip
def test_stock_is_booked_with_who_and_why(api, verb, body, left, movement):
    tea = VariantFactory.create(stock=5)

    response = api.post(f"/variants/{tea.pk}/{verb}/", body)

    assert response.status_code == 200
    assert response.json() == api.get(f"/variants/{tea.pk}/").json()
    assert response.json()["stock"] == left
    assert newest(tea) == (*movement, User.objects.get().pk)


@pytest.mark.parametrize(
    ("verb", "body"),
    [("adjust-stock", {"quantity": 0}), ("count-stock", {"counted": 5, "reason": "Shelf"})],
)
def test_what_moves_nothing_is_no_movement(api, verb, body):
    tea = VariantFactory.create(stock=5)

    assert api.post(f"/variants/{tea.pk}/{verb}/", body).json()["stock"] == 5
    assert tea.movements.count() == 1


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("receive-stock", {}, ("/quantity", "required")),
        ("receive-stock", {"quantity": 0}, ("/quantity", "min_value")),
        ("receive-stock", {"quantity": 2**31 - 1}, ("/quantity", "invalid")),
        ("receive-stock", {"quantity": 1, "reason": "x" * 501}, ("/reason", "max_length")),
        ("receive-stock", {"quantity": 1, "counted": 1}, ("/counted", "unknown_field")),
        ("adjust-stock", {"quantity": "x"}, ("/quantity", "invalid")),
        ("adjust-stock", {"quantity": 1, "reason": None}, ("/reason", "null")),
        ("count-stock", {"quantity": 1, "counted": 1}, ("/quantity", "unknown_field")),
        ("count-stock", {"counted": -1}, ("/counted", "min_value")),
        ("count-stock", {"counted": 2**31}, ("/counted", "max_value")),
    ],
)
def test_a_wrong_booking_names_its_field_and_books_nothing(api, verb, body, expected):
    tea = VariantFactory.create(stock=5)

    assert pointers(api.post(f"/variants/{tea.pk}/{verb}/", body)) == [expected]
    tea.refresh_from_db()
    assert (tea.stock, tea.movements.count()) == (5, 1)


def test_booking_out_more_than_there_is_is_409(api):
    tea = VariantFactory.create(sku="TEA", stock=5)

    response = api.post(f"/variants/{tea.pk}/adjust-stock/", {"quantity": -6})

    assert response.status_code == 409
    detail = "Only 5 of TEA on hand."
    assert response.json() == problem(
        response, code="out_of_stock", detail=detail, errors=[("/quantity", "out_of_stock", detail)]
    )


@pytest.mark.parametrize("verb", ["receive-stock", "adjust-stock", "count-stock"])
def test_a_booking_sent_again_books_once_and_minds_if_match(api, verb):
    tea = VariantFactory.create(stock=5)
    body = {"counted": 7} if verb == "count-stock" else {"quantity": 2}
    path = f"/variants/{tea.pk}/{verb}/"
    old = api.get(f"/variants/{tea.pk}/")["ETag"]

    first, again = (api.post(path, body, idempotency_key="k") for _ in range(2))

    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert api.post(path, body, if_match=old).status_code == 412
    assert tea.movements.count() == 2


def test_a_stock_that_is_patched_was_counted(api, shopkeeper):
    tea = VariantFactory.create(stock=5)

    api.patch(f"/variants/{tea.pk}/", {"stock": 7})

    assert newest(tea) == ("counted", 2, 7, "", "", shopkeeper.pk)


def test_what_a_new_variant_starts_with_is_in_the_ledger(api, shopkeeper):
    variants = [{"sku": "A", "price": "1", "stock": 3}, {"sku": "B", "price": "1"}]
    product = api.post("/products/", {"name": "Tea", "variants": variants}).json()["id"]
    api.post("/variants/", {"product": product, "sku": "C", "price": "1", "stock": 2})

    rows = StockMovement.objects.order_by("pk")
    assert list(
        rows.values_list("variant__sku", "kind", "quantity", "on_hand", "reason", "by")
    ) == [
        ("A", "received", 3, 3, "Opening stock", shopkeeper.pk),
        ("C", "received", 2, 2, "Opening stock", shopkeeper.pk),
    ]


# What is low


def test_a_threshold_is_given_read_and_taken_away(api):
    body = {"name": "Tea", "sku": "T", "price": "1", "low_stock_threshold": 4}
    product = api.post("/products/", body).json()["id"]
    path = f"/variants/{Variant.objects.get(product=product).pk}/"

    assert api.get(path).json()["low_stock_threshold"] == 4
    assert api.put(path, {"sku": "T", "price": "1"}).json()["low_stock_threshold"] == 4
    assert api.patch(path, {"low_stock_threshold": 0}).json()["low_stock_threshold"] == 0
    assert api.patch(path, {"low_stock_threshold": None}).json()["low_stock_threshold"] is None
    assert pointers(api.patch(path, {"low_stock_threshold": -1})) == [
        ("/low_stock_threshold", "min_value")
    ]


def test_variants_that_are_low_are_listed(api):
    for sku, stock, threshold in [
        ("A", 2, 2),
        ("B", 3, 2),
        ("C", 0, None),
        ("D", 0, 0),
        ("E", 1, 9),
    ]:
        VariantFactory.create(sku=sku, stock=stock, low_stock_threshold=threshold)

    def skus(query):
        return [row["sku"] for row in api.get(f"/variants/?{query}").json()["results"]]

    assert skus("low_stock=true") == ["A", "D", "E"]
    assert skus("low_stock=true&ordering=stock") == ["D", "E", "A"]
    assert skus("low_stock=false") == ["B", "C"]
    assert parameters(api.get("/variants/?low_stock=yes")) == [("low_stock", "invalid")]


# The ledger


def test_the_ledger_says_what_who_when_and_why(api, shopkeeper):
    order = OrderFactory.create()
    tea = order.lines.get().variant
    api.post(f"/variants/{tea.pk}/receive-stock/", {"quantity": 3, "reason": "Note 88"})

    page = api.get(f"/stock-movements/?variant={tea.pk}").json()

    received, sold, _ = tea.movements.all()
    assert page["results"][0] == {
        "id": received.pk,
        "variant": tea.pk,
        "sku": tea.sku,
        "name": tea.display_name,
        "kind": "received",
        "quantity": 3,
        "on_hand": received.on_hand,
        "order": "",
        "reason": "Note 88",
        "by": str(shopkeeper),
        "at": utc(received.at),
    }
    assert [(row["kind"], row["order"], row["by"]) for row in page["results"][1:]] == [
        ("sold", order.number, None),
        ("received", "", None),
    ]
    assert api.get(f"/stock-movements/{sold.pk}/").json() == page["results"][1]


def test_the_ledger_is_filtered_newest_first(api):
    tea, cup = VariantFactory.create(sku="Tea", stock=0), VariantFactory.create(sku="CUP", stock=0)
    for n, (variant, kind, order) in enumerate(
        [(tea, "received", ""), (cup, "received", ""), (tea, "sold", "1001"), (tea, "released", "1001")],
        start=1,
    ):  # fmt: skip
        move_stock(variant, kind, n, order=order, at=DAY + timedelta(hours=n))

    assert moved(api, "") == [4, 3, 2, 1]
    assert moved(api, f"variant={tea.pk}") == [4, 3, 1]
    assert moved(api, "sku=TEA") == [4, 3, 1]
    assert moved(api, "sku=nope") == []
    assert moved(api, "kind=received") == [2, 1]
    assert moved(api, "order=1001") == [4, 3]
    assert moved(api, "order=1001&kind=sold") == [3]
    assert moved(api, "after=2026-11-21T02:00:00Z") == [4, 3, 2]
    assert moved(api, "after=2026-11-21T02:00:00Z&before=2026-11-21T06:00:00%2B02:00") == [3, 2]


def test_pages_of_the_ledger_have_each_movement_once_while_more_come(api):
    tea = VariantFactory.create(stock=0)
    for n in range(1, 6):
        move_stock(tea, "received", n)

    first = api.get("/stock-movements/?page_size=2").json()
    move_stock(tea, "received", 9)
    second = api.get(first["next"].partition("/api/v1")[2]).json()

    assert [row["quantity"] for row in first["results"] + second["results"]] == [5, 4, 3, 2]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=stolen", [("kind", "invalid_choice")]),
        ("variant=tea", [("variant", "invalid")]),
        ("after=yesterday", [("after", "invalid")]),
        ("ordering=at", [("ordering", "invalid")]),
        ("search=tea", [("search", "invalid")]),
        ("by=1", [("by", "invalid")]),
    ],
)
def test_a_wrong_filter_of_the_ledger_is_a_400(api, query, expected):
    names = [name for name, _ in parameters(api.get(f"/stock-movements/?{query}"))]

    assert names == [name for name, _ in expected]


def test_the_ledger_cannot_be_written_by_rest(api):
    movement = VariantFactory.create().movements.get()

    for method, path in [
        ("POST", "/stock-movements/"),
        ("PUT", f"/stock-movements/{movement.pk}/"),
        ("PATCH", f"/stock-movements/{movement.pk}/"),
        ("DELETE", f"/stock-movements/{movement.pk}/"),
    ]:
        assert api._call(method, path, {}).status_code == 405


def test_shoppers_see_neither_ledger_nor_thresholds(api_as):
    VariantFactory.create()
    shopper = api_as(UserFactory.create())
    viewer = api_as(StaffFactory.create(permissions=["catalog.view_product"]))

    assert shopper.get("/stock-movements/").status_code == 403
    assert viewer.get("/stock-movements/").status_code == 200
    assert "low_stock_threshold" not in str(shopper.get("/products/").content)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_ledger_takes_the_same_statements_for_one_row_and_three(
    api, shopkeeper, django_assert_num_queries, rows
):
    for _ in range(rows):
        api.post(f"/variants/{VariantFactory.create(stock=0).pk}/receive-stock/", {"quantity": 1})

    # session, user, membership; movements with their variants, products and people
    with django_assert_num_queries(4):
        assert len(api.get("/stock-movements/").json()["results"]) == rows


# By index


@pytest.fixture
def many(db):
    """Ten thousand variants, one in a hundred low, with ten movements each, one with more."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO catalog_product (name, slug, description, is_published, updated_at, price)
            VALUES ('P', 'p', '', true, now(), 0);
            INSERT INTO catalog_variant
                (product_id, sku, name, price, stock, weight, low_stock_threshold)
            SELECT (SELECT id FROM catalog_product), 'S' || n, '', 1, n % 100, 0, 0
            FROM generate_series(1, 10000) AS n;
            INSERT INTO catalog_stockmovement
                (variant_id, kind, quantity, on_hand, "order", reason, at)
            SELECT id, CASE n WHEN 3 THEN 'returned' ELSE 'sold' END, 1, n, (id % 9000)::text, '',
                timestamptz '2026-01-01' + n * interval '1 day'
            FROM generate_series(1, 10) AS n, catalog_variant ORDER BY n, id;
            INSERT INTO catalog_stockmovement
                (variant_id, kind, quantity, on_hand, "order", reason, at)
            SELECT id, 'counted', 1, 1, 'A17', '', timestamptz '2026-02-01'
            FROM generate_series(1, 300), catalog_variant WHERE sku = 'S4321';
            """
        )
        cursor.execute("ANALYZE catalog_variant, catalog_stockmovement")


def plan_of(api, path):
    """Return how PostgreSQL finds the rows of a list, as EXPLAIN says."""
    with connection.execute_wrapper(_explaining) as _:
        _explaining.plans.clear()
        assert api.get(path).status_code == 200
    return "\n".join(_explaining.plans)


def _explaining(execute, sql, params, many, context):
    if sql.startswith("SELECT") and ' FROM "catalog_' in sql:
        execute(f"EXPLAIN {sql}", params, many, context)
        _explaining.plans.append("\n".join(row[0] for row in context["cursor"].fetchall()))
    return execute(sql, params, many, context)


_explaining.plans = []


# Where few are found they may be sorted.
BY_INDEX = [
    ("/variants/?low_stock=true", "variant_low_in_stock", False),
    ("/variants/?low_stock=true&ordering=stock", "variant_low_in_stock", True),
    ("/stock-movements/", "catalog_stockmovement_pkey", False),
    ("/stock-movements/?kind=counted", "stock_movement_by_kind", False),
    ("/stock-movements/?order=17", "stock_movement_by_order", True),
    ("/stock-movements/?variant={key}", "stock_movement_by_variant", False),
    ("/stock-movements/?sku=s4321", "stock_movement_by_variant", False),
    ("/stock-movements/?after=2026-01-31T12:00:00Z", "catalog_stockmovement_pkey", False),
    ("/stock-movements/?after=2026-02-01T00:00:01Z", "stock_movement_by_time", True),
]


@pytest.mark.slow
def test_lists_of_the_stock_are_found_by_index(api, many):
    key = Variant.objects.get(sku="S4321").pk

    for path, index, sorts in BY_INDEX:
        plan = plan_of(api, path.format(key=key))
        assert index in plan, f"{path}\n{plan}"
        assert sorts or "Sort" not in plan, f"{path}\n{plan}"
        assert "Seq Scan on catalog_variant" not in plan, f"{path}\n{plan}"
        assert "Seq Scan on catalog_stockmovement" not in plan, f"{path}\n{plan}"
