"""A private Redis."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis

from .server import Server, program, running


class Redis(Server):
    """A Redis that keeps nothing, unless `options` say so."""

    name = "redis"

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._program = program("redis-server")
        super().__init__(folder)
        self._options = {"save": "", "appendonly": "no", **(options or {})}

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def is_ready(self) -> bool:
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    def command(self) -> Sequence[str]:
        settings = {
            "bind": self.host,
            "port": str(self.port),
            "dir": str(self.folder),
            **self._options,
        }
        pairs = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [self._program, *pairs]


def spawn_redis(
    folder: Path, *, options: Mapping[str, str] | None = None
) -> contextlib.AbstractContextManager[Redis]:
    return running(Redis(folder, options=options))
