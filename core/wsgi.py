"""The WSGI application, for requests of which Django would make too little or too much.

Django reads `Content-Type` while it makes a request, outside of all
middleware, and decodes the query string with any charset named there: one that
it cannot use (`charset=rot13`) would end in the web server's own bare 500. And
it takes a body without a Content-Length, sent in chunks, for none at all.
"""

from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from core.api.bodies import REST_OF_BODY


class Request(WSGIRequest):
    """Its query and forms are UTF-8, whatever charset the caller names; its body is whole."""

    def __init__(self, environ: dict[str, Any]) -> None:
        # The server has put the chunks together, and says so.
        if environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" in environ:
            # One byte more than is allowed, so that the rest of Duka sees that it is too much.
            stream = environ["wsgi.input"]
            body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                # For a view that takes more, once it knows who sends it.
                environ[REST_OF_BODY] = stream
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        super().__init__(environ)

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
