"""A shop from a bare Debian machine by `ansible/site.yml`, and its life from release to release.

All of it on one machine of each Debian, as setting one up takes a while.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from . import ansible, machines
from .ansible import Played, run_playbook
from .deploying import (
    HOST,
    Shop,
    commit_source,
    give_python,
    pack_release,
    packages,
    steady_callers,
    write_source,
)
from .machines import Machine, spawn_machine
from .processes import PROJECT, wait_until

pytestmark = [
    pytest.mark.whole_machine,
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(machines.why_not() or ansible.why_not()),
        reason=machines.why_not() or ansible.why_not(),
    ),
]
UNITS = ("duka-worker@1", "duka-worker@2", "duka-ticker")

_TLS = f"""
import json, re, socket, ssl, subprocess
def connect(address, own):
    context = ssl._create_unverified_context()
    raw = socket.create_connection((address, 443), source_address=(own, 0), timeout=30)
    return context.wrap_socket(raw, server_hostname="{HOST}")
"""
# 160 requests of each of three neighbours, for what no stranger is shown.
_MANY_ADDRESSES = f"""{_TLS}
found = []
for n in range(1, 4):
    own = f"2001:db8::{{n}}"
    subprocess.run(["ip", "address", "add", own + "/64", "dev", "lo", "nodad"], check=True)
    with connect("2001:db8::1", own) as there:
        ask = "GET /metrics HTTP/1.1\\r\\nHost: {HOST}\\r\\n"
        there.sendall((159 * (ask + "\\r\\n") + ask + "Connection: close\\r\\n\\r\\n").encode())
        said = b"".join(iter(lambda: there.recv(65536), b""))
    found += re.findall("HTTP/1.1 ([0-9]+)", said.decode())
print(json.dumps(found))
"""
# A dozen bodies of 60 MB at once, of which only the beginning comes.
_LARGE_BODIES = f"""{_TLS}
sent = []
for n in range(12):
    sent.append(connect("127.0.0.1", "127.0.0.1"))
    sent[n].sendall(b"POST /clients/ HTTP/1.1\\r\\nHost: {HOST}\\r\\nContent-Length: 60000000\\r\\n\\r\\nx")
print(sum(b" 429 " in there.recv(99) for there in sent[8:]))
"""
_ANOTHER_NAME = f"""{_TLS}
with connect("127.0.0.1", "127.0.0.1") as there:
    there.sendall(b"GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n")
    try:
        print(there.recv(99))
    except ConnectionResetError:
        print(b"")
