"""Bearer tokens: access tokens of the shop's issuer, validated here without asking anybody."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from django.conf import settings

from .discovery import fetch_json, provider_metadata
from .errors import InvalidTokenError
from .keys import KeyStore

ALGORITHMS = ["RS256", "ES256", "PS256"]
# Seconds by which two machines' clocks may differ.
LEEWAY = 30
_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
# What stands in an ID token or a logout token and never in an access token.
_NOT_OF_ACCESS_TOKENS = ("at_hash", "c_hash", "nonce", "events")


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """A token that was believed: who it speaks of, and all that it says."""

    issuer: str
    subject: str
    claims: dict[str, Any]


def validate(token: str) -> AccessToken:
    """Return what a bearer token says, if it is an access token for this API.

    Raises:
        InvalidTokenError: it is not; the sentence names the reason.
        ProviderUnavailableError: its key is not known yet and the provider is down.
    """
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise InvalidTokenError("This is not a signed token.") from error
    if header.get("alg") not in ALGORITHMS:
        raise InvalidTokenError("The token's algorithm is not accepted.")
    if "crit" in header:
        raise InvalidTokenError("The token asks for an extension that is not known here.")
    if _lower(header.get("typ")) not in _TYPES:
        raise InvalidTokenError("This is not an access token.")
    # By id from the issuer's own list: `jwk`, `jku` and `x5u` in the header count for nothing.
    key = _keys(settings.OIDC_ISSUER).find(header.get("kid"))
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=settings.OIDC_AUDIENCE,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError) as error:
        raise InvalidTokenError(f"The token is not valid: {error}.") from error
    _refuse_other_kinds(claims)
    return AccessToken(issuer=claims["iss"], subject=claims["sub"], claims=claims)


def _refuse_other_kinds(claims: dict[str, Any]) -> None:
    if any(name in claims for name in _NOT_OF_ACCESS_TOKENS):
        raise InvalidTokenError("This is not an access token.")
    if _lower(claims.get("typ")) not in {None, "bearer"}:
        raise InvalidTokenError("This is not an access token.")
    accepted = settings.OIDC_ACCEPTED_CLIENTS
    client = claims.get("azp", claims.get("client_id"))
    if accepted and client not in accepted:
        raise InvalidTokenError("The token was issued to a client that is not accepted here.")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@cache
def _keys(issuer: str) -> KeyStore:
    return KeyStore(
        lambda: fetch_json(provider_metadata(issuer)["jwks_uri"]),
        fresh=settings.OIDC_KEYS_SECONDS,
        cooldown=settings.OIDC_KEYS_COOLDOWN_SECONDS,
    )
