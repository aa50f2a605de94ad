"""A release: version, tag and changelog agree, and its files are what was committed."""

import datetime as dt
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from ops import release

DAY = dt.date(2026, 12, 1)
LOG = "# Changelog\n\n## Unreleased\n\n- Tea is sold.\n  By the cup.\n"


@pytest.fixture
def root(tmp_path):
    """A project of version 0.1.0 with something unreleased."""
    shutil.copy(release.ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(LOG)
    assert release.version(tmp_path) == release.version()
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace(f'"{release.version()}"', '"0.1.0"', 1))
    return tmp_path


def log(root, text):
    (root / "CHANGELOG.md").write_text(text)


def test_preparing_writes_the_version_and_gives_it_what_was_unreleased(root):
    before = (root / "pyproject.toml").read_text()

    release.prepare("0.2.0", root, today=DAY)

    assert (root / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- Tea is sold.\n  By the cup.\n"
    )
    assert (root / "pyproject.toml").read_text() == before.replace('"0.1.0"', '"0.2.0"', 1)
    assert release.notes("v0.2.0", root) == "- Tea is sold.\n  By the cup."


def test_the_first_release_keeps_the_version_that_is_there(root):
    release.prepare("0.1.0", root, today=DAY)

    assert release.notes("v0.1.0", root) == "- Tea is sold.\n  By the cup."


@pytest.mark.parametrize("version", ["", "1", "v1.0.0", "1.0.0rc1", "1.0.0\n"])
def test_preparing_wants_three_numbers(root, version):
    with pytest.raises(release.ReleaseError, match="A version is three numbers"):
        release.prepare(version, root)

    assert (root / "CHANGELOG.md").read_text() == LOG


def test_preparing_does_not_go_back(root):
    release.prepare("0.10.0", root, today=DAY)
    log(root, (root / "CHANGELOG.md").read_text().replace("# Changelog\n", LOG, 1))

    for version in ("0.9.0", "0.10.0"):
        with pytest.raises(release.ReleaseError, match=f"{version} is not newer than 0.10.0"):
            release.prepare(version, root)


@pytest.mark.parametrize(
    "text", ["# Changelog\n", "# Changelog\n\n## Unreleased\n", "# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- A\n"]
)  # fmt: skip
def test_preparing_wants_something_to_release(root, text):
    log(root, text)

    with pytest.raises(release.ReleaseError, match="nothing under “## Unreleased”"):
        release.prepare("0.2.0", root)


def test_a_tag_that_is_not_the_version_is_refused(root):
    release.prepare("0.2.0", root, today=DAY)

    for tag in ("v0.2.1", "0.2.0", "v0.2", ""):
        with pytest.raises(
            release.ReleaseError, match=f"The tag is {tag}, but pyproject.toml says 0.2.0"
        ):
            release.notes(tag, root)


def test_a_version_without_a_chapter_is_refused(root):
    with pytest.raises(release.ReleaseError, match=r"no chapter of 0\.1\.0: make release first"):
        release.notes("v0.1.0", root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Changes\n", "CHANGELOG.md begins with “# Changelog”."),
        ("# Changelog\n\nTea.\n", "line 3: an entry begins with “- ”"),
        ("# Changelog\n\n## Unreleased\n\nTea.\n", "line 5: an entry begins with “- ”"),
        ("# Changelog\n\n## 0.1.0\n\n- Tea.\n", "line 3: a chapter is"),
        ("# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- A\n\n## Unreleased\n", "line 7: a chapter is"),
        ("# Changelog\n\n## 0.1.0 (2026-01-01)\n", "says nothing of 0.1.0"),
        ("# Changelog\n\n## 0.1.0 (2026-01-01)\n\n- A\n\n## 0.2.0 (2026-02-01)\n\n- B\n",
         "the newest version comes first, each once"),
        ("# Changelog\n\n## 0.3.0 (2026-01-01)\n\n- A\n",
         "pyproject.toml says 0.1.0, CHANGELOG.md 0.3.0."),
    ],
)  # fmt: skip
def test_a_changelog_of_another_form_is_refused(root, text, said):
    log(root, text)

    with pytest.raises(release.ReleaseError) as refused:
        release.check(root)

    assert said in str(refused.value)


