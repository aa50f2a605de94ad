"""Handing shipments to carriers: no answer, however bad, loses one or ships one twice.

What was shipped is what the carriers' own book says.
"""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from catalog.tests.factories import VariantFactory
from core.tests.races import at_once
from notifications.models import Message
from orders.services import Wanted, accept_order, cancel_order, fulfil_order, place_order
from shipping import providers
from shipping.exceptions import MoveNotAllowed
from shipping.models import Carrier, Shipment
from shipping.providers import Accepted, Unclear, courier, network
from shipping.services import (
    cancel_asked,
    cancel_shipment,
    edit_shipment,
    forget_customer,
    send_due_shipments,
    send_now,
)
from shipping.services.circuits import FAILURES, Turn, note_outcome
from shipping.services.sending import LATE, Tried, begin, claim_shipments, settle
from tests.processes import wait_until

from .factories import HOME, DeliveryOrderFactory, ShipmentFactory

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("carrier", ["courier", "parcelpost"])


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings):
    """Time-outs that a test can wait for."""
    monkeypatch.setattr(network, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(network, "LONGEST", 0.5)
    settings.SHIPMENT_RETRY_SECONDS = [60, 300]


def now_of(shipment):
    return Shipment.objects.get(pk=shipment.pk)


def timeline(shipment):
    return list(shipment.timeline.values_list("verb", flat=True))


def let_waits_pass():
    """Let everything be due, and no carrier be at work on an earlier try any more."""
    let_all_be_due()
    Shipment.objects.update(handed_at=F("handed_at") - LATE)


def let_all_be_due():
    Carrier.objects.update(next_at=timezone.now())
    Shipment.objects.update(due_at=timezone.now(), leased_until=None)


def calls(fake):
    return [entry["call"] for entry in fake.book()]


@contextmanager
def held_up(fake):
    """Let a worker send what is due, while the carrier keeps it waiting until the block ends."""

    def work():
        try:
            send_due_shipments()
        finally:
            connection.close()

    worker = Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        fake.release()
        worker.join()


@pytest.fixture
def mute_carrier(monkeypatch):
    """The courier, if it could not be asked anything."""
    monkeypatch.setattr(courier.Provider, "looks_up", False)


def send_until_nothing_waits(most=12):
    for _ in range(most):
        let_waits_pass()
        send_due_shipments()
        if not Shipment.objects.filter(status="waiting").exists():
            return
    raise AssertionError("Something waits still.")


@BOTH
def test_what_is_due_is_sent_once_and_the_customer_is_told(fake, carrier):
    shipment = ShipmentFactory.create(carrier=carrier)

    assert [send_due_shipments(), send_due_shipments()] == [1, 0]

    row = now_of(shipment)
    assert (row.status, row.attempts, row.fence, row.leased_until) == ("sent", 1, None, None)
    assert row.carrier_reference == f"{carrier[0].upper()}000001"
    assert row.tracking_url == f"{fake.url}/track/{row.carrier_reference}"
    assert timeline(row) == ["prepared", "handed", "accepted"]
    assert fake.shipped() == {shipment.number: 1}
    events = Message.objects.filter(subject="shipment").values_list("event", flat=True)
    assert list(events) == ["shipment.sent"]


def test_the_courier_is_sent_the_contract_s_json(fake):
    tea = VariantFactory.create(sku="TEA", weight=250)
    cup = VariantFactory.create(sku="CUP", weight=90)
    wanted = [Wanted(sku="TEA", quantity=3), Wanted(sku="CUP", quantity=1)]
    order = DeliveryOrderFactory.create(lines=wanted)
    parcels = [[Wanted(sku="TEA", quantity=2)], [wanted[1], Wanted(sku="TEA", quantity=1)]]
    shipment = ShipmentFactory.create(order=order, parcels=parcels, service="express")
    # As heavy as they were when they were packed.
    type(tea).objects.filter(pk__in=[tea.pk, cup.pk]).update(weight=1)
    send_due_shipments()

    assert fake.book()[0]["said"] == {
        "order_id": shipment.number,
        "delivery_service": "express",
        "items": [
            {"item_id": "TEA", "quantity": 3, "weight": 250},
            {"item_id": "CUP", "quantity": 1, "weight": 90},
        ],
        "delivery_address": {
            "recipient": "John Doe",
            "line_1": "The battleship building",
            "line_2": "179 harrow road",
            "city": "London",
            "postcode": "W2 6NB",
            "country": "GB",
        },
    }


def test_parcelpost_is_sent_a_form_and_says_what_it_costs(fake):
    VariantFactory.create(sku="TEA", weight=250)
    order = DeliveryOrderFactory.create(lines=[Wanted(sku="TEA", quantity=3)])
    parcels = [[Wanted(sku="TEA", quantity=2)], [Wanted(sku="TEA", quantity=1)]]
    shipment = ShipmentFactory.create(
        order=order, carrier="parcelpost", parcels=parcels, service="express"
    )
    send_due_shipments()

    assert fake.book()[0]["said"] == {
        "reference": shipment.number,
        "name": "John Doe",
        "street": "The battleship building",
        "street_2": "179 harrow road",
        "town": "London",
        "zip": "W2 6NB",
        "country": "GB",
        "product": "PRIORITY",
        "parcels": "2",
        "weight_1": "500",
        "contents_1": "2 x TEA",
        "weight_2": "250",
        "contents_2": "1 x TEA",
    }
    row = now_of(shipment)
    assert (str(row.cost), row.cost_currency) == ("150.00", "KES")


# How a carrier answers at first, and what that says of the shipment until it is asked again.
TAKES_IT = [
    "hang",
    "drop_after",
    "drop_midway",
    "took_http:500",
    "took_http:503",
    "nonsense",
    "endless",
    "redirect",
]
TAKES_IT_NOT = ["hang_before", "drop_before", "http:500"]


@BOTH
@pytest.mark.parametrize("behaviour", TAKES_IT + TAKES_IT_NOT)
def test_what_has_no_clear_answer_is_shipped_once_in_the_end(fake, carrier, behaviour):
    shipment = ShipmentFactory.create(carrier=carrier)
    fake.behave("*", behaviour, "take")

    send_due_shipments()

    row = now_of(shipment)
    assert (row.status, row.error_code, row.fence) == ("waiting", "unclear", None)
    assert row.handed_at is not None
    assert timeline(row) == ["prepared", "handed", "unclear"]
    assert fake.shipped()[shipment.number] == (behaviour in TAKES_IT)
    send_until_nothing_waits()
    assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})


