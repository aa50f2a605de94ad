"""Bookings that race for one time: real servers, real threads, real PostgreSQL."""

import json
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import timedelta
from http.client import HTTPConnection
from itertools import cycle, pairwise
from urllib.parse import urlsplit

import pytest

from accounts.tests.factories import ShopkeeperFactory, browser_of
from bookings import services
from bookings.models import Booking, BookingChange
from bookings.services import booking as verbs
from core.tests.races import at_once
from core.tests.rest import utc
from tests.servers import spawn_web

from .factories import MONDAY, BookingFactory, ResourceFactory, ServiceFactory

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 4
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class Servers:
    """Two servers of one shop, called in turn by its shopkeeper."""

    def __init__(self, addresses, headers):
        self.headers = headers
        self.turns = cycle(urlsplit(address).netloc for address in addresses)

    def call(self, method, path, body=None):
        """Return what makes the call: the status, the code of a problem, and the seconds it took."""
        server = next(self.turns)

        # By the standard library's client: it leaves more of the machine to the servers.
        def run():
            started = time.perf_counter()
            with closing(HTTPConnection(server, timeout=60)) as connection:
                content = None if body is None else json.dumps(body)
                connection.request(method, f"/api/v1{path}", content, self.headers)
                answer = connection.getresponse()
                content = answer.read()
            seconds = time.perf_counter() - started
            return answer.status, json.loads(content).get("code") if content else None, seconds

        return run

    def at_once(self, what, calls):
        answers = at_once(calls)
        assert [each for each in answers if isinstance(each, Exception)] == []
        worst = max(seconds for *_, seconds in answers)
        print(f"{what}: {len(answers)} at once on two servers, the worst answer in {worst:.2f} s")
        return [answer[:2] for answer in answers]


@pytest.fixture
def servers():
    browser = browser_of(ShopkeeperFactory.create())
    token = "c" * 32
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    headers = {
        "Cookie": "; ".join(
            f"{name}={value}" for name, value in cookies.items() | {("csrftoken", token)}
        ),
        "X-CSRFToken": token,
        "Content-Type": "application/json",
    }
    env = {
        "GUNICORN_CMD_ARGS": f"--worker-class gthread --threads {THREADS}",
        "WEB_CONCURRENCY": "1",
    }
    with ExitStack() as stack:
        addresses = [stack.enter_context(spawn_web(env))[1] for _ in range(2)]
        servers = Servers(addresses, headers)
        warm_up(servers)
        yield servers


def warm_up(servers):
    """Let it be a shop that has been open for a while: each thread has its connection."""
    service = ServiceFactory.create()
    order = {"datetime": utc(MONDAY), "services": [{"id": service.pk}]}
    booking = BookingFactory.create(time=MONDAY + timedelta(days=1), services=[service.pk])
    path = f"/service-orders/{booking.pk}/"
    calls = [servers.call("POST", "/service-orders/", order) for _ in range(2 * THREADS)]
    calls += [servers.call("PATCH", path, {"totalfee": number}) for number in range(2 * THREADS)]
    calls += [servers.call("PATCH", path, {"datetime": utc(MONDAY)}) for _ in range(2 * THREADS)]
    assert {status for status, *_ in at_once(calls)} <= {200, 201, 409}
    Booking.objects.all().delete()


def assert_gaps_are_kept():
    for resource in set(Booking.objects.values_list("resource", flat=True)):
        live = Booking.objects.live().filter(resource=resource).order_by("datetime")
        for earlier, later in pairwise(live):
            assert later.datetime - earlier.datetime >= earlier.gap


def order_at(time, **fields):
    return {"datetime": utc(time), "services": [{"id": 123}], **fields}


def test_of_a_hundred_orders_within_the_gap_exactly_one_wins(servers):
    ServiceFactory.create(id=123)
    # All within three hours, no two at the same moment.
    calls = [
        servers.call("POST", "/service-orders/", order_at(MONDAY + number * 1.7 * MINUTE))
        for number in range(100)
    ]

    answers = servers.at_once("orders", calls)

    assert Counter(answers) == {(201, None): 1, (409, "booking_conflict"): 99}
    assert Booking.objects.count() == BookingChange.objects.count() == 1
    assert Booking.objects.get().datetime == MONDAY + answers.index((201, None)) * 1.7 * MINUTE


