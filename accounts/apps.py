from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from .oidc import provider  # noqa: PLC0415  needs allauth's models

        provider.install()
