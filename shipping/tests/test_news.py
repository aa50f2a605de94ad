"""What becomes of shipments by what their carriers say, in whatever order it comes."""

import itertools
import random
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.utils import timezone

from catalog.tests.factories import VariantFactory
from core.tests.races import at_once
from notifications.models import Message
from notifications.tests.outbox import backends_waiting_for_a_lock
from orders.models import Order
from orders.services import Wanted, cancel_order, fulfil_order
from shipping import services, tasks
from shipping.models import News, Shipment, ShipmentEvent
from shipping.providers import Accepted, Malformed, courier
from shipping.services import news as news_module
from shipping.services.preparing import cancel_shipment, shippable
from shipping.services.sending import Tried, settle
from shipping.states import RANKS, ShipmentStatus
from tests.processes import spawn_manage, wait_until

from .factories import (
    IN_STATUS,
    CancelledShipmentFactory,
    CarrierFactory,
    DeliveredShipmentFactory,
    DeliveryOrderFactory,
    HandedShipmentFactory,
    RefusedShipmentFactory,
    SentShipmentFactory,
    ShipmentFactory,
    fold,
)
from .webhooks import JSON, SECRET, at, event, post, signed, tell

pytestmark = pytest.mark.django_db
COLLECTED, MOVING = "waiting-for-collection", "in-transit"
DELIVERED, FAILED = "delivered", "failed-to-deliver"


def now_of(shipment):
    return Shipment.objects.get(pk=shipment.pk)


def status_of(shipment):
    return now_of(shipment).status


def told(shipment):
    """What the carrier said, in the order in which it happened."""
    rows = shipment.timeline.filter(verb="event").order_by("at", "pk")
    return [(row.status, (row.at - at(0)) / timedelta(minutes=1)) for row in rows]


def states():
    return list(News.objects.order_by("pk").values_list("state", flat=True))


def heard_of(shipment):
    """What its customer was told of it and of its order since it was accepted."""
    about = Message.objects.filter(reference__in=[shipment.number, shipment.order.number])
    of_it = about.exclude(event__in=["order.placed", "order.accepted"]).order_by("pk")
    return list(of_it.values_list("event", flat=True))


def lines_of(shipment):
    order = Order.objects.get(pk=shipment.order_id)
    return [(line.quantity, line.fulfilled) for line in order.lines.all()]


class TestTheOrder:
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
    def test_the_last_word_by_the_carriers_clock_counts(self, order):
        shipment = SentShipmentFactory.create()
        events = [(COLLECTED, 0), (MOVING, 1), (DELIVERED, 2)]

        for index in order:
            tell(shipment.number, *events[index])
        assert services.look_at_news() == 3

        row = now_of(shipment)
        assert (row.status, row.last_event_at) == (DELIVERED, at(2))
        assert told(shipment) == events
        assert states() == ["done"] * 3

    def test_of_one_moment_the_higher_rank_counts(self):
        orders = list(itertools.permutations(RANKS))
        assert len(orders) == 24

        for order in orders:
            shipment = SentShipmentFactory.create()
            for status in order:
                fold(shipment, status)

            assert (status_of(shipment), order) == (DELIVERED, order)
            assert Counter(told(shipment)) == {(str(status), 0): 1 for status in RANKS}

    def test_a_carrier_may_change_its_mind_later(self):
        shipment = SentShipmentFactory.create()

        said = [(FAILED, 1), (MOVING, 2), (DELIVERED, 3), (FAILED, 4)]
        assert [fold(shipment, *each) and status_of(shipment) for each in said] == [
            status for status, _ in said
        ]

    def test_said_twice_it_happened_once(self):
        shipment = SentShipmentFactory.create()

        assert [fold(shipment, MOVING), fold(shipment, MOVING)] == [True, False]
        assert told(shipment) == [(MOVING, 0)]

    @pytest.mark.parametrize("by", ["webhook", "poll"])
    def test_however_it_is_known_it_is_kept_as_it_came(self, by):
        shipment = SentShipmentFactory.create()

        if by == "webhook":
            tell(shipment.number, MOVING)
            services.look_at_news()
        else:
            fold(shipment, MOVING, detail="Left Nairobi.")
            fold(shipment, MOVING, detail="Left Nairobi.")

        stored = News.objects.get()
        assert (stored.source, stored.state, stored.shipment) == (by, "done", shipment)
        assert stored.reference == shipment.number
        [entry] = shipment.timeline.filter(verb="event")
        assert (entry.news, entry.detail) == (stored, "" if by == "webhook" else "Left Nairobi.")

        # An answer can be replayed as well as a webhook, and nothing happens twice.
        assert services.replay_news(news_id=stored.pk) == 1
        assert services.look_at_news() == 1
        assert (states(), told(shipment)) == (["done"], [(MOVING, 0)])

    def test_it_is_heard_of_then_also_by_old_news(self):
        shipment = SentShipmentFactory.create()
        fold(shipment, MOVING, 5)
        Shipment.objects.update(heard_at=at(0))

        assert fold(shipment, COLLECTED, 1) is False

        assert status_of(shipment) == MOVING
        assert now_of(shipment).heard_at > at(0) + timedelta(days=1)

    @pytest.mark.parametrize("status", sorted(set(ShipmentStatus) - set(RANKS)))
    def test_no_carrier_says_what_is_the_shops_to_say(self, status, monkeypatch):
        shipment = SentShipmentFactory.create()
        # A plug-in that does not know its limits.
        monkeypatch.setitem(courier._STATUSES, "odd", status)

        assert tell(shipment.number, "odd").status_code == 200
        with pytest.raises(Malformed):
            fold(shipment, status)

        assert (status_of(shipment), told(shipment), states()) == ("sent", [], ["bad"])
        assert News.objects.get().detail == f"No carrier can say that it is {status}."