@BOTH
def test_a_storm_of_bad_answers_neither_loses_nor_doubles_a_shipment(fake, carrier, monkeypatch):
    # What is given up too early is one more bad answer.
    monkeypatch.setattr(network, "TIMEOUT", (1, 0.1))
    monkeypatch.setattr(network, "LONGEST", 0.2)
    shipments = ShipmentFactory.create_batch(12, carrier=carrier)
    bad = [*TAKES_IT, *TAKES_IT_NOT, "http:429", "http:503"]
    for number, shipment in enumerate(shipments):
        worst = [bad[(number + step) % len(bad)] for step in range(3)]
        fake.behave(shipment.number, *worst, "take")
        fake.behave(f"look_up:{shipment.number}", worst[-1], "take")

    send_until_nothing_waits(most=40)

    assert fake.shipped() == Counter(shipment.number for shipment in shipments)
    assert set(Shipment.objects.values_list("status", flat=True)) == {"sent"}


def test_what_does_not_repeat_safely_is_asked_for_before_it_is_sent_again(fake):
    shipment = ShipmentFactory.create(carrier="parcelpost")
    fake.behave("*", "drop_after")
    send_due_shipments()
    let_waits_pass()
    send_due_shipments()

    assert calls(fake) == ["send", "look_up"]
    assert now_of(shipment).status == "sent"


@BOTH
def test_what_a_carrier_takes_long_after_we_gave_up_is_shipped_once(fake, carrier):
    shipment = ShipmentFactory.create(carrier=carrier)
    fake.behave("*", "late", "refuse:unknown")
    send_due_shipments()
    let_all_be_due()
    send_due_shipments()

    # It says that it has no such shipment, and it is not believed yet.
    assert calls(fake)[-1] == "look_up"
    assert (now_of(shipment).status, now_of(shipment).error) == (
        "waiting",
        "The carrier does not know it so far.",
    )
    fake.release()
    wait_until(fake.shipped)
    let_waits_pass()
    send_due_shipments()
    assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})


