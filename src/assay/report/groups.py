"""What runs have told, told apart by tags: of the metric, and of the run it is in."""

import math
import os
import re
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from assay.core.errors import InputError
from assay.core.record import GROUP_TAGS, Best, Metric, RunRecord, read_journal
from assay.core.score import Better, flat_key

__all__ = [
    "Identity",
    "Mean",
    "Records",
    "Series",
    "as_records",
    "chosen",
    "directed",
    "listed",
    "mean",
    "named",
    "natural",
    "numeric",
    "series_of",
    "unique",
]

Records = RunRecord | str | os.PathLike[str] | Iterable[RunRecord | str | os.PathLike[str]]
Identity = tuple[str, tuple[tuple[str, str], ...]]  # the name of a metric, and its further tags

TOLD = 20  # names in an error

_DIGITS = re.compile(r"(\d+)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})((?:\.\d+)?(?:[eE][-+]?\d+)?)", re.ASCII)


class Series(NamedTuple):
    """A metric of a run. tags: its own, and those of the run. what: its name and its tags but for
    those that tell groups apart."""

    record: RunRecord
    metric: Metric
    tags: Mapping[str, str]
    what: Identity

    def values(self) -> dict[int, float]:
        """By step, in order."""
        steps, values = self.record.series(self.metric.key)
        return dict(zip(steps.tolist(), values.tolist(), strict=True))

    def best(self) -> Best | None:
        """The best value and the first step that has it; NaN is never best."""
        return self.record.best(self.metric.key)

    def last(self) -> float | None:
        _, values = self.record.series(self.metric.key)
        return float(values[-1]) if len(values) else None


def as_records(given: Records, what: str) -> list[RunRecord]:
    """Records of runs, or of their directories; InputError of none."""
    several = [given] if isinstance(given, (RunRecord, str, os.PathLike)) else list(given)
    if not several:
        raise InputError(f"{what}: records must be one run or several, got none")
    return [one if isinstance(one, RunRecord) else read_journal(os.fspath(one)) for one in several]


def series_of(
    records: Iterable[RunRecord], group_tags: Collection[str] = GROUP_TAGS
) -> list[Series]:
    """All metrics of runs, but those of the system."""
    found = []
    for record in records:
        for metric in record.metrics.values():
            own = tuple(sorted(tag for tag in metric.tags.items() if tag[0] not in group_tags))
            if not metric.name.startswith("system/"):
                tags = {**record.tags, **metric.tags}
                found.append(Series(record, metric, tags, (metric.name, own)))
    return found


def named(series: Iterable[Series]) -> dict[Identity, str]:
    """A flat name for each metric, in order of appearance."""
    found = list(dict.fromkeys(one.what for one in series))
    return dict(zip(found, unique(flat_key(name, dict(tags)) for name, tags in found), strict=True))


def unique(names: Iterable[str]) -> list[str]:
    """The same names, the later of equal ones with a number behind it.

    >>> unique(["n", "wer", "n"])
    ['n', 'wer', 'n_2']
    """
    taken: dict[str, None] = {}
    for name in names:
        number, own = 1, name
        while own in taken:
            number += 1
            own = f"{name}_{number}"
        taken[own] = None
    return list(taken)


def chosen(metric: str, names: Mapping[Identity, str], what: str) -> Identity:
    """The metric that is called so, by its flat name or as it was logged."""
    for own, name in names.items():
        if metric == name:
            return own
    if (metric, ()) in names:
        return metric, ()
    known = [name for name in names.values() if name.endswith(f"/{metric}")]
    known = known or list(names.values())
    raise InputError(
        f"{what}: metric must be one that was logged, got {metric!r}; "
        f"there are {listed(known, TOLD) or 'none'}"
    )


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def directed(series: Iterable[Series]) -> Better:
    """Which way is better, as the first says that does."""
    return next((one.metric.direction for one in series if one.metric.direction), None)


class Mean(NamedTuple):
    """The mean of n values, their standard deviation with n - 1 in the denominator, and the
    interval of the mean by Student's t; nan where n is too small for one."""

    mean: float
    std: float
    n: int
    low: float
    high: float


def mean(values: Iterable[float | None], level: float = 0.95) -> Mean:
    """Over the values that there are: None and NaN do not count.

    >>> mean([0.75, 0.25, None])[:3]
    (0.5, 0.3535533905932738, 2)
    """
    from scipy.special import stdtrit

    usable = [v for v in values if v is not None and not math.isnan(v)]
    n = len(usable)
    # Exact fractions, rounded once: equal values have no deviation.
    middle = float(statistics.mean(usable)) if n else math.nan
    std = statistics.stdev(usable) if n > 1 and all(map(math.isfinite, usable)) else math.nan
    half = float(stdtrit(n - 1, (1 + level) / 2)) * std / math.sqrt(n) if n > 1 else math.nan
    return Mean(middle, std, n, middle - half, middle + half)


def natural(value: Any) -> tuple[Any, ...]:
    """A key that sorts numbers by value, then texts by the numbers in them, then nothing.

    >>> sorted(["fold 10", "fold 9", "10", 2, None], key=natural)
    [2, '10', 'fold 9', 'fold 10', None]
    """
    if value is None:
        return (2,)
    number = numeric(value)
    if not isinstance(number, str):
        return (0, number, str(value))
    parts = _DIGITS.split(number)
    return (1, [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)])


def numeric(value: Any) -> str | int | float | None:
    """A text that is written as a number is, as that number; other things as text."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    found = _NUMBER.fullmatch(text)
    if not found:
        return text
    number = float(text) if found[1] else int(text)
    return number if math.isfinite(number) else text
