"""The embedded provider's own secrets, in one file that nobody else may read.

`IDENTITY_FILE` holds its signing keys and the secret of the shop's own client.
It is made once; machines that share a shop share the file.
"""

import json
import os
import secrets
import threading
from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jwt
from allauth.core.internal.jwkkit import jwk_thumbprint, load_pem
from allauth.idp.oidc.internal.private_keys import filter_keys
from allauth.idp.oidc.models import PrivateKey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.dateparse import parse_datetime

# A new key is published for so long before it signs, so that whoever keeps keys has it by then.
ANNOUNCED_FOR = timedelta(seconds=90)
# A key that no longer signs is published until its last token has run out.
KEPT_FOR = timedelta(hours=1)

_guard = threading.Lock()
_read: tuple[str, tuple[int, int], dict[str, Any]] | None = None


def client_secret() -> str:
    """Return the secret of the shop's own client."""
    return str(_contents()["client_secret"])


def private_keys(
    *, did_activate: Literal[True] | None = None, is_active: Literal[True] | None = None
) -> list[PrivateKey]:
    """Return the signing keys, without those to come or those that ran out where asked."""
    keys = [
        PrivateKey(
            pem=each["pem"],
            issued_at=parse_datetime(each["issued_at"]),
            not_before=parse_datetime(each["not_before"]),
            expires_at=parse_datetime(each["expires_at"]) if each["expires_at"] else None,
        )
        for each in _contents()["keys"]
    ]
    active: list[PrivateKey] = filter_keys(keys, did_activate=did_activate, is_active=is_active)
    return active


def rotate() -> None:
    """Add a key that will sign soon, and let the others run out after it does."""
    contents = deepcopy(_contents())
    begins = timezone.now() + ANNOUNCED_FOR
    ends = begins + KEPT_FOR
    for each in contents["keys"]:
        each["expires_at"] = each["expires_at"] or ends.isoformat()
    contents["keys"] = [
        *(each for each in contents["keys"] if parse_datetime(each["expires_at"]) > timezone.now()),  # type: ignore[operator]
        _new_key(begins.isoformat()),
    ]
    _write_aside(contents).replace(_path())


def make() -> None:
    """Make the file if there is none; of several who try at once, one wins."""
    if _path().exists():
        return
    contents = {
        "client_secret": secrets.token_urlsafe(32),
        "keys": [_new_key(timezone.now().isoformat())],
    }
    mine = _write_aside(contents)
    with suppress(FileExistsError):
        _path().hardlink_to(mine)
    mine.unlink()


@cache
def signing_key(pem: str) -> tuple[dict[str, Any], rsa.RSAPrivateKey]:
    """Return a key's public JWK and the key: reading it costs 40 ms, so once a process."""
    key = load_pem(pem)
    public: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return public | {"kid": jwk_thumbprint(public), "use": "sig", "alg": "RS256"}, key


def public_keys() -> dict[str, Any]:
    """Return the JWKS document."""
    return {"keys": [signing_key(key.pem)[0] for key in private_keys(is_active=True)]}


def _path() -> Path:
    return Path(settings.IDENTITY_FILE)


def _contents() -> dict[str, Any]:
    """Return what the file says, read again when it has changed."""
    global _read  # noqa: PLW0603  a cache of one
    path = _path()
    try:
        make()
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        with _guard:
            if _read is None or _read[:2] != (str(path), stamp):
                contents = json.loads(path.read_text())
                _ = contents["client_secret"], contents["keys"][0]["pem"]
                _read = (str(path), stamp, contents)
            return _read[2]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImproperlyConfigured(
            f"IDENTITY_FILE must name a file that Duka can read and make: {error}."
        ) from None


def _new_key(not_before: str) -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "pem": pem.decode(),
        "issued_at": not_before,
        "not_before": not_before,
        "expires_at": None,
    }


def _write_aside(contents: dict[str, Any]) -> Path:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    # 0600 from the beginning, not after a moment in which others could read.
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(contents, file)
    return mine
