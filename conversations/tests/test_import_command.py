"""`manage.py import_interactions`: what it says, how it ends, and lines that are mended."""

import contextlib
import gzip
import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from conversations.management.commands import import_interactions as command
from conversations.models import Client, ImportedFile, Interaction, RejectedLine
from conversations.services import importing
from tests.processes import PROJECT, spawn_manage, test_database_url, wait_until

from .factories import EngagementFactory

ENGAGEMENT = "5f18d12f42262eec0d435583"


def line(number, engagement=ENGAGEMENT):
    return json.dumps(
        {
            "_id": {"$oid": f"{number:024x}"},
            "engagementId": {"$oid": engagement},
            "interactionDate": {"$date": number},
        }
    )


def run(path, **options):
    """Return what the command's process would end with."""
    try:
        call_command("import_interactions", str(path), **options)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, ""


def when_done():
    return f"{timezone.localtime(ImportedFile.objects.get().ended_at):on %Y-%m-%d at %H:%M}"


@pytest.fixture
def engagement(db):
    return EngagementFactory.create(id=ENGAGEMENT)


@pytest.fixture
def file(tmp_path):
    def write(*lines, name="in.json"):
        path = tmp_path / name
        path.write_text("".join(f"{each}\n" for each in lines))
        return path

    return write


def test_it_says_what_it_did(engagement, file, capsys):
    path = file(line(1), line(2))
    assert run(path) == (0, "")
    assert capsys.readouterr().out == "in.json: 2 created, 0 unchanged, 0 set aside.\n"

    assert run(path) == (0, "")
    assert capsys.readouterr().out == (
        f"in.json was imported before, {when_done()}; nothing was done now.\n"
        "--again begins anew with it.\n"
    )
    assert run(path, again=True) == (0, "")
    assert capsys.readouterr().out == "in.json: 0 created, 2 unchanged, 0 set aside.\n"


@pytest.mark.parametrize(("bad", "lines"), [(1, "1 line was"), (2, "2 lines were")])
def test_a_file_that_was_done_is_no_failure_whatever_was_set_aside(
    engagement, file, capsys, bad, lines
):
    path = file(line(1), *["{"] * bad)
    assert run(path) == (2, f"{lines} set aside; --rejected writes them.")
    capsys.readouterr()

    assert run(path) == (0, "")
    assert capsys.readouterr().out == (
        f"in.json was imported before, {when_done()}; nothing was done now.\n"
        f"{lines} set aside then. --again begins anew with it.\n"
    )
    assert run(path, again=True)[0] == 2


@pytest.mark.parametrize("beginning", ["", "\n \t\n", "\ufeff"])
def test_a_file_that_is_no_json_is_one_sentence_and_nothing_is_stored(
    engagement, file, capsys, beginning
):
    path = file(f"{beginning}Date,Text", line(1), name="in.csv")

    for options in ({}, {"dry_run": True}):
        assert run(path, **options) == (1, "This is no JSON; for CSV give --csv-mapping.")
    assert capsys.readouterr() == ("", "")
    assert not ImportedFile.objects.exists()
    assert not Interaction.objects.exists()
    assert not RejectedLine.objects.exists()
    # Blank lines before JSON are none.
    assert run(file(beginning + line(1))) == (0, "")


def test_it_ends_with_two_where_lines_were_set_aside(engagement, file, capsys):
    path = file(line(1), "{", '{"_id": 5}')
    assert run(path) == (2, "2 lines were set aside; --rejected writes them.")
    out, err = capsys.readouterr()
    assert out == "in.json: 1 created, 0 unchanged, 2 set aside.\n"
    assert err == (
        "Line 2: It is not JSON: Expecting a name in double quotes: line 1 column 2 (char 1).\n"
        'Line 3: /_id It must be an ObjectId: {"$oid": "24 hex digits"}.;'
        " /engagementId This field is required.; /interactionDate This field is required.\n"
    )


def test_it_names_only_the_first_of_many(engagement, file, capsys):
    assert run(file(*["{"] * 30))[0] == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 21
    assert said[19].startswith("Line 20: ")
    assert said[20] == "More are set aside…"


def test_lines_that_were_set_aside_can_be_mended_and_taken_in(engagement, file, tmp_path, capsys):
    path, out = file(line(1), line(2, "9" * 24), "", "{"), tmp_path / "bad.json"

    assert run(path, rejected=out) == (2, "2 lines were set aside.")

    assert capsys.readouterr().out.splitlines()[1] == (
        f"2 lines are in {out}, the reasons in its .errors."
    )
    assert out.read_text() == f"{line(2, '9' * 24)}\n{{\n"
    reasons = (tmp_path / "bad.json.errors").read_text().splitlines()
    assert json.loads(reasons[0]) == {
        "line": 2,
        "errors": [
            {
                "pointer": "/engagementId",
                "code": "not_found",
                "detail": "There is no such engagement.",
            }
        ],
    }
    assert [json.loads(each)["line"] for each in reasons] == [2, 4]
    # It is written for a file that was done before, too.
    out.unlink()
    assert run(path, rejected=out) == (0, "")
    mended = out.read_text().replace("9" * 24, ENGAGEMENT).replace("{\n", line(3))
    out.write_text(mended)
    assert run(out) == (0, "")
    assert Interaction.objects.count() == 3