class TestWhatIsNotKnown:
    def test_one_of_nothing_of_ours_is_kept_for_a_person(self):
        assert tell("S999999").status_code == 200

        assert services.look_at_news() == 1
        assert services.look_at_news() == 0
        stored = News.objects.get()
        assert (stored.state, stored.reference, stored.shipment) == ("unmatched", "S999999", None)
        assert stored.detail == "No shipment of this number was handed to this carrier."

    @pytest.mark.parametrize("factory", [ShipmentFactory, RefusedShipmentFactory])
    def test_nor_can_a_carrier_say_anything_of_what_it_does_not_have(self, factory):
        shipment = factory.create()
        before = status_of(shipment)

        tell(shipment.number)
        services.look_at_news()

        assert (status_of(shipment), told(shipment), states()) == (before, [], ["unmatched"])

    def test_nor_of_another_carriers(self):
        shipment = SentShipmentFactory.create()
        Shipment.objects.update(carrier=CarrierFactory.create(name="other"))

        tell(shipment.number)
        services.look_at_news()

        assert (status_of(shipment), states()) == ("sent", ["unmatched"])

    def test_it_is_folded_in_once_there_is_such_a_shipment(self):
        shipment = SentShipmentFactory.create()
        Shipment.objects.update(number="S5")
        tell("S6")
        tell("S7")
        services.look_at_news()
        assert states() == ["unmatched"] * 2

        Shipment.objects.update(number="S7")
        assert services.look_at_news() == 1

        assert (status_of(shipment), states()) == (MOVING, ["unmatched", "done"])


class TestBeforeTheAnswer:
    def test_news_of_one_that_was_handed_over_prove_that_the_carrier_has_it(self):
        shipment = HandedShipmentFactory.create()
        assert shipment.status == "waiting"

        tell(shipment.number, COLLECTED)
        services.look_at_news()

        row = now_of(shipment)
        assert (row.status, row.sent_at is not None) == (COLLECTED, True)

    def test_the_answer_that_comes_after_it_takes_nothing_back(self):
        shipment = HandedShipmentFactory.create()
        fold(shipment, MOVING)

        answer = Accepted(id="C-7", tracking_url="https://carrier.example/C-7")
        settle(shipment, Tried(outcome=answer, heard=answer))

        row = now_of(shipment)
        assert (row.status, row.carrier_reference) == (MOVING, "C-7")
        assert told(shipment) == [(MOVING, 0)]
        assert row.timeline.filter(verb="accepted").count() == 1

    @pytest.mark.parametrize(
        ("said", "heard"),
        [
            ([], ["sent"]),
            ([COLLECTED], ["sent"]),
            ([COLLECTED, COLLECTED], ["sent"]),
            ([COLLECTED, MOVING], ["sent", "in_transit"]),
            ([MOVING], ["in_transit"]),
            ([MOVING, COLLECTED], ["in_transit"]),
        ],
    )
    def test_that_it_is_sent_is_told_once_unless_it_is_on_its_way(self, said, heard):
        shipment = HandedShipmentFactory.create()
        for minutes, status in enumerate(said):
            fold(shipment, status, minutes)

        answer = Accepted(id="C-7")
        settle(shipment, Tried(outcome=answer, heard=answer))
        fold(shipment, COLLECTED, 9)

        assert heard_of(shipment) == [f"shipment.{each}" for each in heard]


