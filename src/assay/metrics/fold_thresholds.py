"""One threshold from the sweeps of several folds, and what it is worth on items it was not for.

    per_fold     the mean of the best thresholds of single folds
    pooled       the best of all folds as one sweep
    mean_curve   the best of the mean over folds of the metric at each threshold

Held out: for each fold, the choice of all others, measured on that fold. The difference to the
value on the folds it was chosen on is what choosing on the same data makes too good. A constraint
must hold on each fold, on all as one, or in the mean over folds; where no threshold meets it, the
threshold and its values are nan.

Source: scikit-learn's TunedThresholdClassifierCV averages curves; the other two are what people do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.score import Score, provenance
from assay.metrics.confusion import Confusion
from assay.metrics.sweep import Sweep
from assay.metrics.thresholds import TUNED, best_of, constraints, grid_of, values_at

__all__ = ["FoldThreshold", "threshold_over_folds"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldThreshold:
    """One choice of a threshold. value: mean over folds of the metric there, on the data it was
    chosen on. held_out [folds]: on each fold with the threshold that the others choose, which are
    held_out_thresholds [folds]."""

    choice: str
    metric: str
    threshold: float
    value: float
    folds: tuple[str, ...]
    held_out: Floats
    held_out_thresholds: Floats
    n: int
    _sweeps: tuple[Sweep, ...]
    _grid: Floats | None

    @property
    def held_out_mean(self) -> float:
        """The mean over folds."""
        return float(self.held_out.mean())

    @property
    def held_out_std(self) -> float:
        """The standard deviation over folds, ddof = 1."""
        return float(self.held_out.std(ddof=1))

    @cached_property
    def held_out_counts(self) -> Confusion:
        """All items at the threshold that the other folds choose, as one confusion, whose scores
        have intervals: `interval(t.held_out_counts, "macro_f1")`. They are over all items at once,
        not means over folds. Folds without a threshold are left out."""
        pairs = zip(self._sweeps, self.held_out_thresholds.tolist(), strict=True)
        own = [sweep.at(t) for sweep, t in pairs if not math.isnan(t)]
        return sum(own, Confusion.zero(labels=(0, 1)))

    @property
    def curve(self) -> tuple[Floats, Floats]:
        """(thresholds [t], values [t]), upwards: the mean over folds of the metric at each
        threshold of the grid, or without one at each distinct score of any fold."""
        thresholds = _thresholds(self._sweeps, self._grid)
        return thresholds, _mean_at(self._sweeps, self.metric, thresholds)

    def scores(self) -> list[Score]:
        """The threshold and the metric there, tagged as tuned on the same data; then the metric
        held out."""
        signature = f"{self.metric}|choice:{self.choice}|folds:{len(self.folds)}"

        def score(name: str, value: float, unit: str, better: Any, how: str) -> Score:
            tags = {"choice": self.choice, "threshold": how}
            return Score(name, value, unit, better, self.n, tags, signature, provenance())

        same = TUNED["threshold"]
        return [
            score("best_threshold", self.threshold, "score", None, same),
            score(self.metric, self.value, "fraction", "higher", same),
            score(self.metric, self.held_out_mean, "fraction", "higher", "held_out"),
        ]


def threshold_over_folds(
    folds: Mapping[Any, Sweep] | Sequence[Sweep],
    metric: str = "macro_f1",
    *,
    grid: Any = None,
    constraint: Mapping[str, float] | None = None,
) -> dict[str, FoldThreshold]:
    """Choose one threshold from folds in each of three ways, and measure each held out.

    folds: sweeps of at least two folds, by name or in order. metric, grid, constraint: as
    Sweep.best_threshold.

    Returns {"per_fold", "pooled", "mean_curve": FoldThreshold}. InputError for a fold without
    items.

    >>> from assay import count_scores
    >>> folds = [count_scores([0, 1, 1], [0.2, 0.4, 0.9]), count_scores([0, 0, 1], [0.1, 0.5, 0.8])]
    >>> found = threshold_over_folds(folds, "accuracy")
    >>> found["pooled"].threshold, found["pooled"].held_out.tolist()
    (0.4, [0.6666666666666666, 0.6666666666666666])
    >>> found["mean_curve"].curve[1].max().item(), found["pooled"].held_out_counts.accuracy
    (0.8333333333333333, 0.6666666666666666)
    """
    names, sweeps = _named(folds)
    how = _How(metric, grid_of(grid), constraints(constraint))
    found = {}
    for choice, choose in CHOICES.items():
        threshold = choose(sweeps, how)
        others = [sweeps[:i] + sweeps[i + 1 :] for i in range(len(sweeps))]
        held = [choose(rest, how) for rest in others]
        found[choice] = FoldThreshold(
            choice, metric, threshold,
            float(np.mean([_value(sweep, metric, threshold) for sweep in sweeps])), names,
            np.array([_value(s, metric, t) for s, t in zip(sweeps, held, strict=True)]),
            np.array(held), sum(sweep.n for sweep in sweeps), tuple(sweeps), how.grid,
        )  # fmt: skip
    return found


class _How(NamedTuple):
    """How a threshold is chosen."""

    metric: str
    grid: Floats | None
    constraint: Mapping[str, float]

    def best(self, sweep: Sweep) -> float:
        found = sweep.best_threshold(self.metric, grid=self.grid, constraint=self.constraint)
        return float(found.threshold)


def _named(folds: Any) -> tuple[tuple[str, ...], list[Sweep]]:
    if isinstance(folds, (str, bytes, Sweep)) or not np.iterable(folds):
        raise InputError(f"folds must be sweeps, as count_scores returns them, got {folds!r}")
    named = folds if isinstance(folds, Mapping) else dict(enumerate(folds))
    for name, sweep in named.items():
        if not isinstance(sweep, Sweep):
            raise InputError(f"folds: fold {name} must be a Sweep, got {type(sweep).__name__}")
        if not sweep.n:
            raise InputError(f"folds: fold {name} has no items")
    if len(named) < 2:
        raise InputError(f"folds: at least two are needed, got {len(named)}")
    names = ("/".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in named)
    return tuple(names), [*named.values()]


def _value(sweep: Sweep, metric: str, threshold: float) -> float:
    return math.nan if math.isnan(threshold) else sweep.value(metric, threshold)


def _thresholds(sweeps: Sequence[Sweep], grid: Floats | None) -> Floats:
    if grid is not None:
        return grid
    return np.unique(np.concatenate([s.curve().score.astype(np.float64) for s in sweeps]))


def _mean_at(sweeps: Sequence[Sweep], metric: str, thresholds: Floats) -> Floats:
    return np.asarray(np.mean([values_at(sweep, metric, thresholds) for sweep in sweeps], axis=0))


def _per_fold(sweeps: list[Sweep], how: _How) -> float:
    return float(np.mean([how.best(sweep) for sweep in sweeps]))


def _pooled(sweeps: list[Sweep], how: _How) -> float:
    whole: Any = sum(sweeps)
    return how.best(whole)


def _mean_curve(sweeps: list[Sweep], how: _How) -> float:
    thresholds = _thresholds(sweeps, how.grid)
    values = _mean_at(sweeps, how.metric, thresholds)
    for name, least in how.constraint.items():
        values = np.where(_mean_at(sweeps, name, thresholds) >= least, values, np.nan)
    return best_of(thresholds, values).threshold


CHOICES: Mapping[str, Callable[[list[Sweep], _How], float]] = {
    "per_fold": _per_fold,
    "pooled": _pooled,
    "mean_curve": _mean_curve,
}
