"""Advisory locks on files (flock). The kernel drops them when their holder ends, however."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE_SECONDS = 0.02


def open_lock(path: Path) -> int:
    """Open a lock file, made if missing, and return its descriptor (close-on-exec)."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_lock(path: Path, operation: int) -> int | None:
    """Lock `path` and return the descriptor that holds the lock, or None if it is taken."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def lock_until(path: Path, operation: int, deadline: float) -> int | None:
    """Like `try_lock`, trying until `deadline` (in `time.monotonic` seconds)."""
    while (descriptor := try_lock(path, operation)) is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(PAUSE_SECONDS)
    return descriptor


def is_locked(path: Path) -> bool:
    """Say whether somebody holds `path` exclusively."""
    descriptor = try_lock(path, fcntl.LOCK_SH)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextlib.contextmanager
def closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
