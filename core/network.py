"""What a failed request says of itself: it certainly never went out, or nobody knows."""

from dataclasses import dataclass
from ssl import SSLCertVerificationError
from typing import Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProxyError,
    SSLError,
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a request never went out. `said` ends a sentence: "It cannot be reached."."""

    code: str
    said: str


def never_went_out(error: requests.RequestException) -> Failure | None:
    """Return why a request that had no answer certainly never went out; None: it may have."""
    cause: Any = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, ProxyError):
        # By itself it proves nothing: urllib3 says it also when the proxy hangs up later on.
        cause = cause.original_error
    if isinstance(cause, SSLError) and cause.args:
        cause = cause.args[0]
    if isinstance(cause, NewConnectionError | ConnectTimeoutError):
        return Failure(code="unreachable", said="reached.")
    if isinstance(cause, SSLCertVerificationError):
        # Before the request: of a machine without the CA, or with a wrong clock.
        return Failure(code="untrusted", said=f"trusted: {cause}"[:270])
    return None
