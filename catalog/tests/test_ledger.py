"""The ledger and the stock are one: in the database, by `check_stock`, in races, after migrating."""

import io
import os
import random
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from accounts.tests.factories import ShopkeeperFactory
from catalog import services
from catalog.models import StockMovement, Variant
from core.tests.races import at_once
from customers.tests.factories import CustomerFactory
from orders.models import Order
from orders.services import Wanted, cancel_order, place_order
from tests.processes import test_database_url

from .factories import VariantFactory

ALL_WELL = "On hand is what the ledger says.\n"


def check_stock(**options):
    """Return what the command says, and its error."""
    out, error = io.StringIO(), None
    try:
        call_command("check_stock", stdout=out, **options)
    except CommandError as raised:
        error = (str(raised), raised.returncode)
    return out.getvalue(), error


def execute(statement, *params):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


def ledger_of(variant):
    return list(variant.movements.order_by("pk").values_list("kind", "quantity", "on_hand"))


def tampered(sku, *, stock, ledger):
    """A variant whose stock somebody changed by hand."""
    variant = VariantFactory.create(sku=sku, stock=ledger)
    Variant.objects.filter(pk=variant.pk).update(stock=stock)
    return variant


# The database


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM catalog_stockmovement WHERE id = %s",
        *(
            f"UPDATE catalog_stockmovement SET {change} WHERE id = %s"
            for change in (
                "quantity = 1",
                "on_hand = 1",
                "kind = 'counted'",
                "reason = 'x'",
                "\"order\" = '1'",
                "at = now() - interval '1 day'",
                "variant_id = variant_id + 1",
                "id = id + 1",
                "by_id = NULL, quantity = 1",
                "by_id = (SELECT max(id) FROM accounts_user)",
            )
        ),
    ],
)
def test_the_database_refuses_to_change_the_ledger(statement):
    boss = ShopkeeperFactory.create()
    ShopkeeperFactory.create()
    tea = VariantFactory.create(stock=0)
    services.receive_stock(variant_id=tea.pk, quantity=5, by=boss)
    before = list(StockMovement.objects.values())

    with pytest.raises(DatabaseError, match=r"append-only"):
        execute(statement, tea.movements.get().pk)

    assert list(StockMovement.objects.values()) == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"quantity": 0}, "stock_movement_moves_something"),
        ({"kind": "stolen"}, "stock_movement_kind_is_known"),
        ({"on_hand": -1}, "on_hand"),
        ({"variant_id": 0}, "stock_movement_of_a_variant"),
    ],
)
def test_the_database_refuses_a_movement_that_is_none(change, constraint):
    tea = VariantFactory.create()
    row = {"variant_id": tea.pk, "kind": "sold", "quantity": -1, "on_hand": 1} | change

    with pytest.raises(DatabaseError, match=constraint), transaction.atomic():
        StockMovement.objects.create(**row)


@pytest.mark.django_db
def test_who_moved_stock_may_be_deleted_and_the_movement_stays():
    boss = ShopkeeperFactory.create()
    tea = VariantFactory.create(stock=0)
    services.receive_stock(variant_id=tea.pk, quantity=5, by=boss)

    boss.delete()

    assert list(tea.movements.values_list("quantity", "by")) == [(5, None)]


@pytest.mark.django_db
@pytest.mark.parametrize("of", ["variant", "product"])
def test_the_ledger_of_a_deleted_variant_goes_with_it(of):
    tea, cup = VariantFactory.create(), VariantFactory.create()

    if of == "variant":
        services.remove_variant(variant_id=tea.pk)
    else:
        services.remove_product(product_id=tea.product_id)

    assert list(StockMovement.objects.values_list("variant", flat=True)) == [cup.pk]


# check_stock


@pytest.mark.django_db
def test_check_stock_is_content_where_all_is_right(django_assert_num_queries):
    tea = VariantFactory.create(stock=5)
    VariantFactory.create(stock=0)
    services.adjust_stock(variant_id=tea.pk, quantity=-2)
    services.count_stock(variant_id=tea.pk, counted=9)

    with django_assert_num_queries(1):
        assert check_stock() == (ALL_WELL, None)
    assert check_stock(fix=True) == (ALL_WELL, None)


