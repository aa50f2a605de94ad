"""What compose.yaml describes, run without an engine: each container by crun, as Docker would.

Read-only, as the image's user, without capabilities, with a process space of its own. What differs:
the network is this machine's, so that a test reaches it, and nothing restarts anything.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from .images import Image
from .processes import PROJECT


def read_compose(file: Path = PROJECT / "compose.yaml", **variables: str) -> dict[str, Any]:
    """Return what a compose file says where somebody has set these variables."""
    said: dict[str, Any] = _filled(yaml.safe_load(file.read_text()), variables)
    return said


def _filled(said: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(said, dict):
        return {key: _filled(each, variables) for key, each in said.items()}
    if isinstance(said, list):
        return [_filled(each, variables) for each in said]
    if not isinstance(said, str):
        return said
    # Those within others first.
    # `:-` takes an empty one for none as well, `-` does not.
    plain = re.sub(
        r"\$\{(\w+)(:?)-([^${}]*)\}",
        lambda found: (
            found[3]
            if found[1] not in variables or (found[2] and not variables[found[1]])
            else variables[found[1]]
        ),
        said,
    )
    return plain if plain == said else _filled(plain, variables)


def _crun(state: Path) -> tuple[str, ...]:
    # It wants the newer cgroups alone, whatever this machine has; limits are not what is tried here.
    own = 'mount -t cgroup2 none /sys/fs/cgroup; exec crun --cgroup-manager=disabled "$@"'
    return ("unshare", "--mount", "sh", "-ec", own, "crun", "--root", str(state))


class Container:
    """A running one."""

    def __init__(
        self, bundle: Path, state: Path, process: subprocess.Popen[bytes], said: Mapping[str, Any]
    ) -> None:
        self.name = bundle.name
        self.process = process
        self._crun = _crun(state)
        self._log = bundle / "log"
        # As itself does: crun alone would be root, in the root.
        user = said["user"]
        self._exec = (*self._crun, "exec", f"--user={user['uid']}:{user['gid']}",
                      f"--cwd={said['cwd']}", self.name)  # fmt: skip

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker compose exec` and health checks do."""
        return subprocess.run(
            [*self._exec, *command],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """Return its first process, as it is seen from outside."""
        state = subprocess.run(
            [*self._crun, "state", self.name], capture_output=True, text=True, check=True
        )
        return int(json.loads(state.stdout)["pid"])

    def stop(self, number: int = signal.SIGTERM, seconds: float = 90) -> int:
        """Signal its first process, and return the status it ends with."""
        subprocess.run([*self._crun, "kill", self.name, str(int(number))], check=True)
        return self.process.wait(seconds)

    def remove(self) -> None:
        # Outright, with all that runs in it.
        subprocess.run(
            [*self._crun, "delete", "--force", self.name], check=False, capture_output=True
        )
        self.process.kill()
        self.process.wait(30)


class Shop:
    """The services of a compose file, on one image; volumes are folders."""

    def __init__(self, image: Image, folder: Path, compose: Mapping[str, Any], **more: str) -> None:
        self.image = image
        self.folder = folder
        self.compose = compose
        # Of all services, over what the compose file says.
        self.more = more

    def volume(self, name: str) -> Path:
        return self.folder / "volumes" / name

    @contextlib.contextmanager
    def up(self, service: str, *command: str) -> Iterator[Container]:
        """Start a service's container, or another command in its place."""
        # Unique on this machine, and its host name: a worker is known by that.
        name = f"{service}-{secrets.token_hex(4)}"
        bundle = self.folder / name
        bundle.mkdir(parents=True)
        config = self._bundle(service, name, command)
        (bundle / "config.json").write_text(json.dumps(config))
        state = self.folder / "crun"
        with (bundle / "log").open("wb") as output:
            process = subprocess.Popen(
                [*_crun(state), "run", "--bundle", bundle, name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        container = Container(bundle, state, process, config["process"])
        try:
            # Until it can be spoken to, or is over.
            while process.poll() is None and not (state / name / "status").exists():
                time.sleep(0.02)
            yield container
        finally:
            container.remove()

    def run(self, service: str, *command: str) -> tuple[int, str]:
        """Run a service that ends; return its status and what it printed."""
        with self.up(service, *command) as container:
            status = container.process.wait(300)
            return status, container.log()

    def health(self, service: str, container: Container) -> int:
        """Return the status of a service's own health check."""
        kind, *command = self.compose["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        return container.exec(*command).returncode

    def _bundle(self, service: str, name: str, command: Sequence[str]) -> dict[str, Any]:
        said = self.compose["services"][service]
        config = self.image.config
        assert said["read_only"] is True
        assert said["cap_drop"] == ["ALL"]
        assert said["security_opt"] == ["no-new-privileges:true"]
        uid, gid = map(int, config["User"].split(":"))
        environment = {**said.get("environment", {}), **self.more}
        namespaces = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]
        if said.get("network_mode") == "none":
            namespaces.append({"type": "network"})
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": [*(command or said.get("command") or config["Cmd"])],
                "env": [*config["Env"], *(f"{key}={value}" for key, value in environment.items())],
                "cwd": config["WorkingDir"],
                "noNewPrivileges": True,
                "capabilities": {},
            },
            "root": {"path": str(self.image.root), "readonly": True},
            "hostname": name,
            "mounts": [*self._mounts(said)],
            "linux": {"namespaces": namespaces},
        }

    def _mounts(self, said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"destination": "/proc", "type": "proc", "source": "proc"}
        yield {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
               "options": ["nosuid", "mode=755"]}  # fmt: skip
        yield {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
               "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"]}  # fmt: skip
        for each in said.get("tmpfs", []):
            place, _, options = each.partition(":")
            yield {"destination": place, "type": "tmpfs", "source": "tmpfs",
                   "options": ["nosuid", "noexec", "nodev", *options.split(",")]}  # fmt: skip
        for each in said.get("volumes", []):
            volume, place, *mode = each.split(":")
            yield {"destination": place, "type": "bind", "source": str(self._made(volume, place)),
                   "options": ["bind", *mode]}  # fmt: skip

    def _made(self, volume: str, place: str) -> Path:
        """Return a volume's folder; a new one belongs to whom the image says, as with Docker."""
        assert volume in self.compose["volumes"]
        folder = self.volume(volume)
        if not folder.exists():
            folder.mkdir(parents=True)
            status = (self.image.root / place.lstrip("/")).stat()
            os.chown(folder, status.st_uid, status.st_gid)
            shutil.copymode(self.image.root / place.lstrip("/"), folder)
        return folder
