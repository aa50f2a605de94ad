"""Collectors killed in the middle: what they had in hand is done by the next, once."""

import sys

import pytest
from django.db.models.functions import Now

from notifications.models import Message
from repairs import services
from repairs.models import Job, Source
from tests.processes import spawn, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def collector(table, what, value):
    command = (sys.executable, "-m", "repairs.tests.collector", what, str(value))
    return spawn(*command, env=table.env)


def collect(table):
    # Its lease passes, sooner or later.
    Source.objects.update(leased_until=Now())
    return services.collect(source_id=table.source.pk)


@pytest.fixture
def shop(client_table):
    services.collect(source_id=client_table.source.pk)
    for _ in range(3):
        client_table.insert()
    return client_table


@pytest.mark.parametrize(
    ("where", "stored", "there", "taken_in"),
    [
        ("telling", 0, ["New", "New", "New"], 3),
        ("before", 3, ["New", "New", "New"], 0),
        ("after", 3, ["OPENED", "New", "New"], 0),
    ],
)
def test_a_collector_that_dies_leaves_all_or_nothing(shop, where, stored, there, taken_in):
    with collector(shop, "die", where) as dying:
        wait_until(lambda: dying.process.poll() is not None)
        assert dying.process.returncode == -9, dying.log()
    assert Job.objects.count() == Message.objects.filter(subject="repair").count() == stored
    assert [row["job_status"] for row in shop.rows()] == there
    assert Source.objects.get().fence is not None

    assert collect(shop).collected == taken_in

    assert Message.objects.filter(subject="repair").count() == 3
    assert [row["job_status"] for row in shop.rows()] == ["OPENED"] * 3
    assert [
        (job.status, job.client_status, job.write_due) for job in Job.objects.order_by("key")
    ] == [("OPENED", "OPENED", False)] * 3


def test_a_baseline_that_is_killed_goes_on_from_its_last_page(client_table):
    client_table.execute(
        "INSERT INTO Jobs SELECT seq, 'Repair', 'CLOSED', 'A', 'B', 'C', '', 'D', 'E'"
        " FROM seq_1_to_60000"
    )
    came = 0
    for _ in range(3):
        Source.objects.update(leased_until=Now())
        with collector(client_table, "baseline", 200) as dying:
            wait_until(lambda came=came: Job.objects.count() > came)
            dying.kill()
        came = Job.objects.count()
        source = Source.objects.get()
        assert source.baseline_after == came == source.collected
        assert source.baselined_at is None, "it was too quick to be killed"

    assert collect(client_table).collected == 60_000 - came

    assert Job.objects.filter(baseline=True).count() == Source.objects.get().collected == 60_000
    assert Message.objects.count() == 0
