"""Orders in each of their states, come by through the services as in the shop."""

import factory

from catalog.tests.factories import VariantFactory
from customers.tests.factories import CustomerFactory
from orders import services
from orders.models import Order


class OrderFactory(factory.Factory[Order]):
    """A pending order of one piece of a variant of its own: `OrderFactory(lines=[...])`."""

    class Meta:
        model = Order

    customer = factory.SubFactory(CustomerFactory)
    lines = factory.LazyFunction(
        lambda: [services.Wanted(sku=VariantFactory.create().sku, quantity=1)]
    )
    note = ""

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return services.place_order(by=None, **kwargs)


class DraftOrderFactory(OrderFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        return services.draft_order(by=None, **kwargs)


class AcceptedOrderFactory(OrderFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        order = super()._create(model_class, *args, **kwargs)
        return services.accept_order(order_id=order.pk, by=None)


class FulfilledOrderFactory(AcceptedOrderFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        order = super()._create(model_class, *args, **kwargs)
        return services.fulfil_order(order_id=order.pk, by=None)


class RejectedOrderFactory(OrderFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        order = super()._create(model_class, *args, **kwargs)
        return services.reject_order(order_id=order.pk, by=None, reason="Closed for stocktaking.")


class CancelledOrderFactory(OrderFactory):
    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        order = super()._create(model_class, *args, **kwargs)
        return services.cancel_order(order_id=order.pk, by=None)


IN_STATUS = {
    "draft": DraftOrderFactory,
    "pending": OrderFactory,
    "accepted": AcceptedOrderFactory,
    "fulfilled": FulfilledOrderFactory,
    "rejected": RejectedOrderFactory,
    "cancelled": CancelledOrderFactory,
}
