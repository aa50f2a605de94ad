"""The one reader of environment variables, and where the project stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class _Env(environ.Env):
    """A value that cannot be read is a sentence that names its variable."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError:
            raise ImproperlyConfigured(f"{var} cannot be read: {self.ENVIRON[var]!r}.") from None


BASE_DIR = Path(__file__).resolve().parents[2]
env = _Env()

# Everything that Duka writes in development: database, uploads, logs.
VAR_DIR = Path(env.str("DUKA_VAR", default=str(BASE_DIR / "var")))


def checked(name: str, value: Any, *, fits: Callable[[Any], bool], must: str) -> Any:
    """Return a setting's value, or say what it must be: now, not when the first order comes.

    Raises:
        ImproperlyConfigured: `NAME must be …`.
    """
    if not fits(value):
        raise ImproperlyConfigured(f"{name} must be {must}, not {value!r}.")
    return value
