"""An OpenID Connect provider of the tests' own: real keys, a real HTTP server on loopback.

It says what a test has it say, right or wrong: `signs_in`, `userinfo`, `says_issuer`.
"""

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.urls import get_resolver

from accounts.oidc import discovery, tokens

AUDIENCE = "http://127.0.0.1:8000/api"
CLIENT, SECRET = "shop", "the shop's own secret"


def make_key(algorithm: str) -> Any:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Serves its discovery document, keys, tokens and user info; signs what it is asked to."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.fetches: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.down = False
        # The one address that is slow or down; "": all are.
        self.only = ""
        self.says_issuer: str | None = None
        # Answers of the token endpoint and of user info; None: there is no such endpoint.
        self.signs_in: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.gate = threading.Event()
        self.gate.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches.append(self.path)
                concerned = self.path.startswith(provider.only)
                if concerned:
                    provider.gate.wait(20)
                if concerned and provider.down:
                    self.send_error(500)
                    return
                body = json.dumps(provider.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.forms.append(dict(parse_qsl(form)))
                self.do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def document(self, path: str) -> Any:
        if path == "/token":
            return self.signs_in
        if path == "/userinfo":
            return self.userinfo
        if path == "/jwks":
            return {"keys": [self.jwk(kid) for kid in self.keys]}
        names = ["authorization", "token", *(["userinfo"] if self.userinfo is not None else [])]
        return {
            "issuer": self.says_issuer or self.issuer,
            "jwks_uri": f"{self.issuer}/jwks",
            **{f"{name}_endpoint": f"{self.issuer}/{name}" for name in names},
        }

    def jwk(self, kid: str) -> dict[str, Any]:
        algorithm, key = self.keys[kid]
        kind = jwt.get_algorithm_by_name(algorithm)
        made = json.loads(kind.to_jwk(key.public_key()))
        return made | {"kid": kid, "use": "sig", "alg": algorithm}

    def add_key(self, kid: str, algorithm: str = "RS256") -> None:
        self.keys[kid] = (algorithm, make_key(algorithm))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good access token, changed; None takes one away."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "sub": "njeri",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            "client_id": "till",
        }
        return _without_none(good | changes)

    def token(
        self, kid: str = "k1", *, headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """A good access token, changed; None takes a claim or a header away."""
        algorithm, key = self.keys[kid]
        return jwt.encode(
            self.claims(**changes),
            key,
            algorithm=algorithm,
            headers=_without_none({"kid": kid, "typ": "at+jwt"} | (headers or {})),
        )

    def id_token(self, **changes: Any) -> str:
        """A good ID token for the shop, changed."""
        good = {"aud": CLIENT, "client_id": None}
        return self.token(headers={"typ": None}, **(good | changes))

    def logout_token(self, **changes: Any) -> str:
        """A good logout token for the shop, changed."""
        headers = {"typ": "logout+jwt"} | changes.pop("headers", {})
        good = {
            "aud": CLIENT,
            "client_id": None,
            "jti": "1",
            "sid": "s1",
            "events": {tokens.LOGOUT_EVENT: {}},
        }
        return self.token(headers=headers, **(good | changes))


@contextlib.contextmanager
def provider_for(settings: Any, key: Any) -> Iterator[Provider]:
    """Run a provider, with `key` as its key k1, that is the shop's outside one meanwhile."""
    # Read by the first request, and by none again: the embedded provider's would be missed.
    _ = get_resolver().url_patterns
    made = Provider()
    made.keys = {"k1": ("RS256", key)}
    settings.OIDC_ISSUER = made.issuer
    settings.OIDC_EMBEDDED = False
    settings.OIDC_AUDIENCE = AUDIENCE
    settings.OIDC_RP_CLIENT_ID, settings.OIDC_RP_CLIENT_SECRET = CLIENT, SECRET
    settings.OIDC_TIMEOUT = 2
    forget_providers()
    try:
        yield made
    finally:
        made.close()
        forget_providers()


def forget_providers() -> None:
    """Have the keys and addresses of every provider asked for anew."""
    tokens._keys.cache_clear()
    discovery._found.clear()


def challenge_of(verifier: str) -> str:
    """Return what PKCE shows beforehand of a verifier (S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
