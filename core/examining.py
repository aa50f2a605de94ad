"""The core's own checks for `manage.py doctor`."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core import checks
from django.core.cache import cache
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import get_random_string

from . import counting, jobs
from .backups import BackupUnknown, last_backup
from .doctor import Finding, ok, problem, warning
from .models import PeriodicJob, Worker

OLDEST_POSTGRESQL = 150000
EXTENSIONS = ("btree_gist", "pg_trgm", "unaccent")
# Between two clocks: tokens and signatures are dated.
CLOCK_SECONDS = 5
CONNECT_SECONDS = 5
# systemd-timesyncd makes it once it has asked a server.
CLOCK_KEPT = Path("/run/systemd/timesync/synchronized")
KEEP_TIME = "Let all machines keep time by NTP (systemd-timesyncd or chrony)."
# After which work that waits is a sign that something is wrong.
LATE = timedelta(minutes=5)
LONG_TRANSACTION = timedelta(minutes=10)
# Of a disk.
LOW_SHARE = 0.1


def examine_settings() -> Iterator[Finding]:
    """Django's own checks, those of each app, and those for deployment."""
    found = [
        each
        for each in checks.run_checks(include_deployment_checks=True)
        if not each.is_silenced() and each.level >= checks.WARNING
    ]
    advice = (
        "Where it is not for trying things: DJANGO_SETTINGS_MODULE=config.settings.production."
        if settings.DEBUG
        else "See `manage.py check --deploy`."
    )
    for each in found:
        say = problem if each.level >= checks.ERROR or settings.DEBUG else warning
        yield say(f"{each.msg} ({each.id})", do=each.hint or advice)
    if not found:
        yield ok(f"Duka {settings.VERSION}; `manage.py check --deploy` finds nothing.")


def examine_database() -> Iterator[Finding]:
    """Whether it answers, and is what Duka was made for."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, version(),"
                " current_setting('server_encoding'), lower('É') = 'é', pg_is_in_recovery(),"
                " extract(epoch FROM clock_timestamp()),"
                " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
                " current_setting('max_connections')::int,"
                " (SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity"
                "   WHERE datname = current_database() AND pid <> pg_backend_pid()),"
                " (SELECT array_agg(extname::text) FROM pg_extension), pg_backend_pid()"
            )
            row = cursor.fetchone()
            # What the other end of our connection says of itself.
            pid = connection.connection.info.backend_pid
    except (DatabaseError, InterfaceError) as error:
        yield problem(
            f"The database does not answer: {error}",
            do="See that PostgreSQL runs, that DATABASE_URL is right, and that it lets us in"
            " (pg_hba.conf).",
        )
        return
    number, version, encoding, cases, standby, there, used, most, oldest, extensions, backend = row
    yield ok(f"{' '.join(version.split()[:2])} answers; {used} of {most} connections are used.")
    if number < OLDEST_POSTGRESQL:
        yield problem(
            "It is older than PostgreSQL 15.", do="Upgrade the server (pg_upgradecluster)."
        )
    if encoding != "UTF8" or not cases:
        yield problem(
            f"Its encoding is {encoding}, and its locale "
            f"{'knows' if cases else 'does not know'} upper and lower case.",
            do="Make it anew with ENCODING 'UTF8' and a locale such as C.UTF-8 or en_US.UTF-8.",
        )
    if standby:
        yield problem(
            "It is a standby: nothing can be written.",
            do="Let DATABASE_URL name the primary, or promote this one.",
        )
    if backend != pid and not connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        yield warning(
            "DATABASE_URL leads through a pooler, and DATABASE_PGBOUNCER is not set.",
            do="Set it to true, unless that pooler keeps a session for each connection.",
        )
    yield from _clocks(float(there))
    if used > 0.85 * most:
        yield warning(
            f"{used} of {most} connections are used.",
            do="Use PgBouncer, fewer processes, or raise max_connections.",
        )
    if oldest is not None and oldest > LONG_TRANSACTION:
        yield warning(
            f"A transaction has been open for {_span(oldest)}.",
            do="See pg_stat_activity; end it with pg_terminate_backend(pid).",
        )
    if missing := sorted(set(EXTENSIONS) - set(extensions)):
        yield warning(
            f"The extensions {', '.join(missing)} are not there.",
            do="`manage.py migrate` makes them; it needs the right to.",
        )


def _clocks(there: float) -> Iterator[Finding]:
    apart = abs(timezone.now().timestamp() - there)
    if apart > CLOCK_SECONDS:
        yield problem(
            f"The database's clock and ours are {apart:.0f} s apart.",
            do=KEEP_TIME,
        )


def examine_clock() -> Iterator[Finding]:
    """Whether somebody keeps this machine's clock: one alone has nobody to compare it with."""
    said = "yes" if CLOCK_KEPT.exists() else _said_by_timedatectl()
    if said == "yes":
        yield ok("It is kept by NTP.")
    elif said == "no":
        yield warning("Nobody keeps this machine's clock: it is not synchronised.", do=KEEP_TIME)
    else:
        # In a container: its machine's.
        yield ok("Whether it is kept by NTP is not known here.")