@pytest.mark.django_db
def test_check_stock_names_each_difference_and_changes_nothing():
    tampered("TEA", stock=6, ledger=9)
    VariantFactory.create(sku="FINE")
    tampered("CUP", stock=2, ledger=0)
    before = list(StockMovement.objects.values())

    assert check_stock() == (
        "TEA: 6 on hand, 9 in the ledger.\nCUP: 2 on hand, 0 in the ledger.\n",
        ("2 variants differ.", 1),
    )
    assert list(StockMovement.objects.values()) == before


@pytest.mark.django_db
def test_check_stock_ends_with_one_where_something_differs():
    tampered("TEA", stock=6, ledger=9)

    with pytest.raises(CommandError, match=r"^1 variant differs\.$") as raised:
        call_command("check_stock", stdout=io.StringIO())
    assert raised.value.returncode == 1


@pytest.mark.django_db
def test_fix_brings_the_stock_back_to_the_ledger_and_tells_it_there():
    tea, cup = tampered("TEA", stock=6, ledger=9), tampered("CUP", stock=2, ledger=0)
    # Sold before anybody noticed: the movement does not follow from the one before.
    services.take_stock(quantities={tea.pk: 1}, order="1001")
    wrong = tea.movements.first().pk

    said, error = check_stock(fix=True)

    assert (said.splitlines(), error) == (
        [
            f"TEA: 5 on hand, 8 in the ledger; movement {wrong} does not follow from the one before.",
            "  Mended: 8 on hand.",
            "CUP: 2 on hand, 0 in the ledger.",
            "  Mended: 0 on hand.",
            "2 mended.",
        ],
        None,
    )

    assert ledger_of(tea) == [
        ("received", 9, 9), ("sold", -1, 5), ("counted", -3, 5), ("counted", 3, 8),
    ]  # fmt: skip
    assert ledger_of(cup) == [("counted", 2, 2), ("counted", -2, 0)]
    assert list(tea.movements.values_list("reason", flat=True)[:2]) == [
        "Brought back to the ledger",
        "Found changed outside the ledger",
    ]
    services.receive_stock(variant_id=tea.pk, quantity=1)
    assert check_stock() == (ALL_WELL, None)


@pytest.mark.django_db
def test_fix_keeps_what_is_on_hand_where_the_ledger_is_below_nothing():
    tea = VariantFactory.create(sku="TEA", stock=5)
    StockMovement.objects.create(variant=tea, kind="sold", quantity=-9, on_hand=0)

    said, error = check_stock(fix=True)

    assert (said.splitlines()[1:], error) == (["  Mended: 5 on hand.", "1 mended."], None)
    assert ledger_of(tea)[2:] == [("counted", 9, 5)]
    assert check_stock() == (ALL_WELL, None)


@pytest.mark.django_db
def test_a_movement_that_does_not_follow_is_named_until_the_goods_are_counted():
    tea = VariantFactory.create(sku="TEA", stock=5)
    forged = StockMovement.objects.create(variant=tea, kind="sold", quantity=-2, on_hand=9)
    Variant.objects.filter(pk=tea.pk).update(stock=3)

    said, error = check_stock(fix=True)

    assert said == (
        "TEA: 3 on hand, 3 in the ledger;"
        f" movement {forged.pk} does not follow from the one before.\n"
        "  The ledger cannot be mended. Count the goods: what stands before a count is past.\n"
    )
    assert error == ("1 variant differs.", 1)
    services.count_stock(variant_id=tea.pk, counted=4)
    assert check_stock() == (ALL_WELL, None)


@pytest.mark.django_db
def test_check_stock_reads_thousands_of_differences_bit_by_bit(monkeypatch):
    monkeypatch.setattr(services.stock, "_AT_ONCE", 2)
    for n in range(5):
        tampered(f"S{n}", stock=1, ledger=2)

    assert [each.sku for each in services.compare_stock()] == ["S0", "S1", "S2", "S3", "S4"]
    assert check_stock(fix=True)[0].endswith("5 mended.\n")
    assert check_stock() == (ALL_WELL, None)


@pytest.mark.django_db
def test_a_variant_that_is_deleted_while_others_are_mended_is_no_difference(monkeypatch):
    tea = tampered("TEA", stock=6, ledger=9)
    (difference,) = services.compare_stock()
    services.remove_variant(variant_id=tea.pk)
    monkeypatch.setattr(
        "catalog.management.commands.check_stock.compare_stock", lambda: [difference]
    )

    assert check_stock(fix=True) == (
        "TEA: 6 on hand, 9 in the ledger.\n  Deleted meanwhile.\n1 mended.\n",
        None,
    )


