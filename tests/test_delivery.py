"""The workflows, and the checks of what delivers the shop."""

import itertools
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

from .infrastructure import program
from .processes import PROJECT

GITHUB = PROJECT / ".github"
WORKFLOWS = {path.stem: path for path in sorted((GITHUB / "workflows").glob("*.yml"))}
ACTIONS = sorted(GITHUB.glob("actions/*/action.yml"))


def read(path):
    # YAML takes the key `on` for a word that means yes.
    text = re.sub(r"^on:", '"on":', path.read_text(), flags=re.MULTILINE)
    return yaml.safe_load(text)


def jobs():
    for name, path in WORKFLOWS.items():
        for job, found in read(path)["jobs"].items():
            yield f"{name}.{job}", found


def steps():
    for name, job in jobs():
        yield from ((name, step) for step in job.get("steps", []))
    for path in ACTIONS:
        yield from ((path.parent.name, step) for step in read(path)["runs"]["steps"])


def scripts():
    """Every shell line of the workflows."""
    return [step["run"] for _, step in steps() if "run" in step]


def test_every_action_is_a_commit_with_one_version_beside_it():
    known = {}
    lines = itertools.chain.from_iterable(
        path.read_text().splitlines() for path in [*WORKFLOWS.values(), *ACTIONS]
    )
    used = [line.split("uses: ")[1] for line in lines if "uses: " in line]
    assert len(used) > 15
    for each in used:
        if each.startswith("./"):
            assert (PROJECT / each).exists(), each
            continue
        found = re.fullmatch(
            r"([\w.-]+/[\w.-]+)(?:/[\w/.-]+)?@([0-9a-f]{40}) # v(\d+\.\d+\.\d+)", each
        )
        assert found, each
        assert known.setdefault(found[1], found.groups()) == found.groups()


def test_every_workflow_says_what_it_may_and_every_job_how_long():
    for name, path in WORKFLOWS.items():
        assert read(path)["permissions"] in ({}, {"contents": "read"}), name
        assert "concurrency" in read(path), name
    for name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 120, name


def test_only_what_releases_or_reports_may_write():
    writers = {
        name: {key for key, value in job.get("permissions", {}).items() if value == "write"}
        for name, job in jobs()
    }

    assert {name: rights for name, rights in writers.items() if rights} == {
        "codeql.analyse": {"security-events"},
        "release.image": {"packages", "id-token", "attestations"},
        "release.publish": {"contents", "id-token", "attestations"},
    }


def test_no_checkout_leaves_its_token_behind():
    checkouts = [step for _, step in steps() if "actions/checkout@" in step.get("uses", "")]

    assert len(checkouts) > 5
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)


def test_what_people_type_gets_into_no_script_by_itself():
    for script in scripts():
        assert "${{" not in script, script


