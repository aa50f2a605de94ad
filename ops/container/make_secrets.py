# A script, not a part of the shop.
# ruff: noqa: INP001
"""What a shop in containers keeps to itself, made at its first start: compose.yaml's `init`.

What is there stays as it is, so this can run at each start. A file comes into being whole: a start
that was broken off is finished by the next one.
"""

import argparse
import os
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def make(path: Path, text: str, *, mode: int) -> str:
    """Write a file if there is none, and return what it says; of several at once, one wins."""
    if not path.exists():
        mine = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mine.chmod(mode)
        with suppress(FileExistsError):
            path.hardlink_to(mine)
        mine.unlink()
    return path.read_text()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", type=Path, required=True, help="folder of the shop's secrets")
    parser.add_argument("--database", type=Path, required=True, help="folder the database sees")
    parser.add_argument("--at", required=True, help="of the database: duka@database:5432/duka")
    words = parser.parse_args(arguments)
    user, _, place = words.at.partition("@")
    # In a volume that only the database and this have: for whatever user it runs as.
    password = make(words.database / "PASSWORD", secrets.token_urlsafe(32), mode=0o444)
    make(words.shop / "SECRET_KEY", secrets.token_urlsafe(48), mode=0o400)
    make(words.shop / "DATABASE_URL", f"postgres://{user}:{password}@{place}", mode=0o400)
    return 0


if __name__ == "__main__":
    sys.exit(main())
