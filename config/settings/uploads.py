"""Files of many rows: how large, and how long they are kept."""

from .env import checked, env


def _positive(name: str, default: int) -> int:
    return int(
        checked(
            name, env.int(name, default=default), fits=lambda number: number > 0, must="more than 0"
        )
    )


UPLOAD_MAX_BYTES = _positive("UPLOAD_MAX_BYTES", 50_000_000)
UPLOAD_MAX_ROWS = _positive("UPLOAD_MAX_ROWS", 200_000)
# An upload that is over, and its rows with what they say of customers, are deleted after so long.
UPLOAD_KEEP_DAYS = _positive("UPLOAD_KEEP_DAYS", 14)
# Seconds for which a worker owns an upload; longer than the slowest batch takes.
UPLOAD_LEASE_SECONDS = _positive("UPLOAD_LEASE_SECONDS", 60)
