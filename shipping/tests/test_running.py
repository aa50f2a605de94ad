"""Dates of standing orders become orders and shipments, each once, whatever is in the way."""

from datetime import date, datetime, time, timedelta
from unittest import mock

import pytest
from django_tasks_db.models import DBTaskResult

from accounts.tests.factories import UserFactory
from catalog.models import Variant
from catalog.services import receive_stock
from catalog.tests.factories import ProductFactory, VariantFactory
from core import clock
from core.sequences import next_value
from core.sms import size_of
from core.tests.races import at_once
from customers import services as customers
from customers.tests.factories import CustomerFactory
from notifications.models import Message
from orders.models import Order
from orders.services import COLLECTION, Wanted, accept_order, edit_order, reject_order
from shipping import services, signals, tasks
from shipping.models import Carrier, Occurrence, Shipment, StandingOrder

from .factories import StandingOrderFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("simulated")]
TODAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def accepted(settings):
    settings.STANDING_ORDERS_ACCEPT = True


def run():
    return tasks.run_standing_orders.func()


def occurrences(standing):
    return {f"{each.on:%m-%d}": each.status for each in standing.occurrences.all()}


def told(event):
    return list(Message.objects.filter(event=event).order_by("pk").values_list("to", "body"))


def again(thing):
    return type(thing).objects.get(pk=thing.pk)


# When


@pytest.mark.parametrize(("shown", "expected"), [("05:59", 0), ("06:00", 1)])
def test_a_date_is_due_from_the_time_of_the_setting_on(simulated, shown, expected):
    standing = StandingOrderFactory.create()
    simulated(f"2026-11-30 {shown}")

    assert run() == expected
    assert standing.occurrences.count() == expected


def test_it_becomes_an_order_at_the_price_of_that_day_and_its_shipment(simulated):
    tea = VariantFactory.create(price="10.00", stock=10, weight=250)
    standing = StandingOrderFactory.create(
        items=[Wanted(sku=tea.sku, quantity=3)], start=date(2026, 12, 1), service="express"
    )
    Variant.objects.filter(pk=tea.pk).update(price="12.00")
    simulated("2026-12-01 06:00")

    assert (run(), run()) == (1, 0)

    occurrence = standing.occurrences.get()
    order, shipment = occurrence.order, occurrence.shipment
    assert (occurrence.on, occurrence.status) == (date(2026, 12, 1), "ordered")
    assert (order.status, order.total, order.customer) == ("accepted", 36, standing.customer)
    assert order.note == f"Standing order {standing.number}, 2026-12-01"
    assert (order.delivery_method, order.city) == ("delivery", "London")
    assert (shipment.order, shipment.status) == (order, "waiting")
    assert (shipment.carrier.name, shipment.service) == ("courier", "express")
    [item] = shipment.parcels.get().items.all()
    assert (item.quantity, item.weight) == (3, 250)
    assert again(tea).stock == 7
    assert again(standing).next_on == date(2026, 12, 8)
    # Accepted at once: that it was placed goes without saying.
    assert [len(told(f"order.{what}")) for what in ("placed", "accepted")] == [0, 1]


def test_after_the_last_date_it_is_ended():
    standing = StandingOrderFactory.create(count=1)

    assert run() == 1

    standing = again(standing)
    assert (standing.status, standing.next_on) == ("ended", None)
    assert [each.verb for each in standing.history.all()] == ["created", "ended"]


@pytest.mark.parametrize("how", ["catch_up", "skip"])
@pytest.mark.parametrize(
    ("rhythm", "dates"),
    [
        (("week", 1, date(2027, 1, 20)), "01-20 01-27 02-03 02-10 02-17"),
        (("week", 2, date(2027, 1, 20)), "01-20 02-03 02-17"),
        (("month", 1, date(2026, 12, 31)), "01-31 02-28"),
    ],
)
def test_after_three_weeks_without_a_worker_each_date_is_caught_up_or_all_but_the_last_missed(
    settings, simulated, how, rhythm, dates
):
    settings.STANDING_ORDERS_MISSED = how
    interval, every, start = rhythm
    standing = StandingOrderFactory.create(interval=interval, every=every, start=start)
    simulated("2027-01-19 06:00")
    done_before = run()
    simulated("2027-02-10 06:00")
    *earlier, last, to_come = dates.split()

    assert run() == (1 if how == "skip" else len(earlier) + 1)

    found = occurrences(standing)
    missed = dict.fromkeys(earlier, "missed" if how == "skip" else "ordered")
    assert found.items() >= {**missed, last: "ordered"}.items()
    assert len(found) == done_before + len(earlier) + 1
    assert Order.objects.count() == Shipment.objects.count()
    assert (f"{again(standing).next_on:%m-%d}", run()) == (to_come, 0)


