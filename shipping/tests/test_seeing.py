"""Numbers of shipments, and what `manage.py doctor` finds of carriers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core import clock
from core.tests.measured import found, samples_of
from shipping import services
from shipping.models import Carrier, Shipment, StandingOrder

from .conftest import carriers  # noqa: F401  a fixture
from .faces import NewsFactory, StandingOrderFactory
from .factories import FailedShipmentFactory, SentShipmentFactory, ShipmentFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("carriers")]


def numbers():
    return samples_of(services.measure())


def test_what_waits_is_counted_and_for_how_long(monkeypatch, django_assert_num_queries):
    now = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    late = ShipmentFactory.create()
    Shipment.objects.filter(pk=late.pk).update(due_at=now - timedelta(minutes=40))
    SentShipmentFactory.create()
    FailedShipmentFactory.create()
    Shipment.objects.exclude(pk=late.pk).update(attention="")
    Shipment.objects.filter(pk=late.pk).update(attention="Look at it.")
    NewsFactory.create(state="new")
    Carrier.objects.update(failures=2)
    standing = StandingOrderFactory.create()
    StandingOrder.objects.filter(pk=standing.pk).update(next_on=clock.today() - timedelta(days=1))

    with django_assert_num_queries(6):
        told = numbers()

    names = ["waiting", "refused", "sent", "waiting-for-collection", "in-transit"]
    counts = {name: told[("shipments", name)] for name in [*names, "failed-to-deliver"]}
    assert counts == {
        "waiting": 1,
        "refused": 0,
        "sent": 1,
        "waiting-for-collection": 0,
        "in-transit": 0,
        "failed-to-deliver": 1,
    }
    assert told[("shipments_attention",)] == told[("carrier_news_waiting",)] == 1
    assert told[("shipments_overdue_seconds",)] == 2400
    assert told[("carrier_failures", "courier")] == 2
    assert told[("standing_orders_overdue",)] == 1
    assert told[("standing_orders_waiting",)] == 0


def test_what_is_due_today_is_not_late():
    standing = StandingOrderFactory.create()
    StandingOrder.objects.filter(pk=standing.pk).update(next_on=clock.today())

    assert numbers()[("standing_orders_overdue",)] == 0
    assert numbers()[("shipments_overdue_seconds",)] == 0


def test_carriers_that_fail_or_lack_a_setting(settings):
    Carrier.objects.update_or_create(
        name="parcelpost", defaults={"failures": 5, "error": "503 Service Unavailable"}
    )
    settings.COURIER_API_KEY = ""

    lacking, down = found(services.examine_carriers)

    assert lacking[0] == "problem"
    assert down == ("problem", "parcelpost has failed 5 times in a row: 503 Service Unavailable")
    settings.COURIER_API_KEY = "tests-only"
    assert found(services.examine_carriers)[0] == ("ok", "courier is set up.")
    assert [finding.level for finding in services.reach_carriers()] == ["problem", "problem"]
    settings.SHIPPING_PROVIDERS = []
    assert found(services.examine_carriers) == [("ok", "None is used (SHIPPING_PROVIDERS).")]
    assert found(services.reach_carriers) == []