class TestDelivered:
    def shipment_of(self, *quantities, parcels=None):
        """Return a sent shipment of an order of so many pieces of each of some goods."""
        variants = VariantFactory.create_batch(len(quantities))
        lines = [Wanted(sku=v.sku, quantity=q) for v, q in zip(variants, quantities, strict=True)]
        order = DeliveryOrderFactory.create(lines=lines)
        packed = parcels and [
            [Wanted(sku=variants[n].sku, quantity=q) for n, q in parcel.items()]
            for parcel in parcels
        ]
        return SentShipmentFactory.create(order=order, parcels=packed)

    def test_its_pieces_are_fulfilled_and_with_the_last_of_them_the_order(self):
        first = self.shipment_of(3, 2, parcels=[{0: 1}, {0: 1, 1: 2}])
        rest = SentShipmentFactory.create(order=first.order)

        fold(first, DELIVERED)
        assert (lines_of(first), first.order.state) == ([(3, 2), (2, 2)], "accepted")
        fold(rest, DELIVERED)

        assert lines_of(first) == [(3, 3), (2, 2)]
        assert Order.objects.get().status == "fulfilled"
        assert [now_of(each).attention for each in (first, rest)] == ["", ""]

    def test_once_however_often_it_is_delivered(self):
        shipment = self.shipment_of(2, parcels=[{0: 1}])

        for minutes, status in enumerate([DELIVERED, DELIVERED, FAILED, MOVING, DELIVERED]):
            fold(shipment, status, minutes)

        assert (status_of(shipment), lines_of(shipment)) == (DELIVERED, [(2, 1)])

    def test_what_fails_after_it_was_delivered_is_a_persons_to_look_at(self):
        shipment = self.shipment_of(2, parcels=[{0: 1}])
        fold(shipment, DELIVERED, 0)
        fold(shipment, MOVING, 1)

        row = now_of(shipment)
        assert (row.status, lines_of(shipment)) == (MOVING, [(2, 1)])
        assert row.attention == (
            "It was delivered and its pieces count as such, but Courier says: in transit."
        )
        # They are with the customer, and not on their way as well.
        assert list(shippable(row.order).values()) == [1]

    def test_old_news_of_it_fulfil_nothing_until_it_is_so(self):
        shipment = self.shipment_of(1)
        fold(shipment, FAILED, 5)

        assert fold(shipment, DELIVERED, 1) is False
        assert (status_of(shipment), lines_of(shipment)) == (FAILED, [(1, 0)])

        assert fold(shipment, DELIVERED, 9) is True
        assert (status_of(shipment), lines_of(shipment)) == (DELIVERED, [(1, 1)])

    @pytest.mark.parametrize(("by_hand", "after"), [(1, 3), (2, 3), (3, 3)])
    def test_at_most_what_is_outstanding(self, by_hand, after):
        shipment = self.shipment_of(3, parcels=[{0: 2}])
        [line] = shipment.order.lines.all()
        wanted = [Wanted(sku=line.sku, quantity=by_hand)]
        fulfil_order(order_id=shipment.order_id, by=None, lines=wanted)

        fold(shipment, DELIVERED)

        assert (lines_of(shipment), now_of(shipment).attention) == ([(3, after)], "")
        assert Order.objects.get().status == "fulfilled"

    def test_the_customer_hears_once_that_all_is_there(self):
        shipment = self.shipment_of(1)

        fold(shipment, DELIVERED)

        assert Order.objects.get().status == "fulfilled"
        assert heard_of(shipment) == ["shipment.sent", "shipment.delivered"]

    def test_by_hand_they_hear_of_the_order(self):
        shipment = self.shipment_of(1)

        fulfil_order(order_id=shipment.order_id, by=None)
        fold(shipment, MOVING)

        assert heard_of(shipment) == ["shipment.sent", "order.fulfilled", "shipment.in_transit"]

    def test_of_a_cancelled_order_nothing_is_and_a_person_is_told(self):
        shipment = self.shipment_of(1)
        cancel_order(order_id=shipment.order_id, by=None)

        fold(shipment, DELIVERED)

        row = now_of(shipment)
        assert (row.status, lines_of(shipment)) == (DELIVERED, [(1, 0)])
        assert "Its order is cancelled, but Courier says: delivered." in row.attention


