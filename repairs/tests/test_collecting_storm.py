"""Eight writers that commit out of order, a client that cancels meanwhile, collectors that die.

The client's table says at the end what there was; jobs and messages are compared to it.
"""

import random
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial

import pytest
from django.db import connection

from notifications.models import Message
from repairs import services
from repairs.models import Job, Source
from tests.processes import spawn
from tests.processes import wait_until as wait_until_within

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# With others' tests beside it a machine may be slow.
wait_until = partial(wait_until_within, seconds=300)

WRITERS, COLLECTORS, KILLS, JOBS, MOST = 8, 3, 9, 600, 1800
SEED = 20261122
ENV = {"REPAIRS_SWEEP_SECONDS": "1"}


class Client:
    """The client's people, each with a connection; `committed` are the keys in that order."""

    def __init__(self, table):
        self.table = table
        self.done = threading.Event()
        self.committed = []
        self.rolled_back = 0
        self.errors = []

    def write(self, chance):
        try:
            with closing(self.table.connect()) as connection, connection.cursor() as cursor:
                while not self.done.is_set() and len(self.committed) < MOST:
                    self.add(cursor, chance)
        except Exception as error:
            self.errors.append(error)
            raise

    def add(self, cursor, chance):
        cursor.execute("BEGIN")
        keys = []
        for _ in range(chance.choice([1, 1, 1, 3])):
            cursor.execute(
                "INSERT INTO Jobs (job_type, job_status, client_firstname, client_mobile)"
                " VALUES ('Repair', %s, 'Ana', '0722 000 000') RETURNING job_id",
                (chance.choice(["NEW", "New"]),),
            )
            keys.append(cursor.fetchone()[0])
            time.sleep(chance.uniform(0, 0.15))
        if chance.random() < 0.15:
            cursor.execute("ROLLBACK")
            self.rolled_back += len(keys)
            return
        cursor.execute("COMMIT")
        self.committed += keys
        for key in keys:
            if chance.random() < 0.05:
                # Before it is seen, or after.
                time.sleep(chance.choice([0, 0, chance.uniform(0, 0.5)]))
                cursor.execute("UPDATE Jobs SET job_status = 'CANCELLED' WHERE job_id = %s", (key,))


def missed_by_a_mark(keys):
    """Return how many were committed when one of a higher key was, so that a mark was past them."""
    highest, missed = 0, 0
    for key in keys:
        missed += key < highest
        highest = max(highest, key)
    return missed


def kill_collectors(chance, start, taken):
    """Kill one after another at random moments, in the midst of what they do."""
    collectors = [start() for _ in range(COLLECTORS)]
    for _ in range(KILLS):
        enough = taken() + chance.randint(1, 60)
        wait_until(lambda enough=enough: taken() >= enough)
        time.sleep(chance.uniform(0, 0.1))
        collectors.pop(chance.randrange(COLLECTORS)).kill()
        collectors.append(start())
    return collectors


def test_no_job_is_missed_none_doubled_and_each_is_told_exactly_once(client_table):
    print(f"seed {SEED}")
    chance = random.Random(SEED)  # The moments differ from run to run all the same.
    services.collect(source_id=client_table.source.pk)
    client = Client(client_table)
    seeds = [chance.random() for _ in range(WRITERS)]
    writers = [threading.Thread(target=client.write, args=(random.Random(seed),)) for seed in seeds]
    with ExitStack() as stack:

        def start():
            command = ("-m", "repairs.tests.collector", "loop", str(chance.random()))
            return stack.enter_context(spawn(sys.executable, *command, env=client_table.env | ENV))

        for writer in writers:
            writer.start()
        try:
            collectors = kill_collectors(chance, start, Job.objects.count)
            wait_until(lambda: len(client.committed) >= JOBS)
        finally:
            client.done.set()
            for writer in writers:
                writer.join(60)
        assert client.errors == []
        assert all(each.process.poll() is None for each in collectors), collectors[0].log()
        wait_until(lambda: Job.objects.count() == len(client.committed))
    # What the last ones left behind in the middle.
    Source.objects.update(leased_until=None)
    services.collect(source_id=client_table.source.pk, thorough=True)

    rows = {row["job_id"]: row["job_status"] for row in client_table.rows()}
    assert sorted(rows) == sorted(client.committed)
    jobs = {job.key: job for job in Job.objects.all()}
    assert sorted(jobs) == sorted(rows)
    assert Source.objects.get().collected == len(rows)
    # One message each, of where it was when it was taken in.
    messages = Message.objects.filter(subject="repair").values_list("reference", "event")
    assert sorted(reference for reference, _ in messages) == sorted(
        f"workshop:{key:05}" for key in rows
    )
    events = dict(messages)
    cancelled = {key for key, word in rows.items() if word == "CANCELLED"}
    for key, job in jobs.items():
        assert (job.status, rows[key]) == (
            ("CANCELLED", "CANCELLED") if key in cancelled else ("OPENED", "OPENED")
        )
        assert (job.write_due, job.conflict, job.client_status) == (False, "", rows[key])
        opened = [each["status"] for each in job.updates].count("OPENED")
        assert events[f"workshop:{key:05}"] == ("repair.opened" if opened else "repair.cancelled")
        assert opened or key in cancelled
    # It was a storm: a mark on the key would have lost these, and a look at the NEW ones those
    # that were cancelled before they were seen.
    assert missed_by_a_mark(client.committed) > 20
    assert client.rolled_back > 20
    assert Counter(events.values())["repair.cancelled"] > 0
    connection.close()
