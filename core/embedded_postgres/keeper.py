"""The parent of one PostgreSQL server: a small process that outlives the ones that use it.

Run by `Cluster` as a script, alone (`python -I -S keeper.py`), so it imports nothing of Duka and
starts in a few hundredths of a second. It

- starts the server, and starts it again when it dies;
- ends it when nobody holds the users' lock any more, and then ends itself;
- writes why it gave up as the last line of its log, where `Cluster` reads it.

Arguments: the cluster's folder, the data folder, the socket folder, the descriptor that holds
the keeper's lock, "UID:GID" to switch to or "-", and the server's command.
"""

import contextlib
import datetime as dt
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

# A server that ended sooner than this after its start counts as not having started.
QUICK_SECONDS = 5
QUICK_ENDS_ALLOWED = 3
ORPHANS_SECONDS = 30
SHUTDOWN_SECONDS = 60
LOG_BYTES = 10_000_000


class GaveUpError(Exception):
    """Why there can be no server, in a sentence."""


class Keeper:
    def __init__(
        self,
        *,
        root: Path,
        data: Path,
        socket_dir: Path,
        user: tuple[int, int] | None,
        command: list[str],
    ) -> None:
        self.root = root
        self.data = data
        self.socket_dir = socket_dir
        self.user = user
        self.command = command
        self.stopping = threading.Event()
        self.server: subprocess.Popen[bytes] | None = None

    @classmethod
    def from_arguments(cls, arguments: list[str]) -> "Keeper":
        """Return the keeper of a command line, whose parts the module's docstring names."""
        root, data, socket_dir, _lock, user, *command = arguments
        uid, _, gid = user.partition(":")
        return cls(
            root=Path(root),
            data=Path(data),
            socket_dir=Path(socket_dir),
            user=(int(uid), int(gid)) if gid else None,
            command=command,
        )

    def run(self) -> int:
        threading.Thread(target=self.stop_when_unused, daemon=True).start()
        quick_ends = 0
        while not self.stopping.is_set():
            started = time.monotonic()
            try:
                reason = self.serve()
            except GaveUpError as error:
                say(str(error))
                return 1
            if self.stopping.is_set():
                break
            quick_ends = quick_ends + 1 if time.monotonic() - started < QUICK_SECONDS else 1
            if quick_ends == QUICK_ENDS_ALLOWED:
                say(reason)
                return 1
            say(f"{reason} Starting it again.")
            self.stopping.wait(0.1 * 3**quick_ends)
        say("Nobody uses the server any more; it has ended.")
        return 0

    def serve(self) -> str:
        """Run the server until it ends, and return how it ended."""
        lock = self.claim_folder()
        if lock is None:
            return ""
        log_path = self.root / "postgres.log"
        if log_path.exists() and log_path.stat().st_size > LOG_BYTES:
            log_path.replace(self.root / "postgres.log.1")
        with log_path.open("ab") as log:
            log_start = log.tell()
            uid, gid = self.user or (None, None)
            # From the main thread: the kernel's "your parent died" means the thread that forked.
            self.server = subprocess.Popen(  # noqa: S603  our own list of words, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                pass_fds=[lock],
                user=uid,
                group=gid,
                extra_groups=None if gid is None else [],
            )
        # From here on the server and its children alone hold the lock.
        os.close(lock)
        if self.stopping.is_set():
            self.interrupt_server()
        status = self.server.wait()
        if status < 0:
            return f"PostgreSQL was killed by signal {-status}."
        return f"PostgreSQL ended with status {status}; it last said: " + last_words(
            log_path, log_start
        )

    def claim_folder(self) -> int | None:
        """Return a descriptor of the locked `server.lock`, or None if told to stop meanwhile.

        Every process of a server that a keeper started holds that lock, so to get it is to know
        that none is left, whatever a `postmaster.pid` says: its number may be a zombie's by now,
        or another program's.
        """
        lock = os.open(self.root / "server.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + ORPHANS_SECONDS
        told = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            if self.stopping.is_set():
                os.close(lock)
                return None
            if not told:
                # The server of a keeper that was killed. Most systems have told it already.
                told = True
                self.interrupt_orphan()
            if time.monotonic() > deadline:
                raise GaveUpError(
                    f"A server that was here before still uses {self.data} and does not end."
                )
            time.sleep(0.02)
        self.remove_stale_files()
        return lock

    def interrupt_orphan(self) -> None:
        pid = read_pid(self.data / "postmaster.pid")
        if pid in servers_in(self.data):
            os.kill(pid, signal.SIGINT)

    def remove_stale_files(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            others = servers_in(self.data)
            if others:
                raise GaveUpError(
                    f"Another PostgreSQL, which Duka did not start, uses {self.data} (process "
                    f"{min(others)}). End it first."
                )
            if not Path("/proc/self").exists():
                return  # Who lives cannot be told here, so the server itself has to judge.
            pid_file.unlink()
        for name in (".s.PGSQL.5432.lock", ".s.PGSQL.5432"):
            (self.socket_dir / name).unlink(missing_ok=True)

    def stop_when_unused(self) -> None:
        users = os.open(self.root / "users.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        # Kept until this process ends: who comes during the shutdown waits for it here.
        fcntl.flock(users, fcntl.LOCK_EX)
        self.stop()

    def stop(self, *_: int | FrameType | None) -> None:
        self.stopping.set()
        self.interrupt_server()

    def interrupt_server(self) -> None:
        server = self.server
        if server is None:
            return
        server.send_signal(signal.SIGINT)  # A "fast" shutdown: it ends its sessions.
        last_resort = threading.Timer(SHUTDOWN_SECONDS, server.send_signal, [signal.SIGQUIT])
        last_resort.daemon = True
        last_resort.start()


def servers_in(data: Path) -> set[int]:
    """Return the live PostgreSQL processes whose working folder is `data` (Linux only)."""
    recorded = read_pid(data / "postmaster.pid")
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        try:
            # As in "4711 (postgres) S 1 ...".
            name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
            if name not in ("postgres", "postmaster") or rest.split()[0] in "ZX":
                continue
            try:
                is_here = (process / "cwd").samefile(data)
            except PermissionError:
                # Root in a container may not look at others. Rather refuse than share the data.
                is_here = pid == recorded
        except OSError:
            continue  # It has just ended.
        if is_here:
            found.add(pid)
    return found


def read_pid(pid_file: Path) -> int:
    """Return the number in a `postmaster.pid`, 0 if there is none."""
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return 0


def last_words(log: Path, start: int) -> str:
    """Return the line of `log`, after its byte `start`, which best says why the server ended.

    Lines of a "client backend" (see `log_line_prefix`) tell of one connection only.
    """
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - 65536))
        lines = file.read().decode(errors="replace").strip().splitlines()
    lines = [line for line in lines if " client backend " not in line]
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal or lines or ["nothing"])[-1]


def say(sentence: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    sys.stderr.write(f"{now} {sentence}\n")
    sys.stderr.flush()


def main() -> int:
    # Away from who started it, who then has no child to wait for.
    if os.fork():
        os._exit(0)
    keeper = Keeper.from_arguments(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, keeper.stop)
    try:
        return keeper.run()
    finally:
        # One in /tmp is not left lying there; who starts the next server makes it anew.
        with contextlib.suppress(OSError):
            keeper.socket_dir.rmdir()


if __name__ == "__main__":
    sys.exit(main())
