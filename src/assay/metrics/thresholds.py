"""The best threshold of a sweep, on all its scores or on a grid; and that of several folds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import number
from assay.core.errors import InputError
from assay.core.score import Score, provenance
from assay.metrics._label_formulas import metric_named, of_two
from assay.ops.sweep import Runs

__all__ = ["BestThreshold", "best_of", "best_threshold", "constraints", "grid_of"]
__all__ += ["numbers", "values_at"]

Floats = npt.NDArray[np.float64]

EQUAL = 4e-15  # values this close are one value, rounded on two ways
ROUNDING = 1e-9  # far more than a metric can be off by
TUNED = {"threshold": "tuned_on_same_data"}


@dataclass(frozen=True, eq=False)
class BestThreshold:
    """threshold, and the value of `metric` there. curve: (thresholds, values) of the whole grid,
    or, without a grid, of all distinct scores, upwards. n: items."""

    metric: str
    threshold: float
    value: float
    n: int
    signature: str
    _curve: Callable[[], tuple[Floats, Floats]]

    @property
    def curve(self) -> tuple[Floats, Floats]:
        """(thresholds [t], values [t]), upwards."""
        return self._curve()

    def scores(self) -> list[Score]:
        """`best_threshold`, and the metric there, tagged as tuned on the data it is measured on."""
        known = (self.n, dict(TUNED), self.signature, provenance())
        return [
            Score("best_threshold", self.threshold, "score", None, *known),
            Score(self.metric, self.value, "fraction", "higher", *known),
        ]


class Best(NamedTuple):
    value: float
    threshold: float

    def better_than(self, other: "Best") -> bool:
        if math.isnan(other.value) or abs(self.value - other.value) > EQUAL:
            return math.isnan(other.value) or self.value > other.value
        near, far = abs(self.threshold - 0.5), abs(other.threshold - 0.5)
        return near < far or (near == far and self.threshold < other.threshold)


def grid_of(grid: Any) -> Floats | None:
    """Thresholds, upwards, of a sequence or of "first:last:step" (decimal, ends included).

    >>> grid_of("0.3:0.6:0.05").tolist()
    [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    """
    if grid is None:
        return None
    values = _decimals(grid) if isinstance(grid, str) else numbers(grid, "grid")
    if values.ndim != 1 or not values.size or np.isnan(values).any():
        raise InputError(f"grid must be thresholds without NaN, got {grid!r}")
    if (np.diff(values) <= 0).any():
        at = int(np.argmax(np.diff(values) <= 0))
        raise InputError(
            f"grid must go upwards, got {values[at]:g} before {values[at + 1]:g}; sort it"
        )
    return values


def constraints(given: Any) -> dict[str, float]:
    """Least values of metrics, by name."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"constraint must be as in {{'recall': 0.9}}, got {given!r}")
    least = {name: number(value, f"constraint: {name}") for name, value in given.items()}
    for name, value in least.items():
        metric_named(name, positive=1)
        if math.isnan(value):
            raise InputError(f"constraint: {name} must be a number, got nan")
    return least


def best_of(thresholds: Any, values: Floats) -> Best:
    """The best of values at thresholds [t]; equal ones as Sweep.best_threshold says."""
    if not len(values) or np.isnan(values).all():
        return Best(math.nan, math.nan)
    places = np.flatnonzero(values >= np.nanmax(values) - EQUAL)
    equal = np.asarray(thresholds)[places].astype(np.float64)
    best = np.lexsort((equal, np.abs(equal - 0.5)))[0]
    return Best(float(values[places[best]]), float(equal[best]))


def values_at(sweep: Any, metric: str, thresholds: Any) -> Floats:
    """Values of a metric at thresholds [t]; nan without items."""
    if not sweep.negatives + sweep.positives:
        return np.full(len(thresholds), np.nan)
    fp, tp = sweep.counts_at(thresholds)
    classes = of_two(fp, tp, sweep.negatives, sweep.positives)
    return np.asarray(metric_named(metric, positive=1)(classes), np.float64)


def best_threshold(
    sweep: Any, metric: str, grid: Floats | None, constraint: Mapping[str, float] | None
) -> BestThreshold:
    """See Sweep.best_threshold."""
    n, p = sweep.negatives, sweep.positives
    of_metric = metric_named(metric, positive=1)
    needed = [
        (metric_named(name, positive=1), least) for name, least in constraints(constraint).items()
    ]

    def values_of(fp: Any, tp: Any) -> Floats:
        classes = of_two(fp, tp, n, p)
        values = np.asarray(of_metric(classes), np.float64)
        for value, least in needed:
            values = np.where(value(classes) >= least, values, np.nan)
        return values

    def of_slice(runs: Runs) -> Best:
        return best_of(runs.score, values_of(runs.fp, runs.tp))

    def may_be_best(fp: Any, tp: Any) -> Any:
        """Of two classes no metric falls when tp rises or fp falls, so none is higher in a slice
        than with the fp where it begins and the tp where it ends. What is reached at an end is
        reached. (Of one class the other may come to be predicted, and the mean has one more.)"""
        reached = values_of(fp[1:], tp[1:])
        bound = np.asarray(of_metric(of_two(fp[:-1], tp[1:], n, p)), np.float64)
        return ~(bound < np.nanmax(reached, initial=-np.inf) - ROUNDING)

    def whole_curve() -> tuple[Floats, Floats]:
        if grid is not None:
            return grid, values_of(*sweep.counts_at(grid))
        runs = sweep.curve()
        return runs.score[::-1].astype(np.float64), values_of(runs.fp, runs.tp)[::-1]

    best = Best(math.nan, math.nan)
    if n + p:
        found = (
            [best_of(*whole_curve())]
            if grid is not None
            else sweep.over_runs(of_slice, may_be_best if n and p else None)
        )
        for own in found:
            if not math.isnan(own.value) and own.better_than(best):
                best = own
    signature = f"{metric}|best threshold over {'all scores' if grid is None else 'a grid'}"
    return BestThreshold(
        metric, best.threshold, best.value, sweep.n, f"{signature}|{sweep.signature}", whole_curve
    )


def numbers(values: Any, what: str) -> Floats:
    """Numbers as float64; no bools, text or dates."""
    try:
        given = np.asarray(values)
        if given.dtype.kind in "iufO" or not given.size:
            return given.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{what} must be numbers, got {values!r}")


def _decimals(text: str) -> Floats:
    try:
        first, last, step = (Decimal(part) for part in text.split(":"))
    except (ValueError, InvalidOperation):
        raise InputError(
            f"grid must be first:last:step, as in 0.3:0.6:0.05; got {text!r}"
        ) from None
    if not (first.is_finite() and last.is_finite() and step.is_finite()) or step <= 0:
        raise InputError(f"grid: the step must be above 0, got {text!r}")
    if last < first:
        raise InputError(f"grid must go upwards, got {text!r}")
    steps = int((last - first) / step)
    if steps > 1_000_000:
        raise InputError(f"grid: {steps + 1:,} thresholds are too many, got {text!r}")
    return np.array([float(first + step * i) for i in range(steps + 1)])
