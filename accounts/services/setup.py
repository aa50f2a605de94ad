"""What the embedded provider needs before anybody signs in."""

from allauth.idp.oidc.models import Client
from django.conf import settings
from django.contrib.auth.hashers import make_password

from accounts.oidc import keyring
from accounts.oidc.claims import callback_url


def ensure_own_client() -> None:
    """Make the shop's own client, or let it follow SHOP_URL and the secret's file."""
    wanted = {
        "name": settings.SHOP_NAME,
        "secret": make_password(keyring.client_secret(), hasher="generated"),
        "type": Client.Type.CONFIDENTIAL,
        "scopes": "openid\nprofile\nemail",
        "default_scopes": "openid",
        "grant_types": Client.GrantType.AUTHORIZATION_CODE,
        "response_types": "code",
        "redirect_uris": callback_url(),
        "skip_consent": True,
    }
    # Nearly always it is there and right: one cheap statement.
    if not Client.objects.filter(id=settings.OIDC_RP_CLIENT_ID, **wanted).exists():
        Client.objects.update_or_create(id=settings.OIDC_RP_CLIENT_ID, defaults=wanted)
