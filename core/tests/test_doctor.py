"""`manage.py doctor`: what is broken is found, said in a sentence, and nothing waits for ever."""

import io
import json
import os
import socket
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.utils import timezone

from core import celery, counting, doctor, examining, jobs, untold
from core.doctor import Level, ok, problem, warning
from core.models import PeriodicJob
from core.tests.races import at_once
from core.tests.smtp import MailServer
from tests.infrastructure import spawn_pgbouncer, spawn_postgres
from tests.processes import spawn_manage


def levels(check):
    return [finding.level for finding in check()]


def said(check):
    return [finding.said for finding in check()]


@contextmanager
def hanging_server():
    """Take connections and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def checks(monkeypatch):
    """The registry, empty."""
    monkeypatch.setattr(doctor, "_checks", [])
    return doctor


# How checks are made


def test_what_fails_is_a_finding_and_the_others_go_on(checks):
    def fails():
        yield ok("So far.")
        raise RuntimeError("no luck")

    checks.register("fails", fails)
    checks.register("well", lambda: [ok("Well.")])
    checks.register("well", lambda: [warning("Nearly.", do="Wait.")])

    failed, well, nearly = doctor.examine(seconds=60)

    assert failed.findings == [
        problem(
            "This check failed: RuntimeError: no luck",
            do="Report it, if nothing above explains it.",
        )
    ]
    assert (well.name, well.findings) == ("well", [ok("Well.")])
    assert nearly.findings == [warning("Nearly.", do="Wait.")]
    assert doctor.has_problems([failed, well])
    assert not doctor.has_problems([well, nearly])


def test_one_that_hangs_is_said_to_and_not_waited_for(checks):
    with hanging_server() as port:

        def hangs():
            with socket.create_connection(("127.0.0.1", port)) as there:
                there.recv(1)
            yield ok("Never said.")

        checks.register("hangs", hangs)
        checks.register("well", lambda: [ok("Well.")])

        hung, well = doctor.examine(seconds=1)

    assert [finding.said for finding in hung.findings] == ["It did not answer within 1 s."]
    assert well.findings == [ok("Well.")]


def test_without_the_database_what_needs_it_is_not_asked(checks):
    checks.register("rest", lambda: [ok("Asked.")], database=True)
    checks.register("other", lambda: [ok("Asked.")])
    checks.register("database", lambda: [problem("Gone.", do="Start it.")])
    checks.register("migrations", lambda: [ok("Never asked.")], database=True)

    examined = doctor.examine(seconds=60)

    assert [(each.name, each.findings[0].said) for each in examined] == [
        ("database", "Gone."),
        ("database", "Not looked at, as this comes first: rest."),
        ("other", "Asked."),
    ]


def test_offline_nobody_else_is_asked(checks):
    checks.register("near", lambda: [ok("Asked.")])
    checks.register("far", lambda: [ok("Asked.")], network=True)

    assert [each.name for each in doctor.examine(seconds=60, offline=True)] == ["near"]
    assert [each.name for each in doctor.examine(seconds=60)] == ["near", "far"]


def test_no_finding_says_a_secret(checks, settings, monkeypatch):
    settings.AFRICASTALKING_API_KEY = "atsk-in-the-settings"
    settings.COURIER_WEBHOOK_SECRETS = ["whsec-one-of-two", "short"]
    settings.REPAIR_SOURCES = {"w": {"url": "mysql://u:p%40ssw0rd@db/x"}}
    monkeypatch.setenv("SOMEBODYS_PASSWORD", "in-the-environment")
    text = (
        "atsk-in-the-settings whsec-one-of-two short p%40ssw0rd p@ssw0rd in-the-environment"
        " http://[ tests-only"
    )
    checks.register("leaks", lambda: [warning(text, do=text)])

    [leaks] = doctor.examine(seconds=60)

    assert leaks.findings == [
        warning("… … short … … … http://[ …", do="… … short … … … http://[ …")
    ]
    settings.SHOP_URL = "http://[::broken"
    assert untold.without_secrets("fine") == "fine"


def test_settings_that_refuse_say_no_secret(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("key-of-a-file\n")
    (tmp_path / "database").write_text("postgres://duka:pass-of-a-file@db/shop\n")
    (tmp_path / "other").write_text("no-secret-at-all\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "database"))
    monkeypatch.setenv("IDENTITY_FILE", str(tmp_path / "other"))
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(tmp_path / "not-there"))
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", "older-key-1, older-key-2")

    [refused] = doctor.refused(
        "Not key-of-a-file, pass-of-a-file, older-key-1 or older-key-2, but no-secret-at-all."
    )

    [finding] = refused.findings
    assert (finding.level, finding.said) == ("problem", "Not …, …, … or …, but no-secret-at-all.")


def test_keys_of_before_are_secrets_too(settings):
    settings.SECRET_KEY_FALLBACKS = ["signed-before-1"]

    assert untold.without_secrets("by signed-before-1") == "by …"


def test_an_address_that_only_shows_how_to_write_one_hides_no_word(settings):
    settings._REQUIRED = {"DATABASE_URL": "postgres://user:password@host:5432/name"}

    assert untold.without_secrets("Its user and password.") == "Its user and password."


def test_findings_are_for_people_and_for_programs():
    examined = [
        doctor.Examined(name="disk", findings=[ok("Room."), problem("Full.", do="Make room.")]),
        doctor.Examined(name="mail", findings=[warning("Odd.", do="Look.")]),
    ]

    assert doctor.as_text(examined) == (
        "ok       disk         Room.\n"
        "problem  disk         Full.\n"
        "                      → Make room.\n"
        "warning  mail         Odd.\n"
        "                      → Look.\n"
        "1 problem(s), 1 warning(s)."
    )
    assert json.loads(doctor.as_json(examined)) == {
        "ok": False,
        "findings": [
            {"check": "disk", "level": "ok", "said": "Room.", "do": ""},
            {"check": "disk", "level": "problem", "said": "Full.", "do": "Make room."},
            {"check": "mail", "level": "warning", "said": "Odd.", "do": "Look."},
        ],
    }


@pytest.mark.parametrize("level", ["ok", "problem"])
def test_the_command_ends_with_1_where_there_is_a_problem(checks, level):
    checks.register(
        "x", lambda: [getattr(doctor, level)("Said.", **({"do": "."} if level != "ok" else {}))]
    )
    out = io.StringIO()

    if level == "ok":
        call_command("doctor", "--json", stdout=out)
    else:
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", "--json", stdout=out)
        assert ended.value.code == 1

    assert json.loads(out.getvalue())["ok"] is (level == "ok")


# As a command of its own


@pytest.mark.django_db(transaction=True)
def test_a_shop_that_is_set_up_but_has_no_worker_is_told_so_and_nothing_else():
    PeriodicJob.objects.all().delete()
    with spawn_manage("doctor", "--json", "--offline", env={"LOG_FORMAT": "plain"}) as command:
        assert command.process.wait(120) == 1
        findings = json.loads(command.log())["findings"]

    problems = {each["check"]: each for each in findings if each["level"] == "problem"}
    assert set(problems) == {"worker", "ticker", "identity"}
    assert problems["worker"]["said"] == "None has been seen for 2 s: nobody is told anything."
    assert problems["ticker"]["said"] == "No ticker has ever run: nothing is repeated."
    assert {"check": "migrations", "level": "ok", "said": "All are applied.", "do": ""} in findings
    checked = {each["check"] for each in findings}
    assert {"database", "queue", "cache", "disk", "media", "backup", "sms", "carriers"} <= checked
    assert not {"issuer", "mail"} & checked


@pytest.mark.django_db
def test_settings_that_refuse_are_a_finding():
    for name, wrong in (("--json", True), ("", False)):
        with spawn_manage("doctor", *filter(None, [name]), env={"DATABASE_URL": "mysql://x"}) as it:
            assert it.process.wait(90) == 1
            log = it.log()
        assert "DATABASE_URL must start with postgres://" in log
        if wrong:
            [finding] = json.loads(log)["findings"]
            assert (finding["check"], finding["level"]) == ("settings", "problem")


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["nobody", "silence"])
def test_without_a_database_it_ends_and_says_so(how):
    with hanging_server() as port:
        at = port if how == "silence" else 1
        env = {"DATABASE_URL": f"postgres://duka:hidden-pass@127.0.0.1:{at}/shop"}
        with spawn_manage("doctor", "--json", "--offline", "--seconds", "2", env=env) as command:
            assert command.process.wait(120) == 1
            log = command.log()

    findings = json.loads(log)["findings"]
    expected = (
        "The database does not answer" if how == "nobody" else "It did not answer within 2 s."
    )
    assert findings[0]["check"] == "database"
    assert findings[0]["said"].startswith(expected)
    assert findings[1]["said"].startswith("Not looked at, as this comes first: cache, carriers,")
    assert "hidden-pass" not in log


# What each finds


@pytest.mark.django_db
def test_the_database_of_the_tests_is_as_it_should_be():
    assert levels(examining.examine_database) == [Level.OK]


@pytest.mark.django_db
@pytest.mark.parametrize("told", [True, False])
def test_a_pooler_that_the_settings_do_not_tell_of_is_seen(tmp_path, told):
    def through_pgbouncer():
        connection.close()
        ours = {"NAME": "postgres", "USER": "duka", "PASSWORD": "", "HOST": pgbouncer.host}
        connection.settings_dict = {
            **connection.settings_dict,
            **ours,
            "PORT": pgbouncer.port,
            "DISABLE_SERVER_SIDE_CURSORS": told,
        }
        try:
            return said(examining.examine_database)
        finally:
            connection.close()

    with (
        spawn_postgres(tmp_path / "postgres") as postgres,
        spawn_pgbouncer(tmp_path / "pgbouncer", postgres) as pgbouncer,
    ):
        [found] = at_once([through_pgbouncer])

    pooler = "DATABASE_URL leads through a pooler, and DATABASE_PGBOUNCER is not set."
    assert (pooler in found) is not told


@pytest.mark.django_db
def test_a_database_that_is_away_is_said_to_be():
    def without_database():
        connection.close()
        connection.settings_dict = {**connection.settings_dict, "NAME": "gone"}
        return said(examining.examine_database)

    # What began with a connection to the right one.
    [[sentence]] = at_once([without_database])
    assert sentence.startswith("The database does not answer: ")


@pytest.mark.django_db
def test_a_database_that_is_not_fit_is_told_why(monkeypatch):
    monkeypatch.setattr(examining, "OLDEST_POSTGRESQL", 999999)
    monkeypatch.setattr(examining, "EXTENSIONS", ("pg_trgm", "nothing_such"))
    monkeypatch.setattr(examining, "CLOCK_SECONDS", -1)

    _, old, apart, missing = examining.examine_database()

    assert old.said == "It is older than PostgreSQL 15."
    assert apart.said == "The database's clock and ours are 0 s apart."
    assert missing.said == "The extensions nothing_such are not there."


@pytest.mark.django_db
def test_migrations_that_are_missing_or_not_known_are_named():
    assert said(examining.examine_migrations) == ["All are applied."]
    applied = MigrationRecorder.Migration.objects.filter(app="orders").order_by("-pk").first()
    applied.delete()
    MigrationRecorder(connection).record_applied("orders", "9999_of_a_newer_version")

    missing, newer = examining.examine_migrations()

    assert missing == problem(f"Not applied: orders.{applied.name}.", do="Run `manage.py migrate`.")
    assert newer.said == "Applied, and not known here: orders.9999_of_a_newer_version."
    MigrationRecorder.Migration.objects.filter(app="orders").delete()
    assert " and " in said(examining.examine_migrations)[0]


@pytest.mark.django_db
def test_workers_and_the_ticker():
    assert levels(examining.examine_workers) == levels(examining.examine_ticker) == ["problem"]
    jobs.beat("w1")
    PeriodicJob.objects.create(name="off", every=timedelta(hours=1), enabled=False)
    PeriodicJob.objects.create(name="on", every=timedelta(hours=1))

    assert said(examining.examine_workers) == ["1 alive."]
    assert said(examining.examine_ticker) == ["All jobs are on time.", "Switched off: off."]

    PeriodicJob.objects.update(next_run_at=Now() - timedelta(hours=5))
    assert said(examining.examine_ticker)[0] == "A job has been due for 5 h: no ticker runs."


@pytest.mark.django_db
def test_a_queue_that_nobody_empties(monkeypatch):
    assert said(examining.examine_queue) == ["0 waiting, the oldest for 0 s."]
    monkeypatch.setattr(examining, "LATE", timedelta(seconds=-1))
    assert levels(examining.examine_queue) == ["problem"]


def test_a_broker_is_asked_where_there_is_one(settings, monkeypatch):
    assert said(examining.examine_broker) == []
    settings.TASKS = {"default": {"BACKEND": "core.celery.CeleryBackend", "QUEUES": []}}
    # Nobody listens there.
    monkeypatch.setattr(celery, "app", celery.Celery("tests", fixups=[]))
    monkeypatch.setattr(celery, "_quiet_until", 0.0)
    celery.app.conf.update(
        broker_url="redis://127.0.0.1:1/0",
        broker_transport_options={"max_retries": 1, "interval_start": 0},
    )

    [finding] = examining.examine_broker()

    assert (finding.level, finding.said) == (
        "problem",
        "It does not answer: workers hear of no task.",
    )


@pytest.mark.parametrize(
    ("printed", "kept", "expected"),
    [
        ("yes", False, ok("It is kept by NTP.")),
        ("no", True, ok("It is kept by NTP.")),
        ("no", False, warning("Nobody keeps this machine's clock: it is not synchronised.", do=examining.KEEP_TIME)),
        ("", False, ok("Whether it is kept by NTP is not known here.")),
        (None, False, ok("Whether it is kept by NTP is not known here.")),
    ],
)  # fmt: skip
def test_whether_somebody_keeps_the_clock(monkeypatch, tmp_path, printed, kept, expected):
    # A test cannot stop the clock of its machine: what is asked about it says what it would.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(examining, "CLOCK_KEPT", tmp_path / "synchronized")
    if printed is not None:
        (tmp_path / "timedatectl").write_text(f"#!/bin/sh\necho {printed}\n")
        (tmp_path / "timedatectl").chmod(0o755)
    if kept:
        (tmp_path / "synchronized").touch()

    assert list(examining.examine_clock()) == [expected]


def test_a_program_that_cannot_run_says_nothing_of_the_clock(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "timedatectl").write_text("no program")
    (tmp_path / "timedatectl").chmod(0o755)

    assert examining._said_by_timedatectl() == ""


@pytest.mark.django_db
def test_a_cache_that_is_away_or_forgets(settings):
    assert said(examining.examine_cache) == ["What is put in comes out."]
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert said(examining.examine_cache) == ["What is put in does not come out."]
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache"}
    settings.CACHES = {"default": {**redis, "LOCATION": "redis://127.0.0.1:1"}}
    [finding] = examining.examine_cache()
    assert finding.said.startswith("It does not answer: ConnectionError: ")


def test_a_disk_that_is_full(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "not" / "made" / "yet")
    settings.DISK_MIN_FREE_MB = 0
    assert "problem" not in levels(examining.examine_disks)
    settings.DISK_MIN_FREE_MB = 10**9
    first, *_ = examining.examine_disks()
    assert first.level == "problem"
    assert f"are free for uploads ({tmp_path})." in first.said


def test_a_disk_on_which_little_is_left(settings, monkeypatch):
    settings.DISK_MIN_FREE_MB = 0
    monkeypatch.setattr(examining, "LOW_SHARE", 2)
    assert levels(examining.examine_disks)[0] == "warning"


def test_uploads_that_nobody_can_write(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    # Nothing is made by looking.
    assert list(examining.examine_media()) == [
        warning(f"{tmp_path}/media is not there yet.", do="It is made when it is first used.")
    ]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "media").mkdir()
    assert said(examining.examine_media) == [f"{tmp_path}/media can be written."]
    assert list((tmp_path / "media").iterdir()) == []
    (tmp_path / "file").write_text("")
    settings.MEDIA_ROOT = str(tmp_path / "file" / "media")
    assert said(examining.examine_media) == [
        f"{tmp_path}/file/media cannot be written: Not a directory."
    ]
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage"},
    }
    assert said(examining.examine_media) == ["Kept in a bucket (MEDIA_STORAGE)."]


def test_numbers_that_nobody_reads_or_counts(settings, tmp_path, monkeypatch):
    settings.METRICS_TOKEN = ""
    assert levels(examining.examine_metrics) == ["warning"]
    settings.METRICS_TOKEN = "0123456789abcdef"
    assert levels(examining.examine_metrics) == ["ok"]
    settings.METRICS_DIR = str(tmp_path / "metrics")
    assert levels(examining.examine_metrics) == ["warning"]
    assert not (tmp_path / "metrics").exists()
    (tmp_path / "metrics").mkdir()
    assert said(examining.examine_metrics) == [
        f"On; processes count together in {tmp_path}/metrics."
    ]
    monkeypatch.setattr(counting, "_ROOM", 1024**6)
    assert said(examining.examine_metrics) == [
        f"{tmp_path}/metrics is full: requests are not counted."
    ]
    (tmp_path / "file").write_text("")
    settings.METRICS_DIR = str(tmp_path / "file")
    assert levels(examining.examine_metrics) == ["problem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to somebody else: needs root")
def test_root_is_told_that_it_is_not_the_shop(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    (tmp_path / "media").mkdir()
    os.chown(tmp_path / "media", 10001, 10001)

    [finding] = examining.examine_media()

    assert (finding.level, finding.do) == ("warning", "Run it as the shop's user.")


@pytest.mark.parametrize(
    ("hours", "more", "expected"),
    [
        (3, {}, ("ok", "The last one (full backup by pgbackrest) ended 3 h ago.")),
        (27, {}, ("warning", "The last one (full backup by pgbackrest) ended 27 h ago: more than 26 hours.")),
        (3, {"ok": False, "error": "no space"}, ("problem", "The last one (full backup by pgbackrest) ended 3 h ago and failed: no space")),
        (72, {"ok": False, "kind": "", "tool": ""}, ("problem", "The last one ended 3 d ago and failed: it does not say why")),
    ],
)  # fmt: skip
def test_backups(settings, tmp_path, hours, more, expected):
    path = tmp_path / "backup.json"
    ended = timezone.now() - timedelta(hours=hours)
    written = {"finished_at": ended.isoformat(), "tool": "pgbackrest", "kind": "full", "ok": True}
    path.write_text(json.dumps(written | more))
    settings.BACKUP_STATUS_FILE = str(path)

    [finding] = examining.examine_backups()

    assert (finding.level, finding.said) == expected


def test_backups_of_which_nobody_knows(settings, tmp_path):
    assert levels(examining.examine_backups) == ["warning"]
    settings.BACKUP_STATUS_FILE = str(tmp_path / "none.json")
    assert said(examining.examine_backups) == [
        f"{tmp_path}/none.json cannot be read: No such file or directory."
    ]


def test_sentry_is_reached_or_not(settings):
    assert said(examining.examine_sentry) == ["Off: errors are in the log alone."]
    with hanging_server() as port:
        settings.SENTRY_DSN = f"http://key@127.0.0.1:{port}/1"
        assert said(examining.examine_sentry) == [f"Sentry can be reached at 127.0.0.1:{port}."]
    assert levels(examining.examine_sentry) == ["warning"]
    assert [f.level for f in examining.reach("http://127.0.0.1:1", what="It")] == ["problem"]


def test_mail_that_goes_nowhere(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert said(examining.examine_mail) == [
        "It goes to no mail server: django.core.mail.backends.console."
    ]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    [finding] = examining.examine_mail()
    assert finding.said.startswith("The mail server 127.0.0.1:1 does not let us in: ")


@pytest.mark.parametrize(
    ("behaviour", "said_"),
    [
        ("take", "The mail server 127.0.0.1:{} lets us in."),
        ("busy", "The mail server 127.0.0.1:{} does not let us in: SMTPConnectError"),
        (
            "hang",
            "The mail server 127.0.0.1:{} does not let us in: SMTPServerDisconnected: Connection",
        ),
    ],
)
def test_a_mail_server_is_asked_and_nothing_is_sent(settings, monkeypatch, behaviour, said_):
    monkeypatch.setattr(examining, "CONNECT_SECONDS", 1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with MailServer(behaviour) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        [finding] = examining.examine_mail()

    assert finding.said.startswith(said_.format(server.port))
    assert server.taken == []


@pytest.mark.parametrize(("debug", "level"), [(False, "warning"), (True, "problem")])
def test_settings_that_are_not_for_a_server(settings, debug, level):
    settings.DEBUG = debug

    assert set(levels(examining.examine_settings)) == {level}


def test_static_files_that_were_not_collected(settings, tmp_path):
    assert said(examining.examine_static) == ["Served from the packages."]
    settings.STATIC_ROOT = str(tmp_path)
    assert said(examining.examine_static) == ["Served by their plain names."]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    assert said(examining.examine_static) == [f"None are collected in {tmp_path}."]
    manifest = {"version": "1.1", "hash": "", "paths": {"a.css": "a.1.css"}}
    (tmp_path / "staticfiles.json").write_text(json.dumps(manifest))
    settings.STATIC_ROOT = f"{tmp_path}/"
    assert said(examining.examine_static) == ["1 of them are not there, such as a.1.css."]
    (tmp_path / "a.1.css").write_text("")
    assert said(examining.examine_static) == ["1 are collected."]
