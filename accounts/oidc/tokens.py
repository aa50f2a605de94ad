"""Bearer tokens: access tokens of the shop's issuer, validated here without asking anybody."""

import time
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare

from . import keyring
from .discovery import fetch_json, provider_metadata
from .errors import InvalidTokenError
from .keys import KeyStore

ALGORITHMS = ["RS256", "ES256", "PS256"]
# Seconds by which two machines' clocks may differ.
LEEWAY = 30
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Seconds for which a logout token counts.
LOGOUT_SECONDS = 300
_TYPES: set[str | None] = {None, "jwt", "at+jwt", "application/at+jwt"}
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
    claims = _decode(
        token,
        types=_TYPES,
        audience=settings.OIDC_AUDIENCE,
        require=["iss", "sub", "aud", "exp", "iat"],
    )
    _refuse_other_kinds(claims)
    return AccessToken(issuer=claims["iss"], subject=claims["sub"], claims=claims)


def validate_id_token(token: str, *, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token that was issued to this shop, for this sign-in.

    Raises:
        InvalidTokenError, ProviderUnavailableError: as `validate`.
    """
    client = settings.OIDC_RP_CLIENT_ID
    claims = _decode(
        token,
        types={None, "jwt"},
        audience=client,
        require=["iss", "sub", "aud", "exp", "iat", "nonce"],
    )
    if not constant_time_compare(str(claims["nonce"]), nonce):
        raise InvalidTokenError("The token belongs to another sign-in.")
    # OpenID Connect Core 3.1.3.7, 4 and 5: of several, it must say for whom.
    party = claims.get("azp", client if claims["aud"] in (client, [client]) else None)
    if party != client:
        raise InvalidTokenError("The token was issued to another client.")
    if "token_use" in claims or _lower(claims.get("typ")) not in {None, "id"}:
        raise InvalidTokenError("This is not an ID token.")
    return claims


def validate_logout_token(token: str) -> dict[str, Any]:
    """Return the claims of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6).

    Raises:
        InvalidTokenError, ProviderUnavailableError: as `validate`.
    """
    claims = _decode(
        token,
        types={None, "jwt", "logout+jwt"},
        audience=settings.OIDC_RP_CLIENT_ID,
        require=["iss", "aud", "iat", "jti"],
    )
    events = claims.get("events")
    if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
        raise InvalidTokenError("This is not a logout token.")
    if not (claims.get("sub") or claims.get("sid")):
        raise InvalidTokenError("The logout token names neither a person nor a session.")
    if claims["iat"] < time.time() - LOGOUT_SECONDS:
        raise InvalidTokenError("The logout token is too old.")
    return claims


def _decode(
    token: str, *, types: set[str | None], audience: str, require: list[str]
) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidTokenError("This is not a signed token.") from error
    if header.get("alg") not in ALGORITHMS:
        raise InvalidTokenError("The token's algorithm is not accepted.")
    if "crit" in header:
        raise InvalidTokenError("The token asks for an extension that is not known here.")
    if _lower(header.get("typ")) not in types:
        raise InvalidTokenError("This is a token of another kind.")
    # By id from the issuer's own list: `jwk`, `jku` and `x5u` in the header count for nothing.
    key = _keys(settings.OIDC_ISSUER).find(header.get("kid"))
    try:
        return jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            audience=audience,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": require},
        )
    except (jwt.PyJWTError, TypeError, ValueError, OverflowError) as error:
        raise InvalidTokenError(f"The token is not valid: {error}.") from error


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
        partial(_fetch_keys, issuer),
        fresh=settings.OIDC_KEYS_SECONDS,
        cooldown=settings.OIDC_KEYS_COOLDOWN_SECONDS,
    )


def _fetch_keys(issuer: str) -> dict[str, Any]:
    if settings.OIDC_EMBEDDED:
        # Our own: asking ourselves over HTTP would hold a second thread.
        return keyring.public_keys()
    return fetch_json(provider_metadata(issuer)["jwks_uri"])
