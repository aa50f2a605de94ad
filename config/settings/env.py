"""The one reader of environment variables, and where the project stands.

Any variable `X` may be in a file instead, which `X_FILE` names: so are secrets given that nobody
is to see in a list of processes or of a container's environment.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured


def _file_of(name: str) -> str:
    """Return the file that holds a variable; empty: it is in the environment itself."""
    return os.environ.get(f"{name}_FILE", "").strip()


class _Variables(Mapping[str, str]):
    """The environment with what its `X_FILE` name."""

    def __getitem__(self, name: str) -> str:
        file = _file_of(name)
        text = _text_of(name, file) if file else os.environ[name]
        # django-environ takes `$` at the beginning for another variable's name, and gives this
        # back as it was: a secret may begin with anything.
        return text.replace("$", r"\$")

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def _text_of(name: str, file: str) -> str:
    if os.environ.get(name, "").strip():
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: leave one out.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE cannot be read: {file}: {error.strerror}."
        ) from None
    except ValueError:
        # Not a word of what is in it.
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {file}: not UTF-8.") from None


# What is none of the first counts as false for django-environ, whatever it is.
_YES_OR_NO = {*environ.Env.BOOLEAN_TRUE_STRINGS, "", "false", "off", "n", "no", "0"}


class _Env(environ.Env):
    """A value that cannot be read is a sentence that names its variable, and no secret."""

    ENVIRON = _Variables()

    def __init__(self) -> None:
        super().__init__()
        self.escape_proxy = True

    def bool(self, var: str, default: Any = environ.Env.NOTSET) -> bool:
        if self.ENVIRON.get(var, "").strip().lower() not in _YES_OR_NO:
            raise ImproperlyConfigured(f"{var} must be true or false.")
        return bool(super().bool(var, default=default))

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError:
            said = f"what is in {file}" if (file := _file_of(var)) else repr(os.environ[var])
            raise ImproperlyConfigured(f"{var} cannot be read: {said}.") from None


BASE_DIR = Path(__file__).resolve().parents[2]
env = _Env()

# Everything that Duka writes in development: database, uploads, logs.
VAR_DIR = Path(env.str("DUKA_VAR", default=str(BASE_DIR / "var")))


def readable(name: str, url: str) -> str:
    """Return an address; or say without a word of it that it is none.

    Whoever reads it later would quote a piece of its password.

    Raises:
        ImproperlyConfigured: its port is no number, as after a password with a `/`.
    """
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} cannot be read: a / in the password is written %2F, an @ is %40."
        ) from None
    return url


def checked(name: str, value: Any, *, fits: Callable[[Any], bool], must: str) -> Any:
    """Return a setting's value, or say what it must be: now, not when the first order comes.

    Raises:
        ImproperlyConfigured: `NAME must be …`.
    """
    if not fits(value):
        found = f"what is in {file}" if (file := _file_of(name)) else repr(value)
        raise ImproperlyConfigured(f"{name} must be {must}, not {found}.")
    return value