def _said_by_timedatectl() -> str:
    if not (program := shutil.which("timedatectl")):
        return ""
    try:
        return subprocess.run(  # noqa: S603  nothing of anybody's is in it
            [program, "show", "-p", "NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=CONNECT_SECONDS,
            check=False,
        ).stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def examine_migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield problem(f"Not applied: {', '.join(names[:3])}{more}.", do="Run `manage.py migrate`.")
    else:
        yield ok("All are applied.")
    known, ours = executor.loader.disk_migrations, set(settings.DUKA_APPS)
    newer = sorted(
        f"{app}.{name}"
        for app, name in executor.loader.applied_migrations
        if app in ours and (app, name) not in known
    )
    # Those that were squashed are not on the disk any more either, and are replaced by others.
    replaced = {each for migration in known.values() for each in migration.replaces}
    newer = [each for each in newer if tuple(each.split(".", 1)) not in replaced]
    if newer:
        yield warning(
            f"Applied, and not known here: {', '.join(newer[:3])}.",
            do="A newer version has been here. After a roll-back that is as it should be.",
        )


def examine_workers() -> Iterator[Finding]:
    alive = Worker.objects.seen_within(jobs.worker_lease()).count()
    if alive:
        yield ok(f"{alive} alive.")
        return
    yield problem(
        f"None has been seen for {settings.WORKER_LEASE_SECONDS:g} s: nobody is told anything.",
        do="Start `manage.py worker` (on a server: systemctl start 'duka-worker@1').",
    )


def examine_ticker() -> Iterator[Finding]:
    late = PeriodicJob.objects.filter(enabled=True).aggregate(late=Now() - Min("next_run_at"))[
        "late"
    ]
    off = list(PeriodicJob.objects.filter(enabled=False).values_list("name", flat=True))
    do = "Start `manage.py ticker` (on a server: systemctl start duka-ticker)."
    if late is None:
        yield problem("No ticker has ever run: nothing is repeated.", do=do)
    elif late > timedelta(seconds=60):
        yield problem(f"A job has been due for {_span(late)}: no ticker runs.", do=do)
    else:
        yield ok("All jobs are on time.")
    if off:
        yield warning(
            f"Switched off: {', '.join(sorted(off)[:5])}.",
            do="Switch them on again in the admin, Periodic jobs, if that was not meant.",
        )


def examine_queue() -> Iterator[Finding]:
    queue = jobs.queue()
    said = f"{queue.waiting} waiting, the oldest for {queue.oldest_seconds:.0f} s."
    if queue.oldest_seconds > LATE.total_seconds():
        yield problem(said, do="Start more workers; see in their log what they are busy with.")
    else:
        yield ok(said)


def examine_broker() -> Iterator[Finding]:
    """Whether the broker answers that tells workers of tasks, where there is one."""
    if settings.TASKS["default"]["BACKEND"] != "core.celery.CeleryBackend":
        return
    from .celery import waiting_messages  # noqa: PLC0415  made by its settings

    messages = waiting_messages()
    if messages is None:
        yield problem(
            "It does not answer: workers hear of no task.",
            do="See CELERY_BROKER_URL, and that its server runs. Tasks wait in the database.",
        )
    else:
        yield ok(f"It answers; {messages} message(s) wait.")


def examine_cache() -> Iterator[Finding]:
    key, value = f"doctor-{get_random_string(12)}", get_random_string(12)
    try:
        cache.set(key, value, 60)
        read = cache.get(key)
        cache.delete(key)
    except Exception as error:  # noqa: BLE001  each cache has errors of its own
        yield problem(
            f"It does not answer: {type(error).__name__}: {error}",
            do="See CACHE_URL, and that its server runs. Without it nobody can sign in.",
        )
        return
    if read == value:
        yield ok("What is put in comes out.")
    else:
        yield problem(
            "What is put in does not come out.", do="See CACHE_URL, and whether its server is full."
        )


def examine_disks() -> Iterator[Finding]:
    """Where uploads, the shop's own files and temporary ones are."""
    places = {
        "uploads": Path(settings.MEDIA_ROOT),
        "state": settings.VAR_DIR,
        "temporary files": Path(tempfile.gettempdir()),
    }
    seen = set()
    for what, place in places.items():
        there = next(each for each in (place, *place.parents) if each.exists())
        if there.stat().st_dev in seen:
            continue
        seen.add(there.stat().st_dev)
        disk = shutil.disk_usage(there)
        megabytes = disk.free // 1024**2
        said = f"{megabytes:,} MB are free for {what} ({there})."
        if megabytes < settings.DISK_MIN_FREE_MB:
            yield problem(said, do="Make room, or a larger disk (DISK_MIN_FREE_MB is the limit).")
        elif disk.free < LOW_SHARE * disk.total:
            yield warning(said, do="Less than a tenth of it: make room before it is full.")
        else:
            yield ok(said)


def examine_static() -> Iterator[Finding]:
    if not settings.STATIC_ROOT:
        yield ok("Served from the packages.")
        return
    do = "Run `manage.py collectstatic --no-input`."
    hashed = getattr(staticfiles_storage, "hashed_files", None)
    if hashed is None:
        yield ok("Served by their plain names.")
    elif not hashed:
        yield problem(f"None are collected in {settings.STATIC_ROOT}.", do=do)
    elif missing := [each for each in hashed.values() if not staticfiles_storage.exists(each)]:
        yield problem(f"{len(missing)} of them are not there, such as {missing[0]}.", do=do)
    else:
        yield ok(f"{len(hashed)} are collected.")


def examine_media() -> Iterator[Finding]:
    if not settings.STORAGES["default"]["BACKEND"].endswith("FileSystemStorage"):
        yield ok("Kept in a bucket (MEDIA_STORAGE).")
        return
    place = Path(settings.MEDIA_ROOT)
    do = "Make it the user's who runs the shop: chown -R duka: " + str(place)
    yield from _folder(place, well=f"{place} can be written.", do=do)


def _folder(place: Path, *, well: str, do: str) -> Iterator[Finding]:
    """Say whether files can be made in a folder, and make none that stays."""
    there = next(each for each in (place, *place.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"doctor")
    except OSError as error:
        yield problem(f"{place} cannot be written: {error.strerror}.", do=do)
        return
    if os.geteuid() == 0 and there.stat().st_uid != 0:
        yield warning(
            f"{there} is somebody else's, and root can write everywhere: this says nothing.",
            do="Run it as the shop's user.",
        )
    elif there != place:
        yield warning(f"{place} is not there yet.", do="It is made when it is first used.")
    else:
        yield ok(well)


def examine_metrics() -> Iterator[Finding]:
    if not settings.METRICS_TOKEN:
        yield warning(
            "Nobody can read /metrics: METRICS_TOKEN is not set.",
            do="Set it, and let Prometheus show it (docs/seeing.md).",
        )
    elif not settings.METRICS_DIR:
        yield ok("On; each process counts requests for itself (METRICS_DIR is not set).")
    else:
        place = Path(settings.METRICS_DIR)
        if place.is_dir() and not counting.has_room(str(place)):
            yield problem(
                f"{place} is full: requests are not counted.", do="Give it more room, or empty it."
            )
            return
        yield from _folder(
            place,
            well=f"On; processes count together in {place}.",
            do="Make it the user's who runs the shop, or set METRICS_DIR to another folder:"
            " requests are not counted.",
        )


def examine_backups() -> Iterator[Finding]:
    if not settings.BACKUP_STATUS_FILE:
        yield warning(
            "Nobody says whether backups are made.",
            do="Let them write BACKUP_STATUS_FILE (docs/seeing.md); ansible/ does.",
        )
        return
    do = "See the log of the backup job, and make one by hand now."
    try:
        backup = last_backup()
    except BackupUnknown as unknown:
        yield problem(str(unknown), do=do)
        return
    kind = f" ({backup.kind} backup by {backup.tool})" if backup.tool else ""
    said = f"The last one{kind} ended {_span(backup.age)} ago"
    if not backup.ok:
        yield problem(f"{said} and failed: {backup.error or 'it does not say why'}", do=do)
    elif backup.age > timedelta(hours=settings.BACKUP_MAX_HOURS):
        yield warning(f"{said}: more than {settings.BACKUP_MAX_HOURS:g} hours.", do=do)
    else:
        yield ok(f"{said}.")


def examine_sentry() -> Iterator[Finding]:
    if not settings.SENTRY_DSN:
        yield ok("Off: errors are in the log alone.")
        return
    yield from reach(settings.SENTRY_DSN, what="Sentry", needed=False)


def examine_mail() -> Iterator[Finding]:
    mail = get_connection(timeout=CONNECT_SECONDS)
    if not isinstance(mail, EmailBackend):
        yield warning(
            f"It goes to no mail server: {settings.EMAIL_BACKEND.rpartition('.')[0]}.",
            do="Set EMAIL_URL. Without it codes and invitations reach nobody.",
        )
        return
    server = f"{mail.host}:{mail.port}"
    try:
        mail.open()
        mail.close()
    except (OSError, ValueError) as error:
        # SMTPException is an OSError.
        yield problem(
            f"The mail server {server} does not let us in: {type(error).__name__}: {error}",
            do="See EMAIL_URL: server, port, encryption, user and password.",
        )
        return
    yield ok(f"The mail server {server} lets us in.")


def reach(url: str, *, what: str, needed: bool = True) -> Iterator[Finding]:
    """Say whether the server of an address takes connections. Nothing is sent to it."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    say = problem if needed else warning
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            pass
    except OSError as error:
        yield say(
            f"{what} cannot be reached at {host}:{port}: {error}.",
            do="See the address in the settings, the name server and the firewall.",
        )
        return
    yield ok(f"{what} can be reached at {host}:{port}.")


def _span(time: timedelta) -> str:
    seconds = time.total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
