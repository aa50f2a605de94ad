"""What waits in each app is done by workers that a broker tells of their tasks."""

import contextlib
from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import Booking
from bookings.tests.factories import BookingFactory
from customers.models import Customer
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from repairs.models import Job
from repairs.tests.conftest import sqlite_table  # noqa: F401  a fixture
from shipping.models import Shipment
from shipping.tests.conftest import carriers, fake  # noqa: F401  fixtures
from shipping.tests.factories import ShipmentFactory
from uploads.models import Upload
from uploads.tests.factories import csv_of, upload_of

from .brokers import BROKERS, Brokers
from .processes import spawn_manage, wait_until
from .servers import spawn_gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("kind", BROKERS)
def test_reminders_shipments_repairs_and_uploads(kind, request, brokers: Brokers, tmp_path):
    carrier, table = (request.getfixturevalue(name) for name in ("fake", "sqlite_table"))
    booking = BookingFactory.create(
        time=timezone.now() + timedelta(hours=23), quietly=True, customer=CustomerFactory.create()
    )
    Booking.objects.update(reminded_of=None)
    shipment = ShipmentFactory.create(carrier="parcelpost")
    table.insert(job_id=7)
    people = [{"code": f"U{n}", "name": f"P{n}", "phone": f"07330{n:05}"} for n in range(200)]
    upload = upload_of(csv_of(*people))
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(spawn_gateway(tmp_path))
        env = gateway.env | carrier.keys.environment(carrier.url) | table.env
        env |= brokers.get(kind).env
        workers = [stack.enter_context(spawn_manage("worker", env=env)) for _ in range(2)]
        stack.enter_context(spawn_manage("ticker", env=env))

        def told() -> set[tuple[str, str]]:
            sent = Message.objects.filter(status="sent").exclude(subject="order")
            return set(sent.values_list("event", "reference"))

        wait_until(Job.objects.exists)
        wait_until(lambda: ("booking.reminder", str(booking.pk)) in told())
        wait_until(lambda: Shipment.objects.get(pk=shipment.pk).status == "sent")
        wait_until(lambda: Upload.objects.get(pk=upload.pk).status == "done")
        assert [worker.stop() for worker in workers] == [0, 0]

    assert [entry["call"] for entry in carrier.book() if entry["number"] == shipment.number] == [
        "send"
    ]
    assert Job.objects.get().key == 7
    assert Customer.objects.filter(code__startswith="U").count() == 200