class TestFailed:
    STOP = "Stop it: {} is delivered, with pieces of this one."

    def failed(self, quantity=1):
        """Return one that failed, with a piece of an order of so many."""
        variant = VariantFactory.create()
        order = DeliveryOrderFactory.create(lines=[Wanted(sku=variant.sku, quantity=quantity)])
        one = [[Wanted(sku=variant.sku, quantity=1)]]
        first = SentShipmentFactory.create(order=order, parcels=one)
        fold(first, FAILED)
        return first

    def test_a_person_is_called(self):
        assert now_of(self.failed()).attention == (
            "It could not be delivered: ship its pieces anew, or settle it with the customer."
        )

    def test_once_it_came_after_all_nobody_is_to_ship_it_anew(self):
        first = self.failed()
        Shipment.objects.update(attention=f"Its cost is odd. {now_of(first).attention}")

        fold(first, DELIVERED, 1)

        assert (now_of(first).attention, lines_of(first)) == ("Its cost is odd.", [(1, 1)])

    @pytest.mark.parametrize("factory", [ShipmentFactory, SentShipmentFactory])
    def test_where_it_comes_after_all_a_person_stops_the_second(self, factory):
        first = self.failed()
        again = factory.create(order=first.order)

        fold(first, DELIVERED, 1)
        assert (lines_of(first), Order.objects.get().status) == ([(1, 1)], "fulfilled")
        assert now_of(again).attention == self.STOP.format(first.number)

        # Nobody stopped it: what is there twice is counted once.
        Shipment.objects.filter(pk=again.pk).update(handed_at=at(0))
        fold(again, DELIVERED, 2)
        assert (lines_of(first), status_of(again)) == ([(1, 1)], DELIVERED)

    def test_what_else_the_attention_says_stays(self):
        first = self.failed()
        again = SentShipmentFactory.create(order=first.order)
        Shipment.objects.filter(pk=again.pk).update(attention="Mind the dog.")

        fold(first, DELIVERED, 1)

        assert now_of(again).attention == f"Mind the dog. {self.STOP.format(first.number)}"

    def test_only_what_is_too_much_is_to_be_stopped(self):
        first = self.failed(3)
        one = [[Wanted(sku=first.order.lines.get().sku, quantity=1)]]
        others = [SentShipmentFactory.create(order=first.order, parcels=one) for _ in range(3)]

        fold(first, DELIVERED, 1)

        assert (lines_of(first), Order.objects.get().status) == ([(3, 1)], "accepted")
        assert [now_of(each).attention for each in others] == [
            "",
            "",
            self.STOP.format(first.number),
        ]
        for each in others:
            fold(each, DELIVERED, 2)
        assert lines_of(first) == [(3, 3)]


