"""The three ways in which a worker hears of a task, for tests that hold with each of them."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .infrastructure import Redis, Server, spawn_redis
from .rabbitmq import RabbitMQ, spawn_rabbitmq

BROKERS = ["redis", "rabbitmq"]


@dataclass(frozen=True)
class Broker:
    """A broker, and the settings that lead a shop to a queue of its own there."""

    kind: str
    server: Redis | RabbitMQ
    queue: str

    @property
    def env(self) -> dict[str, str]:
        return {
            "TASKS_BACKEND": "core.celery.CeleryBackend",
            "CELERY_BROKER_URL": self.server.url,
            "CELERY_QUEUE": self.queue,
        }


class Brokers:
    """Started when first asked for, and kept until the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: dict[str, Server] = {}
        self._stack = ExitStack()

    def get(self, kind: str) -> Broker:
        if kind not in self._servers:
            spawn = {"redis": spawn_redis, "rabbitmq": spawn_rabbitmq}[kind]
            self._servers[kind] = self._stack.enter_context(spawn(self._folder / kind))
        server = self._servers[kind]
        if server.process is None:
            # A test that failed left it down.
            server.start()
        return Broker(kind, server, f"duka-{secrets.token_hex(4)}")

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    brokers = Brokers(tmp_path_factory.mktemp("brokers"))
    yield brokers
    brokers.close()


def env_of(brokers: Brokers, kind: str) -> dict[str, str]:
    """Return what lets a shop run on it by settings alone; on `database` nothing is needed."""
    return {} if kind == "database" else brokers.get(kind).env
