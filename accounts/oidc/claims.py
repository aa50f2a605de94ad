"""What a provider says of a person, read with care."""

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse


def callback_url() -> str:
    """Return where the provider sends people back to: registered there, so never guessed."""
    return f"{settings.SHOP_URL}{reverse('oidc_authentication_callback')}"


def text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""


def verified_email(claims: dict[str, Any]) -> str:
    """Return the e-mail address if the provider has verified it, else ""."""
    address = text(claims, "email").lower()
    # Some providers send the word (Auth0 once, AWS Cognito).
    if not address or claims.get("email_verified") not in (True, "true"):
        return ""
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address if len(address) <= 254 else ""


def roles(claims: dict[str, Any]) -> set[str] | None:
    """Return the roles at OIDC_ROLES_CLAIM, or None where the claim is missing.

    Names that hold dots are put in brackets: `[https://shop.example/roles]`.
    """
    value: Any = claims
    for bracketed, plain in re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", settings.OIDC_ROLES_CLAIM):
        if not isinstance(value, dict) or (bracketed or plain) not in value:
            return None
        value = value[bracketed or plain]
    if isinstance(value, str):
        value = value.split()
    # Keycloak writes a group with the path that leads to it.
    return {str(each).removeprefix("/") for each in value} if isinstance(value, list) else None
