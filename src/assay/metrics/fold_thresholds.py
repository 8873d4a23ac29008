"""One threshold from the sweeps of several folds, and what it is worth on items it was not for.

    per_fold     the mean of the best thresholds of single folds
    pooled       the best of all folds as one sweep
    mean_curve   the best of the mean over folds of the metric at each threshold

Held out: for each fold, the choice of all others, measured on that fold. The difference to the
value on the folds it was chosen on is what choosing on the same data makes too good.

Source: scikit-learn's TunedThresholdClassifierCV averages curves; the other two are what people do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.score import Score, provenance
from assay.metrics.sweep import Sweep
from assay.metrics.thresholds import TUNED, best_of, grid_of, values_at

__all__ = ["CHOICES", "FoldThreshold", "threshold_over_folds"]

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

    @property
    def held_out_mean(self) -> float:
        """The mean over folds."""
        return float(self.held_out.mean())

    @property
    def held_out_std(self) -> float:
        """The standard deviation over folds, ddof = 1."""
        return float(self.held_out.std(ddof=1))

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
    folds: Mapping[Any, Sweep] | Sequence[Sweep], metric: str = "macro_f1", *, grid: Any = None
) -> dict[str, FoldThreshold]:
    """Choose one threshold from folds in each of three ways, and measure each held out.

    folds: sweeps of at least two folds, by name or in order. metric, grid: as
    Sweep.best_threshold.

    Returns {"per_fold", "pooled", "mean_curve": FoldThreshold}. InputError for a fold without
    items.

    >>> from assay import count_scores
    >>> folds = [count_scores([0, 1, 1], [0.2, 0.4, 0.9]), count_scores([0, 0, 1], [0.1, 0.5, 0.8])]
    >>> found = threshold_over_folds(folds, "accuracy")
    >>> found["pooled"].threshold, found["pooled"].held_out.tolist()
    (0.4, [0.6666666666666666, 0.6666666666666666])
    """
    named = folds if isinstance(folds, Mapping) else dict(enumerate(folds))
    names, sweeps = tuple(map(str, named)), [*named.values()]
    if len(sweeps) < 2:
        raise InputError(f"folds: at least two are needed, got {len(sweeps)}")
    for name, sweep in zip(names, sweeps, strict=True):
        if not sweep.n:
            raise InputError(f"folds: fold {name} has no items")
    thresholds = grid_of(grid)
    found = {}
    for choice, choose in CHOICES.items():
        threshold = choose(sweeps, metric, thresholds)
        others = [sweeps[:i] + sweeps[i + 1 :] for i in range(len(sweeps))]
        held = np.array([choose(rest, metric, thresholds) for rest in others])
        found[choice] = FoldThreshold(
            choice, metric, threshold,
            float(np.mean([sweep.value(metric, threshold) for sweep in sweeps])), names,
            np.array([s.value(metric, t) for s, t in zip(sweeps, held, strict=True)]), held,
            sum(sweep.n for sweep in sweeps),
        )  # fmt: skip
    return found


def _per_fold(sweeps: list[Sweep], metric: str, grid: Floats | None) -> float:
    best = [sweep.best_threshold(metric, grid=grid).threshold for sweep in sweeps]
    return float(np.mean(best))


def _pooled(sweeps: list[Sweep], metric: str, grid: Floats | None) -> float:
    whole: Any = sum(sweeps)
    return float(whole.best_threshold(metric, grid=grid).threshold)


def _mean_curve(sweeps: list[Sweep], metric: str, grid: Floats | None) -> float:
    if grid is None:
        grid = np.unique(np.concatenate([s.curve().score.astype(np.float64) for s in sweeps]))
    curves = [values_at(sweep, metric, grid) for sweep in sweeps]
    return best_of(grid, np.mean(curves, axis=0)).threshold


CHOICES: Mapping[str, Callable[[list[Sweep], str, Floats | None], float]] = {
    "per_fold": _per_fold,
    "pooled": _pooled,
    "mean_curve": _mean_curve,
}