def test_what_the_workflows_call_is_there():
    targets = set(re.findall(r"^([\w./-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    sources = [*scripts(), *(path.read_text() for path in (PROJECT / ".ci").iterdir())]
    called = {
        target
        for source in sources
        for words in re.findall(
            r"^ *(?:make(?: --silent)?|\.ci/run) ([a-z./ -]+)$", source, re.MULTILINE
        )
        for target in words.split()
    }
    ours = {name for script in scripts() for name in re.findall(r"\.ci/[\w-]+", script)}

    assert called == {"check", "test", "machines", ".venv/ops.stamp"}
    assert called <= targets
    assert {".ci/run", ".ci/try-run", ".ci/postgresql", ".ci/release-files", ".ci/deploy"} <= ours
    for name in ours:
        assert os.access(PROJECT / name, os.X_OK), name


def test_ci_runs_the_commands_of_the_readme_on_each_postgresql():
    ci = read(WORKFLOWS["ci"])
    said = set(re.findall(r"^make (\w+)", (PROJECT / "README.md").read_text(), re.MULTILINE))
    named = {job["name"].split(" (")[0] for job in ci["jobs"].values()}

    assert said == {"run", "test"}
    assert {"make run", "make test", "make check", "make machines"} <= named
    assert ci["jobs"]["test"]["strategy"]["matrix"]["postgresql"] == [15, 16, 17, 18]
    assert ci["jobs"]["check"]["env"]["AUDIT_SOURCE"] == "online"
    assert '"make", "run"' in (PROJECT / ".ci/try-run").read_text()


def test_a_release_runs_all_of_ci_first_and_names_what_the_image_takes():
    release = read(WORKFLOWS["release"])["jobs"]
    build = next(step for step in release["image"]["steps"] if step.get("id") == "build")["with"]
    given = {line.split("=")[0] for line in build["build-args"].splitlines()}
    taken = set(re.findall(r"^ARG (\w+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE))

    assert [*read(WORKFLOWS["release"])["on"]] == ["push"]
    assert release["ci"]["needs"] == "version"
    assert [release[name].get("environment") for name in ("version", "image", "publish")] == [
        None, "release", "release",
    ]  # fmt: skip
    checkout, *checks = release["version"]["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    assert checks[0] == {"run": '.ci/release-commit "$TAG"'}
    assert release["image"]["needs"] == "ci"
    assert release["publish"]["needs"] == "image"
    assert given == taken
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")
    assert re.search(
        r"^ARG PYTHON_IMAGE=\S+:\S+$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE
    )


def test_only_a_tag_that_is_on_main_and_names_this_commit_is_released(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci/release-commit", tmp_path / ".ci")
    who = {
        f"GIT_{one}_{what}": "a@b" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def git(*words):
        return subprocess.run(
            ["git", *words], cwd=tmp_path, env=os.environ | who, check=True, capture_output=True, text=True
        ).stdout.strip()  # fmt: skip

    def commit():
        # Its own words: two of one second would else be the same commit.
        git("commit", "--quiet", "--allow-empty", f"--message={uuid.uuid4()}")
        return git("rev-parse", "HEAD")

    def refusal(tag):
        done = subprocess.run(
            [tmp_path / ".ci/release-commit", tag], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == (not done.stderr)
        return done.stderr

    git("init", "--quiet", "--initial-branch=main")
    first = commit()
    git("tag", "v1.0.0")
    second = commit()
    git("update-ref", "refs/remotes/origin/main", second)
    git("tag", "--annotate", "--message=two", "v1.1.0")

    assert refusal("v1.1.0") == ""
    assert refusal("v1.0.0") == f"The tag v1.0.0 is on another commit, {first}.\n"
    assert refusal("main") == "There is no tag main.\n"
    git("checkout", "--quiet", "--detach", "v1.0.0")
    # An older one, as long as it is on main.
    assert refusal("v1.0.0") == ""
    beside = commit()
    git("tag", "v1.0.1")
    assert refusal("v1.0.1") == f"{beside} is not on main.\n"


def test_production_comes_after_staging_by_the_same_steps():
    deploy = read(WORKFLOWS["deploy"])

    assert [*deploy["on"]] == ["workflow_dispatch"]
    assert deploy["concurrency"]["cancel-in-progress"] is False
    staging, production = deploy["jobs"]["staging"], deploy["jobs"]["production"]
    assert production["needs"] == "staging"
    assert (staging["environment"]["name"], production["environment"]["name"]) == (
        "staging", "production",
    )  # fmt: skip
    assert staging["steps"] == production["steps"]
    played = re.findall(r"^play (\w+\.yml)", (PROJECT / ".ci/deploy").read_text(), re.MULTILINE)
    assert played == ["deploy.yml", "rollback.yml"]
    for name in played:
        assert (PROJECT / "ansible" / name).exists()
    action = read(GITHUB / "actions/deploy/action.yml")
    fetch = next(
        step["run"] for step in action["runs"]["steps"] if "gh attestation" in step.get("run", "")
    )
    assert '--source-ref "refs/tags/v$VERSION"' in fetch
    given = set(staging["steps"][-1]["with"])
    assert given == set(action["inputs"])


def test_dependabot_looks_after_each_place_that_names_versions():
    looked = {
        (each["package-ecosystem"], place)
        for each in read(GITHUB / "dependabot.yml")["updates"]
        for place in each.get("directories", [each.get("directory")])
    }

    assert looked == {
        ("uv", "/requirements"), ("docker", "/"), ("docker-compose", "/"),
        ("docker-compose", "/ops/compose"),
        ("github-actions", "/"), ("github-actions", "/.github/actions/*"),
        ("npm", "/tests/node_provider"),
    }  # fmt: skip
    for _, place in looked - {("github-actions", "/.github/actions/*")}:
        assert (PROJECT / place.lstrip("/")).is_dir()


def lint(folder: Path, *names: str, **env: str):
    return subprocess.run(
        [folder / ".ci/lint", *names],
        cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_workflows_are_as_actionlint_and_zizmor_want_them():
    program("shellcheck")

    done = lint(PROJECT, "workflows", CI="true")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path):
    """`.ci/lint` in a repository of its own."""
    shutil.copytree(PROJECT / ".ci", tmp_path / ".ci")
    shutil.copytree(PROJECT / ".github", tmp_path / ".github")
    (tmp_path / "ops/compose").mkdir(parents=True)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (tmp_path / ".gitignore").write_text(".venv\n")
    (tmp_path / "Dockerfile").write_text("FROM docker.io/library/python:3.11-slim-bookworm\n")
    for name in ("compose.yaml", "ops/compose/compose.tls.yaml"):
        (tmp_path / name).write_text("services: {web: {image: 'duka:1'}}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"
# As a program would find it; put together here, so that it is in no file.
KEY = "ghp_" + "x9Kq2LmV7bTz4RwY8nPcD3fGhJ5sAu6EoZ1i"


@pytest.mark.parametrize(
    ("check", "path", "was", "becomes", "said"),
    [
        ("containers", "Dockerfile", ":3.11-slim-bookworm", "", "DL3006"),
        ("containers", "compose.yaml", "image", "picture", "'picture' was unexpected"),
        ("workflows", ".github/workflows/ci.yml", CHECKOUT, "actions/checkout@v6", "unpinned-uses"),
        ("workflows", ".github/workflows/ci.yml", "[15, 16, 17, 18]", "${{ steps.x }}", "steps"),
        ("workflows", ".github/workflows/ci.yml", "    timeout-minutes: 15\n", "", "timeout-minutes"),
        ("workflows", ".github/workflows/release.yml", '"$TAG"', "${{ github.ref_name }}",
         "template-injection"),
        ("workflows", ".github/dependabot.yml", "interval: weekly", "interval: hourly", "hourly"),
        ("shell", ".ci/postgresql", "version=$1", "version=$1; rm -rf $version/*", "SC2115"),
        ("secrets", ".ci/postgresql", "version=$1", f"version=$1 # {KEY}", "GitHub"),
    ],
)  # fmt: skip
def test_what_is_wrong_fails(project, check, path, was, becomes, said):  # noqa: PLR0917
    program("shellcheck")
    target = project / path
    assert was in target.read_text()
    target.write_text(target.read_text().replace(was, becomes, 1))

    done = lint(project, check)

    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_a_rule_that_cannot_be_read_fails(project):
    program("promtool")
    (project / "ops/alerts.yml").write_text(
        "groups: [{name: duka, rules: [{alert: Down, expr: 'up == ='}]}]\n"
    )

    done = lint(project, "rules")

    assert done.returncode != 0
    assert "could not parse expression" in done.stderr


def test_a_program_that_is_missing_is_passed_over_with_a_word_but_not_in_ci(project, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "git", "env"):
        (tools / name).symlink_to(shutil.which(name))

    by_hand = lint(project, "shell", PATH=str(tools), CI="")
    in_ci = lint(project, "shell", PATH=str(tools), CI="true")

    assert (by_hand.returncode, by_hand.stdout) == (
        0, "shell\n  shellcheck is not installed here: passed over\n",
    )  # fmt: skip
    assert (in_ci.returncode, in_ci.stderr) == (1, "shellcheck is missing\n")