"""


class Operator:
    """Runs playbooks on one machine with one inventory."""

    def __init__(self, machine: Machine, variables: dict[str, Any]) -> None:
        self.machine, self.variables = machine, variables

    def play(self, playbook: str, *flags: str, check: bool = True, **variables: Any) -> Played:
        return run_playbook(
            self.machine, playbook, *flags, check=check, **self.variables | variables
        )

    def release(self) -> str:
        return self.machine.run("basename $(readlink /srv/duka/current)").strip()

    def webs(self) -> list[str]:
        """Return which releases have a web process or a socket."""
        said = self.machine.run("systemctl list-units --plain --no-legend 'duka-web@*'")
        return sorted({line.split()[0] for line in said.splitlines()})

    def assert_runs(self, release: str) -> None:
        assert self.release() == release
        assert self.webs() == [f"duka-web@{release}.service", f"duka-web@{release}.socket"]
        answers = self.machine.run(
            "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8081/release\").read().decode())'"
        )
        assert answers.strip() == release
        for unit in UNITS:
            assert self.folder_of(unit) == f"/srv/duka/releases/{release}"

    def folder_of(self, unit: str) -> str:
        return self.machine.run(
            f"readlink /proc/$(systemctl show --value --property=MainPID {unit})/cwd"
        ).strip()


@pytest.mark.parametrize("release", machines.RELEASES)
def test_a_shop_comes_up_changes_releases_unnoticed_and_goes_back(
    release: str, tmp_path: Path
) -> None:
    first = write_source(tmp_path / "checkout", "0.1.0")
    version = f"0.1.0-{commit_source(first)}"
    with spawn_machine(release, tmp_path / "machine") as machine:
        variables: dict[str, Any] = {
            "duka_host": HOST,
            "duka_tls": "selfsigned",
            "duka_packages": str(packages()),
            "duka_source": str(first),
            "duka_settings": {"SHOP_NAME": 'Kiosk "$5" `a` \\'},
            "duka_secrets": {
                "SECRET_KEY": "not-a-secret-but-forty-characters-long-0",
                "EMAIL_URL": "consolemail://",
                "METRICS_TOKEN": "metrics-of-a-test",
            },
            "duka_backup_passphrase": "not-a-secret-either",
        }
        if release != "bookworm":
            variables["duka_python"] = give_python(machine)
        operator = Operator(machine, variables)

        installed = operator.play("site.yml")
        assert "not-a-secret" not in installed.output
        operator.assert_runs(version)
        _assert_safe(machine, version)
        assert operator.play("site.yml").changes == []
        # The first backup has what the database's alone could not bring back.
        saved = machine.run("/usr/local/sbin/duka-backup restic 1 ls latest --host=duka")
        assert {"/var/lib/duka/identity.json", "/etc/duka/secrets/SECRET_KEY"} <= set(saved.split())
        unready = operator.play("site.yml", check=False, duka_secrets={"SECRET_KEY": "change-me"})
        assert (unready.changes, unready.status != 0) == ([], True)
        assert "Set duka_host" in unready.output

        shop = Shop(machine, machine.run("cat /etc/nginx/duka/tls/certificate.pem"))
        _assert_answers(shop)
        customer, sku = _sell(shop)
        version = _assert_deploys(operator, shop, customer, sku, tmp_path)
        _assert_goes_back_by_itself(operator, shop, customer, sku, tmp_path)
        _assert_keeps_settings_that_work(operator)
        _assert_mends_workers(operator)
        _assert_one_at_a_time(operator, tmp_path)
        _assert_rolls_back(operator, shop, customer, sku, to=_first_of(operator, version))
        _assert_comes_back(operator, shop)
        _assert_leaves_nothing_of_a_first_one(operator, tmp_path / "duka-0.3.3.tar.gz")


def _first_of(operator: Operator, version: str) -> str:
    before = operator.machine.run("basename $(readlink /srv/duka/previous)").strip()
    assert before.startswith("0.1.0-")
    assert before != version
    return before


def _assert_safe(machine: Machine, version: str) -> None:
    for unit in (*UNITS, f"duka-web@{version}"):
        said = machine.run(f"systemd-analyze security --no-pager {unit}.service")
        exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
        assert exposure, said
        assert float(exposure[1]) < 2.0
    assert machine.run("stat -c '%U:%G %a' /etc/duka/duka.env /etc/duka/secrets/*") == (
        "root:duka 640\n" * 5
    )
    assert machine.run("ls -A /etc/duka").split() == ["duka.env", "secrets"]
    # Nothing that the shop's user could change is run by it.
    owned = "find /srv/duka /usr/local/lib/duka -not -user root -o -perm /022 -not -type l"
    assert machine.run(owned) == ""
    assert "tcp dport { 22, 80, 443 } accept" in machine.run("/usr/sbin/nft list table inet duka")
    sshd = machine.run("/usr/sbin/sshd -T").splitlines()
    assert {"passwordauthentication no", "permitrootlogin without-password"} <= set(sshd)
    assert machine.run("systemctl is-enabled unattended-upgrades systemd-timesyncd nftables") == (
        "enabled\n" * 3
    )


def _assert_answers(shop: Shop) -> None:
    ready = shop.call("GET", "/readyz")
    assert ready.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "worker": "ok"},
    }
    assert ready.headers["server"] == "nginx"
    assert ready.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert shop.call("GET", "/metrics").status == 403

    # Files come from nginx, which the shop never sees.
    page = shop.call("GET", "/accounts/login/").body.decode()
    style = re.search(r"/static/accounts/pages\.[0-9a-f]{12}\.css", page)
    assert style, page
    answer = shop.call("GET", style[0], headers={"Accept-Encoding": "gzip"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert shop.call("GET", "/static/../../../etc/passwd").status in {400, 404}
    assert shop.call("POST", style[0]).status == 403

    # A megabyte more than the shop itself takes of anything, and what the shop alone may refuse.
    assert shop.call("POST", "/graphql/", b"x" * 4_000_000).status == 413
    assert shop.call("POST", "/interactions/bulk", b"x" * 4_000_000).status in {401, 403}

    # Where its processes count together, a command of an operator's looks, too.
    assert "processes count together in /run/duka-metrics" in shop.duka("doctor", check=False)

    _assert_limits_callers(shop)

    # The name as it was written, through YAML, a file of systemd's and the environment.
    assert shop.duka('shell -c "from django.conf import settings; print(settings.SHOP_NAME)"'
                     ).splitlines()[-1] == 'Kiosk "$5" `a` \\'  # fmt: skip


def _assert_limits_callers(shop: Shop) -> None:
    # Who has IPv6 has as many addresses as they like, and is one caller.
    found = Counter(json.loads(shop.machine.run(f"python3 -c '{_MANY_ADDRESSES}'")))
    assert set(found) == {"403", "429"}
    assert found.total() == 480
    assert shop.machine.run(f"python3 -c '{_LARGE_BODIES}'") == "4\n"
    # And one that only says another name is nobody's.
    assert shop.machine.run(f"python3 -c '{_ANOTHER_NAME}'") == "b''\n"


def _sell(shop: Shop) -> tuple[str, str]:
    """Have goods and a customer, place an order, and see that its message goes out."""
    shop.make_client()
    goods = {"name": "Mug", "sku": "MUG", "price": "450.00", "stock": 100_000}
    assert shop.api("POST", "/products/", goods).status == 201
    who = {"name": "Njeri Mwangi", "phone": "+254722000001"}
    customer = shop.api("POST", "/customers/", who).json()["code"]
    lines = [{"sku": "MUG", "quantity": 2}]
    placed = shop.api("POST", "/orders/", {"customer": customer, "lines": lines})
    assert placed.status == 201
    number = placed.json()["number"]
    journal = "journalctl --no-pager --output=cat --unit='duka-worker@*'"
    wait_until(lambda: "SMS to +254722000001" in shop.machine.run(journal), every=0.5)
    lines_said = [
        json.loads(line) for line in shop.machine.run(journal).splitlines() if line[:1] == "{"
    ]
    assert [number in line["message"] for line in lines_said if line["logger"] == "duka.sms"] == [
        True
    ]
    # Workers count where the web that is asked finds it.
    wait_until(lambda: "duka_tasks_total{" in _numbers(shop), every=0.5)
    return customer, "MUG"


def _numbers(shop: Shop) -> str:
    return shop.machine.run(
        "python3 -c 'import urllib.request as u; print(u.urlopen(u.Request("
        '"http://127.0.0.1:8081/metrics", headers={"Authorization": "Bearer metrics-of-a-test"}'
        ")).read().decode())'"
    )


def _assert_deploys(operator: Operator, shop: Shop, customer: str, sku: str, folder: Path) -> str:
    """A new release and other settings at once, under steady requests."""
    packed = pack_release(folder, "0.2.0")
    operator.variables |= {
        "duka_release": str(packed),
        "duka_settings": {"SHOP_NAME": "Kiosk Two"},
    }
    with steady_callers(shop, customer, sku) as callers:
        operator.play("site.yml")
    assert callers.failures == []
    assert len(callers.placed) > 10
    assert callers.read > 10
    operator.assert_runs("0.2.0")
    assert shop.duka('shell -c "from django.conf import settings; print(settings.SHOP_NAME)"'
                     ).splitlines()[-1] == "Kiosk Two"  # fmt: skip
    assert operator.play("deploy.yml").changes == []
    # What was answered with 201 is there, all of it.
    counted = shop.duka(
        "shell -c 'from orders.models import Order; print(\"orders\", Order.objects.count())'"
    )
    assert f"orders {len(callers.placed) + 1}" in counted
    return "0.2.0"


def _assert_goes_back_by_itself(
    operator: Operator, shop: Shop, customer: str, sku: str, folder: Path
) -> None:
    last = max(path.stem for path in (PROJECT / "core/migrations").glob("[0-9]*.py"))
    migration = f"""from django.db import migrations

