"""What log lines say, and do not say."""

import logging
import re

from django.http import HttpRequest

# What no path has that opens nothing, but for a few ids.
_LONG_SEGMENT = re.compile(r"[\w.:=-]{20,}")
# Pages whose key may stand in a wrong place.
_WITH_KEYS = {"shipping-webhook", "sms-callback"}


def path_to_tell(request: HttpRequest) -> str:
    """Return the path as it may be written down: without a token that opens something."""
    match = request.resolver_match
    if match is None or match.url_name in _WITH_KEYS:
        # Asked for wrongly, or turned away before anybody knew what it is.
        return _LONG_SEGMENT.sub("…", request.path)
    token = match.kwargs.get("token")
    return request.path.replace(token, "…") if token else request.path


class UntoldFilter(logging.Filter):
    """Take such a token out of what Django says of a request that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            path = path_to_tell(request)
            # Its own words would show the whole address.
            record.request = f"{request.method} {path}"
            if isinstance(record.args, tuple):
                record.args = tuple(path if arg == request.path else arg for arg in record.args)
        return True


class PlainFormatter(logging.Formatter):
    """One line a message, whatever a caller put into it: a path may hold an encoded newline."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's own name
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)
