"""Sixty days of two hundred standing orders, with workers and tickers that are killed.

The carriers' own books say what was shipped; occurrences and orders are compared to the dates that
a plain calendar gives.
"""

import calendar
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from django_tasks_db.models import DBTaskResult

from catalog.models import Variant
from catalog.services import receive_stock
from catalog.tests.factories import VariantFactory
from core import clock
from customers.tests.factories import CustomerFactory
from orders.models import Order
from orders.services import Wanted
from shipping import tasks
from shipping.models import Occurrence, Shipment, StandingOrder
from tests.processes import spawn
from tests.processes import wait_until as wait_until_within

from .factories import StandingOrderFactory
from .simulation import be_ahead, clock_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# With others' tests beside it a machine may be slow.
wait_until = partial(wait_until_within, seconds=300, every=0.1)

STANDING_ORDERS, DAYS, WORKERS, TICKERS, KILLS = 200, 60, 3, 2, 16
# The month's last day, and in March the clocks change.
FIRST = date(2027, 1, 31)
LAST = FIRST + timedelta(days=DAYS - 1)
ZONE = "Europe/London"
# From this day on there is enough of what was rare.
RESTOCKED = 40
# Nobody works on these days.
OFF = range(20, 27)
RHYTHMS = [("week", 1)] * 2 + [("week", 2)] * 5 + [("week", 3)] * 4 + [("month", 1)] * 9
STOCK = 100_000
ENOUGH = 1_000
ODD = ["drop_after", "drop_before", "took_http:500", "drop_midway", "nonsense"]
ENV = {
    "SHOP_TIME_ZONE": ZONE,
    "STANDING_ORDERS_ACCEPT": "true",
    "SHIPMENT_RETRY_SECONDS": "0.2",
}


def dates_of(standing, until):
    """Return the days on which it is to come, by a calendar and nothing else."""
    day, found, n = standing.start, [], 0
    while day <= until and len(found) < (standing.count or sys.maxsize):
        found.append(day)
        n += standing.every
        if standing.interval == "week":
            day = standing.start + timedelta(days=7 * n)
        else:
            years, month = divmod(standing.start.month - 1 + n, 12)
            year = standing.start.year + years
            last = calendar.monthrange(year, month + 1)[1]
            day = date(year, month + 1, min(standing.start.day, last))
    return found


class Staff:
    """The processes: killed at random, and others put in their places."""

    def __init__(self, chance, stack, env, folder):
        self.chance = chance
        self.stack = stack
        self.env = env
        self.folder = folder
        self.crews = {}
        self.killed = Counter()

    def start(self, what, times):
        path = self.folder / what
        path.unlink(missing_ok=True)
        command = (sys.executable, "-m", "shipping.tests.simulation", what, str(times), str(path))
        self.crews[what] = self.stack.enter_context(spawn(*command, env=self.env))
        wait_until(lambda: len(self.running(what)) == times)
        self.stack.callback(self.stop, what)

    def running(self, what):
        crew = self.crews[what]
        assert crew.process.poll() is None, f"nobody keeps them running:\n{crew.log()[-5000:]}"
        path = self.folder / what
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def stop(self, what):
        """Kill all of them at once."""
        if crew := self.crews.pop(what, None):
            os.killpg(crew.pid, signal.SIGKILL)

    def kill_some(self):
        # Somewhere in the midst of the day's work.
        time.sleep(self.chance.uniform(0, 0.6))
        what = self.chance.choice(["worker", "worker", "worker", "ticker"])
        pid = self.chance.choice(self.running(what))
        os.kill(pid, signal.SIGKILL)
        self.killed[what] += 1
        wait_until(lambda: pid not in self.running(what))


class Shop:
    """Two hundred standing orders, and what must come of them."""

    def __init__(self, chance):
        self.goods = [*VariantFactory.create_batch(4, stock=STOCK), VariantFactory.create(stock=7)]
        customers = CustomerFactory.create_batch(20, phone="", email="a@example.com")
        for n in range(STANDING_ORDERS):
            interval, every = RHYTHMS[n % len(RHYTHMS)]
            StandingOrderFactory.create(
                customer=customers[n % 20],
                items=[Wanted(sku=self.goods[n % 5].sku, quantity=chance.randint(1, 3))],
                interval=interval,
                every=every,
                # Some on the first day, which is a 31st.
                start=FIRST + timedelta(days=max(0, chance.randint(-4, 20))),
                count=chance.choice([None, None, None, 2, 3]),
                carrier=("courier", "parcelpost")[n % 2],
            )
        self.standing_orders = list(StandingOrder.objects.order_by("pk"))

    def due(self, until):
        """Return (standing order, date) of all that is to come up to a day."""
        return sorted(
            (standing.pk, day)
            for standing in self.standing_orders
            for day in dates_of(standing, until)
        )

    def sold(self, until):
        """Return the pieces of each variant that are gone by then."""
        sold = Counter()
        for standing in self.standing_orders:
            item = standing.items.get()
            sold[item.variant_id] += item.quantity * len(dates_of(standing, until))
        return sold

    def over(self, until):
        """Return those whose last date is over by then."""
        return {
            each.pk
            for each in self.standing_orders
            if each.count is not None and len(dates_of(each, until)) == each.count
        }

    def stock_gone(self):
        stocks = {each.pk: each.stock for each in Variant.objects.all()}
        first = {each.pk: each.stock for each in self.goods}
        first[self.goods[-1].pk] += ENOUGH
        return {key: first[key] - stock for key, stock in stocks.items()}


