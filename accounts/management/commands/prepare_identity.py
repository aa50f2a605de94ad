"""`manage.py prepare_identity`: what signing in needs, made before workers start."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.oidc import keyring
from accounts.services.setup import ensure_own_client


class Command(BaseCommand):
    help = "Make the signing key and the shop's own client. Safe to repeat; part of each deploy."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.OIDC_EMBEDDED:
            self.stdout.write(f"People sign in at {settings.OIDC_ISSUER}; nothing to prepare.")
            return
        keyring.make()
        ensure_own_client()
        self.stdout.write(f"Ready: people sign in at {settings.SHOP_URL}.")
