"""A round of collecting: what its steps share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from repairs.clients import ClientDatabase, Layout
from repairs.models import Source

from .reading import Reader

# The least that is asked for at once of a database that fails.
_SMALLEST_PAGE = 100


@dataclass(kw_only=True)
class Round:
    """What came of a round; `done`: nothing was left for want of time."""

    collected: int = 0
    followed: int = 0
    written: int = 0
    refused: int = 0
    done: bool = True


@dataclass(kw_only=True)
class Run:
    """A round under way. Only its own thread works on `client` and the lease."""

    source: Source
    layout: Layout
    client: ClientDatabase
    # Whether its time is up. Each step comes on by a page at least.
    is_over: Callable[[], bool]
    # Asked for by a person: all of it, however long ago it was last done.
    thorough: bool
    result: Round = field(default_factory=Round)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.layout)

    def page(self, rows: int) -> int:
        """Return how many rows to ask for: after failures fewer, as many may be too slow."""
        return max(rows >> min(self.source.failures, 10), _SMALLEST_PAGE)

    def leave_the_rest(self) -> bool:
        """Tell whether the time is up, and note that something was left."""
        if self.is_over():
            self.result.done = False
            return True
        return False
