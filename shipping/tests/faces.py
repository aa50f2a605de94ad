"""What tests of REST, GraphQL and admin ask for again and again."""

from datetime import date

import factory

from shipping.models import News
from shipping.states import NewsSource, NewsState

from .factories import CarrierFactory
from .factories import StandingOrderFactory as WeeklyFactory

ADDRESS = {
    "recipient": "John Doe",
    "line_1": "The battleship building",
    "line_2": "179 harrow road",
    "city": "London",
    "postcode": "W2 6NB",
    "country": "GB",
}
# Of a variant that the test makes.
STANDING = {
    "items": [{"sku": "TEA", "quantity": 2}],
    "delivery_address": ADDRESS,
    "interval": "week",
    "start": "2029-01-01",
}


class StandingOrderFactory(WeeklyFactory):
    """Each Monday from the first of 2029 on, one piece of a variant of its own."""

    start = date(2029, 1, 1)


class NewsFactory(factory.django.DjangoModelFactory[News]):
    """What a carrier told of a shipment that nobody knows."""

    class Meta:
        model = News

    carrier = factory.SubFactory(CarrierFactory)
    source = NewsSource.WEBHOOK
    content_type = "application/json"
    body = b'{"order_id": "S9999", "event_name": "delivered"}'
    state = NewsState.UNMATCHED
    detail = "No shipment of this number was handed to this carrier."
    reference = "S9999"