@pytest.mark.parametrize("says", ["http:404", "http:500", "nonsense", "drop_after", "http:400"])
def test_a_question_without_a_clear_answer_sends_nothing(fake, says):
    shipment = ShipmentFactory.create(carrier="parcelpost")
    fake.behave("*", "drop_after")
    fake.behave("look_up:*", says)
    for _ in range(3):
        send_due_shipments()
        let_waits_pass()

    assert calls(fake) == ["send", "look_up", "look_up"]
    assert now_of(shipment).status == "waiting"


@BOTH
def test_refused_for_good_it_waits_for_a_person_who_mends_and_sends_it(fake, carrier):
    shipment = ShipmentFactory.create(carrier=carrier)
    fake.behave("*", "refuse:bad_postcode", "take")

    send_due_shipments()

    row = now_of(shipment)
    assert (row.status, row.error_code, row.error) == (
        "refused",
        "bad_postcode",
        "It is not taken.",
    )
    assert (row.handed_at, timeline(row)) == (None, ["prepared", "handed", "refused"])
    assert row.attention == "The carrier refuses it: change it, or cancel it."
    assert send_due_shipments() == 0
    other = "parcelpost" if carrier == "courier" else "courier"
    edit_shipment(shipment_id=shipment.pk, by=None, carrier=other)
    send_due_shipments()
    assert (now_of(shipment).status, now_of(shipment).carrier.name) == ("sent", other)
    assert now_of(shipment).attention == ""
    assert fake.shipped() == {shipment.number: 1}


@BOTH
def test_refused_after_a_try_that_went_through_it_counts_as_taken(fake, carrier):
    shipment = ShipmentFactory.create(carrier=carrier)
    fake.behave("*", "drop_after", "refuse:twice")
    send_due_shipments()
    let_waits_pass()
    send_due_shipments()

    assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})


def test_refused_after_a_try_that_did_not_go_through_it_is_certainly_not_there(fake):
    shipment = ShipmentFactory.create()
    fake.behave("*", "drop_before", "refuse:bad_postcode")
    send_due_shipments()
    let_waits_pass()
    send_due_shipments()

    row = now_of(shipment)
    assert (row.status, row.handed_at, fake.shipped()) == ("refused", None, {})
    assert calls(fake) == ["send", "send", "look_up"]


def test_refused_after_a_lost_answer_by_one_that_repeats_and_cannot_be_asked_it_can_be_mended(
    fake, mute_carrier
):
    shipment = ShipmentFactory.create()
    fake.behave("*", "drop_before", "refuse:bad_postcode", "take")
    send_due_shipments()
    let_all_be_due()
    send_due_shipments()
    assert (now_of(shipment).status, now_of(shipment).handed_at) == ("refused", None)

    edit_shipment(shipment_id=shipment.pk, by=None)
    send_due_shipments()
    assert fake.shipped() == {shipment.number: 1}


@pytest.mark.parametrize(("tries", "seconds"), [(1, 60), (2, 300), (3, 300)])
def test_it_is_tried_again_after_growing_waits(fake, tries, seconds):
    shipment = ShipmentFactory.create()
    fake.behave("*", "http:403")
    for _ in range(tries):
        let_waits_pass()
        before = timezone.now()
        send_due_shipments()

    row = now_of(shipment)
    assert row.attempts == tries
    assert before <= row.due_at - timedelta(seconds=seconds) <= timezone.now()


def test_a_wrong_key_of_ours_is_told_and_no_shipment_is_refused_by_it(fake, settings):
    settings.COURIER_API_KEY = "another"
    shipment = ShipmentFactory.create()
    send_due_shipments()

    row = now_of(shipment)
    assert (row.status, row.error_code, row.error) == (
        "waiting",
        "http_401",
        "HTTP 401: Who are you?",
    )
    assert Carrier.objects.get(name="courier").failures == 1


def test_a_carrier_that_lost_its_settings_keeps_its_shipments_waiting(fake, settings):
    shipment = ShipmentFactory.create()
    settings.COURIER_URL = ""
    providers._load.cache_clear()
    send_due_shipments()

    row = now_of(shipment)
    assert (row.status, row.error_code) == ("waiting", "not_configured")


