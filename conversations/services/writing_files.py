"""Files written whole or not at all."""

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from conversations.exceptions import BadFile


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Let a file be written under another name, which becomes `path` once all of it is stored.

    It is for the shop's own eyes: nobody else may read it. Its name ending `.gz` packs it.

    Raises:
        BadFile: it cannot be written.
    """
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(number, "wb") as file:
            if path.suffix == ".gz":
                # Without a time in it, the same documents make the same file.
                with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                    yield cast("IO[bytes]", packed)
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> BadFile:
    return BadFile(f"{path} cannot be written: {error.strerror}.")