def test_what_was_skipped_beforehand_is_neither_caught_up_nor_missed(settings, simulated):
    for how in ("catch_up", "skip"):
        settings.STANDING_ORDERS_MISSED = how
        simulated("2026-11-30 05:00")
        standing = StandingOrderFactory.create()
        services.skip_date(standing_order_id=standing.pk, on=date(2026, 12, 14), by=None)
        simulated("2026-12-21 06:00")

        run()

        earlier = "ordered" if how == "catch_up" else "missed"
        assert occurrences(standing) == {
            "12-21": "ordered",
            "12-14": "skipped",
            "12-07": earlier,
            "11-30": earlier,
        }


def test_where_the_last_of_the_missed_was_skipped_the_one_before_is_the_last(settings, simulated):
    settings.STANDING_ORDERS_MISSED = "skip"
    standing = StandingOrderFactory.create()
    services.skip_date(standing_order_id=standing.pk, on=date(2026, 12, 14), by=None)
    simulated("2026-12-15 06:00")

    run()

    assert occurrences(standing) == {"12-14": "skipped", "12-07": "ordered", "11-30": "missed"}


def test_the_31st_is_the_last_of_shorter_months_and_the_31st_again(simulated):
    standing = StandingOrderFactory.create(interval="month", start=date(2026, 12, 31))
    for day in ("2027-01-01", "2027-02-27", "2027-02-28", "2027-04-30"):
        simulated(f"{day} 06:00")
        run()

    assert [f"{each.on}" for each in standing.occurrences.order_by("on")] == [
        "2026-12-31",
        "2027-01-31",
        "2027-02-28",
        "2027-03-31",
        "2027-04-30",
    ]


def test_the_day_is_the_shops_and_not_greenwichs(settings, simulated):
    settings.SHOP_TIME_ZONE = "Pacific/Auckland"
    simulated("2026-11-30 05:00")
    standing = StandingOrderFactory.create(start=TODAY)
    assert run() == 0
    # It is still the 29th in Greenwich.
    simulated("2026-11-30 06:00")

    assert run() == 1
    assert occurrences(standing) == {"11-30": "ordered"}


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        # In London 1:30 does not exist on this day: from 0:59 the clocks leap to 2:00.
        ("2027-03-28", ["00:59:59", "01:00:00", "01:30:00"]),
        # And on this one it happens twice: at 2:00 the clocks go back to 1:00.
        ("2027-10-31", ["00:29:59", "00:30:00", "01:30:00"]),
    ],
)
def test_a_date_is_due_once_where_its_time_does_not_exist_or_happens_twice(
    settings, monkeypatch, day, utc
):
    settings.SHOP_TIME_ZONE, settings.STANDING_ORDERS_AT = "Europe/London", time(1, 30)
    standing = StandingOrderFactory.create(start=date.fromisoformat(day))

    def run_at(shown):
        monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(f"{day}T{shown}Z"))
        return run()

    assert [run_at(each) for each in utc] == [0, 1, 0]
    assert occurrences(standing) == {day[5:]: "ordered"}


# In the way


