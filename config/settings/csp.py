"""What a browser may load and run on our pages (Content-Security-Policy, by django-csp).

`core.middleware.HeadersMiddleware` gives each answer one of these.
"""

from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from .files import MEDIA_SOURCE
from .identity import OIDC_EMBEDDED, OIDC_ISSUER
from .shop import SHOP_URL

# A nonce is no text.
Directives = dict[str, list[Any]]


def form_targets() -> list[str]:
    """Return whither a form of ours may lead.

    Chromium asks this of each redirect after a form as well, and signing in and out are such: an
    outside provider may send people on to others that nobody here knows, so any of https counts.
    The embedded provider sends them back to its clients, which `accounts.middleware` adds to the
    pages where that may happen.
    """
    provider = urlsplit(OIDC_ISSUER)
    outside = [] if OIDC_EMBEDDED else ["https:", f"{provider.scheme}://{provider.netloc}"]
    # Where signing in begins, by whatever name the shop was opened.
    return [SELF, SHOP_URL, *outside]


# Our own pages: files of ours, nothing written into the page itself. `data:` for the picture that
# an authenticator app photographs, and for the small ones in style sheets.
_OURS: Directives = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:", *([MEDIA_SOURCE] if MEDIA_SOURCE else [])],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": form_targets(),
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}
CONTENT_SECURITY_POLICY: dict[str, Any] = {"DIRECTIVES": _OURS}
# By how an address begins, for those that cannot live with it.
CSP_EXCEPTIONS: dict[str, Directives] = {
    # django-unfold is built on Alpine.js, which makes functions of what stands in attributes
    # (unsafe-eval), and writes its colours and widths into the page (unsafe-inline, of styles
    # alone). A script that somebody gets into a page does not run, but an attribute of Alpine's
    # would.
    "/admin/": _OURS | {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
    # GraphiQL's style sheet holds its fonts.
    "/graphql/": _OURS | {"font-src": [SELF, "data:"]},
    # Swagger UI is set up by a script in the page (core/templates/core/swagger.html).
    "/api/docs/": _OURS | {"script-src": [SELF, NONCE], "style-src": [SELF, NONCE]},
}
# Whatever is no page: nothing is to be run, should a browser take it for one.
CSP_OF_DATA = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# What no page of ours asks a browser for, so that nothing which gets into one can.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer"),
        *("microphone", "midi", "payment", "usb"),
    )
)
