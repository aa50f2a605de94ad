"""An issuer's own description of itself (OpenID Connect Discovery 1.0)."""

import threading
from typing import Any

import requests
from django.conf import settings

from .errors import ProviderUnavailableError

_found: dict[str, dict[str, Any]] = {}
_guard = threading.Lock()


def provider_metadata(issuer: str) -> dict[str, Any]:
    """Return the discovery document of an issuer, asked for on first use and then kept.

    Raises:
        ProviderUnavailableError: it cannot be had, or it speaks for another issuer.
    """
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
