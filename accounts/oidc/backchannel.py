"""How the shop, as a relying party, talks to its provider behind the browser's back.

The embedded provider is this very process. Over HTTP, each sign-in would hold
one thread while it waits for another: sixteen at once on eight threads stopped
the shop. So requests to SHOP_URL are answered here, in the same thread.
"""

from contextvars import copy_context
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from core import request_id
from core.wsgi import Request, application

from .errors import ProviderUnavailableError

# In the WSGI environment: this request comes from ourselves.
IN_PROCESS = "duka.in_process"


def post(url: str, **arguments: Any) -> requests.Response:
    return _call("POST", url, **arguments)


def get(url: str, **arguments: Any) -> requests.Response:
    return _call("GET", url, **arguments)


def _call(method: str, url: str, **arguments: Any) -> requests.Response:
    with requests.Session() as session:
        # A netrc or a proxy of this machine has no part in it where the provider is embedded.
        session.trust_env = not settings.OIDC_EMBEDDED
        if settings.OIDC_EMBEDDED:
            session.mount(settings.SHOP_URL, InProcessAdapter())
        try:
            return session.request(
                method, url, timeout=settings.OIDC_TIMEOUT, allow_redirects=False, **arguments
            )
        except requests.RequestException as error:
            raise ProviderUnavailableError(
                f"The sign-in provider cannot be reached ({type(error).__name__})."
            ) from error


@cache
def _handler() -> Any:
    return application()


class InProcessAdapter(BaseAdapter):
    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **_: Any
    ) -> requests.Response:
        address = urlsplit(str(request.url))
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        environ = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": address.path,
            "QUERY_STRING": address.query,
            "SERVER_NAME": address.hostname,
            "SERVER_PORT": str(address.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": address.scheme,
            "wsgi.input": BytesIO(body),
            IN_PROCESS: True,
        }
        headers = {**request.headers, "Host": address.netloc}
        if known := request_id.current():
            headers[request_id.HEADER] = known
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        # Not through its WSGI entrance, whose signals would close the outer request's database
        # connection.
        # In a context of its own, so that the outer request's id and address stay.
        answer = copy_context().run(_handler().get_response, Request(environ))
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers = CaseInsensitiveDict(answer.items())
        response.url = str(request.url)
        response.request = request
        response._content = answer.content
        return response

    def close(self) -> None:
        pass
