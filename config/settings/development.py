"""`make run`: everything on this machine, a demo shop, no configuration needed."""

from contextlib import suppress

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from .base import *
from .base import INSTALLED_APPS
from .env import VAR_DIR, env


def _secret_key() -> str:
    """Return this checkout's own key, made on first use, so that sessions outlive a restart."""
    path = VAR_DIR / "secret_key"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Written aside and linked: of several processes that start at once, one key wins.
            mine = path.with_name(f"secret_key.{get_random_secret_key()[:8].encode().hex()}")
            mine.touch(mode=0o600)
            mine.write_text(get_random_secret_key())
            with suppress(FileExistsError):
                path.hardlink_to(mine)
            mine.unlink()
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{VAR_DIR} must be a folder that Duka may write in (DUKA_VAR): {error.strerror}."
        ) from None


DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or _secret_key()
# This machine always, as that is where it runs.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "127.0.0.1", "localhost", "[::1]"]
INSTALLED_APPS = [*INSTALLED_APPS, "demo"]
# Static files straight from the packages: nothing to collect first.
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = None
SERVE_MEDIA = True
