"""Clients' databases of repair jobs, and where documents of the jobs go as well."""

import json
import re
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .env import checked, env

_COLUMNS = {
    "job_id",
    "job_type",
    "job_status",
    "client_firstname",
    "client_lastname",
    "client_postcode",
    "client_mobile",
    "product_sku",
    "product_type",
}
_STATUSES = {"NEW", "OPENED", "JOB COMPLETED", "CLOSED", "CANCELLED"}


def _pairs(name: str, known: set[str], *, keys: bool) -> dict[str, str]:
    """Read a JSON object of texts, of which the keys or the values must be known."""
    text = env.str(name, default="{}")
    try:
        pairs: Any = json.loads(text)
    except ValueError:
        pairs = None
    fits = (
        isinstance(pairs, dict)
        and all(isinstance(value, str) and value and key for key, value in pairs.items())
        and set(pairs if keys else pairs.values()) <= known
    )
    side = "to" if not keys else "from"
    checked(
        name,
        text,
        fits=lambda _: fits,
        must=f"a JSON object of texts that leads {side} some of {', '.join(sorted(known))}",
    )
    return dict(pairs)


def _source(name: str) -> dict[str, Any]:
    prefix = f"REPAIRS_{name.upper()}_"
    url = env.str(f"{prefix}URL", default="")
    # Not by `checked`, which says the value: there is a password in it.
    if not re.fullmatch(r"[a-z0-9+]+://.*", url):
        raise ImproperlyConfigured(
            f"{prefix}URL must be the address of the client's database, such as"
            " mysql+pymysql://user:password@host/database."
        )
    return {
        "url": url,
        "table": env.str(f"{prefix}TABLE", default="Jobs"),
        "columns": _pairs(f"{prefix}COLUMNS", _COLUMNS, keys=True),
        "statuses": _pairs(f"{prefix}STATUSES", _STATUSES, keys=False),
        "write_back": env.bool(f"{prefix}WRITE_BACK", default=True),
    }


# Each client's database by a name of ours: its address, how its table and columns are called where
# that is not the contract's, what its other words for a status mean, and whether the status is
# written back to it.
REPAIR_SOURCES: dict[str, dict[str, Any]] = {
    name: _source(name)
    for name in checked(
        "REPAIR_SOURCES",
        env.list("REPAIR_SOURCES", default=[]),
        fits=lambda names: (
            all(re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name) for name in names)
            and len(set(names)) == len(names)
        ),
        must="names such as workshop, with commas between them: small letters, digits, _",
    )
}

# Seconds between two comparisons of all of a client's jobs with ours; longer by itself where one
# takes long. What is new is looked for every few seconds beside it.
REPAIRS_SWEEP_SECONDS = checked(
    "REPAIRS_SWEEP_SECONDS",
    env.float("REPAIRS_SWEEP_SECONDS", default=60),
    fits=lambda seconds: 1 <= seconds <= 86400,
    must="1 to 86400",
)
# Seconds for which a statement may run at a client's database, and for which it may be silent.
REPAIRS_TIMEOUT_SECONDS = checked(
    "REPAIRS_TIMEOUT_SECONDS",
    env.float("REPAIRS_TIMEOUT_SECONDS", default=10),
    fits=lambda seconds: 1 <= seconds <= 120,
    must="1 to 120",
)
# Seconds for which a collector owns a source, anew with each page: longer than its slowest one.
REPAIRS_LEASE_SECONDS = checked(
    "REPAIRS_LEASE_SECONDS",
    env.float("REPAIRS_LEASE_SECONDS", default=60),
    fits=lambda seconds: seconds >= 2 * REPAIRS_TIMEOUT_SECONDS,
    must="at least twice REPAIRS_TIMEOUT_SECONDS",
)

# A MongoDB to which each job's document is written as well: mongodb://user:password@host/database.
MONGO_URL = env.str("MONGO_URL", default="")
if MONGO_URL and not re.fullmatch(r"mongodb(\+srv)?://.+", MONGO_URL):
    raise ImproperlyConfigured("MONGO_URL must begin with mongodb:// or mongodb+srv://.")
MONGO_COLLECTION = env.str("MONGO_COLLECTION", default="repairs")
