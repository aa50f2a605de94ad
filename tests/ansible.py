"""The playbooks of `ansible/`, run on a machine of `tests.machines` as an operator runs them."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machines import Machine
from .processes import PROJECT

ANSIBLE = PROJECT / "ansible"
_BIN = PROJECT / ".venv/ops/bin"
# A machine that is all of a shop; `inventory/single` is the same for people.
_GROUPS = ("web", "workers", "database", "monitoring")


def why_not() -> str:
    """Return why no playbook can be run here, or an empty string."""
    return "" if (_BIN / "ansible-playbook").exists() else "no Ansible: make .venv/ops.stamp"


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of a run."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all machines together."""
        return sum(int(number) for number in re.findall(r" changed=(\d+) ", self.output))

    @property
    def changes(self) -> list[str]:
        """The names of those tasks."""
        named = re.compile(
            r"^(?:TASK|RUNNING HANDLER) \[(?P<task>.*)\] \*+$|^changed: ", re.MULTILINE
        )
        task, found = "", []
        for match in named.finditer(self.output):
            if match["task"] is None:
                found.append(task)
            else:
                task = match["task"]
        return found


def run_playbook(
    machine: Machine,
    playbook: str,
    *flags: str,
    check: bool = True,
    seconds: float = 2400,
    **variables: Any,
) -> Played:
    """Run `ansible/PLAYBOOK` with the variables as an inventory's group_vars/all.

    Args:
        flags: of ansible-playbook, such as `--check`.
        check: whether it must succeed.
    """
    return run_playbook_on([machine], playbook, *flags, check=check, seconds=seconds, **variables)


def run_playbook_on(
    machines: Sequence[Machine],
    playbook: str,
    *flags: str,
    check: bool = True,
    seconds: float = 2400,
    **variables: Any,
) -> Played:
    """Run it on several machines, each of which is in every group: shop, shop2, …"""
    with tempfile.TemporaryDirectory(prefix="duka-ansible-") as name:
        folder = Path(name)
        inventory = folder / "inventory"
        (inventory / "group_vars").mkdir(parents=True)
        hosts = ["shop" if not at else f"shop{at + 1}" for at in range(len(machines))]
        lines = [
            machine.inventory().replace("shop ", f"{host} ", 1)
            for host, machine in zip(hosts, machines, strict=True)
        ]
        for group in _GROUPS:
            lines += [f"[{group}]\n", *(f"{host}\n" for host in hosts)]
        lines += ["[app:children]\nweb\nworkers\n"]
        (inventory / "hosts").write_text("".join(lines))
        (inventory / "group_vars/all.json").write_text(
            json.dumps({"ansible_python_interpreter": "/usr/bin/python3"} | variables)
        )
        sockets = folder / "ssh"
        try:
            done = subprocess.run(
                [_BIN / "ansible-playbook", "--inventory", inventory, *flags, ANSIBLE / playbook],
                cwd=ANSIBLE,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=seconds,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": name,
                    "LC_ALL": "C.UTF-8",
                    "ANSIBLE_HOME": f"{name}/ansible",
                    "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
                    "ANSIBLE_NOCOLOR": "1",
                    "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
                },
            )
        finally:
            # One connection serves a whole run, and ends with it.
            for socket in sockets.glob("*") if sockets.exists() else ():
                subprocess.run(
                    ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "shop"],
                    capture_output=True,
                    check=False,
                )
    played = Played(status=done.returncode, output=done.stdout)
    if check:
        assert played.status == 0, played.output[-8000:]
    return played
