"""`manage.py rotate_signing_keys`: the embedded provider signs with a new key from soon on."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.oidc import keyring
from accounts.services.audit import record
from accounts.states import Action


class Command(BaseCommand):
    help = "Add a signing key. It is published at once and signs later; the old ones run out."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OIDC_EMBEDDED:
            raise CommandError(f"{settings.OIDC_ISSUER} rotates its keys itself.")
        keyring.rotate()
        record(Action.KEYS_ROTATED, by=None)
        seconds = int(keyring.ANNOUNCED_FOR.total_seconds())
        self.stdout.write(f"The new key signs in {seconds} s. No restart is needed.")