def fail(apps, editor):
    raise ValueError("Broken migration")

class Migration(migrations.Migration):
    dependencies = [("core", "{last}")]
    operations = [migrations.RunPython(fail)]
"""
    broken = {
        # Refuses its settings; its migration fails; it answers, but not that it is ready; its
        # workers die, which shows when it is the current one already.
        "0.3.0": (
            "config/settings/production.py",
            'raise ImproperlyConfigured("Broken settings")\n',
        ),
        "0.3.1": ("core/migrations/9999_broken.py", migration),
        "0.3.2": ("core/health.py", '\ndef _database() -> str:\n    return "Broken health"\n'),
        "0.3.3": ("core/management/commands/worker.py", 'raise SystemExit("Broken worker")\n'),
    }
    reasons = {
        "0.3.0": "Broken settings",
        "0.3.1": "Broken migration",
        "0.3.2": "Broken health",
        "0.3.3": "Broken worker",
    }
    with steady_callers(shop, customer, sku) as callers:
        for version, (file, text) in broken.items():
            packed = pack_release(folder, version, {file: text})
            played = operator.play(
                "deploy.yml",
                check=False,
                duka_release=str(packed),
                duka_ready_seconds=10,
                duka_backup_before_deploy=True,
            )
            assert played.status != 0
            said = re.sub(r"\s+", " ", played.output)
            assert f"Release {version} was not deployed. Release 0.2.0 goes on." in said
            assert reasons[version] in said
            operator.assert_runs("0.2.0")
            # Only where there is something to migrate.
            assert ("release : Back up the database" in played.changes) == (version == "0.3.1")
    assert callers.failures == []
    assert len(callers.placed) > 10
    assert operator.machine.run("basename $(readlink /srv/duka/previous)").startswith("0.1.0-")


def _assert_keeps_settings_that_work(operator: Operator) -> None:
    """Neither the settings nor the secrets are changed where the release refuses one of them."""
    machine = operator.machine
    everything = "sha256sum /etc/duka/duka.env /etc/duka/secrets/*"
    before = machine.run(everything)
    played = operator.play(
        "site.yml",
        check=False,
        duka_secrets=operator.variables["duka_secrets"]
        | {"METRICS_TOKEN": "another-of-a-test", "EMAIL_URL": "no-such-thing://"},
    )
    assert played.status != 0
    assert machine.run(everything) == before
    assert machine.run("ls -A /etc/duka").split() == ["duka.env", "secrets"]


def _assert_mends_workers(operator: Operator) -> None:
    """A deploy that was cut off after it had switched, and workers that nobody sees, are no end."""
    machine = operator.machine
    before = machine.run("basename $(readlink /srv/duka/previous)").strip()
    machine.run(
        f"ln -sfn /srv/duka/releases/{before} /srv/duka/current"
        " && systemctl stop duka-worker@1 duka-worker@2 && systemctl restart duka-ticker"
    )
    wait_until(lambda: operator.folder_of("duka-ticker") == f"/srv/duka/releases/{before}")
    machine.run(
        "ln -sfn /srv/duka/releases/0.2.0 /srv/duka/current && /usr/local/bin/duka shell -c"
        " 'from core.models import Worker; Worker.objects.all().delete()'"
    )
    played = operator.play("deploy.yml")
    changes = [name.removeprefix("release : ") for name in played.changes]
    # Those that were refused go by and by, too.
    changes = [name for name in changes if name != "Remove the oldest"]
    assert changes == ["Have them run the release's"] * len(UNITS)
    operator.assert_runs("0.2.0")
    # The two that are needed, and the youngest of the others.
    kept = machine.run("ls /srv/duka/releases").split()
    assert kept == sorted([before, "0.2.0", "0.3.3"])


def _assert_one_at_a_time(operator: Operator, folder: Path) -> None:
    operator.machine.run("mkdir /run/duka-deploy && touch /run/duka-deploy/theirs")
    played = operator.play("deploy.yml", check=False)
    assert played.status != 0
    assert "Somebody else is deploying to this shop" in re.sub(r"\s+", " ", played.output)
    # Theirs goes on.
    operator.machine.run("test -e /run/duka-deploy/theirs")
    # One that was cut off more than an hour ago is nobody's.
    operator.machine.run("touch --date='2 hours ago' /run/duka-deploy")
    assert operator.play("deploy.yml").changes == []
    operator.machine.run("! test -e /run/duka-deploy")


def _assert_rolls_back(operator: Operator, shop: Shop, customer: str, sku: str, *, to: str) -> None:
    with steady_callers(shop, customer, sku) as callers:
        operator.play("rollback.yml")
    assert callers.failures == []
    assert len(callers.placed) > 3
    operator.assert_runs(to)
    # Whatever changes in the inventory, what somebody went back from stays away until it is asked for.
    said = operator.play("site.yml")
    assert said.changes == []
    assert f"Somebody went back from 0.2.0 to {to}" in re.sub(r"\s+", " ", said.output)
    operator.assert_runs(to)
    nowhere = operator.play("rollback.yml", check=False, duka_version="9.9.9")
    assert "There is no release 9.9.9" in re.sub(r"\s+", " ", nowhere.output)
    operator.assert_runs(to)


def _assert_comes_back(operator: Operator, shop: Shop) -> None:
    """All that a start of the machine starts, and nothing else, after all was stopped."""
    running = operator.release()
    operator.machine.run("systemctl stop nginx 'duka-*' 'postgresql*'")
    assert operator.webs() == []
    # What it starts by itself: it wants what is enabled.
    operator.machine.run("systemctl start multi-user.target")
    wait_until(lambda: _is_ready(shop), every=0.5)
    operator.assert_runs(running)
    assert operator.machine.run("systemctl --failed --no-legend") == ""


def _assert_leaves_nothing_of_a_first_one(operator: Operator, broken: Path) -> None:
    """Its workers die, and there is no release before it."""
    machine = operator.machine
    enabled = "/etc/systemd/system -type l -name 'duka-[wt]*'"
    machine.run(
        "systemctl stop 'duka-*' && rm /srv/duka/current /srv/duka/previous"
        f" && find {enabled} -delete && systemctl daemon-reload"
    )
    played = operator.play("deploy.yml", check=False, duka_release=str(broken))
    assert played.status != 0
    said = re.sub(r"\s+", " ", played.output)
    assert "Release 0.3.3 was not deployed. " in said
    assert "Broken worker" in said
    assert operator.webs() == []
    assert machine.run("ls /srv/duka").split() == ["releases", "venvs"]
    assert machine.run("systemctl list-units --plain --no-legend 'duka-w*' 'duka-t*'") == ""
    assert machine.run(f"find {enabled}") == ""


def _is_ready(shop: Shop) -> bool:
    try:
        return shop.call("GET", "/readyz").status == 200
    except OSError:
        return False
