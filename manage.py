#!/usr/bin/env python
"""Django's command line for Duka."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
    # Here, so that the variable above is set before Django is.
    try:
        from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415
        from django.core.management import execute_from_command_line  # noqa: PLC0415
    except ModuleNotFoundError:
        sys.exit(
            "Run `make run` or `make test` once: they install what Duka needs, into .venv/."
            " Then it is `.venv/bin/python manage.py …`."
        )

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if sys.argv[1:2] == ["doctor"]:
            from core import doctor  # noqa: PLC0415  it needs no settings to say this

            show = doctor.as_json if "--json" in sys.argv else doctor.as_text
            print(show(doctor.refused(str(error))))  # noqa: T201  the command's own answer
            sys.exit(1)
        # A sentence that says what to set; a traceback would bury it.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
