"""How a program shows a token. The token says who; the database says what they may do."""

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions, status
from rest_framework.request import Request

from .models import Identity, User
from .oidc import tokens
from .oidc.errors import InvalidTokenError, ProviderUnavailableError


class ProviderDown(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "provider_unavailable"
    # Seconds for `Retry-After`.
    wait = 10


class BearerAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer` with an access token of `OIDC_ISSUER`, validated locally.

    A token never makes a user: its issuer and subject must be known here
    (`accounts.Identity`), and the user active.
    """

    def authenticate(self, request: Request) -> tuple[User, tokens.AccessToken] | None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if not settings.OIDC_ISSUER:
            raise exceptions.AuthenticationFailed("This shop takes no bearer tokens.")
        try:
            token = tokens.validate(credentials.strip())
        except InvalidTokenError as error:
            raise exceptions.AuthenticationFailed(str(error)) from error
        except ProviderUnavailableError as error:
            raise ProviderDown(str(error)) from error
        identity = Identity.objects.known_as(token.issuer, token.subject).first()
        if identity is None or not identity.user.is_active:
            raise exceptions.AuthenticationFailed("Nobody here is known by this token.")
        return identity.user, token


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # a library without types
    """Registers itself: how the OpenAPI document names it."""

    target_class = "accounts.authentication.BearerAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
