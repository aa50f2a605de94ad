"""A stand-in that plays Vonage's Messages API over real HTTPS, by the measured contract.

It keeps its book and behaves as the one of Africa's Talking does (`gateway.py`), whose behaviours
it shares but for those of codes and charsets (by itself it takes a message); it adds

    close_after  takes it, closes the connection in good order, without an answer

Its certificate is made when it starts, beside its book; clients find it through
`REQUESTS_CA_BUNDLE`. Of its own process:

    python -m notifications.tests.vonage_gateway --book FILE
"""

import argparse
import base64
import datetime as dt
import ipaddress
import json
import ssl
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .gateway import JSON, PLAIN, Gateway, Handler

API_KEY = "abcd1234"
API_SECRET = "secret-of-the-tests"
SIGNATURE_SECRET = "signature-secret-of-the-tests-of-enough-bytes"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
PATH = "/v1/messages"


class VonageGateway(Gateway):
    ident = "00000000-0000-4000-8000-{:012d}"

    def __init__(self, book: Path, *, port: int = 0, public_key: str = "") -> None:
        super().__init__(book, port=port)
        self.ca = book.with_suffix(".pem")
        write_certificate(self.ca)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.ca)
        # Of the application whose tokens it takes.
        self.public_key = public_key

    def handler(self) -> type[Handler]:
        return _Handler

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"https://{self.host}"


class _Handler(Handler):
    server: VonageGateway

    def setup(self) -> None:
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def _form(self, body: str) -> dict[str, Any]:
        return json.loads(body)

    def _about(self, form: dict[str, Any]) -> dict[str, Any]:
        return {"to": f"+{form.get('to')}", "message": form.get("text")}

    def _behaviour(self, form: dict[str, Any]) -> str:
        if self.path != PATH:
            return "http:404"
        if not self._knows(self.headers["Authorization"] or ""):
            return "http:401"
        return self.server.next_behaviour(f"+{form['to']}", "*", otherwise="slow:0")

    def _knows(self, authorization: str) -> bool:
        scheme, _, proof = authorization.partition(" ")
        if scheme == "Basic":
            return base64.b64decode(proof).decode() == f"{API_KEY}:{API_SECRET}"
        try:
            claims = jwt.decode(proof, self.server.public_key, algorithms=["RS256"])
        except jwt.PyJWTError:
            return False
        return claims["application_id"] == APPLICATION

    def _http(self, entry: dict[str, Any], status: str) -> None:
        problem = {
            "type": "https://developer.example/errors",
            "title": "No",
            "detail": "No, thanks",
        }
        self._answer(int(status), json.dumps(problem), "application/problem+json")

    def _taken(self, entry: dict[str, Any], *, cut: int = 0) -> None:
        self._answer(202, json.dumps({"message_uuid": entry["id"]}), JSON, cut=cut)

    def _body(self, entry: dict[str, Any], text: str) -> None:
        self._answer(202, text)

    def _text(self, entry: dict[str, Any], text: str) -> None:
        self._answer(202, text, PLAIN)

    def _close_after(self, entry: dict[str, Any], detail: str) -> None:
        self.close_connection = True


def write_certificate(path: Path) -> None:
    """Write a key and a certificate of 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(_pem(key) + made.public_bytes(serialization.Encoding.PEM))


def rsa_keys() -> tuple[str, str]:
    """Return an application's private and public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _pem(key).decode(), public.decode()


def _pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--book", type=Path, required=True)
    options = parser.parse_args()
    gateway = VonageGateway(options.book, port=options.port)
    print(gateway.url, flush=True)
    gateway.serve_forever()


if __name__ == "__main__":
    main()
