"""People and machines as the shop knows them, and the API as each of them."""

import json
import time
from typing import Any

import jwt
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from accounts.models import Membership, User
from accounts.oidc import keyring
from accounts.services import memberships, people
from accounts.states import Role

PASSWORD = "correct horse battery"
# Any that knows users by their key.
BACKEND = "accounts.backends.OpenIDBackend"


def person(name: str = "Amina") -> User:
    """A shopper with a verified e-mail address."""
    email = f"{name.lower().replace(' ', '.')}@example.com"
    return people.create_local_person(name=name, email=email, password=PASSWORD)


def employee(*rights: str, name: str = "Baraka") -> User:
    return _employed(person(name), Role.EMPLOYEE, rights)


def keeper(name: str = "Njeri") -> User:
    """A shopkeeper by membership, as in the shop; not a superuser."""
    return _employed(person(name), Role.SHOPKEEPER, ())


def _employed(user: User, role: Role, rights: tuple[str, ...]) -> User:
    memberships.employ(user=user, role=role, rights=rights)
    return fresh(user)


def membership_of(user: User) -> Membership:
    return Membership.objects.get(user=user)


def fresh(user: User) -> User:
    """As another request would find them: permissions are remembered for one."""
    return User.objects.get(pk=user.pk)


def bearer(subject: object) -> dict[str, str]:
    """Headers with an access token of the embedded provider, for a user's or client's subject."""
    now = int(time.time())
    claims = {
        "iss": settings.OIDC_ISSUER,
        "sub": str(subject),
        "aud": settings.OIDC_AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "client_id": "till",
    }
    public, key = keyring.signing_key(keyring.private_keys(is_active=True)[0].pem)
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": public["kid"]})
    return {"Authorization": f"Bearer {token}"}


class Caller:
    """The API, and the pages, in a session of somebody: `Caller(user).post("/employees/")`."""

    def __init__(self, user: User | None = None, **extra: Any) -> None:
        self.client = Client(raise_request_exception=False, **extra)
        if user is not None:
            self.client.force_login(user, backend=BACKEND)

    def call(self, method: str, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self.client.generic(
            method,
            f"/api/v1{path}",
            b"" if data is None else json.dumps(data),
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self.call("POST", path, data, **headers)

    def patch(self, path: str, data: Any = None, **headers: str) -> HttpResponse:
        return self.call("PATCH", path, data, **headers)

    def delete(self, path: str, **headers: str) -> HttpResponse:
        return self.call("DELETE", path, **headers)
