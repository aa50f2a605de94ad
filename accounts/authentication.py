"""How a program shows a token. The token says who; the database says what they may do."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, status
from rest_framework.request import Request

from .models import User
from .oidc import tokens
from .oidc.errors import InvalidTokenError, ProviderUnavailableError
from .services.machines import note_use


class ProviderDown(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "provider_unavailable"
    # Seconds for `Retry-After`.
    wait = 10


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer` with an access token of `OIDC_ISSUER`, validated locally.

    A token never makes a user: whom its issuer means by its subject must be
    known here, and active.
    """

    def authenticate(self, request: Request) -> tuple[User, tokens.AccessToken] | None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            if scheme:
                # Said, or a program with a password would look as if it had shown nothing.
                raise exceptions.AuthenticationFailed("Only bearer tokens are taken here.")
            return None
        try:
            token = tokens.validate(credentials.strip())
        except InvalidTokenError as error:
            raise exceptions.AuthenticationFailed(str(error)) from error
        except ProviderUnavailableError as error:
            raise ProviderDown(str(error)) from error
        user = User.objects.known_as(token.issuer, token.subject)
        if user is None or not user.is_active:
            raise exceptions.AuthenticationFailed("Nobody here is known by this token.")
        if machine := getattr(user, "machine", None):
            if not machine.is_usable:
                raise exceptions.AuthenticationFailed("This machine's access has ended.")
            note_use(machine)
        return user, token

    def authenticate_header(self, request: Request) -> str:
        shown = request.headers.get("Authorization", "").lower().startswith("bearer")
        # RFC 6750, 3.1: a reason only to those who showed a token.
        return 'Bearer realm="api"' + (', error="invalid_token"' if shown else "")


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # a library without types
    """Registers itself: how the OpenAPI document names it."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "oidc"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "openIdConnect",
            "openIdConnectUrl": "/.well-known/openid-configuration",
            "description": "An access token of the shop's provider, as a bearer token.",
        }
