"""PostgreSQL refuses to run as root, so root runs it as somebody else."""

import functools
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedPostgresError

# With either of these a process may enter folders closed to its user, such as /root. The first
# allows reading only; a container without it (Docker's default) still has the second.
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True, kw_only=True)
class ServerUser:
    """Who runs the server and owns its data."""

    uid: int
    gid: int
    name: str

    @property
    def is_other(self) -> bool:
        """Whether it is not who runs this process."""
        return self.uid != os.geteuid()


def server_user(root: Path) -> ServerUser:
    """Return who runs the server whose folder is `root` (which may be missing yet)."""
    if os.geteuid() != 0:
        return _user(os.geteuid(), os.getegid())
    # Data that somebody else made stays theirs.
    for data in sorted(root.glob("data-*")):
        owner = data.stat()
        if owner.st_uid != 0:
            return _user(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            known = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(uid=known.pw_uid, gid=known.pw_gid, name=name)
    raise EmbeddedPostgresError(
        "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor a "
        "user nobody. Run Duka as an ordinary user, or set DATABASE_URL."
    )


def _user(uid: int, gid: int) -> ServerUser:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"number {uid}"
    return ServerUser(uid=uid, gid=gid, name=name)


def run_as(user: ServerUser, *, needs: list[Path], end_signal: str) -> list[str]:
    """Return what to put before a command so that it runs as `user`.

    The command also gets `end_signal` ("INT", "KILL") when its parent dies, where the system can
    do that. Without setpriv (util-linux) the list is empty, and `uid_change` serves instead.
    `needs` are the folders that `user` must be able to enter.

    Raises EmbeddedPostgresError when `user` cannot enter them.
    """
    closed = [path for path in needs if not _can_enter(path, user)] if user.is_other else []
    setpriv = _setpriv()
    if setpriv is None:
        if closed:
            raise EmbeddedPostgresError(_closed_sentence(closed[0], user))
        return []
    prefix = [setpriv, f"--pdeathsig={end_signal}"]
    if user.is_other:
        prefix += [f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    if closed:
        # Only then: with it, whoever gets SQL into the server reads any file.
        capability = _own_capability()
        if capability is None:
            raise EmbeddedPostgresError(_closed_sentence(closed[0], user))
        prefix += [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
        # Without this bit access(2), by which the server looks for its own files, ignores it.
        prefix += ["--securebits=+no_setuid_fixup"]
    return [*prefix, "--"]


def uid_change(user: ServerUser, prefix: list[str]) -> ServerUser | None:
    """Return the user that `subprocess` must switch to, when `prefix` does not do it."""
    return user if user.is_other and not prefix else None


def _closed_sentence(folder: Path, user: ServerUser) -> str:
    return (
        f"PostgreSQL refuses to run as root, and the user {user.name}, who would run it, cannot "
        f"enter {folder}. Move the project to a folder that others may enter (such as /srv), or "
        "run Duka as an ordinary user, or set DATABASE_URL."
    )


def _can_enter(folder: Path, user: ServerUser) -> bool:
    for path in (folder, *folder.parents):
        status = path.stat()
        if status.st_uid == user.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid == user.gid:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return False
    return True


@functools.cache
def _setpriv() -> str | None:
    found = shutil.which("setpriv")
    if found is None:
        return None
    # BusyBox has a setpriv that knows less.
    answer = subprocess.run(  # noqa: S603  our own list of words, no shell
        [found, "--help"], capture_output=True, text=True, check=False
    )
    return found if {"--pdeathsig", "--ambient-caps"} <= set(answer.stdout.split()) else None


def _own_capability() -> str | None:
    held = -1
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("CapEff:", "CapBnd:")):
            held &= int(line.split()[1], 16)
    return next((name for name, bit in CAPABILITIES.items() if held >> bit & 1), None)