def test_out_of_stock_it_waits_tells_both_sides_once_and_comes_when_it_is_there(
    settings, simulated
):
    settings.SHOP_PHONE = "+254711000001"
    tea = VariantFactory.create(sku="TEA", product__name="Tea", price="10.00", stock=1)
    customer = CustomerFactory.create(name="Wanjiru", phone="+254722000001")
    standing = StandingOrderFactory.create(
        customer=customer, items=[Wanted(sku="TEA", quantity=2)], end=date(2026, 12, 7)
    )

    assert run() == 1

    [waiting] = standing.occurrences.all()
    assert (waiting.status, waiting.order, waiting.shipment) == ("waiting", None, None)
    assert waiting.reason == "Only 1 of Tea (TEA) left."
    assert (again(tea).stock, Order.objects.count()) == (1, 0)
    assert again(standing).next_on == date(2026, 12, 7)
    number = standing.number
    assert told("standing_order.waiting") == [
        (
            "+254722000001",
            f"Duka: sorry, Wanjiru, your standing order {number} for 2026-11-30 is delayed. It comes as soon as it can.",
        )
    ]
    assert told("standing_order.short") == [
        (
            "+254711000001",
            f"Duka: standing order {number} of Wanjiru for 2026-11-30 waits: Only 1 of Tea (TEA) left.",
        )
    ]

    receive_stock(variant_id=tea.pk, quantity=5)
    simulated("2026-11-30 12:59")
    assert tasks.retry_waiting.func() == 0
    simulated("2026-11-30 13:00")
    assert (tasks.retry_waiting.func(), tasks.retry_waiting.func()) == (1, 0)
    waiting = again(waiting)
    assert (waiting.status, waiting.reason, waiting.try_at) == ("ordered", "", None)
    assert waiting.order.status == "accepted"
    assert waiting.shipment.order == waiting.order
    assert again(tea).stock == 4
    assert len(Message.objects.filter(subject="standing_order")) == 2


def test_while_one_date_waits_the_next_goes_on_and_each_is_tried_again_every_hour(simulated):
    tea = VariantFactory.create(stock=0)
    standing = StandingOrderFactory.create(items=[Wanted(sku=tea.sku, quantity=1)])
    run()
    simulated("2026-12-07 06:00")
    assert services.retry_waiting() == 0
    run()
    assert occurrences(standing) == {"12-07": "waiting", "11-30": "waiting"}
    receive_stock(variant_id=tea.pk, quantity=1)

    simulated("2026-12-07 07:00")
    assert services.retry_waiting() == 1
    assert occurrences(standing) == {"12-07": "waiting", "11-30": "ordered"}
    assert services.retry_waiting() == 0
    assert len(told("standing_order.waiting")) == 2


def test_what_waits_can_be_skipped_is_held_by_a_pause_and_dropped_at_the_end(simulated):
    tea = VariantFactory.create(stock=0)
    items = [Wanted(sku=tea.sku, quantity=1)]
    skipped, paused, ended, over = (
        StandingOrderFactory.create(items=items, **more) for more in ({}, {}, {}, {"count": 1})
    )
    run()
    services.skip_date(standing_order_id=skipped.pk, on=TODAY, by=None)
    services.pause_standing_order(standing_order_id=paused.pk, by=None)
    services.end_standing_order(standing_order_id=ended.pk, by=None)
    receive_stock(variant_id=tea.pk, quantity=9)
    simulated("2026-11-30 13:00")

    # Of the one that is over by itself, its last date is still to come.
    assert services.retry_waiting() == 1
    assert [each.occurrences.get().status for each in (skipped, paused, ended, over)] == [
        "skipped",
        "waiting",
        "skipped",
        "ordered",
    ]
    services.resume_standing_order(standing_order_id=paused.pk, by=None)
    assert services.retry_waiting() == 1


def test_goods_that_are_gone_are_not_taken_for_others_of_the_same_name(simulated):
    tea = VariantFactory.create(sku="TEA", product__name="Tea")
    standing = StandingOrderFactory.create(items=[Wanted(sku="TEA", quantity=1)])
    Variant.objects.filter(pk=tea.pk).update(archived_at="2026-11-01T00:00Z")
    VariantFactory.create(sku="TEA", product=ProductFactory.create())

    run()

    [waiting] = standing.occurrences.all()
    assert (waiting.status, waiting.reason) == (
        "waiting",
        "Tea (TEA) is not for sale any more.",
    )


def test_goods_are_the_same_whatever_they_and_others_are_called_since():
    tea, milk = VariantFactory.create(sku="TEA"), VariantFactory.create(sku="MILK")
    standing = StandingOrderFactory.create(items=[Wanted(sku="TEA", quantity=1)])
    for variant, sku in ((tea, "CHAI"), (milk, "TEA"), (tea, "CHAI-1"), (milk, "CHAI")):
        Variant.objects.filter(pk=variant.pk).update(sku=sku)

    run()

    [line] = standing.occurrences.get().order.lines.all()
    assert (line.variant, line.sku) == (tea, "CHAI-1")


