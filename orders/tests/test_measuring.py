"""Numbers of orders for Prometheus."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core import clock
from orders import services
from orders.models import Order

from .factories import AcceptedOrderFactory, OrderFactory, RejectedOrderFactory

pytestmark = pytest.mark.django_db


def test_orders_that_wait_for_the_shop_are_counted(monkeypatch, django_assert_num_queries):
    now = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    first, _ = OrderFactory.create_batch(2)
    Order.objects.filter(pk=first.pk).update(placed_at=now - timedelta(hours=2))
    RejectedOrderFactory.create()

    with django_assert_num_queries(1):
        told = {
            (sample.name, *sample.labels.values()): sample.value
            for family in services.measure()
            for sample in family.samples
        }

    assert told == {
        ("duka_orders_open", "pending"): 2,
        ("duka_orders_open", "accepted"): 0,
        ("duka_orders_oldest_seconds", "pending"): 7200,
        ("duka_orders_oldest_seconds", "accepted"): 0,
    }
    AcceptedOrderFactory.create()
    counts, _ = services.measure()
    assert [sample.value for sample in counts.samples] == [2, 1]