# Races


@pytest.mark.django_db(transaction=True)
def test_ledger_is_stock_after_orders_cancels_bookings_and_counts_at_once():
    dice = random.Random(5)
    goods = VariantFactory.create_batch(3, stock=30)
    customer = CustomerFactory.create()
    placed = [
        place_order(customer=customer, by=None, lines=[Wanted(sku=each.sku, quantity=2)])
        for each in goods * 4
    ]

    def order():
        some = dice.sample(goods, 2)
        lines = [Wanted(sku=each.sku, quantity=dice.randint(1, 4)) for each in some]
        return lambda: place_order(customer=customer, by=None, lines=lines)

    def booking(verb, **quantity):
        key = dice.choice(goods).pk
        return lambda: verb(variant_id=key, **quantity)

    calls = [
        *(order() for _ in range(30)),
        *(lambda key=each.pk: cancel_order(order_id=key, by=None, reason="x") for each in placed),
        *(booking(services.receive_stock, quantity=dice.randint(1, 5)) for _ in range(20)),
        *(booking(services.adjust_stock, quantity=-dice.randint(1, 9)) for _ in range(20)),
        *(booking(services.count_stock, counted=dice.randint(0, 30)) for _ in range(20)),
        *(booking(services.mend_stock) for _ in range(10)),
    ]
    dice.shuffle(calls)

    outcomes = at_once(calls, threads=16)

    failures = {type(each).__name__ for each in outcomes if isinstance(each, Exception)}
    assert failures <= {"OutOfStock"}, failures
    assert Order.objects.filter(status="cancelled").count() == 12
    assert check_stock() == (ALL_WELL, None)


@pytest.mark.django_db(transaction=True)
def test_fix_races_safely_with_sales():
    teas = [tampered(f"T{n}", stock=40, ledger=25) for n in range(4)]
    customer = CustomerFactory.create()
    sales = [
        lambda sku=tea.sku: place_order(
            customer=customer, by=None, lines=[Wanted(sku=sku, quantity=1)]
        )
        for tea in teas * 10
    ]

    outcomes = at_once([*sales, *[lambda: check_stock(fix=True)] * 3, *sales[:20]], threads=12)

    assert [each for each in outcomes if isinstance(each, Exception)] == []
    assert check_stock() == (ALL_WELL, None)
    # Of the 25 that the ledger knew of, 15 were sold.
    assert list(Variant.objects.order_by("sku").values_list("stock", flat=True)) == [10] * 4


# Migrating


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_shop_from_before_the_ledger_begins_it_with_what_it_has(tmp_path):
    """Migrate a database of its own to before the ledger, fill it, and migrate on."""
    name = f"old_shop_{os.getpid()}"
    own = connection.settings_dict["NAME"]
    url = test_database_url().replace(f"/{own}", f"/{name}")

    def manage(*args):
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings.development",
                "DATABASE_URL": url,
                "DUKA_VAR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(statement):
        manage("shell", "-v0", "-c", f"from django.db import connection as c\nwith c.cursor() as cursor: cursor.execute({statement!r})")  # fmt: skip

    execute_outside(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        manage("migrate", "catalog", "0001", "-v0")
        sql(
            "INSERT INTO catalog_product (name, slug, description, is_published, updated_at)"
            " VALUES ('Tea', 'tea', '', true, now());"
            "INSERT INTO catalog_variant (product_id, sku, name, price, stock, weight)"
            " SELECT id, sku, '', 1, stock, 0"
            " FROM catalog_product, (VALUES ('A', 7), ('B', 0)) AS v (sku, stock)"
        )
        manage("migrate", "-v0")

        assert manage("check_stock") == ALL_WELL
        movements = "StockMovement.objects.values_list('variant__sku', 'kind', 'quantity', 'on_hand', 'reason', 'by')"  # fmt: skip
        assert manage(
            "shell", "-v0", "-c", f"from catalog.models import *\nprint(list({movements}))"
        ) == ("[('A', 'received', 7, 7, 'Opening stock', None)]\n")
    finally:
        execute_outside(f"DROP DATABASE {name} WITH (FORCE)")


def execute_outside(statement):
    """Run what may stand in no transaction."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