def test_a_date_that_waits_takes_no_number_at_each_try(simulated):
    gone = VariantFactory.create(stock=0)
    nowhere = VariantFactory.create()
    short = StandingOrderFactory.create(items=[Wanted(sku=gone.sku, quantity=1)])
    refused = StandingOrderFactory.create(items=[Wanted(sku=nowhere.sku, quantity=1)])
    StandingOrder.objects.filter(pk=refused.pk).update(city="x" * 36)
    numbers = [next_value(f"{what}_number") for what in ("order", "shipment")]

    assert run() == 2
    for hour in ("13", "14"):
        simulated(f"2026-11-30 {hour}:00")
        assert services.retry_waiting() == 0

    assert [occurrences(each) for each in (short, refused)] == [{"11-30": "waiting"}] * 2
    assert refused.occurrences.get().reason == "city: The courier takes at most 35 characters."
    assert [next_value(f"{what}_number") for what in ("order", "shipment")] == [
        number + 1 for number in numbers
    ]


def test_a_reason_is_told_in_whole_sentences():
    skus = [VariantFactory.create(sku=f"{n:035}", stock=0).sku for n in range(20)]
    standing = StandingOrderFactory.create(items=[Wanted(sku=sku, quantity=1) for sku in skus])

    run()

    reason = standing.occurrences.get().reason
    assert 400 < len(reason) <= 500
    assert reason.endswith(" is sold out.")


def test_by_a_carrier_that_takes_no_more_it_goes_by_the_first_that_does_and_without_one_waits(
    simulated,
):
    standing = StandingOrderFactory.create()
    Carrier.objects.update(active=False)
    run()
    assert standing.occurrences.get().reason == "No carrier takes shipments."
    assert Order.objects.count() == 0

    Carrier.objects.filter(name="parcelpost").update(active=True)
    simulated("2026-11-30 13:00")

    assert services.retry_waiting() == 1
    assert standing.occurrences.get().shipment.carrier.name == "parcelpost"
    assert again(standing).carrier.name == "courier"


def test_one_that_fails_is_no_reason_to_leave_the_others():
    first, second = StandingOrderFactory.create_batch(2)
    place_order = services.running.place_order

    def broken(*, customer, **more):
        if customer == first.customer:
            raise RuntimeError("no good")
        return place_order(customer=customer, **more)

    with mock.patch.object(services.running, "place_order", broken):
        assert run() == 1
    assert occurrences(first) == {}
    assert occurrences(second) == {"11-30": "ordered"}
    assert run() == 1
    assert occurrences(first) == {"11-30": "ordered"}


def test_a_long_run_gives_way_to_other_work_and_goes_on_until_nothing_is_due(monkeypatch):
    StandingOrderFactory.create_batch(2)
    again_later = DBTaskResult.objects.filter(task_path="shipping.tasks.run_standing_orders")
    with monkeypatch.context() as patch:
        patch.setattr(services.running, "LONGEST_RUN", 0)
        assert run() == 0

    assert (run(), again_later.count()) == (2, 1)
    assert (run(), again_later.count()) == (0, 1)


# Where the shopkeeper accepts


@pytest.fixture
def by_hand(settings):
    settings.STANDING_ORDERS_ACCEPT = False


@pytest.mark.usefixtures("by_hand")
def test_by_setting_it_waits_for_the_shopkeeper_and_is_packed_when_they_accept():
    standing = StandingOrderFactory.create()
    run()
    occurrence = standing.occurrences.get()
    assert (occurrence.order.status, occurrence.shipment) == ("pending", None)
    assert len(told("order.placed")) == 1

    accept_order(order_id=occurrence.order_id, by=None)

    occurrence = again(occurrence)
    assert (occurrence.order.status, occurrence.shipment.status) == ("accepted", "waiting")
    assert Shipment.objects.count() == 1