class TestCancelled:
    def test_a_cancelled_one_is_where_the_carrier_says_and_a_person_is_told(self):
        shipment = SentShipmentFactory.create()
        Shipment.objects.update(status="cancelled")

        fold(shipment, MOVING)

        row = now_of(shipment)
        assert (row.status, row.attention) == (
            MOVING,
            "It was cancelled, but Courier says: in transit.",
        )

    def test_where_the_carrier_was_faster_nobody_asks_it_any_more(self):
        shipment = SentShipmentFactory.create(carrier="parcelpost")
        cancel_shipment(shipment_id=shipment.pk, by=None)

        fold(shipment, MOVING, 1)
        assert now_of(shipment).cancel_asked_at is not None
        fold(shipment, DELIVERED, 2)

        row = now_of(shipment)
        assert (row.status, row.cancel_asked_at) == (DELIVERED, None)
        assert row.attention == "It was to be cancelled, but Parcelpost says: delivered."

    def test_one_that_no_carrier_got_stays_cancelled(self):
        shipment = CancelledShipmentFactory.create()

        tell(shipment.number)
        services.look_at_news()

        assert (status_of(shipment), states()) == ("cancelled", ["unmatched"])

    def test_old_news_move_it_no_more(self):
        shipment = SentShipmentFactory.create()
        fold(shipment, MOVING, 5)
        Shipment.objects.update(status="cancelled")

        assert [fold(shipment, MOVING, 5), fold(shipment, COLLECTED, 5)] == [False, False]
        assert fold(shipment, COLLECTED, 1) is False
        assert (status_of(shipment), now_of(shipment).attention) == ("cancelled", "")

    def test_with_its_order_it_is_called_off_where_it_can_be(self):
        order = DeliveryOrderFactory.create(
            lines=[Wanted(sku=VariantFactory.create().sku, quantity=3)]
        )
        one = [[Wanted(sku=order.lines.get().sku, quantity=1)]]
        waiting = ShipmentFactory.create(order=order, parcels=one)
        sent = SentShipmentFactory.create(order=order, parcels=one)
        failed = IN_STATUS[FAILED].create(order=order, parcels=one)

        cancel_order(order_id=order.pk, by=None)

        assert [status_of(each) for each in (waiting, sent, failed)] == [
            "cancelled",
            "sent",
            FAILED,
        ]
        assert now_of(sent).attention == (
            "The order is cancelled, and the carrier cannot call this off."
        )
        assert now_of(waiting).attention == ""


class TestReplay:
    def test_what_could_not_be_understood_counts_after_a_repair(self, monkeypatch):
        shipment = SentShipmentFactory.create()
        body = event(shipment.number, "out-for-delivery")
        assert post("courier/", body, **signed(body)).status_code == 200
        tell("S999999")
        services.look_at_news()
        assert states() == ["bad", "unmatched"]

        monkeypatch.setitem(courier._STATUSES, "out-for-delivery", ShipmentStatus.IN_TRANSIT)
        assert services.replay_news() == 2
        assert services.look_at_news() == 2

        assert (status_of(shipment), states()) == (MOVING, ["done", "unmatched"])

    def test_what_was_folded_in_is_known(self):
        shipment = DeliveredShipmentFactory.create()
        before = Shipment.objects.values().get()
        tell(shipment.number, MOVING, 5)
        tell(shipment.number, DELIVERED, 6)
        services.look_at_news()
        entries = shipment.timeline.count()
        messages = Message.objects.count()

        assert services.replay_news(news_id=News.objects.first().pk) == 1
        News.objects.update(state="new")
        services.look_at_news()

        after = Shipment.objects.values().get()
        assert (shipment.timeline.count(), Message.objects.count()) == (entries, messages)
        assert after["fulfilled_at"] == before["fulfilled_at"]
        assert after["status"] == DELIVERED

    def test_what_a_carrier_told_that_the_shop_works_with_no_more_waits_until_it_does(
        self, settings
    ):
        shipment = SentShipmentFactory.create()
        tell(shipment.number)
        settings.SHIPPING_PROVIDERS = ["parcelpost"]
        assert (services.look_at_news(), states()) == (0, ["new"])

        settings.SHIPPING_PROVIDERS = ["courier", "parcelpost"]
        assert (services.look_at_news(), states()) == (1, ["done"])

    def test_one_that_fails_does_not_stop_those_after_it(self, monkeypatch):
        poison, shipment = SentShipmentFactory.create_batch(2)
        tell(poison.number)
        tell(shipment.number)
        tell_them = news_module.tell

        def tell_or_fail(row, entry):
            if row.pk == poison.pk:
                raise ZeroDivisionError
            tell_them(row, entry)

        monkeypatch.setattr(news_module, "tell", tell_or_fail)
        assert services.look_at_news() == 2
        assert (states(), status_of(poison), told(poison)) == (["bad", "done"], "sent", [])
        assert News.objects.earliest("pk").detail == "ZeroDivisionError"

        monkeypatch.setattr(news_module, "tell", tell_them)
        services.replay_news()
        services.look_at_news()
        assert (status_of(poison), status_of(shipment)) == (MOVING, MOVING)


