"""When a carrier's batches go out: its days and cut-off, by the shop's clocks."""

from datetime import UTC, datetime, time, timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.tests.factories import VariantFactory
from core import clock
from core.errors import InvalidInput
from notifications.tests.outbox import backends_waiting_for_a_lock
from orders.services import Wanted
from shipping.models import Carrier, Shipment
from shipping.services import (
    edit_shipment,
    next_cut_off,
    send_due_shipments,
    sync_carriers,
    update_carrier,
)
from tests.processes import wait_until

from .factories import DeliveryOrderFactory, HandedShipmentFactory, ShipmentFactory

WEEKDAYS = [0, 1, 2, 3, 4]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cut_off(now, *, days=WEEKDAYS, at_time="16:00"):
    carrier = Carrier(days=days, cut_off=time.fromisoformat(at_time))
    return next_cut_off(carrier, at(now)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Nairobi is three hours ahead all the year.
        ("2026-11-20 12:59:59", "2026-11-20 13:00"),
        ("2026-11-20 13:00:00", "2026-11-20 13:00"),
        ("2026-11-20 13:00:01", "2026-11-23 13:00"),
        # Friday in UTC, Saturday at the shop.
        ("2026-11-20 21:30:00", "2026-11-23 13:00"),
        ("2026-11-23 20:59:00", "2026-11-24 13:00"),
    ],
)
def test_a_batch_is_the_next_of_its_days_at_its_time(now, expected):
    assert cut_off(now) == at(expected)


def test_a_batch_once_a_week_that_is_just_over_is_the_next_week_s():
    assert cut_off("2026-11-20 13:00:01", days=[4]) == at("2026-11-27 13:00")


def test_without_days_it_goes_at_once():
    assert cut_off("2026-11-20 13:00:01", days=[]) == at("2026-11-20 13:00:01")


@pytest.mark.parametrize(
    ("now", "time_of_day", "expected"),
    [
        # London's clocks go on on 29 March 2026 at 01:00 UTC, back on 25 October.
        ("2026-03-28 17:00", "16:00", "2026-03-29 15:00"),
        ("2026-03-27 17:00", "16:00", "2026-03-28 16:00"),
        ("2026-10-24 16:00", "16:00", "2026-10-25 16:00"),
        ("2026-10-24 14:00", "16:00", "2026-10-24 15:00"),
        # A time that is not shown is where the clocks leap to; of one shown twice it is the first.
        ("2026-03-28 17:00", "01:30", "2026-03-29 01:00"),
        ("2026-03-28 17:00", "01:00", "2026-03-29 01:00"),
        ("2026-03-28 17:00", "00:59", "2026-03-29 00:59"),
        ("2026-03-28 17:00", "02:00", "2026-03-29 01:00"),
        ("2026-10-24 17:00", "01:30", "2026-10-25 00:30"),
        # After the first of the two it is over.
        ("2026-10-25 00:31", "01:30", "2026-10-26 01:30"),
    ],
)
def test_it_keeps_the_shop_s_time_on_both_sides_of_a_change_of_the_clocks(
    settings, now, time_of_day, expected
):
    settings.SHOP_TIME_ZONE = "Europe/London"

    assert cut_off(now, days=range(7), at_time=time_of_day) == at(expected)


@pytest.mark.django_db
class TestShipments:
    @pytest.fixture(autouse=True)
    def noon_of_a_friday(self, monkeypatch):
        self.set_clock(monkeypatch, "2026-11-20 12:00")
        sync_carriers()
        self.carrier = Carrier.objects.get(name="courier")
        update_carrier(carrier_id=self.carrier.pk, days=WEEKDAYS, cut_off=time(16))

    def set_clock(self, monkeypatch, text):
        monkeypatch.setattr(clock, "now", lambda: at(text))

    def due_at(self, shipment):
        return Shipment.objects.get(pk=shipment.pk).due_at

    def test_they_wait_for_the_cut_off_and_go_out_in_one_batch(self, fake, monkeypatch):
        shipments = ShipmentFactory.create_batch(3)
        assert {self.due_at(each) for each in shipments} == {at("2026-11-20 13:00")}
        self.set_clock(monkeypatch, "2026-11-20 12:59:59")
        assert send_due_shipments() == 0
        self.set_clock(monkeypatch, "2026-11-20 13:00")
        assert send_due_shipments() == 3

        assert fake.shipped() == {each.number: 1 for each in shipments}

    def test_another_schedule_is_of_those_that_wait_too(self):
        shipment = ShipmentFactory.create()
        update_carrier(carrier_id=self.carrier.pk, days=[6], cut_off=time(9))
        assert self.due_at(shipment) == at("2026-11-22 06:00")

        update_carrier(carrier_id=self.carrier.pk, days=[])
        assert self.due_at(shipment) == at("2026-11-20 12:00")

    def test_one_that_was_handed_over_is_not_put_back_to_a_batch(self):
        shipment = HandedShipmentFactory.create()
        Shipment.objects.update(fence=None, leased_until=None, due_at=at("2026-11-20 12:01"))
        update_carrier(carrier_id=self.carrier.pk, days=[6])

        assert self.due_at(shipment) == at("2026-11-20 12:01")

    @pytest.mark.parametrize("days", [[7], [-1], [0, 1, 9]])
    def test_days_that_no_week_has_are_refused(self, days):
        with pytest.raises(InvalidInput):
            update_carrier(carrier_id=self.carrier.pk, days=days)

    def test_a_carrier_that_takes_nothing_new_gets_what_waits(self, fake, monkeypatch):
        shipment = ShipmentFactory.create()
        update_carrier(carrier_id=self.carrier.pk, active=False)
        self.set_clock(monkeypatch, "2026-11-20 13:00")
        send_due_shipments()

        assert fake.shipped() == {shipment.number: 1}

    def test_a_simulated_day_takes_nothing_out_of_a_worker_s_hands(self, fake, monkeypatch):
        shipment = HandedShipmentFactory.create()
        self.set_clock(monkeypatch, "2027-11-20 13:00")

        assert send_due_shipments() == 0
        left = Shipment.objects.get(pk=shipment.pk).leased_until - timezone.now()
        assert timedelta() < left <= timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("made_by", ["packing", "changing its carrier"])
def test_what_is_being_made_while_the_schedule_changes_waits_by_the_new_one(made_by):
    sync_carriers()
    carrier = Carrier.objects.get(name="parcelpost")
    order = DeliveryOrderFactory.create(lines=[Wanted(sku=VariantFactory.create().sku, quantity=1)])
    shipment = ShipmentFactory.create(order=order) if made_by != "packing" else None

    def change():
        try:
            update_carrier(carrier_id=carrier.pk, days=range(7), cut_off=time(16))
        finally:
            connection.close()

    changing = Thread(target=change)
    with transaction.atomic():
        if shipment is None:
            shipment = ShipmentFactory.create(order=order, carrier="parcelpost")
        else:
            edit_shipment(shipment_id=shipment.pk, by=None, carrier="parcelpost")
        changing.start()
        wait_until(backends_waiting_for_a_lock)
    changing.join()

    carrier.refresh_from_db()
    due_at = Shipment.objects.get(pk=shipment.pk).due_at
    assert due_at == next_cut_off(carrier, timezone.now())