@pytest.mark.usefixtures("by_hand")
def test_an_order_whose_carrier_takes_no_more_is_accepted_and_goes_by_the_first_that_does():
    StandingOrderFactory.create()
    run()
    Carrier.objects.filter(name="courier").update(active=False)
    occurrence = Occurrence.objects.get()

    accept_order(order_id=occurrence.order_id, by=None)

    occurrence = again(occurrence)
    assert (occurrence.order.status, occurrence.reason) == ("accepted", "")
    assert (occurrence.shipment.carrier.name, occurrence.shipment.status) == (
        "parcelpost",
        "waiting",
    )
    assert told("standing_order.short") == []


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("no_carriers", "city", "why"),
    [(True, "London", "No carrier takes shipments."), (False, "x" * 36, "35 characters.")],
)
def test_an_order_that_cannot_be_packed_is_accepted_and_the_shop_is_told_to_see_to_it(
    settings, no_carriers, city, why
):
    settings.SHOP_PHONE = "+254711000001"
    StandingOrderFactory.create()
    run()
    occurrence = Occurrence.objects.get()
    Carrier.objects.update(active=not no_carriers)
    Order.objects.update(city=city)

    accept_order(order_id=occurrence.order_id, by=None)

    occurrence = again(occurrence)
    assert (occurrence.order.status, occurrence.status) == ("accepted", "ordered")
    assert occurrence.shipment is None
    assert occurrence.reason.startswith("Accepted, but not packed. ")
    assert occurrence.reason.endswith(why)
    [(to, words)] = told("standing_order.short")
    assert (to, words.endswith(why)) == ("+254711000001", True)


@pytest.mark.usefixtures("by_hand")
def test_one_that_waited_and_cannot_be_packed_then_tells_the_shop_of_both(settings, simulated):
    settings.SHOP_PHONE = "+254711000001"
    tea = VariantFactory.create(stock=0)
    StandingOrderFactory.create(items=[Wanted(sku=tea.sku, quantity=1)])
    run()
    receive_stock(variant_id=tea.pk, quantity=1)
    simulated("2026-11-30 13:00")
    services.retry_waiting()
    Carrier.objects.update(active=False)

    accept_order(order_id=Occurrence.objects.get().order_id, by=None)

    assert len(told("standing_order.short")) == 2


@pytest.mark.usefixtures("by_hand")
def test_one_that_is_collected_is_not_packed():
    StandingOrderFactory.create()
    run()
    occurrence = Occurrence.objects.get()

    edit_order(order_id=occurrence.order_id, by=None, delivery=COLLECTION)
    accept_order(order_id=occurrence.order_id, by=None)

    occurrence = again(occurrence)
    assert (occurrence.order.status, occurrence.shipment, occurrence.reason) == (
        "accepted",
        None,
        "",
    )


@pytest.mark.usefixtures("by_hand")
def test_one_that_the_shopkeeper_rejects_is_done_with():
    standing = StandingOrderFactory.create()
    run()

    reject_order(order_id=standing.occurrences.get().order_id, by=None, reason="Closed.")

    assert run() == 0
    assert occurrences(standing) == {"11-30": "ordered"}
    assert Shipment.objects.count() == 0


# Coming up


def test_the_customer_is_told_two_days_before_with_the_total_and_a_link(simulated):
    customer = CustomerFactory.create(name="Wanjiru", phone="+254722000001")
    standing = StandingOrderFactory.create(customer=customer, start=date(2026, 12, 3))
    simulated("2026-12-01 05:59")
    assert tasks.announce_coming.func() == 0
    simulated("2026-12-01 06:00")

    assert (tasks.announce_coming.func(), tasks.announce_coming.func()) == (1, 0)

    link = services.skip_link(standing, date(2026, 12, 3))
    assert link.startswith(f"http://127.0.0.1:8000/skip/{standing.number}.20261203-")
    assert told("standing_order.coming") == [
        (
            "+254722000001",
            f"Duka: Wanjiru, your order of KES 10.00 comes on 2026-12-03. Skip it? {link}",
        )
    ]
    services.skip_date(standing_order_id=standing.pk, on=date(2026, 12, 3), by=None)
    assert services.announce_coming() == 0
    simulated("2026-12-08 06:00")
    assert services.announce_coming() == 1