class TestClaims:
    def test_of_many_workers_one_has_a_shipment(self, fake):
        shipment = ShipmentFactory.create()
        [claimed] = claim_shipments(limit=5)

        assert claim_shipments(limit=5) == []
        assert (claimed.pk, now_of(shipment).fence) == (shipment.pk, claimed.fence)

    def test_one_that_died_before_it_began_loses_it(self, fake):
        shipment = ShipmentFactory.create()
        [dead] = claim_shipments(limit=5)
        Shipment.objects.update(leased_until=timezone.now())
        assert begin(dead) is None
        send_due_shipments()

        assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})

    @BOTH
    def test_one_that_died_while_the_carrier_was_asked_is_asked_about(self, fake, carrier):
        shipment = ShipmentFactory.create(carrier=carrier)
        [dead] = claim_shipments(limit=5)
        begin(dead)
        fake.take(carrier, shipment.number, comes_back=False, said={})
        assert send_due_shipments() == 0
        Shipment.objects.update(leased_until=timezone.now())
        assert send_due_shipments() == 1

        assert (now_of(shipment).status, fake.shipped()) == ("sent", {shipment.number: 1})

    def test_an_answer_after_the_lease_counts_where_it_says_yes(self, fake):
        shipment = ShipmentFactory.create()
        [slow] = claim_shipments(limit=5)
        slow = begin(slow)
        Shipment.objects.update(leased_until=timezone.now())
        [other] = claim_shipments(limit=5)
        accepted = Accepted(id="C9")
        settle(slow, Tried(outcome=accepted, heard=accepted))

        assert begin(other) is None
        assert (now_of(shipment).status, now_of(shipment).carrier_reference) == ("sent", "C9")

    def test_what_the_carrier_took_twice_is_for_a_person(self, fake):
        shipment = ShipmentFactory.create()
        [mine] = claim_shipments(limit=5)
        mine = begin(mine)
        for ident in ("C8", "C9"):
            accepted = Accepted(id=ident)
            settle(mine, Tried(outcome=accepted, heard=accepted))

        row = now_of(shipment)
        assert (row.carrier_reference, row.attention) == (
            "C8",
            "The carrier took it twice, as C8 and C9.",
        )

    @pytest.mark.django_db(transaction=True)
    def test_a_question_that_takes_longer_than_the_lease_is_followed_by_no_sending(
        self, fake, monkeypatch
    ):
        monkeypatch.setattr(network, "TIMEOUT", (1, 60))
        shipment = ShipmentFactory.create(carrier="parcelpost")
        fake.behave("*", "drop_before", "take")
        send_due_shipments()
        let_waits_pass()
        fake.behave("look_up:*", "hold")
        with held_up(fake):
            wait_until(lambda: "look_up" in calls(fake))
            Shipment.objects.update(leased_until=timezone.now())
            [other] = claim_shipments(limit=5)

        assert (calls(fake), fake.shipped()) == (["send", "look_up"], {})
        assert now_of(shipment).fence == other.fence


class TestGoodsThatWereFulfilledByHand:
    ATTENTION = "The customer had goods of it before it was sent. Ship anew what is left."

    def order(self):
        sku = VariantFactory.create().sku
        return DeliveryOrderFactory.create(lines=[Wanted(sku=sku, quantity=4)]), sku

    def test_are_not_sent_as_well(self, fake):
        shipment = ShipmentFactory.create()
        [claimed] = claim_shipments(limit=5)
        fulfil_order(order_id=shipment.order_id, by=None)

        assert begin(claimed) is None
        row = now_of(shipment)
        assert (row.status, row.attention, row.fence) == ("cancelled", self.ATTENTION, None)
        assert (timeline(row), fake.book()) == (["prepared", "cancelled"], [])

    def test_leave_what_is_outstanding_still_to_be_sent(self, fake):
        order, sku = self.order()
        half = [Wanted(sku=sku, quantity=2)]
        shipments = [ShipmentFactory.create(order=order, parcels=[half]) for _ in range(2)]
        fulfil_order(order_id=order.pk, by=None, lines=half)
        send_due_shipments()

        assert [now_of(each).status for each in shipments] == ["sent", "cancelled"]

    def test_are_called_off_where_the_carrier_may_have_them(self, fake):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        fake.behave("*", "drop_after", "take")
        send_due_shipments()
        fulfil_order(order_id=shipment.order_id, by=None)
        let_waits_pass()
        assert [send_due_shipments(), cancel_asked()] == [0, 1]

        row = now_of(shipment)
        assert (row.status, row.attention) == ("cancelled", self.ATTENTION)
        assert calls(fake) == ["send", "look_up", "cancel", "cancelled"]

    def test_what_news_moved_while_it_was_asked_stays_where_they_say(self, fake):
        shipment = ShipmentFactory.create()
        [mine] = claim_shipments(limit=5)
        mine = begin(mine)
        Shipment.objects.update(status="in-transit")
        accepted = Accepted(id="C9")
        settle(mine, Tried(outcome=accepted, heard=accepted))

        row = now_of(shipment)
        assert (row.status, row.carrier_reference, row.fence) == ("in-transit", "C9", None)
        assert not Message.objects.filter(event="shipment.sent").exists()


