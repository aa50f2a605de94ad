"""The folder METRICS_DIR, in which the processes of one machine count together.

prometheus_client gives each process files of its own there and adds them up. It leaves those of
processes that are no more: removing them would take what they counted away, and a server that
renews its workers would read ever more of them. So they are added to one file first.
"""

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict

# Without types.
_File: Any = MmapedDict
_OF_A_PROCESS = re.compile(r"(counter|histogram)_([1-9][0-9]*)\.db")


@contextmanager
def settled(folder: Path) -> Iterator[None]:
    """Add up what ended processes counted; until the block ends nobody else does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in sorted(folder.glob("*.db")):
            found = _OF_A_PROCESS.fullmatch(path.name)
            if found and not _lives(int(found[2])):
                # No process has the number 0.
                _add(path, to=path.with_name(f"{found[1]}_0.db"))
        yield


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody else's, of the same number.
        return True
    return True


def _add(path: Path, *, to: Path) -> None:
    sums = _File(str(to))
    try:
        # A file that was never written to is empty, or shorter than its own head.
        with suppress(struct.error, ValueError, RuntimeError):
            for key, value, _, _ in _File.read_all_values_from_file(str(path)):
                before, _ = sums.read_value(key)
                sums.write_value(key, before + value, 0.0)
    finally:
        sums.close()
    path.unlink(missing_ok=True)
