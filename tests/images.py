"""The shop's image, built without an engine by buildah, and its containers, run by crun.

The base is what Debian has of Python 3.11, in the shape of the official image: no registry is
asked. Packages are fetched once by their hashes, so the build itself needs no network.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .processes import PROJECT

_CACHE = Path(os.environ.get("DUKA_MACHINES", "/var/cache/duka-machines"))
_BASE = "localhost/duka-python:2"
# What the official image brings along, and what Python needs to make an environment.
_PACKAGES = (
    "python3.11,python3.11-venv,python3-distutils,python3-pip-whl,python3-setuptools-whl,"
    "ca-certificates,netbase,tzdata"
)


def why_not() -> str:
    """Return why no image can be built here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can build an image here"
    missing = [name for name in ("buildah", "crun", "debootstrap") if shutil.which(name) is None]
    return f"an image needs {', '.join(missing)}" if missing else ""


def run(*command: str | Path, **options: Any) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    said = shlex.join(map(str, command))
    assert done.returncode == 0, f"{said}: {done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def buildah(*words: str | Path) -> str:
    storage = ("--root", _CACHE / "images", "--runroot", "/run/duka-images")
    return run("buildah", *storage, "--storage-driver", "overlay", *words)


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _base() -> str:
    """Return the name of the image to build on, made once."""
    with _locked("images"):
        if _BASE not in buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            tree = _CACHE / "python.half"
            shutil.rmtree(tree, ignore_errors=True)
            run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", tree)
            # The official image has these, for us to leave out.
            run(
                *("chroot", tree, "/bin/sh", "-ec"),
                "cd /usr/share/python-wheels; python3.11 $(ls pip-*.whl)/pip install --no-index"
                " --find-links=. --break-system-packages --root-user-action=ignore"
                " pip setuptools",
            )
            shutil.rmtree(tree / "var/cache/apt")
            container = buildah("from", "scratch").strip()
            buildah("copy", "--quiet", container, tree, "/")
            path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
            buildah("config", "--env", f"PATH={path}", "--env", "LANG=C.UTF-8", container)
            buildah("commit", "--quiet", "--rm", container, _BASE)
            shutil.rmtree(tree)
    return _BASE


def _home() -> Path:
    """Return what a build finds as root's home: the packages, and where pip is told of them."""
    # As pip here would leave out what only the image's Python, an older one, needs.
    lock = re.sub(r" ; [^\\\n]*", " ", (PROJECT / "requirements/base.txt").read_text())
    lock += (PROJECT / "requirements/build.txt").read_text()
    home = _CACHE / "wheels"
    mark = home / "lock.txt"
    with _locked("wheels"):
        if not mark.exists() or mark.read_text() != lock:
            mark.unlink(missing_ok=True)
            wanted = home / "wanted.txt"
            (home / ".config/pip").mkdir(parents=True, exist_ok=True)
            (home / ".config/pip/pip.conf").write_text(
                "[global]\nno-index = true\nfind-links = /root\n"
            )
            wanted.write_text(lock)
            run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--require-hashes", "--find-links", home, "-r", wanted, "-d", home),
            )
            wanted.rename(mark)
    return home


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image: its tree, and what it says of itself."""

    root: Path
    config: Mapping[str, Any]


@contextlib.contextmanager
def spawn_image(
    tag: str, context: Path, *, arguments: Mapping[str, str] | None = None
) -> Iterator[Image]:
    """Build the Dockerfile; the image is gone when the block ends."""
    given = {"PYTHON_IMAGE": _base(), **(arguments or {})}
    words = [word for item in given.items() for word in ("--build-arg", "=".join(item))]
    name = f"localhost/{tag}"
    with contextlib.ExitStack() as stack:
        # Its layers are not kept, and no trace of the packages' folder is in any of them.
        buildah(
            *("build", "--quiet", "--isolation", "chroot", "--format", "docker", "--layers=false"),
            *("--pull-never", "--volume", f"{_home()}:/root:ro", "--tag", name, *words, context),
        )
        stack.callback(buildah, "rmi", "--force", name)
        container = buildah("from", "--pull-never", name).strip()
        stack.callback(buildah, "rm", container)
        root = Path(buildah("mount", container).strip())
        config = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
        yield Image(root=root, config=config)


def tree_of(root: Path, *, folders: Sequence[str] = (".",)) -> dict[str, str]:
    """Return what is in an image: path -> kind, mode, owner and the contents' hash."""
    found = {}
    for folder in folders:
        for parent, names, files in os.walk(root / folder):
            for name in [*names, *files]:
                path = Path(parent, name)
                status = path.lstat()
                if path.is_symlink():
                    what = f"-> {path.readlink()}"
                elif path.is_file():
                    what = hashlib.sha256(path.read_bytes()).hexdigest()
                else:
                    what = ""
                owner = f"{status.st_uid}:{status.st_gid}"
                mode = stat.filemode(status.st_mode)
                found[str(path.relative_to(root))] = f"{mode} {owner} {what}"
    return found
