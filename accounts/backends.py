"""Who signs in by browser, and what anybody may."""

from typing import Any

import requests
from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from .models import User
from .oidc import backchannel, claims, keyring, tokens
from .oidc.discovery import endpoint
from .oidc.errors import InvalidTokenError, ProviderUnavailableError
from .permissions import all_permissions, permissions_of_right
from .services.memberships import follow_claims
from .services.people import create_person
from .states import Role


class MembershipBackend(BaseBackend):
    """What memberships, and machines' grants, let somebody do."""

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()

    def get_all_permissions(self, user_obj: User | AnonymousUser, obj: Any = None) -> set[str]:
        if not isinstance(user_obj, User) or not user_obj.is_active or obj is not None:
            return set()
        known: set[str] | None = user_obj.__dict__.get("_membership_permissions")
        if known is None:
            known = user_obj.__dict__["_membership_permissions"] = _permissions(user_obj)
        return known

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm in self.get_all_permissions(user_obj, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Django's admin asks it for each app."""
        return any(each.startswith(f"{app_label}.") for each in self.get_all_permissions(user_obj))


def _permissions(user: User) -> set[str]:
    rights: set[str] = set()
    for membership in user.memberships.all():
        if membership.is_active:
            if membership.role == Role.SHOPKEEPER:
                return all_permissions()
            rights.update(membership.rights)
    machine = getattr(user, "machine", None)
    if machine and machine.is_usable:
        rights.update(machine.rights)
    return {each for right in rights for each in permissions_of_right(right)}


class PasswordBackend(AuthenticationBackend):
    """The embedded provider's own: an e-mail address and a password, on its pages only."""


class OpenIDBackend(OIDCAuthenticationBackend):
    """The shop as a relying party. What is overridden here is what the library leaves open."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        # Only from the callback, which has a nonce of its own: stock, any form that signs
        # somebody in reached this with ?code=&state= in its address.
        if request is None or not credentials.get("nonce"):
            return None
        if settings.OIDC_EMBEDDED:
            self.OIDC_RP_CLIENT_SECRET = keyring.client_secret()
        user: User | None = super().authenticate(request, **credentials)
        return user

    def get_user(self, user_id: int) -> User | None:
        # Stock: a session goes on when its user has been deactivated.
        return MembershipBackend().get_user(user_id)

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        auth = None
        if settings.OIDC_TOKEN_USE_BASIC_AUTH:
            auth = (payload["client_id"], payload.pop("client_secret"))
        # Where the browser was sent, not where it says it came from.
        payload["redirect_uri"] = claims.callback_url()
        response = backchannel.post(endpoint("token_endpoint"), data=payload, auth=auth)
        answer = _json(response)
        if not isinstance(answer.get("id_token"), str) or not isinstance(
            answer.get("access_token"), str
        ):
            raise InvalidTokenError("The sign-in provider gave no tokens.")
        return answer

    def store_tokens(self, access_token: str, id_token: str) -> None:
        # Stock: into the session, also where the sign-in is refused after this.
        self.request.oidc_id_token = id_token

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        return tokens.validate_id_token(token, nonce=kwargs["nonce"])

    def get_userinfo(
        self, access_token: str, id_token: str, payload: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the ID token's claims, with those of user info where the provider has it."""
        try:
            address = endpoint("userinfo_endpoint")
        except ProviderUnavailableError:
            return payload
        bearer = {"Authorization": f"Bearer {access_token}"}
        info = _json(backchannel.get(address, headers=bearer))
        # Core 5.3.2: of somebody else, it must not be used.
        if info.get("sub") != payload["sub"]:
            raise InvalidTokenError("User info is about somebody else than the ID token.")
        return info | payload

    def verify_claims(self, claims: dict[str, Any]) -> bool:
        # The token's own are verified; beyond `sub` the shop needs none.
        return bool(claims.get("sub"))

    def filter_users_by_claims(self, claims: dict[str, Any]) -> list[User]:
        # By issuer and subject alone: an e-mail address proves nothing (and took over a superuser).
        user = User.objects.known_as(claims["iss"], claims["sub"])
        # No SuspiciousOperation, which the library swallows: this is written in the audit log.
        if user is not None and getattr(user, "machine", None):
            raise InvalidTokenError("A machine does not sign in by browser.")
        if user is not None and not user.is_active:
            raise InvalidTokenError("The account is deactivated.")
        return [user] if user else []

    def create_user(self, info: dict[str, Any]) -> User:
        if settings.OIDC_EMBEDDED:
            raise SuspiciousOperation("The embedded provider speaks of nobody it does not have.")
        user = create_person(
            issuer=info["iss"],
            subject=info["sub"],
            given_name=claims.text(info, "given_name") or claims.text(info, "name"),
            family_name=claims.text(info, "family_name"),
            email=claims.verified_email(info),
        )
        return self.update_user(user, info)

    def update_user(self, user: User, info: dict[str, Any]) -> User:
        if not settings.OIDC_EMBEDDED:
            follow_claims(user=user, roles=claims.roles(info))
            user = User.objects.get(pk=user.pk)
        # For the callback, which signs them in.
        user.__dict__["oidc_claims"] = info
        return user


def _json(response: requests.Response) -> dict[str, Any]:
    if response.status_code >= requests.codes.server_error:
        raise ProviderUnavailableError("The sign-in provider does not work at the moment.")
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code != requests.codes.ok or not isinstance(answer, dict):
        raise InvalidTokenError(f"The sign-in provider refused ({response.status_code}).")
    return answer
