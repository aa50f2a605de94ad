"""An OpenID Connect provider of the tests' own: real keys, a real HTTP server on loopback."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "duka-api"


def make_key(algorithm: str) -> Any:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """Serves its discovery document and its keys; signs what it is asked to."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.fetches: list[str] = []
        self.down = False
        self.says_issuer: str | None = None
        self.gate = threading.Event()
        self.gate.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches.append(self.path)
                provider.gate.wait(20)
                if provider.down:
                    self.send_error(500)
                    return
                body = json.dumps(provider.document(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def document(self, path: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            issuer = self.says_issuer or self.issuer
            return {"issuer": issuer, "jwks_uri": f"{self.issuer}/jwks"}
        return {"keys": [self.jwk(kid) for kid in self.keys]}

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
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(
        self, kid: str = "k1", *, headers: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        algorithm, key = self.keys[kid]
        headers = {"kid": kid, "typ": "at+jwt"} | (headers or {})
        return jwt.encode(
            self.claims(**changes),
            key,
            algorithm=algorithm,
            headers={name: value for name, value in headers.items() if value is not None},
        )