class TestCancelling:
    def test_what_nobody_has_is_cancelled_at_once_also_while_a_worker_is_about_to_begin(self, fake):
        shipment = ShipmentFactory.create()
        [claimed] = claim_shipments(limit=5)
        cancel_shipment(shipment_id=shipment.pk, by=None, reason="Wrong size.")

        assert begin(claimed) is None
        assert (now_of(shipment).status, fake.book()) == ("cancelled", [])
        assert shipment.timeline.last().detail == "Wrong size."

    def test_what_the_carrier_has_is_called_off_by_asking_it(self, fake):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        send_due_shipments()
        cancel_shipment(shipment_id=shipment.pk, by=None)
        assert now_of(shipment).status == "sent"

        assert [cancel_asked(), cancel_asked()] == [1, 0]

        row = now_of(shipment)
        assert (row.status, row.cancel_asked_at) == ("cancelled", None)
        assert timeline(row)[-2:] == ["cancel_asked", "cancelled"]

    def test_too_late_it_goes_on_and_a_person_is_told(self, fake):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        send_due_shipments()
        fake.happen("parcelpost", shipment.number, "in-transit")
        cancel_shipment(shipment_id=shipment.pk, by=None)
        cancel_asked()

        row = now_of(shipment)
        assert (row.status, row.cancel_asked_at) == ("sent", None)
        assert row.attention == "It cannot be cancelled any more: It is on its way."

    @pytest.mark.parametrize("behaviour", ["drop_after", "http:500", "nonsense", "drop_before"])
    def test_without_a_clear_answer_it_is_asked_again(self, fake, behaviour):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        send_due_shipments()
        fake.behave("cancel:*", behaviour, "take")
        cancel_shipment(shipment_id=shipment.pk, by=None)
        cancel_asked()
        assert now_of(shipment).status == "sent"
        let_waits_pass()
        cancel_asked()

        assert now_of(shipment).status == "cancelled"

    @BOTH
    @pytest.mark.parametrize(
        ("behaviour", "ends_as"), [("drop_before", "cancelled"), ("drop_after", "there")]
    )
    def test_of_what_nobody_knows_the_carrier_is_asked_first(
        self, fake, carrier, behaviour, ends_as
    ):
        shipment = ShipmentFactory.create(carrier=carrier)
        fake.behave("*", behaviour, "take")
        send_due_shipments()
        cancel_shipment(shipment_id=shipment.pk, by=None)
        let_waits_pass()
        assert send_due_shipments() == 0
        cancel_asked()

        # Parcelpost calls off what it has; the courier calls nothing off.
        kept = ends_as == "there" and carrier == "courier"
        assert now_of(shipment).status == ("sent" if kept else "cancelled")
        assert bool(now_of(shipment).attention) == kept

    def test_while_it_is_handed_over_the_carrier_is_asked_right_after(self, fake):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        [mine] = claim_shipments(limit=5)
        mine = begin(mine)
        cancel_shipment(shipment_id=shipment.pk, by=None)
        unclear = Unclear(reason="It hangs.")
        settle(mine, Tried(outcome=unclear, heard=unclear))
        assert now_of(shipment).due_at <= timezone.now()
        Shipment.objects.update(handed_at=F("handed_at") - LATE)

        assert (cancel_asked(), now_of(shipment).status) == (1, "cancelled")

    def test_one_that_the_carrier_may_be_at_work_on_is_not_taken_for_cancelled(self, fake):
        shipment = ShipmentFactory.create(carrier="parcelpost")
        fake.behave("*", "late")
        send_due_shipments()
        cancel_shipment(shipment_id=shipment.pk, by=None)
        cancel_asked()
        assert now_of(shipment).status == "waiting"

        fake.release()
        wait_until(fake.shipped)
        let_waits_pass()
        cancel_asked()
        assert now_of(shipment).status == "cancelled"
        assert fake.find("parcelpost", shipment.number).cancelled

    @pytest.mark.parametrize("cancelled", ["shipment", "order", "customer"])
    def test_what_a_carrier_that_cannot_be_asked_may_have_is_written_off(
        self, fake, mute_carrier, cancelled
    ):
        shipment = ShipmentFactory.create()
        fake.behave("*", "drop_before", "take")
        send_due_shipments()
        if cancelled == "shipment":
            cancel_shipment(shipment_id=shipment.pk, by=None, reason="Wrong size.")
        elif cancelled == "customer":
            forget_customer(customer=shipment.order.customer)
        else:
            cancel_order(order_id=shipment.order_id, by=None)
        let_waits_pass()

        assert (send_due_shipments(), cancel_asked(), fake.shipped()) == (0, 0, {})
        row = now_of(shipment)
        assert (row.status, row.attention) == (
            "cancelled",
            "Its carrier could not be asked when it was cancelled: see that it knows.",
        )

    def test_where_nobody_is_asked_a_circuit_stays_as_it_is(self, fake):
        shipment = ShipmentFactory.create()
        fake.behave("*", "drop_after")
        send_due_shipments()
        cancel_shipment(shipment_id=shipment.pk, by=None)
        # News come before the question.
        Shipment.objects.update(status="in-transit")
        cancel_asked()

        assert now_of(shipment).attention == (
            "It cannot be cancelled any more: Courier has it, and calls nothing off."
        )
        assert Carrier.objects.get(name="courier").failures == 1

    def test_an_order_that_is_cancelled_takes_its_shipments_along(self, fake):
        waiting = ShipmentFactory.create()
        sent = ShipmentFactory.create(carrier="parcelpost")
        stuck = ShipmentFactory.create()
        Shipment.objects.filter(pk=waiting.pk).update(due_at=timezone.now() + timedelta(days=1))
        send_due_shipments()
        Shipment.objects.filter(pk=stuck.pk).update(attention="Its box is torn.")
        for shipment in (waiting, sent, stuck):
            cancel_order(order_id=shipment.order_id, by=None)
        cancel_asked()

        assert [now_of(each).status for each in (waiting, sent, stuck)] == [
            "cancelled",
            "cancelled",
            "sent",
        ]
        assert now_of(stuck).attention == (
            "Its box is torn. The order is cancelled, and the carrier cannot call this off."
        )


