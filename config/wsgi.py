"""WSGI entry point: `gunicorn config.wsgi:application`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# Here, so that the variable above is set before Django is.
from core import wsgi

application = wsgi.application()
