"""Shipments in each of their states, come by through the services as in the shop."""

import uuid
from datetime import timedelta

import factory
from django.utils import timezone

from catalog.tests.factories import VariantFactory
from core import clock
from customers.tests.factories import CustomerFactory
from orders.services import Delivery, Wanted
from orders.states import DeliveryMethod
from orders.tests.factories import AcceptedOrderFactory
from shipping.models import Carrier, Shipment, StandingOrder
from shipping.providers import Accepted, Address, News, Refused
from shipping.services.news import fold as fold_news
from shipping.services.preparing import cancel_shipment, prepare_shipment
from shipping.services.sending import Tried, begin, settle
from shipping.services.standing import create_standing_order
from shipping.states import NewsSource, ShipmentStatus

from .webhooks import at

HOME = Delivery(
    delivery_method=DeliveryMethod.DELIVERY,
    recipient="John Doe",
    address_line_1="The battleship building",
    address_line_2="179 harrow road",
    city="London",
    postcode="W2 6NB",
    country="GB",
)


class CarrierFactory(factory.django.DjangoModelFactory[Carrier]):
    class Meta:
        model = Carrier
        django_get_or_create = ["name"]

    name = "courier"


class DeliveryOrderFactory(AcceptedOrderFactory):
    """An accepted order that is to be delivered: `DeliveryOrderFactory(lines=[...])`."""

    delivery = HOME


class ShipmentFactory(factory.Factory[Shipment]):
    """A shipment of all that an order of its own is for, which waits for a worker."""

    class Meta:
        model = Shipment

    order = factory.SubFactory(DeliveryOrderFactory)
    carrier = "courier"

    @classmethod
    def _create(cls, model_class, *args, order, **kwargs):
        return prepare_shipment(order_id=order.pk, by=None, **kwargs)


class HandedShipmentFactory(ShipmentFactory):
    """One that a worker is just handing to its carrier."""

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        shipment = super()._create(model_class, *args, **kwargs)
        shipment.fence = uuid.uuid4()
        shipment.leased_until = timezone.now() + timedelta(minutes=1)
        shipment.save()
        return begin(shipment)


class SentShipmentFactory(HandedShipmentFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return _settled(super()._create(model_class, *args, **kwargs), Accepted(id="C-1"))


class RefusedShipmentFactory(HandedShipmentFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        refused = Refused(code="bad_postcode", reason="There is no such postcode.", may_pass=False)
        return _settled(super()._create(model_class, *args, **kwargs), refused)


class CancelledShipmentFactory(ShipmentFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        shipment = super()._create(model_class, *args, **kwargs)
        return cancel_shipment(shipment_id=shipment.pk, by=None)


class CollectableShipmentFactory(SentShipmentFactory):
    said = ShipmentStatus.WAITING_FOR_COLLECTION

    @classmethod
    def _create(cls, model_class, *args, said, **kwargs):
        shipment = super()._create(model_class, *args, **kwargs)
        fold(shipment, said)
        return Shipment.objects.get(pk=shipment.pk)


class InTransitShipmentFactory(CollectableShipmentFactory):
    said = ShipmentStatus.IN_TRANSIT


class DeliveredShipmentFactory(CollectableShipmentFactory):
    said = ShipmentStatus.DELIVERED


class FailedShipmentFactory(CollectableShipmentFactory):
    said = ShipmentStatus.FAILED_TO_DELIVER


IN_STATUS = {
    "waiting": ShipmentFactory,
    "refused": RefusedShipmentFactory,
    "sent": SentShipmentFactory,
    "waiting-for-collection": CollectableShipmentFactory,
    "in-transit": InTransitShipmentFactory,
    "delivered": DeliveredShipmentFactory,
    "failed-to-deliver": FailedShipmentFactory,
    "cancelled": CancelledShipmentFactory,
}


def fold(shipment, status, minutes=0, **more):
    """Let the carrier have said, when asked, that this happened so many minutes after noon."""
    news = News(number=shipment.number, status=ShipmentStatus(status), at=at(minutes), **more)
    return fold_news(shipment=shipment, news=news, source=NewsSource.POLL)


def _settled(shipment, outcome):
    settle(shipment, Tried(outcome=outcome, heard=outcome, certain=True))
    return Shipment.objects.get(pk=shipment.pk)


class StandingOrderFactory(factory.Factory[StandingOrder]):
    """One piece of a variant of its own each week, from today on."""

    class Meta:
        model = StandingOrder

    customer = factory.SubFactory(CustomerFactory)
    items = factory.LazyFunction(lambda: [Wanted(sku=VariantFactory.create().sku, quantity=1)])
    address = Address(
        recipient="John Doe",
        line_1="The battleship building",
        line_2="179 harrow road",
        city="London",
        postcode="W2 6NB",
        country="GB",
    )
    interval = "week"
    start = factory.LazyFunction(clock.today)

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return create_standing_order(by=None, **kwargs)
