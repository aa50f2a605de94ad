"""How the shop is seen: its numbers at `/metrics`, and what `manage.py doctor` goes by."""

import os
import re
import tomllib

from django.core.exceptions import ImproperlyConfigured

from .env import BASE_DIR, checked, env

# The one place that says it is pyproject.toml.
VERSION = str(tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]["version"])

# Shown by Prometheus as a bearer token; without it there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Not by `checked`, which says the value.
if METRICS_TOKEN and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,256}", METRICS_TOKEN):
    raise ImproperlyConfigured(
        "METRICS_TOKEN must be 16 to 256 letters, digits and - . _ ~ + / =, or empty."
    )
# A folder of this machine in which all of its processes count together. Without it each counts for
# itself, which is right for one process alone.
METRICS_DIR = env.str("METRICS_DIR", default="")
if METRICS_DIR:
    # Where prometheus_client looks, when it is imported.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIR

# What the last backup came to, as JSON: written by whoever makes them (docs/seeing.md).
BACKUP_STATUS_FILE = env.str("BACKUP_STATUS_FILE", default="")
BACKUP_MAX_HOURS = checked(
    "BACKUP_MAX_HOURS",
    env.float("BACKUP_MAX_HOURS", default=26),
    fits=lambda hours: hours > 0,
    must="more than 0",
)
# Below this a disk counts as full.
DISK_MIN_FREE_MB = checked(
    "DISK_MIN_FREE_MB",
    env.int("DISK_MIN_FREE_MB", default=1024),
    fits=lambda megabytes: megabytes >= 0,
    must="0 or more",
)
