"""Run a few programs together: start them, restart what dies, leave no process behind."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

PAUSE_SECONDS = 0.05
# A program that ended sooner than this after its start counts as not having started.
QUICK_SECONDS = 5.0
QUICK_ENDS_ALLOWED = 5
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command that should always run. `env` is added to this process's environment."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


def _print_error(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


class _Child:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.start_at = 0.0
        self.quick_ends = 0

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  our own list of words, no shell
            [*dies_with_parent(), *self.program.argv],
            env={**os.environ, **self.program.env},
            stdin=subprocess.DEVNULL,
            # A group of its own: it can be ended with all that it starts, and a Ctrl-C in the
            # terminal reaches only the supervisor, which ends the programs in an orderly way.
            process_group=0,
        )


class Supervisor:
    """Runs `programs` until told to stop by SIGINT, SIGTERM or `stop`.

    What a program prints goes where this process's output goes. One that ends by itself is
    started again after a wait, which doubles from half a second; when it ended within five
    seconds of its start five times in a row, all are stopped.

    To stop is SIGTERM for every program's process group, and SIGKILL for what is left of them
    after `grace_seconds`. Should this process be killed outright, the kernel sends SIGTERM to
    the programs (Linux with util-linux's setpriv; elsewhere they stay).
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        grace_seconds: float = 10,
        say: Callable[[str], None] = _print_error,
    ) -> None:
        self._children = [_Child(program) for program in programs]
        self._grace_seconds = grace_seconds
        self._say = say
        self._stopping = threading.Event()
        self._exit_code = 0

    def run(self) -> int:
        """Run until stopped. Return 0, or what `stop` was given, or 1 after giving up.

        Call it in the main thread: only that receives signals, and the kernel's notice of the
        parent's death is about the thread that started the child.
        """
        before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            while not self._stopping.is_set():
                for child in self._children:
                    self._tend(child)
                self._stopping.wait(PAUSE_SECONDS)
        finally:
            self._end([child.process for child in self._children if child.process])
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._exit_code

    def stop(self, *, exit_code: int = 0) -> None:
        """Make `run` end everything and return `exit_code`. Any thread may call it."""
        self._exit_code = exit_code
        self._stopping.set()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                child.start()
            return
        status = child.process.poll()
        if status is None:
            return
        # Its own children may still hold a port or do its work.
        self._end([child.process])
        child.process = None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        name = child.program.name
        child.quick_ends = child.quick_ends + 1 if now - child.started < QUICK_SECONDS else 1
        if child.quick_ends == QUICK_ENDS_ALLOWED:
            self._say(
                f"{name} {how}, for the {QUICK_ENDS_ALLOWED}th time soon after its start. "
                "Stopping everything; its own messages above say why."
            )
            self.stop(exit_code=1)
            return
        wait = min(0.5 * 2 ** (child.quick_ends - 1), LONGEST_WAIT_SECONDS)
        child.start_at = now + wait
        self._say(f"{name} {how}; starting it again in {wait:g} s.")

    def _end(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        for number, seconds in ((signal.SIGTERM, self._grace_seconds), (signal.SIGKILL, 5.0)):
            for process in processes:
                _signal_group(process.pid, number)
            deadline = time.monotonic() + seconds
            while any(_lives(process) for process in processes):
                if time.monotonic() > deadline:
                    break
                time.sleep(PAUSE_SECONDS)
            else:
                return


def _lives(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the process, or anything in its group, still runs; reap it if not."""
    if process.poll() is None:
        return True
    return _signal_group(process.pid, 0) and not _has_only_zombies(process.pid)


def _has_only_zombies(group: int) -> bool:
    # They wait for the system's first process, which in a container may never look at them.
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state not in "ZX":
            return False
    return Path("/proc/self").exists()


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies.
        return False
    return True


@functools.cache
def dies_with_parent() -> list[str]:
    """Return what to put before a command so that it gets SIGTERM when its parent dies.

    A program that then executes the command, rather than subprocess's preexec_fn, because
    Python code between fork and exec is not safe in a process with threads.
    """
    found = shutil.which("setpriv")
    if found is None:
        return []
    # BusyBox has a setpriv that knows less.
    answer = subprocess.run(  # noqa: S603  our own list of words, no shell
        [found, "--help"], capture_output=True, text=True, check=False
    )
    return [found, "--pdeathsig=TERM", "--"] if "--pdeathsig" in answer.stdout else []
