"""What the shop stands on may be away for a while: what then goes on, and what waits.

Without the database nothing can be done: 503, and the caller comes back. Without the cache, where
it is a Redis of its own, what only counts goes on uncounted (`without_cache`); what must be good
for one time only (a code to sign in by) waits for it.
"""

import logging
from types import TracebackType

from redis.exceptions import RedisError

logger = logging.getLogger("duka.outages")


class without_cache:  # noqa: N801  read as a verb
    """Go on after the block where the cache is away; say `what` was left out.

    A class, as a type checker learns from no other kind that the block may end early.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, RedisError):
            return False
        logger.warning("the cache is away, so %s: %s", self._what, error)
        return True
