"""What every page may name."""

from django.conf import settings
from django.http import HttpRequest


def shop(request: HttpRequest) -> dict[str, object]:
    return {
        "shop_name": settings.SHOP_NAME,
        "oidc_embedded": settings.OIDC_EMBEDDED,
        "oidc_account_url": settings.OIDC_ACCOUNT_URL,
        "passkeys": settings.PASSKEYS_OFFERED,
    }
