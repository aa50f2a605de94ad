# A script, not a part of the shop.
# ruff: noqa: INP001
"""A container's health check: `healthy.py web|worker|ticker`, status 0 when it does its work.

It is asked every half minute, so it starts no Django (a second and a half of a processor): one
request, or one statement.
"""

import http.client
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 4.0
# A ticker looks twice a second; a due time that has waited for so long was seen by none.
OVERDUE_SECONDS = 60


def setting(name: str, default: str = "") -> str:
    """Return a variable, or what stands in the file that NAME_FILE names."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else os.environ.get(name) or default


class _OverSocket(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


def web() -> str:
    """Ask whether the web server answers, as somebody who came by the shop's own name."""
    place = setting("WEB_BIND", "127.0.0.1:8000").split(",")[0]
    if place.startswith("unix:"):
        connection: http.client.HTTPConnection = _OverSocket(
            place.removeprefix("unix:"), timeout=SECONDS
        )
    else:
        host, _, port = place.rpartition(":")
        everywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  where it listens
        connection = http.client.HTTPConnection(
            everywhere.get(host, host), int(port), timeout=SECONDS
        )
    try:
        name = urlsplit(setting("SHOP_URL", "http://127.0.0.1:8000")).netloc
        connection.request("GET", "/healthz", headers={"Host": name})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{place} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"{place} answers {status}"


def worker() -> str:
    """Look for the sign of life of a worker of this container, by its name's beginning."""
    found = _ask(
        "SELECT EXISTS (SELECT FROM core_worker WHERE starts_with(id, %s)"
        " AND seen_at > now() - make_interval(secs => %s))",
        f"{socket.gethostname()[:32]}-",
        float(setting("WORKER_LEASE_SECONDS", "30")),
    )
    return "" if found else "no worker of this container has given a sign of life lately"


def ticker() -> str:
    """Look whether what is due is seen to."""
    found = _ask(
        "SELECT count(*) > 0 AND count(*) FILTER (WHERE enabled"
        " AND next_run_at < now() - make_interval(secs => %s)) = 0 FROM core_periodicjob",
        OVERDUE_SECONDS,
    )
    return "" if found else f"a periodic job has been due for more than {OVERDUE_SECONDS} s"


def _ask(statement: str, *parameters: object) -> bool:
    # Here, as the web server's check needs none.
    import psycopg2  # noqa: PLC0415

    connection = psycopg2.connect(setting("DATABASE_URL"), connect_timeout=int(SECONDS))
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            found = cursor.fetchone()
            return bool(found and found[0])
    finally:
        connection.close()


CHECKS = {"web": web, "worker": worker, "ticker": ticker}


def main(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in CHECKS:
        sys.stderr.write(f"One of {', '.join(CHECKS)}, please.\n")
        return 2
    try:
        wrong = CHECKS[words[0]]()
    except Exception as error:  # noqa: BLE001  whatever it is, it is not well
        wrong = str(error).strip() or type(error).__name__
    sys.stderr.write(f"{wrong}\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
