"""Workers killed in the middle of a file: nothing is doubled, nothing is lost."""

import pytest

from catalog.models import StockMovement, Variant
from catalog.tests.factories import VariantFactory
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.models import Order, OrderLine
from tests.processes import spawn_manage, wait_until
from uploads.models import Upload
from uploads.tasks import run_uploads

from .factories import counts, csv_of, upload_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENV = {"UPLOAD_LEASE_SECONDS": "1"}


def kill_workers_until_done(upload, *, kills=3):
    """Kill a worker whenever it has come further, then let one finish."""
    seen = 0
    for _ in range(kills):
        run_uploads.enqueue()
        with spawn_manage("worker", env=ENV) as worker:
            wait_until(lambda seen=seen: done(upload) > seen, 60)
            worker.kill()
        seen = done(upload)
        wait_until(lambda: Upload.objects.due().exists())
    assert 0 < seen < upload_rows(upload), "it was too quick to be killed"
    run_uploads.enqueue()
    with spawn_manage("worker", env=ENV):
        wait_until(lambda: Upload.objects.get(pk=upload.pk).state.is_over, 120)
    upload.refresh_from_db()


def done(upload):
    return Upload.objects.values_list("rows_done", flat=True).get(pk=upload.pk)


def upload_rows(upload):
    return Upload.objects.values_list("rows_total", flat=True).get(pk=upload.pk)


def test_customers_with_and_without_codes_come_in_once():
    rows = [
        {
            "code": f"K{n}" if n % 2 else "",
            "name": f"Customer {n}",
            "phone": "" if n % 500 == 7 else f"07{22000000 + n}",
        }
        for n in range(6000)
    ]
    upload = upload_of(csv_of(*rows), mode="skip_bad_rows")

    kill_workers_until_done(upload)

    assert (upload.status, counts(upload)) == ("done", (5988, 0, 0, 12))
    assert Customer.objects.count() == Customer.objects.values("phone").distinct().count() == 5988


def test_orders_are_placed_once_and_take_their_goods_once():
    customer = CustomerFactory.create()
    variants = [VariantFactory.create(stock=10_000) for _ in range(2)]
    rows = [
        {"reference": f"R{n // 2}", "customer": customer.code, "sku": each.sku, "quantity": "1"}
        for n in range(600)
        for each in [variants[n % 2]]
    ]
    upload = upload_of(csv_of(*rows), "orders")

    kill_workers_until_done(upload)

    assert (upload.status, counts(upload)) == ("done", (600, 0, 0, 0))
    assert (Order.objects.count(), OrderLine.objects.count()) == (300, 600)
    assert {each.stock for each in Variant.objects.all()} == {9_700}
    assert StockMovement.objects.filter(kind="sold").count() == 600
    # Old orders are no news.
    assert Message.objects.count() == 0
