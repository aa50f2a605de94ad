"""`manage.py fake_client`: a client's old database, and what people do in it."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command

from demo.client import FakeClient
from tests.processes import spawn_manage, wait_until


@pytest.fixture
def client(tmp_path):
    client = FakeClient(tmp_path / "new folder" / "client.sqlite3")
    client.prepare()
    return client


def row(client, key):
    with contextlib.closing(sqlite3.connect(client.file)) as connection:
        return connection.execute("SELECT * FROM Jobs WHERE job_id = ?", (key,)).fetchone()


def open_up(client):
    """Let the shop write back that it has the new ones."""
    with contextlib.closing(sqlite3.connect(client.file)) as connection:
        connection.execute("UPDATE Jobs SET job_status = 'OPENED' WHERE job_status = 'NEW'")
        connection.commit()


def test_before_anybody_asks_there_are_old_jobs_and_one_with_a_word_of_its_own(client):
    words = client.words()

    assert sorted(words) == list(range(101, 123))
    assert "NEW" not in words.values()
    assert [key for key, word in words.items() if word == "Waiting for parts"] == [110]


def test_the_first_that_is_brought_is_the_contract_s_sample(client):
    client.bring()

    assert row(client, 123) == (
        *(123, "Repair", "NEW", "John", "Smith", "SG13 7TZ", "+447770 123456"),
        *("123", "spider catcher"),
    )


def test_it_completes_closes_and_cancels_some_once_the_shop_has_them(client):
    for _ in range(9):
        client.bring()
    assert client.go_on() is None
    open_up(client)

    moves = []
    while moved := client.go_on():
        moves.append(moved)

    assert moves == [
        *((124, "JOB COMPLETED"), (124, "CLOSED"), (125, "JOB COMPLETED")),
        *((128, "JOB COMPLETED"), (128, "CLOSED"), (129, "JOB COMPLETED"), (130, "CANCELLED")),
    ]
    assert {key for key, word in client.words().items() if key > 122 and word == "OPENED"} == {
        *(123, 126, 127, 131),
    }


def test_what_is_there_stays_when_it_starts_anew(client):
    client.bring()
    before = client.words()

    FakeClient(client.file).prepare()

    assert FakeClient(client.file).words() == before
    assert FakeClient(client.file).bring()[0] == 124


def test_two_at_work_at_once_bring_each_job_once(tmp_path):
    client = FakeClient(tmp_path / "client.sqlite3")
    client.prepare()

    with ThreadPoolExecutor(8) as people:
        brought = [each.result() for each in [people.submit(client.bring) for _ in range(8)]]

    assert sorted(each[0] for each in brought) == list(range(123, 131))
    assert len(client.words()) == 30


def test_nobody_waits_for_whoever_reads_meanwhile(client):
    with contextlib.closing(sqlite3.connect(client.file, timeout=0)) as reader:
        rows = reader.execute("SELECT job_id FROM Jobs")
        rows.fetchone()
        client.bring()

    assert len(client.words()) == 23


def test_a_step_that_was_cut_short_leaves_nothing(client, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("demo.client.job", fail)
    with pytest.raises(KeyboardInterrupt):
        client.bring()
    monkeypatch.undo()

    assert client.bring()[0] == 123


def test_once_brings_one_and_moves_one_on(tmp_path, capsys):
    file = tmp_path / "client.sqlite3"
    call_command("fake_client", "--once", "--file", str(file))
    open_up(FakeClient(file))
    call_command("fake_client", "--once", "--file", str(file))
    open_up(FakeClient(file))
    call_command("fake_client", "--once", "--file", str(file))

    assert capsys.readouterr().out.splitlines() == [
        "At the client's: job 00123, NEW: John Smith, spider catcher.",
        "At the client's: job 00124, NEW: Kiprono Chebet, phone.",
        "At the client's: job 00125, NEW: Njeri Mwangi, jua kali stove.",
        "At the client's: job 00124 is JOB COMPLETED.",
    ]


@pytest.mark.django_db
def test_as_a_program_it_says_where_it_is_brings_so_many_and_ends_when_told(tmp_path):
    file = tmp_path / "client.sqlite3"
    args = ("--file", str(file), "--pace", "0.01", "--jobs", "3")
    with spawn_manage("fake_client", *args) as program:
        wait_until(lambda: "job 00125" in program.log())
        open_up(FakeClient(file))
        wait_until(lambda: "job 00125 is JOB COMPLETED" in program.log())
        assert program.stop() == 0
        lines = program.log().splitlines()

    assert lines[:3] == [
        f"The client's jobs are in {file}",
        "REPAIR_SOURCES=workshop",
        f"REPAIRS_WORKSHOP_URL=sqlite:///{file}",
    ]
    assert max(FakeClient(file).words()) == 125
