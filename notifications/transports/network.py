"""What a failed connection says of the message: certainly not out, or nobody knows."""

import requests

from core.network import never_went_out

from .base import Outcome, Refused, Unknown


def of_network_error(error: requests.RequestException) -> Outcome:
    """Return the outcome of a request that had no answer."""
    if failure := never_went_out(error):
        return Refused(
            code=failure.code,
            reason=f"The gateway cannot be {failure.said}",
            may_pass=True,
            whole=True,
        )
    # Whatever happens once the request may be out: a hang, a dropped connection.
    return Unknown(reason=f"{type(error).__name__}: {error}"[:300])
