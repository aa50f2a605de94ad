"""Vulnerable versions and licences: what fails the check, and what may pass it."""

import datetime as dt
import json
import zipfile

import pytest

from ops import audit, licences

TODAY = dt.date(2026, 11, 22)
OLD = "django==5.2.4\n"


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text(OLD)
    return path


@pytest.fixture
def accept(tmp_path, monkeypatch):
    """`accept(text)`: what is accepted, in place of ours."""

    def write(text):
        path = tmp_path / "accepted.toml"
        path.write_text(text)
        monkeypatch.setattr(audit, "ACCEPTED", path)
        monkeypatch.setattr(audit.accepted, "__defaults__", (path,))

    return write


def entry(advisory, until="2026-12-31", reason="Nothing of ours calls it."):
    return f'[[accepted]]\nid = "{advisory}"\nreason = "{reason}"\nuntil = {until}\n'


def test_a_pin_that_is_known_to_be_vulnerable_fails(lock):
    with pytest.raises(audit.AuditError) as failed:
        audit.audit([lock], source="offline")

    said = str(failed.value)
    assert said.startswith("some.txt, against ops/advisories.json (")
    assert "django 5.2.4   CVE-2026-1287" in said
    assert "Found 5 known vulnerabilities in 1 package" in said


def test_without_an_answer_of_the_index_the_file_is_asked_and_that_is_said(lock, capsys):
    lock.write_text("django==5.2.19\n")

    assert audit.main([str(lock)]) == 0

    said = capsys.readouterr().out
    where = "the index's own list." if audit.online() else "as the index's own list cannot be had"
    assert said.startswith("some.txt audited against ")
    assert where in said


def test_an_index_that_says_nothing_is_no_answer_where_it_must_be(lock, capsys):
    # No such package is anywhere, so nobody can say that it is harmless.
    lock.write_text("duka-that-nobody-ever-published==1.0\n")

    assert audit.main([str(lock), "--source=online"]) == 1

    assert "could not be audited" in capsys.readouterr().err


def test_what_is_accepted_passes_until_its_day_is_over(lock, accept):
    found = ("CVE-2026-1207", "CVE-2026-1287", "CVE-2026-1312", "CVE-2026-1285", "CVE-2025-57833")
    accept("".join(entry(each, until="2026-11-22") for each in found))

    said = audit.audit([lock], source="offline", today=TODAY)

    assert said.startswith("some.txt audited against ops/advisories.json")
    with pytest.raises(audit.AuditError, match="CVE-2026-1207 was accepted until 2026-11-22"):
        audit.audit([lock], source="offline", today=TODAY + dt.timedelta(days=1))


def test_what_is_accepted_has_a_reason(lock, accept):
    accept(entry("CVE-2026-1207", reason=""))

    with pytest.raises(audit.AuditError, match="each entry needs id, reason and until"):
        audit.audit([lock], source="offline", today=TODAY)


