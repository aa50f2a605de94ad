"""What happens to an order becomes a message in the same transaction, and nothing else does."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django_tasks_db.models import DBTaskResult

from catalog.models import Variant
from catalog.tests.factories import ProductFactory, VariantFactory
from core.events import Notice, Recipient, all_events
from customers.tests.factories import CustomerFactory
from notifications import services
from notifications.models import Message, Template
from notifications.tests.factories import MessageFactory
from orders import services as orders
from orders import signals
from orders.models import Order
from orders.tests.factories import AcceptedOrderFactory, OrderFactory

NOTICE = Notice(
    occurrence="1",
    subject="order",
    reference="1001",
    recipient=Recipient(reference="C1001", phone="+254722000001", language="sw"),
    data={"customer": "Wanjiru", "number": "1001", "total": "KES 5.00", "shop": "D", "reason": ""},
)


def order_of_wanjiru(**customer):
    """An order of 2 at 1,234.50 each."""
    return OrderFactory.create(
        customer=CustomerFactory.create(
            **{"code": "C7", "name": "Wanjiru", "phone": "+254722000001"} | customer
        ),
        lines=[orders.Wanted(sku=VariantFactory.create(price=Decimal("1234.50")).sku, quantity=2)],
    )


def text_of(event):
    """Return the words, and what they say in place of the address of a status link."""
    body = Message.objects.get(event=event).body
    return re.sub(r" http://127\.0\.0\.1:8000/t/[0-9]+-[A-Za-z0-9_-]{22}$", " LINK", body)


@pytest.mark.django_db
class TestTexts:
    def test_placed(self):
        order = order_of_wanjiru()

        assert text_of("order.placed") == (
            f"Duka: thank you, Wanjiru. We have your order {order.number}, KES 2,469.00 in all,"
            " and will confirm it soon. LINK"
        )

    def test_accepted(self):
        order = order_of_wanjiru()
        orders.accept_order(order_id=order.pk, by=None)

        assert text_of("order.accepted") == (
            f"Duka: good news, Wanjiru. Your order {order.number}, KES 2,469.00 in all,"
            " is accepted. LINK"
        )

    def test_rejected(self):
        order = order_of_wanjiru()
        orders.reject_order(order_id=order.pk, by=None, reason="we are out of tea")

        assert text_of("order.rejected") == (
            f"Duka: sorry, Wanjiru. We cannot take your order {order.number}, KES 2,469.00"
            " in all. Reason: we are out of tea"
        )

    def test_fulfilled(self):
        order = order_of_wanjiru()
        orders.accept_order(order_id=order.pk, by=None)
        orders.fulfil_order(order_id=order.pk, by=None)

        assert text_of("order.fulfilled") == (
            f"Duka: Wanjiru, your order {order.number}, KES 2,469.00 in all, is complete."
            " Thank you."
        )

    def test_cancelled(self):
        order = order_of_wanjiru()
        orders.cancel_order(order_id=order.pk, by=None)

        assert text_of("order.cancelled") == (
            f"Duka: Wanjiru, your order {order.number}, KES 2,469.00 in all, is cancelled."
        )

    def test_a_variable_that_is_empty_leaves_no_space_behind(self):
        order = order_of_wanjiru()
        services.sync_templates()
        [template] = Template.objects.filter(event="order.accepted", language="en")
        services.change_template(
            template_id=template.pk, text="{number} {reason} {customer} {reason}", by=None
        )
        orders.accept_order(order_id=order.pk, by=None)

        assert text_of("order.accepted") == f"{order.number} Wanjiru"

    def test_the_shop_and_its_currency_are_those_of_the_settings(self, settings):
        settings.SHOP_NAME, settings.SHOP_CURRENCY = "Mama Mboga", "UGX"
        order = order_of_wanjiru()

        assert text_of("order.placed").startswith(
            f"Mama Mboga: thank you, Wanjiru. We have your order {order.number}, UGX 2,469.00 in"
        )

    @pytest.mark.parametrize("name", ["{number}", "{0.__class__}", "Ann %s", "Wañjirũ 🛒", "{"])
    def test_a_name_is_never_read_as_a_template(self, name):
        order_of_wanjiru(name=name)

        assert text_of("order.placed").startswith(f"Duka: thank you, {name}. We have your order ")

    def test_the_events_of_an_order_are_those_five(self):
        codes = [event.code for event in all_events()]

        assert [code for code in codes if code.startswith("order.")] == [
            "order.accepted",
            "order.cancelled",
            "order.fulfilled",
            "order.placed",
            "order.rejected",
        ]


@pytest.mark.django_db
class TestQueueing:
    def test_an_order_makes_one_message_with_all_that_is_known(self):
        order = order_of_wanjiru(language="sw")

        [row] = Message.objects.values()
        assert row.pop("id") > 0
        assert row.pop("body").startswith("Duka: asante, Wanjiru. Tumepokea oda yako ")
        # Both are the database's clock, read by the one statement that inserts the row.
        assert row.pop("due_at") == row.pop("created_at")
        assert row == {
            "event": "order.placed",
            "occurrence": str(order.history.get().pk),
            "channel": "sms",
            "recipient": "C7",
            "subject": "order",
            "reference": order.number,
            "to": "+254722000001",
            "language": "sw",
            "template_id": None,
            "data": {
                "customer": "Wanjiru",
                "number": order.number,
                "total": "KES 2,469.00",
                "shop": "Duka",
                "reason": "",
            },
            "segments": 1,
            "encoding": "gsm-7",
            "secret": False,
            "status": "queued",
            "attempts": 0,
            "fence": None,
            "refused_by": {},
            "rounds": 0,
            "transport": "",
            "transport_id": "",
            "cost": "",
            "cost_amount": None,
            "cost_currency": "",
            "error_code": "",
            "error": "",
            "sent_at": None,
            "delivered_at": None,
        }

    def test_each_step_of_an_order_makes_one_more(self):
        order = AcceptedOrderFactory.create()
        orders.fulfil_order(order_id=order.pk, by=None)

        history = [str(pk) for pk in order.history.values_list("pk", flat=True)]
        assert list(Message.objects.order_by("pk").values_list("event", "occurrence")) == [
            ("order.placed", history[0]),
            ("order.accepted", history[1]),
            ("order.fulfilled", history[2]),
        ]

    def test_without_a_phone_it_is_kept_as_suppressed(self):
        order_of_wanjiru(phone="", email="wanjiru@example.com")

        message = Message.objects.get()
        assert (message.status, message.to) == ("suppressed", "")
        assert (message.error_code, message.error) == (
            "no_phone",
            "There is no phone number to send it to.",
        )
        assert not Message.objects.due().exists()

    def test_the_same_occurrence_is_never_queued_twice(self):
        services.queue_message(event=signals.order_placed, notice=NOTICE)

        refused = pytest.raises(IntegrityError, match="one_message_for_each_event_recipient")
        with refused, transaction.atomic():
            services.queue_message(event=signals.order_placed, notice=NOTICE)

        assert Message.objects.count() == 1

    def test_another_event_occurrence_or_recipient_is_another_message(self):
        other = replace(NOTICE.recipient, reference="C1002")
        services.queue_message(event=signals.order_placed, notice=NOTICE)
        services.queue_message(event=signals.order_accepted, notice=NOTICE)
        services.queue_message(event=signals.order_placed, notice=replace(NOTICE, occurrence="2"))
        services.queue_message(event=signals.order_placed, notice=replace(NOTICE, recipient=other))

        assert Message.objects.count() == 4

    def test_the_database_refuses_a_status_that_does_not_exist(self):
        message = MessageFactory.create()

        with pytest.raises(IntegrityError, match="message_status_is_known"):
            Message.objects.filter(pk=message.pk).update(status="teleported")

    def test_the_longest_codes_and_numbers_fit(self):
        order_of_wanjiru(code="C" * 32, phone="+" + "2" * 15, name="N" * 200)

        assert Message.objects.get().to == "+222222222222222"

    def test_a_message_is_named_by_what_and_whom(self):
        assert str(MessageFactory.build(to="+254722000001")) == "order.placed 1001 → +254722000001"
        assert str(MessageFactory.build(to="", recipient="C7")) == "order.placed 1001 → C7"


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_a_worker_is_woken_once_the_order_is_committed(self):
        with transaction.atomic():
            OrderFactory.create()
            assert not DBTaskResult.objects.exists()

        assert list(DBTaskResult.objects.values_list("task_path", "status")) == [
            ("notifications.tasks.deliver_now", "READY")
        ]

    def test_an_order_that_is_rolled_back_tells_nobody_and_wakes_nobody(self):
        class ChangeOfMindError(Exception):
            pass

        with pytest.raises(ChangeOfMindError), transaction.atomic():
            OrderFactory.create()
            assert Message.objects.count() == 1
            raise ChangeOfMindError

        assert (Order.objects.count(), Message.objects.count()) == (0, 0)
        assert not DBTaskResult.objects.exists()

    def test_an_order_that_is_refused_tells_nobody(self):
        order = AcceptedOrderFactory.create()
        before = Message.objects.count()

        with pytest.raises(Exception, match="it cannot become rejected"):
            orders.reject_order(order_id=order.pk, by=None, reason="No.")

        assert Message.objects.count() == before == 2

    def test_a_text_that_cannot_be_rendered_rolls_the_order_back(self, monkeypatch):
        # As a faulty template would, were one to get past the check of its declaration.
        monkeypatch.setattr(signals.order_placed, "texts", {"en": "Dear {costumer}"})
        variant = VariantFactory.create(product=ProductFactory.create(), stock=5)

        with pytest.raises(KeyError, match="costumer"):
            OrderFactory.create(lines=[orders.Wanted(sku=variant.sku, quantity=2)])

        assert (Order.objects.count(), Message.objects.count()) == (0, 0)
        assert Variant.objects.get(pk=variant.pk).stock == 5
        assert not DBTaskResult.objects.exists()

    def test_a_message_that_cannot_be_stored_rolls_the_move_back(self):
        order = OrderFactory.create()
        # What the next step would be called, taken already.
        next_change = order.history.get().pk + 1
        MessageFactory.create(
            event="order.accepted", occurrence=str(next_change), recipient=order.customer.code
        )

        with pytest.raises(IntegrityError):
            orders.accept_order(order_id=order.pk, by=None)

        order.refresh_from_db()
        assert (order.status, order.history.count()) == ("pending", 1)


@pytest.mark.django_db
class TestForgetting:
    def test_of_who_leaves_neither_words_nor_number_nor_name_are_kept(self):
        order = order_of_wanjiru()
        orders.accept_order(order_id=order.pk, by=None)
        Message.objects.filter(event="order.placed").update(status="sent")

        services.forget_recipient(recipient="C7")

        rows = Message.objects.order_by("pk").values_list("status", "to", "body", "data")
        assert list(rows) == [("sent", "", "", {}), ("suppressed", "", "", {})]

    def test_nobody_else_is_forgotten(self):
        other = MessageFactory.create(recipient="C70", data={"customer": "Ann"})

        services.forget_recipient(recipient="C7")

        other.refresh_from_db()
        assert (other.body, other.data) == ("Duka: thank you.", {"customer": "Ann"})
