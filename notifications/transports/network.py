"""What a failed connection says of the message: certainly not out, or nobody knows."""

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

from .base import Outcome, Refused, Unknown


def of_network_error(error: requests.RequestException) -> Outcome:
    """Return the outcome of a request that had no answer."""
    cause: Any = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    if isinstance(cause, ProxyError):
        # By itself it proves nothing: urllib3 says it also when the proxy hangs up later on.
        cause = cause.original_error
    if isinstance(cause, SSLError) and cause.args:
        cause = cause.args[0]
    if isinstance(cause, NewConnectionError | ConnectTimeoutError):
        return Refused(
            code="unreachable",
            reason="The gateway cannot be reached.",
            may_pass=True,
            whole=True,
        )
    if isinstance(cause, SSLCertVerificationError):
        # Before the request: of a machine without the CA, or with a wrong clock.
        return Refused(
            code="untrusted",
            reason=f"The gateway cannot be trusted: {cause}"[:300],
            may_pass=True,
            whole=True,
        )
    # Whatever happens once the request may be out: a hang, a dropped connection.
    return Unknown(reason=f"{type(error).__name__}: {error}"[:300])