def advisory(*events, name="thing", versions=()):
    return {
        "id": "X-1",
        "affected": [{
            "package": {"ecosystem": "PyPI", "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
            "versions": list(versions),
        }],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("about", "version", "expected"),
    [
        (advisory({"introduced": "0"}, {"fixed": "2.0"}), "1.9", True),
        (advisory({"introduced": "0"}, {"fixed": "2.0"}), "2.0", False),
        (advisory({"introduced": "1.0"}, {"last_affected": "1.4"}), "1.4", True),
        (advisory({"introduced": "1.0"}, {"last_affected": "1.4"}), "1.5", False),
        (advisory({"introduced": "1.0"}), "0.9", False),
        (advisory({"introduced": "1.0"}), "9.0", True),
        # Two lines of releases in one range, in whatever order they stand there.
        (advisory({"introduced": "2.0"}, {"fixed": "2.3"}, {"introduced": "0"}, {"fixed": "1.8"}),
         "1.9", False),
        (advisory({"introduced": "2.0"}, {"fixed": "2.3"}, {"introduced": "0"}, {"fixed": "1.8"}),
         "2.1", True),
        (advisory(versions=["1.0.post1"]), "1.0.post1", True),
        (advisory({"introduced": "0"}, name="other"), "1.0", False),
        (advisory({"introduced": "0"}, name="Thing"), "1.0", True),
    ],
)  # fmt: skip
def test_an_advisory_is_about_the_versions_that_it_names(about, version, expected):
    assert audit.affects(about, "thing", version) is expected


def test_the_file_is_made_anew_from_osvs_archive(tmp_path, monkeypatch, lock, capsys):
    monkeypatch.setattr(audit, "ADVISORIES", tmp_path / "advisories.json")
    archive = tmp_path / "all.zip"
    ours = {**advisory({"introduced": "0"}, {"fixed": "5.2.6"}, name="Django"), "id": "PYSEC-1",
            "aliases": ["CVE-1"], "details": "long"}  # fmt: skip
    ours["affected"][0]["ranges"].append({"type": "GIT", "events": []})
    members = {
        "PYSEC-1.json": ours,
        "PYSEC-2.json": {**ours, "id": "PYSEC-2", "withdrawn": "2026-01-01T00:00:00Z"},
        "PYSEC-3.json": {**advisory({"introduced": "0"}, name="flask"), "id": "PYSEC-3"},
    }
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in members.items():
            opened.writestr(name, json.dumps(text))

    assert audit.main([str(lock), "--update", str(archive)]) == 0

    assert capsys.readouterr().out == "1 advisories kept.\n"
    written = json.loads((tmp_path / "advisories.json").read_text())
    assert written["advisories"] == [{
        "id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "",
        "affected": [{
            "package": {"ecosystem": "PyPI", "name": "django"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.2.6"}]}
            ],
            "versions": [],
        }],
    }]  # fmt: skip
    with pytest.raises(audit.AuditError, match="PYSEC-1"):
        audit.audit([lock], source="offline")


def test_all_lock_files_are_audited():
    names = audit.locked_names(sorted((audit.ROOT / "requirements").glob("*.txt")))

    assert {"django", "pytest", "ansible-core", "awslambdaric"} <= names


def package(licence, name="thing"):
    return licences.Package(name=name, version="1.0", licence=licence)


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MIT AND PSF-2.0", True),
        ("Apache Software License; BSD License", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("AGPL-3.0-or-later", False),
        ("Other/Proprietary License", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_only_licences_that_somebody_decided_on_are_allowed(licence, allowed):
    found = licences.refused([package(licence)], policy(""))

    assert (found == []) is allowed


@pytest.fixture(autouse=True)
def _policy_of_our_own(tmp_path):
    policy.path = tmp_path / "policy.toml"


def policy(exceptions):
    ours = licences.POLICY.read_text().partition("[[exception]]")[0]
    policy.path.write_text(ours + exceptions)
    return policy.path


def exception(name, licence, reason="It is ours."):
    return f'[[exception]]\npackage = "{name}"\nlicence = "{licence}"\nreason = "{reason}"\n'


def test_an_exception_holds_for_one_package_and_what_it_said_then():
    one = exception("thing", "UNKNOWN")

    assert licences.refused([package("UNKNOWN")], policy(one)) == []
    assert licences.refused([package("GPL-3.0-only")], policy(one)) == [
        "thing: its exception is for 'UNKNOWN', not for 'GPL-3.0-only', or has no reason."
    ]
    assert licences.refused([], policy(one)) == ["thing: an exception for what is not there."]
    assert licences.refused([package("UNKNOWN")], policy(exception("thing", "UNKNOWN", ""))) == [
        "thing: its exception is for 'UNKNOWN', not for 'UNKNOWN', or has no reason."
    ]


def test_the_list_of_licences_is_what_is_installed_and_is_written_when_it_is_not(
    tmp_path, monkeypatch, capsys
):
    assert licences.main([]) == 0
    ours = licences.LIST.read_text()
    assert "| django | 5.2." in ours
    assert "| pytest |" not in ours
    monkeypatch.setattr(licences, "LIST", licences.ROOT / "var" / f"{tmp_path.name}.md")
    licences.LIST.parent.mkdir(exist_ok=True)
    try:
        licences.LIST.write_text("# Licences\n")
        assert licences.main([]) == 1
        assert capsys.readouterr().err == (
            f"var/{tmp_path.name}.md is out of date: run make licences.\n"
        )

        assert licences.main(["--write"]) == 0

        assert licences.LIST.read_text() == ours
    finally:
        licences.LIST.unlink()


def test_a_package_that_is_not_installed_as_locked_is_no_guess():
    with pytest.raises(LookupError, match=r"django 0\.1 is not what is installed"):
        licences.installed({"django": "0.1"})


def test_what_another_platform_installs_is_not_listed(tmp_path):
    lock = tmp_path / "base.txt"
    lock.write_text(
        "# made by a tool\n"
        "Django==5.2.19 \\\n    --hash=sha256:00\n"
        "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        "pyjwt[crypto]==2.15.1 ; python_version > '3' \\\n    --hash=sha256:00\n"
    )

    assert licences.locked(lock) == {"django": "5.2.19", "pyjwt": "2.15.1"}