def test_nobody_is_told_of_what_is_due_paused_ended_or_where_it_is_not_wanted(settings, simulated):
    due, paused, ended, _ = (
        StandingOrderFactory.create(start=TODAY + timedelta(days=ahead)) for ahead in (0, 1, 1, 3)
    )
    services.pause_standing_order(standing_order_id=paused.pk, by=None)
    services.end_standing_order(standing_order_id=ended.pk, by=None)
    assert services.announce_coming() == 0

    settings.STANDING_ORDERS_NOTICE_DAYS = 3
    assert services.announce_coming() == 1
    settings.STANDING_ORDERS_NOTICE_DAYS = 0
    StandingOrderFactory.create(start=TODAY + timedelta(days=1))
    assert services.announce_coming() == 0
    assert again(due).told_of is None


@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.parametrize("event", signals.STANDING_ORDER_EVENTS, ids=lambda each: each.code)
def test_the_words_can_be_tried_on_a_real_one(event, language):
    standing = StandingOrderFactory.create(customer=CustomerFactory.create(name="Wanjiru"))

    words = event.texts[language].format(**event.data_of(standing.number), link="L")

    assert ("Wanjiru" in words, "2026-11-30" in words) == (True, True)
    assert event.data_of("R0") is None


@pytest.mark.parametrize("language", ["en", "sw"])
def test_that_it_comes_is_one_sms_with_the_longest_link(settings, simulated, language):
    settings.SHOP_URL = "https://duka.example.co.ke"
    customer = CustomerFactory.create(name="Wanjiru Kamau", language=language)
    goods = VariantFactory.create(price="99999.00", stock=1)
    standing = StandingOrderFactory.create(
        customer=customer,
        items=[Wanted(sku=goods.sku, quantity=1)],
        start=TODAY + timedelta(days=1),
    )
    StandingOrder.objects.filter(pk=standing.pk).update(number="R1000000")

    services.announce_coming()

    message = Message.objects.get(event="standing_order.coming")
    assert "/skip/R1000000.20261201-" in message.body
    assert (size_of(message.body).segments, size_of(message.body).encoding) == (1, "gsm-7")


# At once, and over


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_order_each_date_once(simulated):
    standing_orders = StandingOrderFactory.create_batch(4)
    simulated("2026-12-14 06:00")

    assert sum(at_once([services.run_standing_orders] * 4)) == 12

    for each in standing_orders:
        assert occurrences(each) == dict.fromkeys(["12-14", "12-07", "11-30"], "ordered")
    assert Order.objects.count() == Shipment.objects.count() == 12


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_ordered_once_by_workers_at_once(simulated):
    goods = VariantFactory.create_batch(4, stock=0)
    for each in goods:
        StandingOrderFactory.create(items=[Wanted(sku=each.sku, quantity=1)])
    run()
    for each in goods:
        receive_stock(variant_id=each.pk, quantity=9)
    simulated("2026-11-30 13:00")

    assert sum(at_once([services.retry_waiting] * 4)) == 4
    assert Order.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_a_date_that_is_skipped_while_it_is_ordered_is_one_or_the_other(simulated):
    standing_orders = StandingOrderFactory.create_batch(6)

    def skip(standing):
        return services.skip_date(standing_order_id=standing.pk, on=TODAY, by=None)

    at_once([*(lambda each=each: skip(each) for each in standing_orders), run, run], threads=4)
    run()

    found = [occurrences(each)["11-30"] for each in standing_orders]
    assert set(found) <= {"skipped", "ordered"}
    assert Order.objects.count() == found.count("ordered")
    assert set(StandingOrder.objects.values_list("next_on", flat=True)) == {date(2026, 12, 7)}


def test_nothing_comes_to_who_left(simulated):
    shopper = UserFactory.create()
    customer = CustomerFactory.create(user=shopper)
    none = VariantFactory.create(stock=0)
    ended, waiting = (
        StandingOrderFactory.create(customer=customer, **more)
        for more in ({}, {"items": [Wanted(sku=none.sku, quantity=1)], "count": 1})
    )
    run()
    customers.forget_customer_of(user=shopper)
    receive_stock(variant_id=none.pk, quantity=9)
    simulated("2027-01-01 06:00")

    assert (run(), services.retry_waiting(), services.announce_coming()) == (0, 0, 0)
    assert again(ended).status == "ended"
    assert occurrences(waiting) == {"11-30": "skipped"}
