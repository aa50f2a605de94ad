"""`manage.py run`: the whole shop on this machine, with one command."""

import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import Error as DatabaseError

from accounts.models import User
from core.embedded_postgres.backend.base import DatabaseWrapper as EmbeddedDatabase
from core.supervisor import Program, Supervisor
from demo import demo_env
from demo.accounts import DEMO_ACCOUNTS
from demo.carrier import Keys
from demo.client import CLIENT_FILE, SOURCE, FakeClient, played

HOST = "127.0.0.1"
READY_SECONDS = 60
# Where the demo's carriers are, if it plays them.
CARRIER_PORT = "FAKE_CARRIER_PORT"
# The process that chose them: a terminal may have those of an earlier start, from demo.env.
CHOSEN_BY = "FAKES_CHOSEN_BY"
PROJECT = Path(__file__).resolve().parents[3]


class Command(BaseCommand):
    help = (
        "Run the demo shop: database, web server, worker, ticker, and the carriers and the repair"
        " workshop that it plays. PORT is 8000 by default."
    )
    # They run in the processes that this one starts.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get(CHOSEN_BY) != str(os.getpid()) and (chosen := _choose()):
            _start_anew_with(chosen)
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            exit_code = self._run(port=_free_port())
        except KeyboardInterrupt:
            exit_code = 0
        except CommandError as error:
            # Django would put the word CommandError before it.
            self.stderr.write(str(error))
            exit_code = 1
        finally:
            # A second Ctrl-C would only hide how the first one ended.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _end_database()
        if exit_code:
            sys.exit(exit_code)
        self.stdout.write("Duka has stopped.")

    def _run(self, *, port: int) -> int:
        self._prepare_database()
        supervisor = Supervisor(_programs(port=port))
        threading.Thread(
            target=self._greet_when_ready,
            kwargs={"port": port, "supervisor": supervisor},
            daemon=True,
        ).start()
        return supervisor.run()

    def _prepare_database(self) -> None:
        connection = connections["default"]
        try:
            connection.ensure_connection()
        except (DatabaseError, ImproperlyConfigured) as error:
            raise CommandError(_database_sentence(error)) from error
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if pending:
            self.stdout.write(f"Preparing the database ({len(pending)} migrations) …")
            call_command("migrate", verbosity=0, interactive=False)
        if client := played():
            # Before anything asks for it.
            client.prepare()
        call_command("load_demo")
        demo_env.write(_chosen())
        connections.close_all()

    def _greet_when_ready(self, *, port: int, supervisor: Supervisor) -> None:
        address = f"http://{HOST}:{port}"
        deadline = time.monotonic() + READY_SECONDS
        while (answer := _readiness(address)) is not None:
            if time.monotonic() > deadline:
                self.stderr.write(
                    f"Duka did not become ready in {READY_SECONDS} s: {address}/readyz {answer}."
                )
                supervisor.stop(exit_code=1)
                return
            time.sleep(0.1)
        self.stdout.write(_banner(address))
        self.stdout.flush()


def _start_anew_with(chosen: dict[str, str]) -> NoReturn:
    """Put this process in its own place, with settings that lead to what the demo plays."""
    # It stays the same process.
    environment = {**os.environ, **chosen, CHOSEN_BY: str(os.getpid())}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606  us


def _choose() -> dict[str, str]:
    """Return the settings that lead to what the demo plays: what the shop does not have itself.

    What an earlier start chose, as a terminal has it from demo.env, is chosen anew.
    """
    chosen: dict[str, str] = {}
    if CARRIER_PORT in os.environ or not settings.SHIPPING_PROVIDERS:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        chosen |= {CARRIER_PORT: str(port), **Keys.new().environment(f"http://{HOST}:{port}")}
        # So that what comes again is seen to go out without a hand; who says otherwise is heard.
        chosen |= _unless_said(STANDING_ORDERS_ACCEPT="true")
    if CLIENT_FILE in os.environ or not settings.REPAIR_SOURCES:
        file = (settings.VAR_DIR / "client.sqlite3").absolute()
        chosen |= {CLIENT_FILE: str(file), **_leads_to(FakeClient(file))}
        # So that what the client moves on is seen soon.
        chosen |= _unless_said(REPAIRS_SWEEP_SECONDS="5")
    return chosen


def _unless_said(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in os.environ}


def _leads_to(client: FakeClient) -> dict[str, str]:
    return {"REPAIR_SOURCES": SOURCE, f"REPAIRS_{SOURCE.upper()}_URL": client.url}


