"""How long the tests that make up their own cases go on."""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

# `FUZZ=20` makes twenty times as many.
TIMES = int(os.environ.get("FUZZ", "1"))


def fuzzing(*, examples: int, **options: Any) -> settings:
    """Return settings with so many examples, the same in every run."""
    options = {"derandomize": True, **options}
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **options,
    )
