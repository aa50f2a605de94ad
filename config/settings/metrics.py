"""Who may read the shop's numbers at `/metrics`."""

import re

from django.core.exceptions import ImproperlyConfigured

from .env import env

# Shown by Prometheus as a bearer token; without it there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Not by `checked`, which says the value.
if METRICS_TOKEN and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,256}", METRICS_TOKEN):
    raise ImproperlyConfigured(
        "METRICS_TOKEN must be 16 to 256 letters, digits and - . _ ~ + / =, or empty."
    )