def test_orders_over_a_week_fill_it_and_never_deadlock(servers):
    ServiceFactory.create(id=123)
    calls = [
        servers.call("POST", "/service-orders/", order_at(MONDAY + number * 37 * MINUTE))
        for number in range(100)
    ]

    answers = Counter(servers.at_once("orders over a week", calls))

    assert set(answers) == {(201, None), (409, "booking_conflict")}
    assert answers[201, None] == Booking.objects.count()
    # Each that was refused was nearer than three hours to one that won: no more would fit.
    times = set(Booking.objects.values_list("datetime", flat=True))
    assert all(
        any(abs(MONDAY + number * 37 * MINUTE - each) < 3 * HOUR for each in times)
        for number in range(100)
    )
    assert_gaps_are_kept()


def test_moves_into_one_time_let_one_in_and_leave_the_others_where_they_were(servers):
    bookings = [BookingFactory.create(time=MONDAY + number * 3 * HOUR) for number in range(100)]
    there = MONDAY + timedelta(days=30)
    calls = [
        servers.call(
            "PATCH", f"/service-orders/{each.pk}/", {"datetime": utc(there + number * MINUTE)}
        )
        for number, each in enumerate(bookings)
    ]

    answers = servers.at_once("moves into one time", calls)

    assert Counter(answers) == {(200, None): 1, (409, "booking_conflict"): 99}
    winner = bookings[answers.index((200, None))]
    after = dict(Booking.objects.values_list("pk", "datetime"))
    assert {key: time for key, time in after.items() if key != winner.pk} == {
        each.pk: each.datetime for each in bookings if each != winner
    }
    assert_gaps_are_kept()


def test_moves_that_cross_over_between_resources_never_deadlock(servers):
    here, there = ResourceFactory.create_batch(2)
    calls = []
    for number in range(20):
        time = MONDAY + number * timedelta(days=1)
        for resource, other in ((here, there), (there, here)):
            booking = BookingFactory.create(time=time, resource=resource)
            change = {"datetime": utc(time + 6 * HOUR), "resource": other.code}
            calls.append(servers.call("PATCH", f"/service-orders/{booking.pk}/", change))

    answers = servers.at_once("moves that cross over", calls)

    assert Counter(answers) == {(200, None): 40}
    assert Booking.objects.filter(datetime__hour=15).count() == 40
    assert Booking.objects.filter(resource=here).count() == 20
    assert_gaps_are_kept()


def test_moves_that_would_change_places_are_refused_as_neither_time_is_free(servers):
    pairs = [
        (BookingFactory.create(time=day), BookingFactory.create(time=day + 3 * HOUR))
        for day in (MONDAY + number * timedelta(days=1) for number in range(50))
    ]
    calls = [
        servers.call("PATCH", f"/service-orders/{one.pk}/", {"datetime": utc(other.datetime)})
        for pair in pairs
        for one, other in (pair, pair[::-1])
    ]

    answers = servers.at_once("changes of places", calls)

    assert Counter(answers) == {(409, "booking_conflict"): 100}
    assert_gaps_are_kept()


def test_cancellations_orders_and_moves_at_once_keep_the_gap(servers):
    ServiceFactory.create(id=123)
    bookings = [BookingFactory.create(time=MONDAY + number * 3 * HOUR) for number in range(20)]
    calls = []
    for number, each in enumerate(bookings):
        path = f"/service-orders/{each.pk}/"
        near = each.datetime + 90 * MINUTE
        calls += [
            servers.call("POST", f"{path}{'cancel' if number % 2 else 'confirm'}/"),
            servers.call("PATCH", path, {"datetime": utc(near)}),
            servers.call("POST", "/service-orders/", order_at(near)),
            servers.call("DELETE" if number % 5 == 0 else "GET", path),
        ]

    answers = servers.at_once("all of it", calls)

    assert {status for status, _ in answers} <= {200, 201, 204, 404, 409}
    assert [status for status, _ in answers].count(204) == 4
    assert_gaps_are_kept()


def test_a_writer_who_does_not_look_first_is_held_by_the_database(monkeypatch):
    """What keeps the rule is the constraint; the lock before it spares them a deadlock."""
    service = ServiceFactory.create()
    resource = services.default_resource()
    monkeypatch.setattr(verbs, "hold_resources", lambda *keys: {resource.pk: resource})
    monkeypatch.setattr(verbs, "refuse_clash", lambda *args, **more: None)

    def book():
        return services.book(time=MONDAY, services=[service.pk], by=None).pk

    outcomes = Counter(type(each).__name__ for each in at_once([book] * 8))

    assert outcomes.pop("int") == Booking.objects.count() == 1
    assert set(outcomes) <= {"BookingConflict", "OperationalError"}
