"""WSGI entry point: `gunicorn config.wsgi:application`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Here, so that the variable above is set before Django is.
from django.urls import reverse

from core import wsgi

application = wsgi.application()
# Reads all addresses: the first request of each worker would wait half a second for that.
reverse("schema")
