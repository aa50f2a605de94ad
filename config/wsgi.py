"""WSGI entry point: `gunicorn config.wsgi:application`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Here, so that the variable above is set before Django is.
from django.urls import reverse

from core import deadlines, wsgi

application = wsgi.application()
deadlines.limit_statements()
# Reads all addresses: the first request of each worker would wait half a second for that.
reverse("schema")
