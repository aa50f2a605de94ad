"""The cache: what all workers must agree on (sign-in codes, limits), so never one process's own."""

from typing import Any

from .env import env

# A table of our own database (core's migration makes it), or Redis where CACHE_URL says so.
CACHES: dict[str, dict[str, Any]] = {
    "default": env.cache_url_config(
        env.str("CACHE_URL", default="")
        or "dbcache://core_cache?max_entries=100000&cull_frequency=10"
    )
}
