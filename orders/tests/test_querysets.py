"""The orders' named reads."""

import pytest

from orders.models import Order

from .factories import AcceptedOrderFactory, OrderFactory, RejectedOrderFactory


@pytest.mark.django_db
def test_pending_leaves_out_what_is_decided():
    pending = OrderFactory.create()
    AcceptedOrderFactory.create()
    RejectedOrderFactory.create()

    assert list(Order.objects.pending()) == [pending]
