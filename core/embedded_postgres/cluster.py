"""Start, share and end a private PostgreSQL.

Files in a cluster's folder:

    data-18/        the data; the number is PostgreSQL's major version
    socket/         the Unix socket (in /tmp when the path would be too long for one)
    users.lock      held shared by every process that uses the server
    keeper.lock     held by who starts the server, then by its parent, the keeper (keeper.py)
    server.lock     held by all of the server's own processes
    postgres.log    what the server says
    keeper.log      why it was started again, or could not be
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2
from psycopg2 import sql

from .binaries import Binaries, find_binaries
from .errors import EmbeddedPostgresError
from .locks import PAUSE_SECONDS, closing, is_locked, lock_until, try_lock
from .system_user import ServerUser, run_as, server_user, uid_change

SUPERUSER = "duka"
SOCKET_NAME = ".s.PGSQL.5432"
# The kernel's limit for a socket's path is 108 bytes, on other systems 104.
SOCKET_PATH_BYTES = 100
DEFAULT_OPTIONS = {
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %b ",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "on",
}

# The descriptors by which this process holds the users' locks, by folder: one for all threads
# and all Cluster objects. A forked child inherits them and so is a user too, as it should be.
_uses: dict[Path, int] = {}
_uses_guard = threading.Lock()
# Else a child forked while another thread holds the guard would find it held for ever.
os.register_at_fork(
    before=_uses_guard.acquire,
    after_in_parent=_uses_guard.release,
    after_in_child=_uses_guard.release,
)


class Cluster:
    """A private PostgreSQL in the folder `root`, which is made if it is missing.

    `pg_bin` is the folder of PostgreSQL's programs, by default searched for. `options` are
    server settings; they take effect when the server starts. `database` is made if it is
    missing. Nothing happens before `ensure_running`.

    All errors are EmbeddedPostgresError, with a sentence for a person.
    """

    def __init__(
        self,
        root: Path,
        *,
        pg_bin: Path | None = None,
        options: Mapping[str, str] | None = None,
        database: str = "duka",
    ) -> None:
        self.root = Path(root).resolve()
        self.pg_bin = pg_bin
        self.options = {**DEFAULT_OPTIONS, **(options or {})}
        self.database = database

    @property
    def in_use(self) -> bool:
        """Whether this process has started, or found, the server and not let go of it."""
        return self.root in _uses

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's socket: what libpq takes as the host."""
        inside = self.root / "socket"
        longest = len(os.fsencode(inside / f"{SOCKET_NAME}.lock"))
        # libpq and the server read a comma as the end of the first of several hosts.
        if longest < SOCKET_PATH_BYTES and not set(",'\"\\") & set(str(inside)):
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        # Not TMPDIR first: processes of one project may differ in it, and have to meet here.
        shared = Path("/tmp")  # noqa: S108 - see _make_socket_dir
        temporary = shared if shared.is_dir() else Path(tempfile.gettempdir())
        return temporary / f"duka-postgres-{server_user(self.root).uid}-{digest}"

    def ensure_running(self, *, timeout: float = 60) -> None:
        """Return when the server answers, starting it if need be.

        From then on this process counts as one of its users until it ends (or calls
        `release`), and the server stays. Any number of processes and threads may call this at
        once. `timeout` is in seconds.
        """
        deadline = time.monotonic() + timeout
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            # Open to be passed through when somebody else runs the server; all in it is closed.
            with contextlib.suppress(FileExistsError):
                self.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
            self._become_user(deadline)
            self._start_and_wait(deadline)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"PostgreSQL cannot be started in {self.root}: {error}."
            ) from error

    def release(self) -> None:
        """Stop counting this process as a user. The server ends if it was the last."""
        with _uses_guard:
            descriptor = _uses.pop(self.root, None)
            if descriptor is not None:
                # Closed, not unlocked: forked children share the lock and may still need it.
                os.close(descriptor)

    def stop_when_unused(self, *, timeout: float = 60) -> bool:
        """Let go of the server and wait for its end, `timeout` seconds at most.

        Returns whether it has ended: False means that others use it (seen almost at once), or that
        it takes longer.
        """
        self.release()
        if not self.root.is_dir():
            return True
        deadline = time.monotonic() + timeout
        users = self.root / "users.lock"
        shared = 0
        while is_locked(self.root / "keeper.lock") or is_locked(self.root / "server.lock"):
            alone = try_lock(users, fcntl.LOCK_EX)
            if alone is not None:
                os.close(alone)  # Nobody uses it; the keeper is about to notice.
                shared = 0
            elif is_locked(users):
                shared = 0
            else:
                shared += 1
            # Twice: between the two looks the keeper may have ended, or another may be looking.
            if shared == 2:
                return False
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        return True

    def _become_user(self, deadline: float) -> None:
        with _uses_guard:
            if self.root in _uses:
                return
            # Held exclusively only by a keeper that is ending its server.
            descriptor = lock_until(self.root / "users.lock", fcntl.LOCK_SH, deadline)
            if descriptor is None:
                raise EmbeddedPostgresError(
                    f"The PostgreSQL in {self.root} is being shut down, and that takes long. "
                    f"See {self.root / 'postgres.log'}."
                )
            _uses[self.root] = descriptor

    def _start_and_wait(self, deadline: float) -> None:
        log = self.root / "keeper.log"
        log_start: int | None = None
        while True:
            keeper_lock = try_lock(self.root / "keeper.lock", fcntl.LOCK_EX)
            if keeper_lock is not None:
                with closing(keeper_lock):
                    if log_start is not None:
                        raise self._failure(_last_line(log, log_start))
                    log_start = self._start_keeper(keeper_lock, deadline)
            problem = self._try_to_connect()
            if problem is None:
                return
            if time.monotonic() > deadline:
                raise self._failure(f"it does not answer: {problem}")
            time.sleep(PAUSE_SECONDS)

    def _start_keeper(self, keeper_lock: int, deadline: float) -> int:
        """Start the server's parent, and return where in its log its words begin."""
        user = server_user(self.root)
        binaries = find_binaries(self.pg_bin)
        data = self.root / f"data-{binaries.major}"
        if not data.exists():
            self._refuse_other_versions(data)
            self._make_data(data, binaries=binaries, user=user, deadline=deadline)
        self._make_socket_dir(user)
        # A server whose keeper was killed may answer for a moment yet: not to be found.
        (self.socket_dir / SOCKET_NAME).unlink(missing_ok=True)
        prefix = run_as(user, needs=[self.root, binaries.folder], end_signal="INT")
        settings = {
            **self.options,
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
        }
        command = [*prefix, str(binaries.postgres), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        switch = uid_change(user, prefix)
        with (self.root / "keeper.log").open("ab") as log:
            if log.tell() > 1_000_000:
                log.truncate(0)
            log_start = log.seek(0, os.SEEK_END)
            subprocess.run(  # noqa: S603  our own list of words, no shell
                [
                    *(sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py"))),
                    *(str(self.root), str(data), str(self.socket_dir), str(keeper_lock)),
                    f"{switch.uid}:{switch.gid}" if switch else "-",
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(),
                # The lock comes along with its descriptor: there is no moment without a holder.
                pass_fds=[keeper_lock],
                start_new_session=True,
                check=False,
            )
        return log_start

    def _refuse_other_versions(self, data: Path) -> None:
        """Refuse to begin anew beside data of another version: the shop would look empty.

        Who names the programs (`pg_bin`) has chosen the version, and with it the data.
        """
        others = sorted(self.root.glob("data-*"))
        if others and self.pg_bin is None:
            raise EmbeddedPostgresError(
                f"The data in {others[-1]} was made by another version of PostgreSQL than the one "
                f"found, which would use {data.name}. Name that version's programs (PG_BIN), or "
                f"move the data: pg_dumpall with the old one, psql with the new one."
            )

    def _make_data(
        self, data: Path, *, binaries: Binaries, user: ServerUser, deadline: float
    ) -> None:
        prefix = f"new-{binaries.major}-"
        for leftover in self.root.glob(f"{prefix}*"):
            shutil.rmtree(leftover)
        new = Path(tempfile.mkdtemp(prefix=prefix, dir=self.root))
        if user.is_other:
            os.chown(new, user.uid, user.gid)
        command = [
            *(str(binaries.initdb), "--pgdata", str(new), "--username", SUPERUSER),
            # Who can enter the folder of the socket is let in; there is no other way in.
            *("--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C"),
        ]
        if binaries.major >= 17:
            # Sorts by code point, like C, but knows the upper and lower case of all letters.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            # The same, of the system's C library.
            command += ["--lc-ctype=C.UTF-8"]
        if self.options.get("fsync") == "off":
            command += ["--no-sync"]
        run = run_as(user, needs=[self.root, binaries.folder], end_signal="KILL")
        switch = uid_change(user, run)
        try:
            made = subprocess.run(  # noqa: S603  our own list of words, no shell
                [*run, *command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                cwd="/",
                env=_environment(),
                timeout=max(deadline - time.monotonic(), 1),
                user=switch.uid if switch else None,
                group=switch.gid if switch else None,
                extra_groups=[] if switch else None,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            shutil.rmtree(new)
            raise self._failure("making its data folder takes too long") from error
        if made.returncode:
            shutil.rmtree(new)
            lines = (made.stderr or made.stdout).strip().splitlines()
            errors = [line for line in lines if "error:" in line or "FATAL:" in line]
            raise self._failure(
                "making its data folder failed: " + (errors or lines or ["initdb said nothing"])[-1]
            )
        new.rename(data)
        with closing(os.open(self.root, os.O_RDONLY)) as folder:
            os.fsync(folder)

    def _make_socket_dir(self, user: ServerUser) -> None:
        folder = self.socket_dir
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        # In /tmp anybody may have made it first.
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid not in (user.uid, os.geteuid()):
            raise EmbeddedPostgresError(
                f"PostgreSQL is not started: its socket would be in {folder}, which exists and is "
                f"not a folder private to {user.name}. Remove it."
            )
        if found.st_uid != user.uid:
            os.chown(folder, user.uid, user.gid, follow_symlinks=False)

    def _try_to_connect(self) -> str | None:
        """Return None if the server answers and has the database, else what is wrong."""
        try:
            self._connect(self.database).close()
        except psycopg2.OperationalError as error:
            problem = str(error).strip()
        else:
            return None
        if "too many clients" in problem:
            return None
        if f'database "{self.database}" does not exist' in problem:
            try:
                self._make_database()
            except psycopg2.Error as error:
                return str(error).strip()
            return None
        return problem

    def _make_database(self) -> None:
        connection = self._connect("postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
        finally:
            connection.close()

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=str(self.socket_dir),
            port=5432,
            user=SUPERUSER,
            dbname=database,
            connect_timeout=10,
            application_name="duka-start",
        )

    def _failure(self, reason: str) -> EmbeddedPostgresError:
        return EmbeddedPostgresError(
            f"The private PostgreSQL did not start: {reason.rstrip('.')}. Its logs are "
            f"{self.root / 'keeper.log'} and {self.root / 'postgres.log'}."
        )


def _last_line(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").strip().splitlines()
    if not lines:
        return "its parent process was killed"
    # The time, then the keeper's sentence; unless Python itself failed.
    when, _, sentence = lines[-1].partition(" ")
    return sentence if when[:2] == "20" else lines[-1]


def _environment() -> dict[str, str]:
    """Return what programs need, without this process's passwords and PostgreSQL's PG*."""
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}