def test_objects_of_an_array_that_were_set_aside_are_an_array_again(engagement, tmp_path):
    path, out = tmp_path / "in.json", tmp_path / "bad.json"
    path.write_text(f'[{line(1)},{{"a":\n1}},{{"b":2}}]')
    assert run(path, rejected=out)[0] == 2
    assert json.loads(out.read_text()) == [{"a": 1}, {"b": 2}]
    path.write_text(f"[{line(4)}]")
    assert run(path, rejected=out) == (0, "")
    assert json.loads(out.read_text()) == []


def test_rows_that_were_set_aside_have_their_header(engagement, tmp_path, capsys):
    path, mapping, out = tmp_path / "in.csv", tmp_path / "mapping.json", tmp_path / "bad.csv.gz"
    path.write_bytes(b'\xef\xbb\xbfDate;Text\r\n2020-05-16;a\r\nyesterday;"b\r\nc"\r\n')
    mapping.write_text(
        json.dumps(
            {
                "engagementId": {"value": ENGAGEMENT},
                "interactionDate": "Date",
                "custom": {"text": "Text"},
            }
        )
    )
    assert run(path, csv_mapping=mapping, rejected=out)[0] == 2
    content = gzip.decompress(out.read_bytes())
    assert content == b'Date;Text\r\nyesterday;"b\r\nc"\r\n'
    (tmp_path / "mended.csv").write_bytes(content.replace(b"yesterday", b"2020-05-15"))
    assert run(tmp_path / "mended.csv", csv_mapping=mapping) == (0, "")
    assert [
        json.loads(each)["custom"]["text"]
        for each in Interaction.objects.order_by("interaction_date").values_list(
            "document", flat=True
        )
    ] == ["b\r\nc", "a"]


def test_a_dry_run_says_what_would_be_done(engagement, file, capsys):
    assert run(file(line(1), "{"), dry_run=True) == (2, "1 line was set aside.")
    assert capsys.readouterr().out == (
        "in.json: 1 created, 0 unchanged, 1 set aside, if it were done.\n"
    )
    assert not Interaction.objects.exists()
    assert not RejectedLine.objects.exists()


def test_other_collections_and_an_engagement_are_options(db, file):
    client = '{"_id":{"$oid":"5f18d12f42262eec0d435582"},"name":"Acme"}'
    assert run(file(client), collection="clients") == (0, "")
    engaged = f'{{"_id":{{"$oid":"{ENGAGEMENT}"}},"clientId":{{"$oid":"5f18d12f42262eec0d435582"}},"name":"SMS"}}'
    assert run(file(engaged), collection="engagements") == (0, "")
    assert run(file('{"interactionDate":{"$date":5}}'), engagement=ENGAGEMENT.upper()) == (0, "")
    assert Interaction.objects.get().client == Client.objects.get()


@pytest.mark.parametrize(
    ("name", "options", "detail"),
    [
        (
            "-",
            {},
            "Standard input cannot be read again where it was left. Write it into a file.",
        ),
        ("missing", {}, "missing cannot be read: No such file or directory."),
        (
            "x",
            {"dry_run": True, "again": True},
            "--dry-run sets nothing aside, so --rejected and --again are not.",
        ),
        ("x", {"engagement": "x"}, "--engagement: It must be an ObjectId: 24 hex digits."),
        ("x", {"engagement": "9" * 24}, f"There is no engagement {'9' * 24}."),
        (
            "x",
            {"collection": "clients", "engagement": "9" * 24},
            "CSV and an engagement are for interactions alone.",
        ),
    ],
)
def test_what_it_cannot_do_is_one_sentence(db, name, options, detail):
    assert run(name, **options) == (1, detail)