def last_word(said):
    """Where the contract puts a shipment: by time, and of one moment by rank."""
    return max(said, key=lambda each: (each[1], RANKS[ShipmentStatus(each[0])]))


# Committed, as in one transaction the database would walk through all that was looked at before.
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ten_thousand_shuffled_doubled_and_late_end_as_their_last_word_says():
    dice = random.Random(7)
    orders = DeliveryOrderFactory.create_batch(20)
    carrier = CarrierFactory.create()
    on_their_way = Shipment.objects.bulk_create(
        Shipment(
            number=f"S{n}", order=orders[n % 20], carrier=carrier, status="sent", handed_at=at(0)
        )
        for n in range(200)
    )
    said = {
        shipment.number: [
            (str(dice.choice(list(RANKS))), dice.randrange(8)) for _ in range(dice.randint(1, 10))
        ]
        for shipment in on_their_way
    }
    events = [(number, *each) for number, events in said.items() for each in events]
    # Some are said again, most are sent again: at once, much later, and after all others.
    events += dice.choices(events, k=500)
    sent = [(f"msg_{n}", *each) for n, each in enumerate(events)]
    sent += dice.choices(sent, k=10_000 - len(sent))
    dice.shuffle(sent)

    # A tenth comes over HTTP, the rest as that would store it; workers look ten times meanwhile.
    for come in range(0, 10_000, 1_000):
        for ident, number, status, minutes in sent[come : come + 100]:
            assert tell(number, status, minutes, ident=ident).status_code == 200
        News.objects.bulk_create(
            (
                News(
                    carrier=carrier,
                    source="webhook",
                    nonce=ident,
                    content_type=JSON,
                    body=event(number, status, f"{at(minutes):%Y-%m-%d %H:%M:%S}"),
                    reference=number,
                )
                for ident, number, status, minutes in sent[come + 100 : come + 1_000]
            ),
            ignore_conflicts=True,
        )
        while services.look_at_news():
            pass

    assert (News.objects.count(), set(states())) == (len(events), {"done"})
    rows = Shipment.objects.all()
    assert {row.number: (row.status, row.last_event_at) for row in rows} == {
        number: (status, at(minutes))
        for number, each in said.items()
        for status, minutes in [last_word(each)]
    }
    entries = ShipmentEvent.objects.filter(verb="event")
    assert entries.count() == sum(len(set(each)) for each in said.values())
    # By who wrote last it would be wrong for many.
    by_arrival = {number: (status, at(minutes)) for _, number, status, minutes in sent}
    assert sum(by_arrival[row.number] != (row.status, row.last_event_at) for row in rows) > 100


class TestHowLong:
    def test_a_worker_stops_after_some_seconds_and_the_next_goes_on(self, monkeypatch):
        shipments = SentShipmentFactory.create_batch(2)
        for shipment in shipments:
            tell(shipment.number)

        with monkeypatch.context() as patch:
            patch.setattr(news_module, "LONGEST_RUN", 0)
            assert services.look_at_news() == 0
        assert states() == ["new", "new"]
        assert services.look_at_news() == 2

    def test_what_is_folded_in_is_kept_for_a_time_and_what_waits_for_a_person_ten_times_as_long(
        self, settings
    ):
        settings.SHIPPING_NEWS_DAYS = 7
        shipment = SentShipmentFactory.create()
        ages = [("done", 6), ("done", 8), ("bad", 69), ("bad", 71), ("unmatched", 69)]
        ages += [("unmatched", 71), ("new", 700)]
        fold(shipment, MOVING)
        [stored] = News.objects.all()
        for state, days in ages:
            stored.pk, stored.state = None, state
            stored.received_at = timezone.now() - timedelta(days=days)
            stored.save()

        assert tasks.remove_old_news.func() == 3

        left = News.objects.order_by("pk").values_list("state", flat=True)
        assert list(left) == ["done", "done", "bad", "unmatched", "new"]
        # The timeline knows it still: told once more it counts as little.
        News.objects.all().delete()
        assert fold(shipment, MOVING) is False
        assert told(shipment) == [(MOVING, 0)]