class TestByHand:
    def test_what_waits_for_its_batch_is_sent_now(self, fake, django_user_model):
        later = timezone.now() + timedelta(hours=5)
        first, second = ShipmentFactory.create_batch(2)
        other = ShipmentFactory.create(carrier="parcelpost")
        Shipment.objects.update(due_at=later)
        assert send_due_shipments() == 0

        assert send_now(by=None, shipment_ids=[first.pk]) == 1
        assert send_due_shipments() == 1
        assert send_now(by=None, shipment_ids=[second.pk]) == 1
        assert send_due_shipments() == 1

        assert [now_of(each).status for each in (first, second, other)] == [
            "sent",
            "sent",
            "waiting",
        ]

    @pytest.mark.parametrize("status", ["sent", "cancelled"])
    def test_what_does_not_wait_is_not_sent(self, fake, status):
        waiting, other = ShipmentFactory.create_batch(2)
        Shipment.objects.filter(pk=waiting.pk).update(due_at=timezone.now() + timedelta(days=1))
        Shipment.objects.filter(pk=other.pk).update(status=status)

        with pytest.raises(MoveNotAllowed):
            send_now(by=None, shipment_ids=[waiting.pk, other.pk])

        assert now_of(waiting).due_at > timezone.now()

    def test_what_is_due_already_is_nothing_to_do(self, fake):
        assert send_now(by=None, shipment_ids=[ShipmentFactory.create().pk]) == 0


