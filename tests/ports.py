"""Ports of loopback for the servers of tests."""

import contextlib
import random
import socket


def free_port() -> int:
    """Return a port on which nobody listens, for a server that may start later, or again.

    Below those that the system gives to outgoing connections: one of them could take it, or a
    client that finds nobody there could end up connected to itself.
    """
    while True:
        # Not of the seed that the tests of all processes may share.
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
