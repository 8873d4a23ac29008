"""Sweep: the scores of a binary target, and every number that hangs on a threshold or on none.

An item is positive at a threshold when its score is at least that. With N negatives and P
positives, and fp(t) and tp(t) of them at or above t:

    roc_auc             share of (negative, positive) pairs in order, ties one half
    average_precision   sum over distinct scores of the step of recall times precision
    ks                  largest distance of tp / P and fp / N
    brier, log_loss     mean of (s - y)^2 and of -ln of the score of what is so
    ece, mce            mean and largest distance of score and share of positives in bins

Source: scikit-learn 1.9; Hanley and McNeil 1982; Brier 1950; Guo et al., ICML 2017; McClish 1989
for the partial area.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from assay.core.checks import is_one_of, number, one_of
from assay.core.errors import InputError
from assay.core.field_kinds import joined, parts_of
from assay.core.resampling import Items, RankedItems
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, listed, peak, pooled, summed
from assay.metrics import _sweep_curves as curves
from assay.metrics._counting import float_column, has_items, refuse_sums
from assay.metrics._item_rows import UNKEPT
from assay.metrics._sweep_items import LOSSES, mean_of, of_sweep, refuse, rows_at, weighted_cells
from assay.metrics.calibration import Reliability, losses, reliability
from assay.metrics.confusion import Confusion
from assay.metrics.thresholds import BestThreshold, best_threshold, grid_of, numbers, values_at
from assay.ops import sweep as ops
from assay.ops.labels import Label
from assay.ops.sweep import Runs

__all__ = ["Sweep"]

Floats = npt.NDArray[Any]

BINS = 15


@dataclass(frozen=True, eq=False)
class Sweep(State):
    """Scores by the label of their item.

    pools: number of a label -> its scores [n], or rows (score, weight) [n, 2] where items have
    weights; `positive` is the number of the one that a high score speaks for, all others are
    negatives. histogram: int64 [2, 65536], negatives and positives by the bits of their score,
    where scores have 16 bits (then pools are empty). label: what the positive one is called.
    width: bits of a score as it was given: 16, 32 or 64 (of bfloat16 32). rows int64 [n, 3], with
    items=True: id, 1 for a positive item, score as float64 bits; row_weights int64 [n, 2]: id and
    weight likewise, where items have weights.
    mode: "exact", "weighted", "float16" or "bfloat16".
    """

    pools: Mapping[int, Floats | tuple[Floats, ...]] = pooled()
    histogram: Any = summed(2, 1 << 16)
    rows: Floats = listed("id", "positive", "score")
    row_weights: Floats = listed("id", "weight")
    groups: Mapping[tuple[str, ...], "Sweep"] = grouped()
    by: tuple[str, ...] | None = fixed()
    positive: int | None = fixed()
    label: Label | None = fixed()
    mode: str | None = fixed()
    width: int | None = peak()
    detail: tuple[str, ...] | None = fixed()

    MODES: ClassVar[tuple[str, ...]] = ("exact", "weighted", "float16", "bfloat16")

    def check(self) -> None:
        """Refuse scores and weights that are none."""
        if self.mode is not None:
            one_of(self.mode, "mode", self.MODES)
        if self.width not in (None, 16, 32, 64):
            raise InputError(f"width must be 16, 32 or 64 bits, got {self.width}")
        ndim = 2 if self.mode == "weighted" else 1
        for pool in self.pools.values():
            for part in parts_of(pool):
                if part.ndim != ndim or part.shape[1:] != (2,) * (ndim - 1) or np.isnan(part).any():
                    raise InputError(f"scores of shape {part.shape} are none, or one is NaN")
                if ndim == 2 and not (np.isfinite(part[:, 1]).all() and (part[:, 1] >= 0).all()):
                    raise InputError("weights must be finite and at least 0")
        counts = np.asarray(self.histogram)
        if np.any((counts < 0) | (counts > 1 << 53)):
            raise InputError("histogram has counts below 0, or beyond 2^53")
        if self.mode == "weighted" and len(self.rows) != len(self.row_weights):
            raise InputError(f"{len(self.rows)} rows have {len(self.row_weights)} weights")

    # -- runs ----------------------------------------------------------------------------------

    def classes(self) -> tuple[Floats, Floats]:
        """Scores [n], or rows (score, weight) [n, 2], of negatives and of positives, unsorted."""
        none = np.zeros((0, 2) if self.mode == "weighted" else 0, np.float32)
        positive = 1 if self.positive is None else self.positive
        others = [joined(values) for label, values in self.pools.items() if label != positive]
        first = others[0] if len(others) == 1 else np.concatenate([none, *others])
        sides = (first, joined(self.pools.get(positive, none)))
        kind = np.result_type(*(side.dtype for side in sides if len(side)), np.float32)
        first, second = (side.astype(kind, copy=False) for side in sides)
        return first, second

    @cached_property
    def _sides(self) -> tuple[Floats, Floats]:
        """Scores of negatives and positives, sorted upwards."""
        if self.mode == "weighted":
            return self._ordered[0][0], self._ordered[1][0]
        first, second = self.classes()
        return _upwards(first), _upwards(second)

    @cached_property
    def _ordered(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        sides = self.classes()
        refuse_sums(*(side[:, 1] for side in sides))
        return ops.weighted_side(sides[0]), ops.weighted_side(sides[1])

    @property
    def _sums(self) -> tuple[Floats, Floats] | None:
        """Of each class the weight [n + 1] of its k highest scores, where items have weights."""
        return (self._ordered[0][1], self._ordered[1][1]) if self.mode == "weighted" else None

    @cached_property
    def _whole(self) -> Runs | None:
        """All runs at once, of what is small."""
        if self.mode in ("float16", "bfloat16"):
            return ops.histogram_runs(np.broadcast_to(self.histogram, (2, 1 << 16)), self.mode)
        return None

    def over_runs(
        self,
        function: Callable[[Runs], Any],
        wanted: Callable[[Floats, Floats], Floats] | None = None,
        power: int = 0,
    ) -> Iterator[Any]:
        """A function of each slice of the sweep, best scores first; of those only for which
        wanted(fp, tp) says so, from the counts [s + 1] where the s slices begin and end. Weights
        are given times 2^power."""
        if self._whole is not None:
            return iter([function(self._whole)] if len(self._whole.score) else [])
        negatives, positives = self._sides
        slices = ops.slices_of(negatives, positives)
        if wanted is not None and len(slices) > 1:
            ends = np.array([slices[0][1], *(begin for begin, _ in slices)])
            counts = np.array([len(negatives), len(positives)])[:, None] - ends.T
            slices = [slices[i] for i in np.flatnonzero(wanted(*self._weighed(*counts)))]
        return ops.over_runs(negatives, positives, function, slices, self._sums, power)

    def _weighed(self, fp: Floats, tp: Floats) -> tuple[Floats, Floats]:
        """Numbers of the highest scores of each class, as weights where items have some."""
        return (fp, tp) if self._sums is None else (self._sums[0][fp], self._sums[1][tp])

    @cached_property
    def negatives(self) -> Any:
        """N: items of other labels than the positive one, or the sum of their weights."""
        return self._total(0)

    @cached_property
    def positives(self) -> Any:
        """P: items of the positive label, or the sum of their weights."""
        return self._total(1)

    def _total(self, side: int) -> Any:
        if self._sums is not None:
            return self._sums[side][-1].item()
        if self._whole is None:
            return len(self._sides[side])
        sums = self._whole.tp if side else self._whole.fp
        return sums[-1].item() if len(sums) else 0

    @property
    def n(self) -> int:
        """Items."""
        if self.mode in ("float16", "bfloat16"):
            return int(np.sum(self.histogram))
        return sum(len(part) for pool in self.pools.values() for part in parts_of(pool))

    # -- areas ---------------------------------------------------------------------------------

    @cached_property
    def _areas(self) -> tuple[float, float]:
        """ROC-AUC and average precision, from one pass."""
        pairs, steps = 0, []
        n, p = self.negatives, self.positives
        # Weights at about 1, so that no product is too large or 0; a power of two rounds nothing.
        size = math.frexp(max(n, p))[1] if self._sums is not None else 0
        for above, step in self.over_runs(ops.areas, power=-size):
            pairs += above
            steps.append(step)
        n, p = (math.ldexp(side, -size) if size else side for side in (n, p))
        auc = pairs / (2 * n * p) if n and p else math.nan
        return auc, math.fsum(steps) / p if p else math.nan

    @property
    def roc_auc(self) -> float:
        """The area under the ROC curve; nan where there is one class only."""
        return self._areas[0]

    @property
    def average_precision(self) -> float:
        """The area under the precision-recall steps; nan without positives."""
        return self._areas[1]

    @cached_property
    def ks(self) -> float:
        """The largest distance of true and false positive rate; nan where there is one class."""
        if not (self.negatives and self.positives):
            return math.nan
        n, p = self.negatives, self.positives
        distances = self.over_runs(lambda runs: float(np.abs(runs.tp / p - runs.fp / n).max()))
        return float(max(distances))

    def partial_auc(self, max_fpr: float) -> float:
        """The area under the ROC curve up to a false positive rate, put to 0.5 for chance and 1
        for the best (McClish); nan where there is one class."""
        return curves.partial_area(self, max_fpr)

    # -- curves --------------------------------------------------------------------------------

    def curve(self) -> Runs:
        """False and true positives at every distinct score, best first: score, fp, tp [m]."""
        parts = [*self.over_runs(lambda runs: runs)]
        if not parts:
            return Runs(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        score, fp, tp = (np.concatenate(side) for side in [*zip(*parts, strict=True)][:3])
        return Runs(score, fp, tp)

    def roc_curve(self) -> tuple[Floats, Floats, Floats]:
        """(false positive rate, true positive rate, threshold) [m + 1], from (0, 0) at inf; a
        rate is nan where its class is empty."""
        return curves.roc(self)

    def precision_recall_curve(self) -> tuple[Floats, Floats, Floats]:
        """(precision [m + 1], recall [m + 1], threshold [m]), thresholds upwards; the last point
        is precision 1 and recall 0. Recall is nan without positives."""
        return curves.precision_recall(self)

    def det_curve(self) -> tuple[Floats, Floats, Floats]:
        """(false positive rate, false negative rate, threshold) [m], thresholds upwards, between
        the last without false positives (it may be inf) and the first without false negatives."""
        return curves.det(self)

    # -- thresholds ----------------------------------------------------------------------------

    def at(self, threshold: float) -> Confusion:
        """The confusion of labels 0 and 1 at a threshold, which a score is at or above."""
        if math.isnan(number(threshold, "at: the threshold")):
            raise InputError("at: the threshold is NaN")
        known: dict[str, Any] = {"labels": (0, 1), **rows_at(self, threshold)}
        if self.mode == "weighted":
            return Confusion(**weighted_cells(*self.classes(), threshold), **known)
        fp, tp = (counts[0].item() for counts in self.counts_at([threshold]))
        fn, tn = self.positives - tp, self.negatives - fp
        cells = {(0, 0): tn, (0, 1): fp, (1, 0): fn, (1, 1): tp}
        return Confusion(cells={pair: n for pair, n in cells.items() if n}, **known)

    def counts_at(self, thresholds: Any) -> tuple[Any, Any]:
        """(fp, tp) [t] at thresholds [t]."""
        thresholds = numbers(thresholds, "thresholds")
        if thresholds.ndim != 1:
            raise InputError(f"thresholds must be [t], got shape {thresholds.shape}")
        if self._whole is not None:
            score = self._whole.score.astype(np.float64)
            place = np.searchsorted(-score, -thresholds, "right")
            zero = np.zeros(1, self._whole.fp.dtype)
            fp, tp = (np.concatenate([zero, side]) for side in self._whole[1:3])
            return fp[place], tp[place]
        sides = self._sides
        least = np.array([ops.least_at(t, sides[0].dtype) for t in thresholds], sides[0].dtype)
        fp, tp = (len(side) - np.searchsorted(side, least, "left") for side in sides)
        return self._weighed(fp, tp)

    def value(self, metric: str, threshold: float) -> float:
        """A metric of the confusion at a threshold; nan without items."""
        if math.isnan(number(threshold, "value: the threshold")):
            raise InputError("value: the threshold is NaN")
        return float(values_at(self, metric, [threshold])[0])

    def best_threshold(
        self, metric: str = "macro_f1", *, grid: Any = None,
        constraint: Mapping[str, float] | None = None,
    ) -> BestThreshold:  # fmt: skip
        """The threshold with the highest value of a metric of the confusion there.

        grid: thresholds to choose from, upwards, or "0.3:0.6:0.05" (ends included); None: every
        distinct score. constraint: {metric: least value} that must hold too. Equal best values go
        to the threshold nearest 0.5, then the lower. Where no threshold meets the constraint, and
        without items, threshold and value are nan.
        Chosen and measured on the same items the value is optimistic, which its tags say.

        >>> from assay import count_scores
        >>> count_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).best_threshold("accuracy").threshold
        0.35
        """
        return best_threshold(self, metric, grid_of(grid), constraint)

    # -- probabilities -------------------------------------------------------------------------

    @cached_property
    def _losses(self) -> tuple[float, float]:
        return losses(self)

    @property
    def are_probabilities(self) -> bool:
        """Whether every score lies in 0..1."""
        ends = [*self.over_runs(lambda runs: (float(runs.score[-1]), float(runs.score[0])))]
        return all(low >= 0 and high <= 1 for low, high in ends)

    @property
    def brier(self) -> float:
        """The mean squared distance of score and label, 0..1, lower is better; nan without
        items."""
        return self._losses[0]

    @property
    def log_loss(self) -> float:
        """The mean of -ln of the score given to what is so, lower is better; scores are kept an
        epsilon of their type away from 0 and 1. nan without items."""
        return self._losses[1]

    def calibration(self, bins: int = BINS) -> Reliability:
        """Mean score and share of positives in bins of equal width."""
        return reliability(self, bins)

    @property
    def ece(self) -> float:
        """The expected calibration error over 15 bins of equal width."""
        return self.calibration().ece

    @property
    def mce(self) -> float:
        """The largest calibration error of 15 bins of equal width."""
        return self.calibration().mce

    # -- single items --------------------------------------------------------------------------

    def per_item(self, name: str) -> Floats:
        """ "id", "positive" (1 or 0), "score" or (where items have some) "weight" of each item, in
        order of id; needs a count with items=True."""
        if not has_items(self, len(self.rows)):
            raise InputError(UNKEPT)
        rows = self.rows[np.argsort(self.rows[:, 0], kind="stable")]
        columns = {"id": rows[:, 0], "positive": rows[:, 1], "score": float_column(self.rows)}
        if self.mode == "weighted":
            columns["weight"] = float_column(self.row_weights)
        if not is_one_of(name, columns):
            raise InputError(f"per_item: no column {name!r}; there are {list(columns)}")
        return columns[name]

    def item_columns(self) -> dict[str, Floats]:
        """Label and score of single items as named columns, in order of id."""
        return {name: self.per_item(name) for name in ("positive", "score")}

    def resampling(self, name: str) -> Items | RankedItems:
        """The items of an area under a curve or of a loss; see core/resampling.py."""
        return of_sweep(self, name)

    def value_of(self, name: str, totals: Floats) -> Floats:
        """A loss of each row of sums; see core/resampling.py."""
        refuse(name, LOSSES)
        return mean_of(totals)

    # -- scores --------------------------------------------------------------------------------

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return f"positive:{self.label}|mode:{self.mode}|at:score>=threshold"

    def total_scores(self) -> list[Score]:
        """Areas, then losses and calibration of probabilities, then what they stand on."""
        values: list[tuple[str, float, str, Better]]
        values = [(name, getattr(self, name), "fraction", "higher")
                  for name in ("roc_auc", "average_precision", "ks")]  # fmt: skip
        if self.are_probabilities:
            values += [("brier", self.brier, "fraction", "lower")]
            values += [("log_loss", self.log_loss, "nats", "lower")]
            values += [(name, getattr(self, name), "fraction", "lower") for name in ("ece", "mce")]
        values += [("items", self.n, "items", None), ("positives", self.positives, "items", None)]
        return [self._score(*value) for value in values]

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.n, {}, signature, provenance())


def _upwards(scores: Floats) -> Floats:
    """Sorted; scores of one batch are already."""
    return scores if (scores[1:] >= scores[:-1]).all() else ops.sort_scores(scores)