def test_a_mapping_that_cannot_be_read_is_one_sentence(db, file, tmp_path):
    path = file(line(1))
    missing, binary, wrong = (tmp_path / name for name in ("missing", "binary", "wrong"))
    binary.write_bytes(b"\xff")
    wrong.write_text("[]")
    assert run(path, csv_mapping=missing) == (
        1,
        f"{missing} cannot be read: No such file or directory.",
    )
    assert run(path, csv_mapping=binary) == (1, f"{binary} is not in UTF-8.")
    assert run(path, csv_mapping=wrong) == (1, "The mapping must be a JSON object.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_ends_behind_the_batch(engagement, file, monkeypatch, capsys, number):
    monkeypatch.setattr(importing, "BATCH_DOCUMENTS", 2)
    path = file(*map(line, range(5)), "{")
    before = signal.getsignal(number)
    store = importing._store

    def interrupted(*args, **how):
        os.kill(os.getpid(), number)
        return store(*args, **how)

    monkeypatch.setattr(importing, "_store", interrupted)
    assert run(path) == (130, "Stopped behind line 2. The same command goes on from there.")
    assert signal.getsignal(number) == before
    assert run(path, dry_run=True) == (130, "Stopped behind line 2.")
    monkeypatch.setattr(importing, "_store", store)
    assert run(path)[0] == 2
    assert capsys.readouterr().out.splitlines()[-1] == (
        "in.json: 5 created, 0 unchanged, 1 set aside."
    )


def test_asked_to_stop_before_it_began_it_has_stored_nothing(engagement, file, monkeypatch):
    survey = importing.survey

    def interrupted(path, **how):
        os.kill(os.getpid(), signal.SIGINT)
        return survey(path, **how)

    monkeypatch.setattr(importing, "survey", interrupted)
    assert run(file(line(1))) == (130, "Stopped. Nothing was stored yet.")
    assert not ImportedFile.objects.exists()


def test_asked_twice_it_ends_at_once(engagement, file, monkeypatch):
    def interrupted(*args, **how):
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: signal.getsignal(signal.SIGINT) == signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: False)

    monkeypatch.setattr(importing, "_store", interrupted)
    # Where tests run side by side, their processes ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(file(line(1)))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_database_that_stops_it_is_one_sentence(engagement, file, monkeypatch):
    monkeypatch.setattr(importing, "_LIMIT_EXCEEDED", "none")
    monkeypatch.setattr(
        "conversations.services.collections.create_interactions",
        lambda *, documents: importing.connection.cursor().execute(
            "SELECT repeat('x', 2000000000)"
        ),
    )
    code, said = run(file(line(1)))
    assert code == 1
    assert said == (
        "The database stopped it: requested length too large. What was stored stays; the same"
        " command goes on from there."
    )


def test_without_a_terminal_it_says_from_time_to_time_how_far_it_is(
    engagement, file, monkeypatch, capsys
):
    monkeypatch.setattr(command, "_TELL_EVERY", 0)
    monkeypatch.setattr(importing, "BATCH_DOCUMENTS", 2)
    path = file(*map(line, range(4)))
    size = path.stat().st_size
    assert run(path) == (0, "")
    assert capsys.readouterr().err == (
        f"Looking through it: {size} bytes…\n"
        "50%: 2 created, 0 unchanged, 0 set aside…\n"
        "100%: 4 created, 0 unchanged, 0 set aside…\n"
    )


def test_on_a_terminal_it_draws_a_bar(engagement, file, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(file(line(1), "{"))[0] == 2
    shown = terminal.getvalue()
    assert "Importing: 100%" in shown
    assert "1 in, 1 set aside" in shown
    assert "Line 2: It is not JSON" in shown
    assert capsys.readouterr().out == "in.json: 1 created, 0 unchanged, 1 set aside.\n"


def test_off_the_main_thread_it_leaves_signals_alone(monkeypatch):
    monkeypatch.setattr(command.threading, "current_thread", lambda: None)
    before = signal.getsignal(signal.SIGINT)
    with command._asked_to_stop() as stopped:
        assert signal.getsignal(signal.SIGINT) == before
        assert not stopped.is_set()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_its_process_ends_by_ctrl_c_and_another_goes_on(tmp_path):
    EngagementFactory.create(id=ENGAGEMENT)
    path = tmp_path / "in.json"
    with path.open("w") as file:
        for number in range(60_000):
            file.write(line(number) + "\n")
    with spawn_manage("import_interactions", str(path)) as first:
        wait_until(Interaction.objects.exists)
        assert first.stop(signal.SIGINT, 90) == 130
        assert "The same command goes on from there." in first.log()
    done = ImportedFile.objects.get()
    assert 0 < done.created == Interaction.objects.count() == done.line < 60_000
    with spawn_manage("import_interactions", str(path)) as second:
        wait_until(lambda: second.process.poll() is not None, 300)
        assert second.process.returncode == 0, second.log()
        assert "60,000 created, 0 unchanged, 0 set aside." in second.log()
    assert Interaction.objects.count() == 60_000


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_its_process_draws_a_bar_on_a_real_terminal(tmp_path):
    EngagementFactory.create(id=ENGAGEMENT)
    path = tmp_path / "in.json"
    path.write_text(line(1))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import_interactions", str(path)],
        cwd=PROJECT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "DATABASE_URL": test_database_url(),
            "DUKA_VAR": str(tmp_path / "var"),
            "SECRET_KEY": "tests-only",
        },
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        # A terminal whose other side is closed answers with an error.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 4096):
                shown += piece
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait(15)
        os.close(ours)
    assert "Importing: 100%" in shown.decode()
    assert "in.json: 1 created, 0 unchanged, 0 set aside." in shown.decode()
