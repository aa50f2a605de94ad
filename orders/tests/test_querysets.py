"""The orders' named reads."""

import pytest

from accounts.tests.factories import UserFactory
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order

from .factories import (
    DraftOrderFactory,
    OrderFactory,
)


@pytest.mark.django_db
def test_a_shopper_sees_what_was_placed_for_them_and_no_draft_dropped_or_not():
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    OrderFactory.create()
    _, dropped, placed = DraftOrderFactory.create_batch(3, customer=customer)
    services.cancel_order(order_id=dropped.pk, by=None)
    services.place_draft(order_id=placed.pk, by=None)
    called_off = OrderFactory.create(customer=customer)
    services.cancel_order(order_id=called_off.pk, by=None)

    assert list(Order.objects.visible_to(shopper)) == [called_off, placed]
