"""Random sequences of verbs never leave two live bookings closer than the gap.

`FUZZ=20 make test ARGS=bookings/tests/test_rule.py` makes more of them.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from bookings import services
from bookings.exceptions import BookingConflict, GapClash, MoveNotAllowed
from bookings.models import Booking, Resource
from bookings.services import Order
from bookings.states import BookingStatus
from tests.fuzz import TIMES, fuzzing

from .factories import MONDAY, ResourceFactory, ServiceFactory

pytestmark = pytest.mark.django_db

# Steps of half an hour and a few odd ones, in so short a day that most of it is too near.
TIMES_OF_DAY = st.one_of(
    st.integers(0, 30).map(lambda number: MONDAY + number * timedelta(minutes=30)),
    st.integers(0, 9 * 10**5).map(lambda number: MONDAY + number * timedelta(milliseconds=60)),
)
GAPS = st.sampled_from([timedelta(minutes=each) for each in (1, 30, 90, 180, 240)])
WHICH = st.integers(0, 4)
RESOURCES = st.integers(0, 1)
VERBS = {
    "cancel": (services.cancel_booking, BookingStatus.CANCELLED),
    "confirm": (services.confirm_booking, BookingStatus.CONFIRMED),
    "finish": (services.finish_booking, BookingStatus.DONE),
    "miss": (services.miss_booking, BookingStatus.NO_SHOW),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), RESOURCES, TIMES_OF_DAY),
        st.tuples(st.just("book"), RESOURCES, TIMES_OF_DAY),
        st.tuples(st.just("move"), WHICH, TIMES_OF_DAY),
        st.tuples(st.just("hand_over"), WHICH, RESOURCES),
        st.tuples(st.sampled_from(["confirm", *sorted(VERBS)]), WHICH, st.none()),
        st.tuples(st.just("delete"), WHICH, st.none()),
        st.tuples(st.just("bring_in"), st.none(), TIMES_OF_DAY),
        st.tuples(st.just("change_gap"), RESOURCES, GAPS),
        st.tuples(st.just("keep_gap"), RESOURCES, GAPS),
    ),
    min_size=20,
    max_size=40,
)


@dataclass(frozen=True)
class Line:
    """A booking as our own books have it."""

    resource: int
    time: datetime
    gap: timedelta
    status: BookingStatus = BookingStatus.PENDING
    imported: bool = False

    @property
    def is_live(self):
        return not self.imported and self.status != BookingStatus.CANCELLED

    @property
    def may_change(self):
        return not self.imported and self.status.is_open


class Shop:
    outcomes = Counter()

    def __init__(self):
        self.service = ServiceFactory.create().pk
        self.resources = [services.default_resource(), ResourceFactory.create()]
        self.gaps = [each.gap for each in self.resources]
        self.books = {}

    def do(self, verb, *arguments):
        before = dict(self.books)
        expected = getattr(self, verb if hasattr(self, verb) else "become")(*arguments, verb=verb)
        if expected is None:
            return
        act, refusal, books = expected
        try:
            with transaction.atomic():
                done = act()
        except (BookingConflict, GapClash, MoveNotAllowed) as error:
            assert type(error) is refusal, (verb, arguments, before)
        else:
            assert refusal is None, (verb, arguments, before)
            self.books = books(done)
        self.outcomes[verb, refusal and refusal.__name__] += 1
        self.check()

    def check(self):
        """What the database has is what our books have, and no two live ones are too near."""
        keys = {each.pk: number for number, each in enumerate(self.resources)}
        assert self.books == {
            each.pk: Line(
                keys[each.resource_id],
                each.datetime,
                each.gap,
                BookingStatus(each.status),
                each.imported,
            )
            for each in Booking.objects.all()
        }
        for number in keys.values():
            for earlier, later in pairwise(self.live(number)):
                assert later.time - earlier.time >= earlier.gap

    def live(self, resource, other_than=None):
        found = [
            line
            for key, line in self.books.items()
            if line.is_live and line.resource == resource and key != other_than
        ]
        return sorted(found, key=lambda line: line.time)

    def clash(self, new, key=None):
        near = any(
            other.time < new.time + new.gap and new.time < other.time + other.gap
            for other in self.live(new.resource, key)
        )
        return BookingConflict if near else None

    def one(self, which):
        keys = sorted(self.books)
        return keys[which % len(keys)] if keys else None

    # Each verb returns what does it, the refusal that our books foresee, and the books afterwards.

    def book(self, resource, time, **_):
        new = Line(resource, time, self.gaps[resource])
        return (
            lambda: services.book(
                time=time, services=[self.service], resource=self.resources[resource], by=None
            ),
            self.clash(new),
            lambda done: self.books | {done.pk: new},
        )

    def bring_in(self, _, time, **more):
        key = 10**6 + len(self.books)
        while key in self.books:
            key += 1
        order = Order(id=key, time=time, services=[self.service])
        new = Line(0, time, self.gaps[0], BookingStatus.DONE, imported=True)
        return lambda: services.import_booking(order=order), None, lambda _: self.books | {key: new}

    def change(self, which, **changes):
        key = self.one(which)
        if key is None:
            return None
        line = self.books[key]
        new = replace(line, **changes)
        if new == line:
            refusal = None
        elif not line.may_change:
            refusal = MoveNotAllowed
        else:
            new = replace(new, gap=self.gaps[new.resource])
            refusal = self.clash(new, key)
        return (
            lambda: services.change_booking(
                booking_id=key, time=new.time, resource=self.resources[new.resource], by=None
            ),
            refusal,
            lambda _: self.books | {key: new},
        )

    def move(self, which, time, **_):
        return self.change(which, time=time)

    def hand_over(self, which, resource, **_):
        return self.change(which, resource=resource)

    def become(self, which, _, verb):
        key = self.one(which)
        if key is None:
            return None
        act, to = VERBS[verb]
        line = self.books[key]
        allowed = not line.imported and to in line.status.allowed
        return (
            lambda: act(booking_id=key, by=None),
            None if allowed else MoveNotAllowed,
            lambda _: self.books | {key: replace(line, status=to)},
        )

    def delete(self, which, _, **more):
        key = self.one(which)
        if key is None:
            return None
        return (
            lambda: services.delete_booking(booking_id=key, by=None),
            None,
            lambda _: {other: line for other, line in self.books.items() if other != key},
        )

    def change_gap(self, resource, gap, verb):
        live = self.live(resource)
        clashing = [earlier for earlier, later in pairwise(live) if later.time - earlier.time < gap]
        keep = verb == "keep_gap"

        def after(_):
            self.gaps[resource] = gap
            return {
                key: replace(line, gap=gap) if line in live and line not in clashing else line
                for key, line in self.books.items()
            }

        return (
            lambda: services.change_gap(
                resource_id=self.resources[resource].pk, gap=gap, keep=keep
            ),
            GapClash if clashing and not keep else None,
            after,
        )

    keep_gap = change_gap


def test_no_sequence_of_verbs_leaves_two_live_bookings_closer_than_the_gap():
    @fuzzing(examples=60 * TIMES)
    @given(steps=STEPS)
    def run(steps):
        with transaction.atomic():
            shop = Shop()
            for step in steps:
                shop.do(*step)
            transaction.set_rollback(True)

    run()

    assert Resource.objects.count() == 1
    # That all of it was tried: each verb did something, and each refusal was met.
    met = set(Shop.outcomes)
    assert {verb for verb, refusal in met if refusal is None} == {
        "book", "move", "hand_over", *VERBS, "delete", "bring_in", "change_gap", "keep_gap",
    }  # fmt: skip
    assert {(verb, refusal) for verb, refusal in met if refusal} == {
        ("book", "BookingConflict"),
        ("move", "BookingConflict"),
        ("move", "MoveNotAllowed"),
        ("hand_over", "BookingConflict"),
        ("hand_over", "MoveNotAllowed"),
        *((verb, "MoveNotAllowed") for verb in VERBS),
        ("change_gap", "GapClash"),
    }
