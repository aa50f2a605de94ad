"""System checks of clients' databases: what no connection is needed to find."""

from collections.abc import Sequence

import sqlalchemy as sa
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning  # noqa: A004  Django's name

from .clients import COLUMNS, usable


def sources_can_be_asked(
    app_configs: Sequence[AppConfig] | None, **kwargs: object
) -> list[CheckMessage]:
    # Found when Duka starts, not in the first round; one client's wrong address does not keep the
    # shop closed. No message repeats an address.
    found: list[CheckMessage] = []
    for name, given in settings.REPAIR_SOURCES.items():
        prefix = f"REPAIRS_{name.upper()}"
        if wrong := usable(given["url"]):
            found.append(Warning(f"{prefix}_URL: {wrong}", id="repairs.W001"))
            continue
        url = sa.make_url(given["url"])
        if not url.database and url.get_backend_name() != "oracle":
            found.append(
                Warning(f"{prefix}_URL names no database behind its last /.", id="repairs.W002")
            )
        called = [given["columns"].get(column, column).lower() for column in COLUMNS]
        if len(set(called)) < len(called):
            found.append(
                Warning(f"{prefix}_COLUMNS gives two columns one name.", id="repairs.W003")
            )
        if url.username == "root":
            found.append(
                Warning(
                    f"{prefix}_URL is the administrator's account.",
                    hint="SELECT, and UPDATE of job_status, are all that is needed.",
                    id="repairs.W004",
                )
            )
    return found
