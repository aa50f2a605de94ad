"""The embedded provider: django-allauth's, with what it leaves open closed.

Each override names the defect that it covers (docs/identity.md); `install` puts
them in place of allauth's own, which offers no setting for them.
"""

import uuid
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from allauth.core.internal import jwkkit
from allauth.idp.oidc import views
from allauth.idp.oidc.adapter import DefaultOIDCAdapter, get_adapter
from allauth.idp.oidc.internal.oauthlib import authorization_codes, server
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.idp.oidc.internal.oauthlib.utils import (
    extract_params,
    get_validator_context,
    respond_html_error,
)
from allauth.idp.oidc.internal.resources import InvalidTargetError, get_resources
from allauth.idp.oidc.models import Client, PrivateKey, Token
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types import AuthorizationCodeGrant

from accounts.models import Machine, SpentRefreshToken, User

from . import keyring
from .discovery import API_SCOPE, embedded_metadata


class ProviderAdapter(DefaultOIDCAdapter):
    scope_display = DefaultOIDCAdapter.scope_display | {
        API_SCOPE: "Act for you in the shop: see and change what you may"
    }

    def get_issuer(self) -> str:
        # Not from the Host header, which is the caller's.
        return str(settings.OIDC_ISSUER)

    def populate_server_metadata(self, data: dict[str, Any]) -> None:
        # The same: its addresses too, and only what is served.
        data.clear()
        data.update(embedded_metadata())

    def list_private_keys(
        self,
        *,
        did_activate: Literal[True] | None = None,
        is_active: Literal[True] | None = None,
    ) -> list[PrivateKey]:
        return keyring.private_keys(did_activate=did_activate, is_active=is_active)

    def get_user_sub(self, client: Client, user: Any) -> str:
        return str(user.subject)

    def get_user_by_sub(self, client: Client, sub: str) -> Any:
        try:
            return User.objects.filter(subject=uuid.UUID(sub), is_active=True).first()
        except ValueError:
            return None

    def get_claims(
        self,
        purpose: Literal["id_token", "userinfo"],
        user: Any,
        client: Client,
        scopes: Iterable[str],
        email: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        claims: dict[str, Any] = super().get_claims(purpose, user, client, scopes, email, **kwargs)
        return claims | {"groups": user.roles}

    def populate_access_token(
        self,
        access_token: dict[str, Any],
        *,
        client: Client,
        scopes: Iterable[str],
        user: Any,
        **kwargs: Any,
    ) -> None:
        access_token.pop("aud", None)
        # Without the scope it is good for user info only.
        if API_SCOPE in scopes:
            access_token["aud"] = settings.OIDC_AUDIENCE
        # A machine speaks for itself (RFC 9068, 2.2).
        access_token.setdefault("sub", client.id)
        if user is not None:
            access_token["groups"] = user.roles

    def validate_resource_uris(self, *, uris: list[str], **kwargs: Any) -> None:
        if any(uri != settings.OIDC_AUDIENCE for uri in uris):
            raise UnknownResource


class UnknownResource(InvalidTargetError, ValidationError):
    """Both: one of allauth's views catches the one kind, one the other."""

    def __init__(self) -> None:
        InvalidTargetError.__init__(self)
        ValidationError.__init__(self, str(self.description))


class Validator(OAuthLibRequestValidator):
    def _lookup_client(self, request: Any, client_id: str | None) -> Client | None:
        # Stock: a 500 where there is a null character in it.
        return None if "\x00" in (client_id or "") else super()._lookup_client(request, client_id)

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        # A machine whose access has ended gets no tokens, right as its secret may be.
        if not super().authenticate_client(request, *args, **kwargs):
            return False
        machine = Machine.objects.filter(client=request.client).first()
        return machine is None or machine.is_usable

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        # Stock: with any query, at any port of this machine. To the letter (RFC 9700, 2.1).
        client = self._lookup_client(request, client_id)
        return client is not None and redirect_uri in client.get_redirect_uris()

    def is_pkce_required(self, client_id: str, request: Any) -> bool:
        # Of every client, the confidential ones too (RFC 9700, 2.1.1).
        return True

    def validate_silent_authorization(self, request: Any) -> bool:
        # Stock: what one client was granted, every other got without a question.
        if request.client.skip_consent:
            return True
        granted: set[str] = set()
        for token in Token.objects.valid().filter(
            user=request.user,
            client=request.client,
            type__in=[Token.Type.REFRESH_TOKEN, Token.Type.ACCESS_TOKEN],
        ):
            granted.update(token.get_scopes())
        return set(request.scopes) <= granted

    def invalidate_authorization_code(
        self, client_id: str, code: str, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        # Stock: two that come at once both get tokens. Only one can delete it.
        if not cache.delete(authorization_codes.cache_key(client_id, code)):
            raise errors.InvalidGrantError(request=request)

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        # Locked, so that of two that come at once the second finds it spent.
        held = Token.objects.select_for_update().by_value(refresh_token).filter(client=client)
        list(held)
        if super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return True
        # Stock: who stole a token and used it first goes on undisturbed (RFC 9700, 4.14).
        digest = get_adapter().hash_token(refresh_token)
        for spent in SpentRefreshToken.objects.filter(digest=digest, client=client):
            Token.objects.filter(client=client, data__family=spent.family).delete()
        return False

    def revoke_token(
        self, token: str, token_type_hint: str | None, request: Any, *args: Any, **kwargs: Any
    ) -> None:
        # Stock: any client ends any other's (RFC 7009, 2.1).
        if Token.objects.by_value(token).filter(client=request.client).exists():
            super().revoke_token(token, token_type_hint, request, *args, **kwargs)

    def save_bearer_token(self, token: dict[str, Any], request: Any, *args: Any, **kw: Any) -> None:
        spent = get_validator_context().refresh_token
        family = (spent.data or {}).get("family") if spent else None
        family = family or uuid.uuid4().hex
        if spent:
            SpentRefreshToken.objects.create(
                digest=spent.hash, family=family, client=spent.client, expires_at=spent.expires_at
            )
        super().save_bearer_token(token, request, *args, **kw)
        for value in filter(None, (token.get("refresh_token"), token.get("access_token"))):
            for made in Token.objects.by_value(value):
                made.data = (made.data or {}) | {"family": family}
                made.save(update_fields=["data"])


def _parameters(request: HttpRequest) -> Any:
    address, method, body, headers = extract_params(request)
    # Single claims are not offered. Stock: what cannot be read of them is a 500.
    parts = urlsplit(address)
    given = parse_qsl(parts.query, keep_blank_values=True)
    query = [(name, value) for name, value in given if name != "claims"]
    return urlunsplit(parts._replace(query=urlencode(query))), method, body, headers


def _resources(request: HttpRequest) -> list[str]:
    try:
        return list(get_resources(request))
    except ValueError:
        # Stock: an address that cannot be taken apart is a 500.
        raise UnknownResource from None


def _error_page(request: HttpRequest, **context: Any) -> HttpResponse:
    response: HttpResponse = respond_html_error(request, **context)
    # Stock: a 200.
    response.status_code = 400
    return response


def install() -> None:
    """Put ours in the place of allauth's."""
    server.OAuthLibRequestValidator = Validator
    views.extract_params = _parameters
    views.get_resources = _resources
    views.respond_html_error = _error_page
    # Parsed at each use: 40 ms.
    jwkkit.load_jwk_from_pem = keyring.signing_key
    # `plain` protects nothing, and it is what oauthlib takes where none is named.
    methods = AuthorizationCodeGrant._code_challenge_methods
    AuthorizationCodeGrant._code_challenge_methods = {"S256": methods["S256"]}