def _chosen() -> dict[str, str]:
    """Return the settings that lead to what the demo plays, for a terminal beside it."""
    names: list[str] = []
    if CARRIER_PORT in os.environ:
        names += [CARRIER_PORT, *Keys.new().environment("")]
    if client := played():
        names += [CLIENT_FILE, *_leads_to(client)]
    return {name: os.environ[name] for name in names}


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _free_port() -> int:
    """Return the port in PORT, having seen that nobody listens on it."""
    text = os.environ.get("PORT") or "8000"
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CommandError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    port = int(text)
    with socket.socket() as probe:
        # As gunicorn does; without it, connections closed a moment ago would count as busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise CommandError(
                f"Port {port} is not open to ordinary users. Choose another: PORT=8000 make run"
            ) from error
        except OSError as error:
            other = port + 1 if port < 65535 else 8000
            raise CommandError(
                f"Port {port} is busy. Choose another: PORT={other} make run"
            ) from error
    return port


def _database_sentence(error: Exception) -> str:
    connection = connections["default"]
    database = connection.settings_dict
    reason = " ".join(str(error).split())
    if isinstance(connection, EmbeddedDatabase):
        return reason
    if password := database["PASSWORD"]:
        # Only where it stands as one: a short password is a part of many words.
        reason = reason.replace(f":{password}@", ":***@")
    where = f"{database['HOST'] or 'this machine'}:{database['PORT'] or 5432}"
    return f"The database {database['NAME']} at {where} (DATABASE_URL) cannot be used: {reason}"


def _programs(*, port: int) -> list[Program]:
    manage = [sys.executable, str(PROJECT / "manage.py")]
    gunicorn = [
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application"),
        *("--chdir", str(PROJECT), "--bind", f"{HOST}:{port}"),
        *("--workers", "2", "--threads", "4", "--worker-class", "gthread"),
        *("--timeout", "60", "--graceful-timeout", "5", "--log-level", "warning"),
        # Else it leaves a socket in the home folder.
        "--no-control-socket",
    ]
    # A person reads a terminal; a file or another program gets the lines whole.
    env = {} if "LOG_FORMAT" in os.environ or not sys.stderr.isatty() else {"LOG_FORMAT": "plain"}
    programs = [
        Program(name="web", argv=gunicorn, env=env),
        Program(name="worker", argv=[*manage, "worker"], env=env),
        Program(name="ticker", argv=[*manage, "ticker"], env=env),
    ]
    if carrier_port := os.environ.get(CARRIER_PORT):
        carrier = [*manage, "fake_carrier", "--port", carrier_port]
        programs.append(Program(name="carrier", argv=carrier, env=env))
    if client := played():
        argv = [*manage, "fake_client", "--file", str(client.file)]
        programs.append(Program(name="client", argv=argv, env=env))
    return programs


def _readiness(address: str) -> str | None:
    """Return None if the shop is ready, else what it said."""
    # Past a proxy in the environment, which would look for 127.0.0.1 on its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return f"answered {error.code}: {error.read(500).decode(errors='replace').strip()}"
    except OSError as error:
        return f"does not answer ({error})"


def _banner(address: str) -> str:
    width = max(len(account.email) for account in DEMO_ACCOUNTS)
    accounts = [
        f"    {account.email:<{width}}  {account.password:<16}  {account.description}"
        for account in DEMO_ACCOUNTS
    ]
    if not settings.OIDC_EMBEDDED:
        accounts = [f"    none here: people sign in at {settings.OIDC_ISSUER}"]
    elif not User.objects.filter(email=DEMO_ACCOUNTS[0].email).exists():
        accounts = [f"    none: {settings.VAR_DIR} is not a new demo shop's. Remove it for one."]
    return "\n".join(
        [
            "",
            f"  Duka is open at {address}/",
            "",
            f"    API, to read and try   {address}/api/docs/",
            f"    Your account           {address}/",
            f"    Shopkeeper's pages     {address}/admin/",
            f"    GraphQL                {address}/graphql/",
            f"    Health                 {address}/readyz",
            "",
            "  Demo accounts (e-mail and SMS that the shop sends, codes too, are printed here):",
            *accounts,
            "",
            f"  A program's access, for the README's tour: {demo_env.path()}",
            "",
            *_others(),
            "  Ctrl-C stops it.",
            "",
        ]
    )


def _others() -> list[str]:
    """Return the banner's lines about what the demo plays."""
    lines = []
    if CARRIER_PORT in os.environ:
        book = settings.VAR_DIR / "carrier.jsonl"
        lines.append(f"  The carriers are played here; their book: {book}")
    if client := played():
        lines.append(f"  A workshop is played here, too; its repair jobs: {client.file}")
    return [*lines, ""] if lines else []


def _end_database() -> None:
    connections.close_all()
    connection = connections["default"]
    if isinstance(connection, EmbeddedDatabase):
        connection.cluster.stop_when_unused()
