"""Checks of signing in for `manage.py doctor`."""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from accounts.oidc import keyring
from accounts.oidc.discovery import fetch_json
from accounts.oidc.errors import ProviderUnavailableError
from core.doctor import Finding, ok, problem, warning
from core.examining import CLOCK_SECONDS, KEEP_TIME

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


def examine_identity() -> Iterator[Finding]:
    """The signing keys of the shop's own provider."""
    if not settings.OIDC_EMBEDDED:
        yield ok(f"People sign in at {settings.OIDC_ISSUER}; it has the keys.")
        return
    path = Path(settings.IDENTITY_FILE)
    do = "Run `manage.py prepare_identity` as the user who runs the shop."
    if not path.exists():
        # Asked for its keys, the keyring would make it.
        yield problem(f"{path} is not there: nobody can sign in.", do=do)
        return
    try:
        signing = keyring.private_keys(did_activate=True, is_active=True)
    except ImproperlyConfigured as error:
        yield problem(str(error), do=do)
        return
    if path.stat().st_mode & 0o007:
        yield problem(
            f"Everybody on this machine can read {path}, and so sign tokens of the shop.",
            do=f"Run `chmod o= {path}`, then `manage.py rotate_signing_keys`.",
        )
    if not signing:
        yield problem(f"No key in {path} signs now.", do="Run `manage.py rotate_signing_keys`.")
        return
    oldest = min(key.issued_at for key in signing)
    yield ok(f"{len(signing)} key(s) sign, the oldest since {timezone.localdate(oldest)}.")


def examine_issuer() -> Iterator[Finding]:
    """Whether the issuer says who it is and shows its keys: as clients, and we, ask it."""
    issuer = settings.OIDC_ISSUER
    ours = settings.OIDC_EMBEDDED
    do = "See SHOP_URL, the web server and the proxy." if ours else "See OIDC_ISSUER, and ask them."
    # Before the first start of the web server it is no wonder.
    say = warning if ours else problem
    try:
        document = fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    except ProviderUnavailableError as error:
        yield say(f"{issuer} does not say who it is: {error}", do=do)
        return
    if document.get("issuer") != issuer:
        yield problem(
            f"{issuer} calls itself {document.get('issuer')!r}: every token would be refused.",
            do="Let OIDC_ISSUER be just that, to the letter.",
        )
        return
    missing = [name for name in _ENDPOINTS if not isinstance(document.get(name), str)]
    if missing:
        yield problem(f"{issuer} names no {', '.join(missing)}.", do=do)
        return
    try:
        keys = fetch_json(document["jwks_uri"]).get("keys")
    except ProviderUnavailableError as error:
        yield problem(f"The keys of {issuer} cannot be had: {error}", do=do)
        return
    if not isinstance(keys, list) or not keys:
        yield problem(f"{issuer} shows no keys.", do=do)
    elif ours and _ids(keys) != _ids(keyring.public_keys()["keys"]):
        yield problem(
            f"{issuer} shows other keys than those in {settings.IDENTITY_FILE}.",
            do="All machines of the shop need the same IDENTITY_FILE.",
        )
    else:
        yield ok(f"{issuer} says who it is, and shows {len(keys)} key(s).")


def examine_issuer_clock() -> Iterator[Finding]:
    """Our clock beside an outside issuer's: the database's may be the same as ours."""
    if settings.OIDC_EMBEDDED:
        return
    began = timezone.now().timestamp()
    try:
        answer = requests.get(
            f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration",
            timeout=settings.OIDC_TIMEOUT,
            allow_redirects=False,
        )
        there = parsedate_to_datetime(answer.headers["Date"]).replace(tzinfo=UTC).timestamp()
        # What a proxy had kept.
        there += int(answer.headers.get("Age", 0))
    except (requests.RequestException, LookupError, ValueError):
        # Whether it answers is said by `examine_issuer`.
        yield ok("The issuer does not tell the time.")
        return
    # It was said between these two.
    apart = max(began - there, there - timezone.now().timestamp(), 0)
    if apart > CLOCK_SECONDS:
        yield problem(
            f"The issuer's clock and ours are {apart:.0f} s apart: tokens may be refused.",
            do=KEEP_TIME,
        )
    else:
        yield ok("The issuer's clock and ours say the same.")


def _ids(keys: object) -> set[object]:
    return (
        {each.get("kid") for each in keys if isinstance(each, dict)}
        if isinstance(keys, list)
        else set()
    )
