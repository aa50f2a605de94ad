"""The WSGI application, for requests whose headers would make Django fail too early.

Django reads `Content-Type` while it makes a request, outside of all
middleware, and decodes the query string with any charset named there: one that
it cannot use (`charset=rot13`) would end in the web server's own bare 500.
"""

from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters


class Request(WSGIRequest):
    """Its query and forms are UTF-8, whatever charset the caller names."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            read = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            # DRF reads it again, and finds nothing to fail on: a body of no type is a 415.
            meta["CONTENT_TYPE"], read = "", ("", {})
        self.content_type, self.content_params = read


def application() -> WSGIHandler:
    handler = get_wsgi_application()
    handler.request_class = Request
    return handler
