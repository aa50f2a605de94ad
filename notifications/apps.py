from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        post_migrate.connect(_sync_templates, sender=self)


def _sync_templates(using: str, **_: Any) -> None:
    """Each event that the code declares has its templates, from the migration on."""
    from .services import sync_templates

    if using == "default":
        sync_templates()
