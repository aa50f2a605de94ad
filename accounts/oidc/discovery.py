"""An issuer's own description of itself (OpenID Connect Discovery 1.0)."""

import threading
from typing import Any

import requests
from django.conf import settings

from .errors import ProviderUnavailableError

# The scope of the embedded provider whose tokens are meant for REST and GraphQL.
API_SCOPE = "api"
_found: dict[str, dict[str, Any]] = {}
_guard = threading.Lock()


def provider_metadata(issuer: str) -> dict[str, Any]:
    """Return the discovery document of an issuer, asked for on first use and then kept.

    Raises:
        ProviderUnavailableError: it cannot be had, or it speaks for another issuer.
    """
    if settings.OIDC_EMBEDDED:
        return embedded_metadata()
    if found := _found.get(issuer):
        return found
    document = fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    # Exactly: a document that names another issuer is a mistake or an attack (Discovery 4.3).
    if document.get("issuer") != issuer:
        raise ProviderUnavailableError(
            f"{issuer} calls itself {document.get('issuer')!r}; OIDC_ISSUER must be just that."
        )
    with _guard:
        return _found.setdefault(issuer, document)


def endpoint(name: str) -> str:
    """Return an address of the shop's provider, such as its `token_endpoint`.

    Raises:
        ProviderUnavailableError: the provider cannot be asked, or has no such address.
    """
    address = provider_metadata(settings.OIDC_ISSUER).get(name)
    if not isinstance(address, str):
        raise ProviderUnavailableError(f"The sign-in provider names no {name}.")
    return address


def embedded_metadata() -> dict[str, Any]:
    """Return what the embedded provider says of itself.

    Its addresses come from SHOP_URL: a caller's own Host header must not choose them.
    """
    base = settings.SHOP_URL
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/identity/o/authorize",
        "token_endpoint": f"{base}/identity/o/api/token",
        "userinfo_endpoint": f"{base}/identity/o/api/userinfo",
        "revocation_endpoint": f"{base}/identity/o/api/revoke",
        "end_session_endpoint": f"{base}/identity/o/logout",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "scopes_supported": ["openid", "profile", "email", API_SCOPE],
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "none",
        ],
        "claims_supported": ["sub", "email", "email_verified", "name", "groups"],
    }


def fetch_json(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL of the provider.

    Raises:
        ProviderUnavailableError: no answer in time, or another answer than a JSON object.
    """
    try:
        # No redirects: the address is the provider's own word for where it is.
        response = requests.get(url, timeout=settings.OIDC_TIMEOUT, allow_redirects=False)
        response.raise_for_status()
        document = response.json()
    except (requests.RequestException, ValueError) as error:
        raise ProviderUnavailableError(
            f"The sign-in provider cannot be reached ({type(error).__name__})."
        ) from error
    if response.status_code != requests.codes.ok or not isinstance(document, dict):
        raise ProviderUnavailableError("The sign-in provider's answer is not understood.")
    return document