class TestCircuit:
    def carrier(self):
        return Carrier.objects.get(name="courier")

    def test_it_opens_after_failures_in_a_row_and_one_asks_after_growing_pauses(self, fake):
        ShipmentFactory.create_batch(FAILURES + 3)
        fake.behave("*", "http:503")

        assert send_due_shipments() == FAILURES

        row = self.carrier()
        assert (row.failures, row.error) == (FAILURES, "HTTP 503: No, thank you.")
        assert row.failing_since is not None
        assert send_due_shipments() == 0
        pauses = []
        for _ in range(6):
            let_waits_pass()
            before = timezone.now()
            assert send_due_shipments() == 1
            pauses.append(round((self.carrier().next_at - before).total_seconds()))
        assert pauses == [4, 8, 16, 32, 60, 60]

    def test_an_answer_closes_it_and_all_go_out(self, fake):
        shipments = ShipmentFactory.create_batch(FAILURES + 3)
        fake.behave("*", "drop_before")
        send_due_shipments()
        fake.behave("*", "take")
        let_waits_pass()

        assert send_due_shipments() == FAILURES + 3

        row = self.carrier()
        assert (row.failures, row.failing_since, row.error) == (0, None, "")
        assert fake.shipped() == Counter(shipment.number for shipment in shipments)

    def test_while_it_is_open_no_shipment_loses_a_try(self, fake):
        [shipment] = ShipmentFactory.create_batch(1)
        fake.behave("*", "http:503")
        for _ in range(FAILURES + 4):
            let_waits_pass()
            send_due_shipments()

        # The one that opened it is told of the pause, too.
        assert now_of(shipment).attempts == FAILURES - 1
        assert now_of(shipment).due_at > self.carrier().next_at

    def test_another_carrier_s_shipments_go_out_meanwhile(self, fake):
        ShipmentFactory.create_batch(FAILURES)
        fake.behave("*", "http:503")
        send_due_shipments()
        fake.behave("*", "take")
        ShipmentFactory.create()
        other = ShipmentFactory.create(carrier="parcelpost")

        assert send_due_shipments() == 1

        assert now_of(other).status == "sent"

    @pytest.mark.parametrize("behaviour", ["refuse:bad_postcode", "http:403"])
    def test_what_is_refused_of_one_shipment_alone_does_not_open_it(self, fake, behaviour):
        ShipmentFactory.create_batch(FAILURES + 2)
        fake.behave("*", behaviour)
        send_due_shipments()

        assert self.carrier().failures == 0

    def test_it_keeps_what_a_carrier_says_as_a_column_can(self, fake):
        ShipmentFactory.create()
        note_outcome(self.carrier().pk, Unclear(reason="a\x00b"), Turn())

        assert self.carrier().error == "ab"


@pytest.mark.django_db(transaction=True)
def test_orders_go_on_being_taken_and_packed_while_the_carrier_hangs(fake, monkeypatch):
    monkeypatch.setattr(network, "TIMEOUT", (1, 60))
    shipment = ShipmentFactory.create()
    line = shipment.order.lines.get()
    wanted = [Wanted(sku=line.sku, quantity=1)]
    fake.behave("*", "hold")
    with held_up(fake), connection.cursor() as cursor:
        wait_until(lambda: calls(fake) == ["send"])
        # Whatever waited for the worker would fail.
        cursor.execute("SET lock_timeout = '1s'")
        order = place_order(customer=shipment.order.customer, lines=wanted, by=None, delivery=HOME)
        accept_order(order_id=order.pk, by=None)
        other = ShipmentFactory.create(order=order)
        fulfil_order(order_id=shipment.order_id, by=None)
        assert (now_of(shipment).status, now_of(other).status) == ("waiting", "waiting")
        cursor.execute("RESET lock_timeout")

    assert now_of(shipment).status == "sent"


@pytest.mark.django_db(transaction=True)
def test_three_workers_at_once_send_each_shipment_once(fake):
    shipments = ShipmentFactory.create_batch(20)
    shipments += ShipmentFactory.create_batch(20, carrier="parcelpost")

    outcomes = at_once([send_due_shipments] * 3)

    assert sum(outcomes) == 40
    assert fake.shipped() == Counter(shipment.number for shipment in shipments)
