"""`var/demo.env`: what a program needs to work in the demo shop, and `manage.py` beside it."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.models import Machine
from accounts.oidc.discovery import API_SCOPE, embedded_metadata
from accounts.services import machines

_NAME = "Demo program"


def path() -> Path:
    """Return where it stands."""
    return Path(settings.VAR_DIR) / "demo.env"


@transaction.atomic
def write(played: Mapping[str, str]) -> None:
    """Write it anew: a program's access, and the settings that lead to what is played here.

    Where people sign in elsewhere, there is no access to give.
    """
    values = {**(_access() if settings.OIDC_EMBEDDED else {}), **played}
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    path().unlink(missing_ok=True)
    if not values:
        return
    path().parent.mkdir(parents=True, exist_ok=True)
    # 0600 from the beginning, not after a moment in which others could read.
    with os.fdopen(os.open(path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _access() -> dict[str, str]:
    """Return the access of a machine that may do all of the back office.

    Its secret is kept nowhere else, so each start makes a new one.
    """
    machine = Machine.objects.filter(name=_NAME, revoked_at=None).first()
    if machine is None:
        machine, secret = machines.create_machine(
            by=None, name=_NAME, rights=list(settings.SHOP_RIGHTS)
        )
    else:
        machines.change_machine(machine_id=machine.pk, by=None, rights=list(settings.SHOP_RIGHTS))
        machine, secret = machines.renew_secret(machine_id=machine.pk, by=None)
    return {
        "DUKA_URL": settings.SHOP_URL,
        "DUKA_TOKEN_URL": embedded_metadata()["token_endpoint"],
        "DUKA_CLIENT_ID": machine.client_id,
        "DUKA_CLIENT_SECRET": secret,
        "DUKA_SCOPE": API_SCOPE,
        "DUKA_AUDIENCE": settings.OIDC_AUDIENCE,
    }