def live_through(path, shop, staff):
    """Let the days pass on which there is something to do, at eight in the morning of each."""
    due = [len(shop.due(FIRST + timedelta(days=n))) for n in range(DAYS)]
    busy = [n for n in range(DAYS) if n not in OFF and due[n] > (due[n - 1] if n else 0)]
    deadly = set(staff.chance.sample(busy, KILLS))
    for n in sorted({*busy, RESTOCKED, OFF.start, OFF.stop, DAYS - 1}):
        be_ahead(path, at(FIRST + timedelta(days=n), 8))
        if n == RESTOCKED:
            receive_stock(variant_id=shop.goods[-1].pk, quantity=ENOUGH)
        if n == OFF.start:
            staff.stop("worker")
        elif n == OFF.stop:
            staff.start("worker", WORKERS)
        if n in deadly:
            staff.kill_some()
        elif n not in OFF and staff.chance.random() < 0.8:
            # Else they fall behind for a while.
            wait_until(lambda n=n: Occurrence.objects.count() >= due[n])


def finish(path, shop, fake):
    """Wait until all that is due is with the carriers."""
    due = len(shop.due(LAST))
    wait_until(lambda: Occurrence.objects.count() >= due)
    # What waited for goods is tried again in an hour.
    be_ahead(path, at(LAST, 20))
    wait_until(lambda: Occurrence.objects.filter(status="ordered").count() >= due)
    # What a carrier does not know it is believed not to have after some minutes.
    fake.behave("*", "take")
    be_ahead(path, at(LAST, 21))
    wait_until(lambda: not Shipment.objects.exclude(status="sent").exists())
    # Have all be looked through again, as it is all the time anyway.
    for task in (tasks.run_standing_orders, tasks.retry_waiting, tasks.send_shipments) * 2:
        run = DBTaskResult.objects.filter(pk=task.enqueue().id)
        wait_until(lambda run=run: run.get().status == "SUCCESSFUL")


def at(day, hour):
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=hour)


def test_sixty_days_of_standing_orders_are_shipped_once_each_whoever_is_killed(
    fake, settings, tmp_path, monkeypatch
):
    seed = int(os.environ.get("SIMULATION_SEED") or random.randrange(10**6))
    # Shown where it fails; the moments differ from run to run all the same.
    print(f"SIMULATION_SEED={seed}")
    chance = random.Random(seed)
    settings.SHOP_TIME_ZONE = ZONE
    path = tmp_path / "ahead"
    monkeypatch.setattr(clock, "now", clock_of(path))
    be_ahead(path, at(FIRST, 0))
    shop = Shop(chance)
    # Now and then a carrier takes it, or does not, and the shop hears nothing of it.
    odd = (chance.choice(ODD) if chance.random() < 0.05 else "take" for _ in range(800))
    fake.behave("*", *odd, "take")
    env = ENV | fake.keys.environment(fake.url) | {"SIMULATION": str(path)}

    with ExitStack() as stack:
        staff = Staff(chance, stack, env, tmp_path)
        staff.start("worker", WORKERS)
        staff.start("ticker", TICKERS)
        live_through(path, shop, staff)
        finish(path, shop, fake)

    print(f"{len(shop.due(LAST))} dates, killed: {dict(staff.killed)}")
    found = list(
        Occurrence.objects.values_list("standing_order", "on", "order", "shipment", "status")
    )
    assert sorted((standing, on) for standing, on, *_ in found) == shop.due(LAST)
    assert {status for *_, status in found} == {"ordered"}
    # Each date has an order of its own, each order one shipment, and there are no others.
    assert {order for _, _, order, *_ in found} == {*Order.objects.values_list("pk", flat=True)}
    shipments = dict(Shipment.objects.values_list("pk", "order"))
    assert {shipment: order for _, _, order, shipment, _ in found} == shipments
    assert len(set(shipments.values())) == len(shipments) == len(found)
    # By the carriers' books each went out once, and nothing that the shop knows nothing of.
    assert fake.shipped() == Counter(Shipment.objects.values_list("number", flat=True))
    assert shop.stock_gone() == shop.sold(LAST)
    ended = StandingOrder.objects.filter(status="ended")
    assert {*ended.values_list("pk", flat=True)} == shop.over(LAST)
