"""Rows of several tables as one list, in pages."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser

from core import timeline
from core.keyset import BadCursor, Keyset
from core.models import IdempotencyKey, PeriodicJob, Worker
from core.permissions import anybody
from core.timeline import LONGEST_TEXT, Entry, page_of, shortened

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entries(kind, rows, at):
    return [
        Entry(at=getattr(row, at), kind=kind, key=row.pk, reference=str(row.pk), title=kind)
        for row in rows
    ]


def keys_of(*, customer, window):
    rows = window.of(IdempotencyKey.objects.filter(caller=customer), at="created_at")
    return entries("key", rows, "created_at")


def workers_of(*, customer, window):
    return entries("worker", window.of(Worker.objects.all(), at="started_at"), "started_at")


def jobs_of(*, customer, window):
    rows = window.cut(PeriodicJob.objects.all(), at=lambda job: job.next_run_at)
    return entries("job", rows, "next_run_at")


@pytest.fixture(autouse=True)
def kinds(db, monkeypatch):
    """Three kinds: one by number, one by name, one cut in Python."""
    monkeypatch.setattr(timeline, "_kinds", {})
    PeriodicJob.objects.all().delete()
    for name, read, model in (
        ("worker", workers_of, Worker),
        ("key", keys_of, IdempotencyKey),
        ("job", jobs_of, PeriodicJob),
    ):
        timeline.register(name, label=f"{name}s", read=read, may=anybody, model=model, route="x")


def add_key(minutes, caller="C1"):
    count = IdempotencyKey.objects.count()
    return IdempotencyKey.objects.create(
        caller=caller, key=str(count), fingerprint="", status=200, body=b"",
        created_at=NOON + timedelta(minutes=minutes),
    )  # fmt: skip


def add_worker(name, minutes):
    return Worker.objects.create(id=name, started_at=NOON + timedelta(minutes=minutes))


def add_job(name, minutes):
    at = NOON + timedelta(minutes=minutes)
    return PeriodicJob.objects.create(name=name, every=timedelta(days=1), next_run_at=at)


def page(size=100, **options):
    return page_of("C1", user=AnonymousUser(), size=size, **options)


def places(entries):
    return [(each.kind, each.key) for each in entries]


def everything():
    """Add rows of which several are of one moment, of one kind and of all; return their places."""
    add_key(5, caller="C2")
    last = add_key(9)
    jobs = [add_job("j1", 5), add_job("j2", 5), add_job("j3", 2)]
    keys = [add_key(5), add_key(5), add_key(5), add_key(1)]
    for name, minutes in (("w1", 5), ("w2", 5), ("w3", 3)):
        add_worker(name, minutes)
    return [
        ("key", last.pk),
        *(("job", each.pk) for each in (jobs[1], jobs[0])),
        *(("key", each.pk) for each in (keys[2], keys[1], keys[0])),
        *(("worker", each) for each in ("w2", "w1", "w3")),
        ("job", jobs[2].pk),
        ("key", keys[3].pk),
    ]


def test_the_newest_come_first_and_those_of_one_moment_by_kind_and_last_key():
    expected = everything()

    whole = page()

    assert places(whole.entries) == expected
    assert (whole.kinds, whole.next, whole.previous) == (["job", "key", "worker"], None, None)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 11])
def test_pages_skip_and_repeat_nothing_there_and_back(size):
    expected = everything()

    there, cursor = [], None
    while True:
        found = page(size, cursor=cursor)
        there.append(places(found.entries))
        assert (found.previous is None) == (cursor is None)
        if found.next is None:
            break
        cursor = found.next
    assert [each for page_ in there for each in page_] == expected
    assert {len(each) for each in there[:-1]} <= {size}

    back = [places(found.entries)]
    while found.previous is not None:
        found = page(size, cursor=found.previous)
        back.append(places(found.entries))
        assert found.next is not None
    assert back[::-1] == there


def test_what_comes_in_meanwhile_neither_shifts_nor_repeats_what_is_there():
    expected = everything()

    seen, cursor = [], None
    for number in range(1, 9):
        found = page(2, cursor=cursor)
        seen += places(found.entries)
        # New, of the very moment that the pages are at, and of another kind before and after it.
        add_key(100 + number)
        add_job(f"new-{number}", 5)
        add_worker(f"w1-{number}", 100)
        cursor = found.next
        if cursor is None:
            break
    assert [each for each in seen if each in expected] == expected
    assert len(seen) == len(set(seen))


def test_rows_that_are_gone_hold_up_no_page():
    expected = everything()
    first = page(3)

    Worker.objects.all().delete()
    PeriodicJob.objects.all().delete()

    assert places(page(cursor=first.next).entries) == [
        each for each in expected[3:] if each[0] == "key"
    ]


def test_between_two_times_the_first_is_in_and_the_second_is_not():
    expected = everything()

    found = page(after=NOON + timedelta(minutes=2), before=NOON + timedelta(minutes=5))

    assert places(found.entries) == expected[8:10]
    assert places(page(after=NOON + timedelta(minutes=9)).entries) == expected[:1]


def test_other_kinds_are_not_read_and_a_cursor_of_one_serves_the_others():
    expected = everything()
    cursor = page(2).next

    def fails(**_):
        raise AssertionError

    timeline.register("key", label="keys", read=fails, may=anybody, model=Worker, route="x")

    found = page(only=["worker", "job", "nothing"], cursor=cursor)
    assert found.kinds == ["job", "worker"]
    assert places(found.entries) == [each for each in expected[2:] if each[0] != "key"]


def test_what_the_viewer_may_not_see_is_left_out():
    expected = everything()
    timeline.register(
        "key", label="keys", read=keys_of, may=lambda user: False, model=Worker, route="x"
    )

    found = page(only=["key", "job"])

    assert found.kinds == ["job"]
    assert places(found.entries) == [each for each in expected if each[0] == "job"]


def test_a_cursor_that_somebody_made_up_is_refused():
    everything()
    cursor = page(2).next
    of_a_list = Keyset(Worker.objects.order_by("-started_at", "-pk")).cursor(Worker.objects.first())

    for wrong in ("", "x", "é", f"{cursor}x", cursor.partition(":")[0], of_a_list):
        with pytest.raises(BadCursor):
            page(cursor=wrong)


def test_nobody_with_nothing_has_an_empty_page():
    empty = page()

    assert (empty.entries, empty.next, empty.previous) == ([], None, None)


def test_an_empty_page_still_tells_whether_there_is_more():
    everything()

    assert (page(0).entries, page(0).has_next, page(0).next) == ([], True, None)


def test_long_words_are_cut_and_stand_on_one_line():
    assert shortened(" Hello,\n\n  there\t") == "Hello, there"
    assert shortened("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert shortened("x" * 201) == "x" * 199 + "…"
    assert shortened("x " * 10**6) == "x " * 99 + "x…"