@pytest.mark.django_db(transaction=True)
def test_many_who_look_at_once_fold_each_in_once():
    variant = VariantFactory.create()
    order = DeliveryOrderFactory.create(lines=[Wanted(sku=variant.sku, quantity=6)])
    one = [[Wanted(sku=variant.sku, quantity=1)]]
    shipments = [SentShipmentFactory.create(order=order, parcels=one) for _ in range(6)]
    dice = random.Random(3)
    said = [(each.number, status) for each in shipments for status in RANKS] * 2
    dice.shuffle(said)
    for number, status in said:
        tell(number, str(status))

    looked_at = at_once([services.look_at_news] * 6)

    assert sum(looked_at) == 48
    assert [(status_of(each), len(told(each))) for each in shipments] == [(DELIVERED, 4)] * 6
    assert lines_of(shipments[0]) == [(6, 6)]
    assert Order.objects.get().status == "fulfilled"
    delivered = Message.objects.filter(event="shipment.delivered")
    assert sorted(delivered.values_list("reference", flat=True)) == sorted(
        each.number for each in shipments
    )


@pytest.mark.django_db(transaction=True)
def test_a_repair_takes_nothing_out_of_a_workers_hands_and_waits_for_none():
    for number in ("S998", "S999"):
        tell(number)
    services.look_at_news()
    assert states() == ["unmatched"] * 2

    def replay():
        with connection.cursor() as cursor:
            # Else one that waits would wait for this test to end.
            cursor.execute("SET lock_timeout = '5s'")
        return services.replay_news()

    with transaction.atomic():
        News.objects.select_for_update().earliest("pk")
        assert at_once([replay]) == [1]

    assert states() == ["unmatched", "new"]


@pytest.mark.django_db(transaction=True)
def test_news_and_what_people_do_to_the_order_do_not_stop_each_other():
    calls = []
    shipments = SentShipmentFactory.create_batch(10)
    for shipment in shipments:
        calls += [
            partial(fold, shipment, DELIVERED),
            partial(cancel_order, order_id=shipment.order_id, by=None),
        ]

    outcomes = at_once(calls, threads=8)

    for shipment, _, cancelled in zip(shipments, outcomes[::2], outcomes[1::2], strict=True):
        order = Order.objects.get(pk=shipment.order_id)
        # Whoever came first: fulfilled, or cancelled and a person told.
        assert status_of(shipment) == DELIVERED
        if isinstance(cancelled, Exception):
            assert (order.status, type(cancelled).__name__) == ("fulfilled", "MoveNotAllowed")
        else:
            assert (order.status, lines_of(shipment)) == ("cancelled", [(1, 0)])
            assert "Its order is cancelled" in now_of(shipment).attention


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_in_the_midst_of_one_loses_nothing():
    shipment = SentShipmentFactory.create()
    tell(shipment.number, DELIVERED)

    env = {
        "SHIPPING_PROVIDERS": "courier",
        "COURIER_URL": "http://127.0.0.1:9",
        "COURIER_API_KEY": "x",
        "COURIER_WEBHOOK_SECRETS": SECRET,
    }
    with spawn_manage("worker", env=env) as worker, transaction.atomic():
        # It stands before the shipment, the news in its hands, and there it dies.
        Shipment.objects.select_for_update().get(pk=shipment.pk)
        wait_until(backends_waiting_for_a_lock)
        worker.kill()
        with connection.cursor() as cursor:
            # A backend that waits for a lock does not notice its client's death.
            for pid in backends_waiting_for_a_lock():
                cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        wait_until(lambda: not backends_waiting_for_a_lock())
    assert (status_of(shipment), states(), lines_of(shipment)) == ("sent", ["new"], [(1, 0)])

    assert tasks.look_at_news.call() == 1
    assert (status_of(shipment), states(), lines_of(shipment)) == (DELIVERED, ["done"], [(1, 1)])
