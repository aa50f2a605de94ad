"""A provider's public keys, kept at hand so that no request waits for the provider.

PyJWT's own `PyJWKClient` holds a lock while it fetches, so one slow answer
would stop every request of the process, and it forgets the keys it knows when
the provider is down.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import jwt

from .errors import InvalidTokenError, ProviderUnavailableError


class KeyStore:
    """The keys behind a JWKS address.

    Known keys go on being good while the provider is down. A key that is not
    known is looked for at once, but at most every `cooldown` seconds, so that
    invented key ids do not become a flood of requests to the provider.

    Args:
        fetch: returns the JWKS document, or raises ProviderUnavailableError.
        fresh: seconds after which the keys are fetched again, by the way.
        cooldown: least seconds between two fetches: the longest that a new key may wait.
    """

    def __init__(
        self,
        fetch: Callable[[], dict[str, Any]],
        *,
        fresh: float = 300,
        cooldown: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._fresh = fresh
        self._cooldown = cooldown
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: list[jwt.PyJWK] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._failure: ProviderUnavailableError | None = None

    def find(self, kid: str | None) -> jwt.PyJWK:
        """Return the key of this id; without an id, the only key there is.

        Raises:
            InvalidTokenError: the provider has no such key, or none can be chosen.
            ProviderUnavailableError: the key is not known here, and the provider is down.
        """
        key = self._known(kid)
        if key is not None:
            if self._clock() - self._fetched_at > self._fresh:
                # One request refreshes; the others go on with what is known.
                self._refresh(wait=False)
                key = self._known(kid)
        else:
            self._refresh(wait=True)
            key = self._known(kid)
        if key is not None:
            return key
        if self._failure is not None:
            raise ProviderUnavailableError(str(self._failure))
        raise InvalidTokenError("The token is signed by a key that its issuer does not have.")

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        keys = self._keys
        if kid is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.key_id == kid), None)

    def _refresh(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        try:
            # Whoever waited finds that it was done meanwhile.
            if self._clock() - self._tried_at < self._cooldown:
                return
            self._tried_at = self._clock()
            try:
                self._keys = _signing_keys(self._fetch())
                self._fetched_at = self._clock()
                self._failure = None
            except ProviderUnavailableError as error:
                self._failure = error
        finally:
            self._lock.release()


def _signing_keys(document: dict[str, Any]) -> list[jwt.PyJWK]:
    try:
        keys = jwt.PyJWKSet.from_dict(document).keys
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError) as error:
        raise ProviderUnavailableError("The sign-in provider's keys are not understood.") from error
    # Symmetric keys have no business in a public document.
    return [key for key in keys if key.public_key_use in {"sig", None} and key.key_type != "oct"]