def test_the_command_says_what_is_wrong_and_what_comes_next(root, monkeypatch, capsys):
    for each in (release.check, release.notes, release.prepare):
        monkeypatch.setattr(each, "__defaults__", (root,))
    for each in (release.chapters, release.version):
        monkeypatch.setattr(each, "__defaults__", (root,))

    assert release.main(["check"]) == 0
    assert release.main(["prepare", "0.2"]) == 1
    assert capsys.readouterr().err == "A version is three numbers, such as 1.2.3, not '0.2'.\n"
    assert release.main(["prepare", "0.2.0"]) == 0
    assert capsys.readouterr().out == "Now commit, tag it v0.2.0 and push the tag.\n"
    assert release.main(["check", "v0.2.0"]) == 0
    assert release.main(["check", "v0.3.0"]) == 1
    capsys.readouterr()
    assert release.main(["notes", "v0.2.0"]) == 0
    assert capsys.readouterr().out == "- Tea is sold.\n  By the cup.\n"


def test_our_own_changelog_has_that_form():
    release.check()


def run(*command, cwd, **env):
    return subprocess.run(
        command, cwd=cwd, env=os.environ | env, capture_output=True, text=True, check=False
    )


def test_the_files_of_a_release_are_what_was_committed_and_say_what_is_in_them(root):
    ours = release.ROOT
    for name in (".ci", "ops", "requirements"):
        shutil.copytree(ours / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ours / "Makefile", root)
    (root / ".venv").symlink_to(ours / ".venv")
    (root / ".gitignore").write_text(".venv\n/notes.md\n/dist\n/again\n")
    (root / "manage.py").write_text("print('Duka')\n")
    release.prepare("0.2.0", root, today=DAY)
    # The stamp of this environment is older than files that were copied just now.
    for path in (root / "requirements").iterdir():
        os.utime(path, (0, 0))
    git = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "Release 0.2.0")):
        assert run(*git, *command, cwd=root).returncode == 0
    (root / "secret.txt").write_text("never committed")

    refused = run(".ci/release-files", "v0.3.0", "dist", cwd=root)
    made = run(".ci/release-files", "v0.2.0", "dist", cwd=root)
    again = run(".ci/release-files", "v0.2.0", "again", cwd=root)

    assert refused.returncode == 1
    assert refused.stderr == "The tag is v0.3.0, but pyproject.toml says 0.2.0.\n"
    assert made.returncode == 0, made.stderr
    assert again.returncode == 0, again.stderr
    names = {"duka-0.2.0.tar.gz", "duka-0.2.0.cdx.json", "duka-0.2.0.sha256"}
    assert {path.name for path in (root / "dist").iterdir()} == names
    for name in names:
        assert (root / "dist" / name).read_bytes() == (root / "again" / name).read_bytes()
    # As Ansible unpacks it: no folder of its own.
    with tarfile.open(root / "dist/duka-0.2.0.tar.gz") as tarball:
        inside = set(tarball.getnames())
    assert {"manage.py", "pyproject.toml", "requirements/base.txt"} <= inside
    assert not {"secret.txt", ".venv", "notes.md"} & inside
    sums = dict(
        reversed(line.split("  "))
        for line in (root / "dist/duka-0.2.0.sha256").read_text().splitlines()
    )
    assert sums == {
        name: hashlib.sha256((root / "dist" / name).read_bytes()).hexdigest()
        for name in names - {"duka-0.2.0.sha256"}
    }
    bill = json.loads((root / "dist/duka-0.2.0.cdx.json").read_text())
    assert bill["metadata"]["component"]["name"] == "duka"
    versions = {each["name"].lower(): each["version"] for each in bill["components"]}
    assert f"django=={versions['django']} " in (root / "requirements/base.txt").read_text()
    assert (root / "notes.md").read_text() == "- Tea is sold.\n  By the cup.\n"
