"""The packaging script: all of it but the download of the shop's own wheels, which `make lambda`
does (docs/serverless.md has the sizes)."""

import hashlib
import os
import subprocess
import sys
import tomllib
import zipfile

import pytest
from django.conf import settings

from serverless import package

MB = 1024 * 1024


@pytest.fixture
def probe(tmp_path):
    """A requirement with its hash, as a lock file has it, of a wheel that is here."""
    name = "probe-1.0-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        wheel.writestr("probe/__init__.py", "FOUND = True\n")
        wheel.writestr("probe/static/x.js", "1")
        wheel.writestr("probe/x.pyi", "FOUND: bool\n")
        wheel.writestr(
            "probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n"
        )
        wheel.writestr(
            "probe-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("probe-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    return f"probe @ {(tmp_path / name).as_uri()} \\\n    --hash=sha256:{digest}\n"


def test_a_lock_file_is_read():
    lock = (
        "# by uv\nDjango==5.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "tzdata==1 ; sys_platform == 'win32' \\\n    --hash=sha256:cc\n"
    )

    assert package.requirements(lock) == {
        "django": "Django==5.2 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        "tzdata": "tzdata==1 ; sys_platform == 'win32' \\\n    --hash=sha256:cc",
    }


def test_all_that_is_named_stands_in_the_lock_file():
    lock = package.requirements((settings.BASE_DIR / "requirements" / "base.txt").read_text())
    others = package.requirements((package.HERE / "requirements.txt").read_text())

    assert set(lock) >= package.LEFT_OUT | package.WITHOUT_WHEEL | set(others)
    assert {"django", "apig-wsgi", "pymongo", "pymysql"} <= set(lock)


def test_the_project_s_packages_are_all_there():
    assert {"config", "serverless", *settings.DUKA_APPS} == set(package.PACKAGES)


def test_packages_are_installed_by_their_hashes(probe, tmp_path):
    target = tmp_path / "target"

    package.install(f"{probe}gunicorn==1 --hash=sha256:00\n", target, others="")

    assert (target / "probe" / "__init__.py").read_text() == "FOUND = True\n"
    wrong = probe.rstrip("\n")[:-4] + "0000\n"
    with pytest.raises(subprocess.CalledProcessError):
        package.install(wrong, tmp_path / "second", others="")


def test_one_without_a_wheel_is_installed_from_its_source(probe, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "WITHOUT_WHEEL", frozenset({"probe"}))

    package.install(probe, tmp_path / "target", others="")

    assert (tmp_path / "target" / "probe" / "__init__.py").exists()


def test_one_that_lambda_cannot_run_is_replaced(probe, tmp_path):
    package.install("probe==9 --hash=sha256:00\n", tmp_path / "target", others=probe)

    assert (tmp_path / "target" / "probe" / "__init__.py").exists()


def test_what_nobody_needs_is_left_out(probe, tmp_path):
    target = tmp_path / "target"
    package.install(probe, target, others="")
    (target / "probe" / "__pycache__").mkdir()

    package.remove_useless(target)
    (target / "x.js.map.gz").touch()
    package.remove_unread(target)

    assert sorted(each.name for each in (target / "probe").iterdir()) == ["__init__.py"]
    assert not (target / "x.js.map.gz").exists()


def test_the_project_comes_without_its_tests(tmp_path):
    package.copy_project(tmp_path, ["serverless", "repairs"])

    assert (tmp_path / "serverless" / "handlers.py").exists()
    assert (tmp_path / "repairs" / "migrations" / "0001_initial.py").exists()
    assert not list(tmp_path.rglob("tests"))
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_packed_project_reads_its_settings(tmp_path):
    package.copy_project(tmp_path)
    env = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": "none",
        "SHOP_URL": "https://shop.example",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "EMAIL_URL": "consolemail://",
        "IDENTITY_FILE": str(tmp_path / "identity.json"),
        "DUKA_VAR": str(tmp_path / "var"),
    }

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django; django.setup(); print(django.conf.settings.VERSION)",
        ],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    project = tomllib.loads((package.PROJECT / "pyproject.toml").read_text())["project"]
    assert done.stdout.strip() == project["version"]


def test_static_files_are_collected_under_their_hashed_names(tmp_path):
    package.collect_static(tmp_path)

    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()
    assert list((tmp_path / "staticfiles" / "admin" / "css").glob("base.*.css"))


def test_what_is_compiled_runs_whatever_its_date_is(tmp_path):
    (tmp_path / "module.py").write_text("FOUND = 1\n")
    package.compile_all(tmp_path)
    (tmp_path / "module.py").write_text("FOUND = 2\n")

    ran = subprocess.run(
        [sys.executable, "-c", "import module; print(module.FOUND)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert ran.stdout == "1\n"


def test_the_same_files_make_the_same_zip(tmp_path):
    folder = tmp_path / "folder"
    for name in ("b", "a"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x.py").write_text(name)

    package.write_zip(folder, tmp_path / "1.zip")
    (folder / "a" / "x.py").touch()
    package.write_zip(folder, tmp_path / "2.zip")

    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.namelist() == ["a/x.py", "b/x.py"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o644}


def test_its_sizes_are_told_beside_aws_s_limits():
    assert package.check_sizes(67 * MB, 250 * MB) == [
        "67.0 MB zipped, of 50.0 MB without going through S3",
        "250.0 MB unpacked, of 250.0 MB at most",
    ]


def test_one_that_lambda_does_not_take_is_none():
    with pytest.raises(
        package.TooLarge, match=r"does not take it: 250\.1 MB unpacked, of 250\.0 MB"
    ):
        package.check_sizes(MB, 250 * MB + MB // 10)


@pytest.fixture
def short(monkeypatch):
    """All that takes long is left out."""
    monkeypatch.setattr(package, "install", lambda lock, target, *, others: None)
    monkeypatch.setattr(package, "collect_static", lambda target: None)
    monkeypatch.setattr(package, "copy_project", lambda target: (target / "a.py").touch())


def test_it_says_where_the_zip_is_and_how_large(short, tmp_path, capsys):
    path = tmp_path / "lambda" / "duka.zip"

    assert package.main(["--to", str(path)]) == 0

    assert capsys.readouterr().out.startswith(f"{path}: 0.0 MB zipped")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["__pycache__/a.cpython-311.pyc", "a.py"]
    assert [each.name for each in path.parent.iterdir()] == ["duka.zip"]


def test_it_fails_over_the_limit(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(package, "LARGEST_UNPACKED", 10)

    assert package.main(["--to", str(tmp_path / "duka.zip")]) == 1

    assert capsys.readouterr().err.startswith("AWS Lambda does not take it: ")


def test_another_python_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(package.sys, "version_info", (3, 12, 0))

    with pytest.raises(SystemExit):
        package.main([])

    assert "Lambda's Python is to be 3.11" in capsys.readouterr().err
