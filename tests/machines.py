"""Debian machines of a test's own: debootstrap's tree, booted with its systemd, reached by SSH.

Each has a network of its own, which reaches the package registries through this machine. What a
test changes goes into a layer above the tree, which is kept for the next test of that release.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .processes import wait_until

RELEASES = ("bookworm", "trixie")
# What a hosting company's own image has: somebody who can sign in, and what Ansible needs there.
_PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3,sudo,iproute2,ca-certificates,cron"
_TREES = Path(os.environ.get("DUKA_MACHINES", "/var/cache/duka-machines"))
_NETWORK = "10.213"
_GROUPS = Path("/sys/fs/cgroup")
# nspawn makes the machine's control groups within its own: two machines in the same would take
# each other's services for their own. Some of the older kinds want to be set up first: without.
_IN_A_GROUP = f"""
for kind in {_GROUPS} {_GROUPS}/*; do
  if [ -w "$kind/cgroup.procs" ]; then
    mkdir -p "$kind/$0" && {{ echo $$ > "$kind/$0/cgroup.procs"; }} 2>/dev/null
  fi
done
exec "$@"
"""


def why_not() -> str:
    """Return why no machine can be started here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can start a Debian machine"
    programs = ("debootstrap", "systemd-nspawn", "iptables", "ip", "ssh")
    missing = [name for name in programs if shutil.which(name) is None]
    return f"a Debian machine needs {', '.join(missing)}" if missing else ""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{shlex.join(command)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    )
    return done.stdout


def _tree(release: str) -> Path:
    """Return the release's tree, made once."""
    _TREES.mkdir(parents=True, exist_ok=True)
    tree = _TREES / f"{release}-1"
    with (_TREES / f"{release}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            half = tree.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(half))
            # Debian's own rule for a chroot: the keys of one machine are not those of another.
            for key in (half / "etc/ssh").glob("ssh_host_*"):
                key.unlink()
            half.rename(tree)
    return tree


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A running machine."""

    release: str
    address: str
    key: Path
    leader: int

    def run(self, command: str, *, check: bool = True, seconds: float = 300) -> str:
        """Run a shell's line as root within, and return what it printed."""
        done = subprocess.run(
            [*self._within(), "/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        )
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def _within(self) -> Sequence[str]:
        return ("nsenter", f"--target={self.leader}", "--mount", "--net", "--pid", "--uts", "--ipc",
                "--root", "--wd=/")  # fmt: skip

    def inventory(self, group: str = "all") -> str:
        """Return a line of an inventory that leads to it."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlMaster=no"
        return (
            f"shop ansible_host={self.address} ansible_user=root "
            f"ansible_ssh_private_key_file={self.key} ansible_ssh_common_args='{options}'\n"
        )


@contextlib.contextmanager
def spawn_machine(release: str, folder: Path) -> Iterator[Machine]:
    """Boot a fresh machine of a release; everything of it is gone at the end.

    Args:
        folder: empty, on a file system that can be the upper side of an overlay.
    """
    lower = _tree(release)
    upper, work, root = folder / "upper", folder / "work", folder / "root"
    for part in (upper, work, root):
        part.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        _run("mount", "-t", "overlay", f"duka-{release}", "-o",
             f"lowerdir={lower},upperdir={upper},workdir={work}", str(root))  # fmt: skip
        stack.callback(_run, "umount", "--lazy", str(root))
        key = folder / "key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        _furnish(root, key)
        log = stack.enter_context((folder / "boot.log").open("wb"))
        name = f"duka-{os.getpid()}-{release}"
        stack.callback(_remove_groups, name)
        process = subprocess.Popen(
            ["sh", "-c", _IN_A_GROUP, name,
             "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--directory={root}",
             f"--machine={name}", "--hostname=shop", "--private-network",
             "--console=pipe", "--resolv-conf=off", "--timezone=off", "--boot"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            # Debian 13's systemd wants this word where a kernel still has the older cgroups.
            env=os.environ | {"SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"},
        )  # fmt: skip
        stack.callback(_power_off, process)
        wait_until(lambda: process.poll() is not None or _leader(process.pid))
        assert process.poll() is None, (folder / "boot.log").read_text()
        leader = _leader(process.pid)
        address = stack.enter_context(_network(leader))
        machine = Machine(release=release, address=address, key=key, leader=leader)
        wait_until(
            lambda: (
                machine.run("systemctl is-system-running", check=False).strip()
                in {"running", "degraded"}
            ),
            every=0.2,
        )
        yield machine


def _remove_groups(name: str) -> None:
    for kind in (_GROUPS, *_GROUPS.iterdir()):
        folders = sorted((kind / name).rglob("*/"), reverse=True) if (kind / name).is_dir() else []
        for folder in [*folders, kind / name]:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _leader(nspawn: int) -> int:
    """Return the machine's first process; 0: there is none yet."""
    for child in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{child}/status").read_text()
            # Another child makes the machine, and is gone soon: it counts no processes of its own.
            numbers = status.partition("NSpid:")[2].splitlines()[0].split()
            if len(numbers) > 1 and numbers[-1] == "1":
                return int(child)
    return 0


def _furnish(root: Path, key: Path) -> None:
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    (root / "etc/hosts").write_text("127.0.0.1 localhost shop\n::1 localhost\n")
    _run("chroot", str(root), "ssh-keygen", "-A")


@contextlib.contextmanager
def _network(leader: int) -> Iterator[str]:
    """Lay a cable from here to the machine; give the machine's address at its end."""
    for number in range(1, 250):
        cable, far = f"dukah{number}", f"dukac{number}"
        laid = subprocess.run(
            ["ip", "link", "add", cable, "type", "veth", "peer", "name", far],
            capture_output=True, check=False,
        )  # fmt: skip
        if laid.returncode == 0:
            break
    here, there = f"{_NETWORK}.{number}.1", f"{_NETWORK}.{number}.2"
    rule = ["POSTROUTING", "--source", f"{there}/32", "--jump", "MASQUERADE"]
    try:
        _run("ip", "link", "set", far, "netns", str(leader), "name", "host0")
        _run("ip", "address", "add", f"{here}/30", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        inside = ("nsenter", f"--target={leader}", "--net", "ip")
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "address", "add", f"{there}/30", "dev", "host0")
        _run(*inside, "link", "set", "host0", "up")
        _run(*inside, "route", "add", "default", "via", here)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        _run("iptables", "--wait", "--table", "nat", "--append", *rule)
        yield there
    finally:
        subprocess.run(["iptables", "--wait", "--table", "nat", "--delete", *rule], check=False)
        subprocess.run(["ip", "link", "delete", cable], check=False)


def _power_off(process: "subprocess.Popen[bytes]") -> None:
    # nspawn hands it on as the signal by which a machine is switched off in an orderly way.
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(60)
        return
    process.kill()
    process.wait(30)
