"""A private RabbitMQ of a test: its own node, its own name server, loopback only."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import amqp

from .infrastructure import Server, program
from .ports import free_port
from .processes import wait_until

# What Debian's `rabbitmq-server` runs as another user, in folders of the system.
_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


class RabbitMQ(Server):
    """A RabbitMQ that keeps its queues and their messages; guest/guest."""

    name = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        found = program("rabbitmq-server")
        self._script = str(_SCRIPT) if _SCRIPT.exists() else found
        self._epmd_program = program("epmd")
        super().__init__(folder)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port = free_port()
        # Debian's folder of settings is not ours to read.
        (folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 10MB\n")
        (folder / "plugins").write_text("[].\n")
        self._env = {
            "HOME": str(folder),
            # No shell between us and the server.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": f"duka{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}"
            ),
            "ERL_EPMD_ADDRESS": self.host,
            "ERL_EPMD_PORT": str(self._epmd_port),
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.host}:{self.port}//"

    def is_ready(self) -> bool:
        with (
            contextlib.suppress(OSError, amqp.exceptions.AMQPError),
            amqp.Connection(f"{self.host}:{self.port}", connect_timeout=5, read_timeout=5),
        ):
            return True
        return False

    def command(self) -> Sequence[str]:
        return ["env", *(f"{name}={value}" for name, value in self._env.items()), self._script]

    def start(self, seconds: float = 150) -> None:
        with self._guard:
            if self._epmd is None:
                # Ours, in the foreground: RabbitMQ would leave one of its own behind.
                self._epmd = subprocess.Popen(
                    [self._epmd_program, "-address", self.host, "-port", str(self._epmd_port)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                wait_until(self._epmd_answers)
            super().start(seconds)

    def close(self) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(15)
            self._epmd = None

    def _epmd_answers(self) -> bool:
        asked = subprocess.run(
            [self._epmd_program, "-port", str(self._epmd_port), "-names"],
            capture_output=True,
            env={"PATH": os.environ["PATH"], "ERL_EPMD_ADDRESS": self.host},
            check=False,
        )
        return asked.returncode == 0


@contextlib.contextmanager
def spawn_rabbitmq(folder: Path) -> Iterator[RabbitMQ]:
    server = RabbitMQ(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()
