"""Static files (served by whitenoise from here, never a CDN) and uploads."""

from .env import BASE_DIR, VAR_DIR, env

STATIC_URL = "static/"
STATIC_ROOT: str | None = env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles"))
MEDIA_URL = "media/"
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(VAR_DIR / "media"))
