"""What `measure()` of an app tells Prometheus, and its checks tell `manage.py doctor`."""

from collections.abc import Callable, Iterable

from prometheus_client import Metric

from core.examining import Finding


def samples_of(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    """Return each value by its name without `duka_` and its labels: `("messages", "sent"): 3`."""
    return {
        (sample.name.removeprefix("duka_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def found(check: Callable[[], Iterable[Finding]]) -> list[tuple[str, str]]:
    """Return the level and the words of each finding."""
    return [(finding.level, finding.said) for finding in check()]
