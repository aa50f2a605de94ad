"""The cache: what all workers must agree on (sign-in codes, limits), so never one process's own.

Beside it one of each process, for what is asked at every request.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .env import env, readable

# A table of our own database (core's migration makes it), or Redis where CACHE_URL says so.
_url = env.str("CACHE_URL", default="") or (
    "dbcache://core_cache?max_entries=100000&cull_frequency=10"
)
if _url.partition("://")[0] not in env.CACHE_SCHEMES:
    raise ImproperlyConfigured(
        "CACHE_URL must be an address such as redis://host:6379/0, or empty."
    )
CACHES: dict[str, dict[str, Any]] = {
    "default": env.cache_url_config(_url),
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "process",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
if CACHES["default"]["BACKEND"].endswith(".RedisCache"):
    servers = CACHES["default"]["LOCATION"]
    for server in [servers] if isinstance(servers, str) else servers:
        readable("CACHE_URL", server)
    # Beside what an older version has left there.
    CACHES["default"].setdefault("KEY_PREFIX", "duka")
    CACHES["default"]["OPTIONS"] = {
        "serializer": "core.signed_cache.SignedSerializer",
        # Somebody waits for the answer: a Redis that hangs is one that is away.
        "socket_connect_timeout": 2,
        "socket_timeout": 2,
        **CACHES["default"].get("OPTIONS", {}),
    }
