"""A binary target and its scores, checked, as a Sweep."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._columns import (
    array_of,
    column,
    finite,
    kind_of,
    same_lengths,
    weights_of,
)
from assay.compat.sklearn._encode import distinct, kind_among
from assay.metrics.sweep import Sweep
from assay.ops import sweep as ops
from assay.ops.labels import binary_cells

__all__ = ["Thresholds", "known_positive", "plain_sweep", "sweep_of", "target_kind"]
__all__ += ["thresholds_of"]

Array = npt.NDArray[Any]

EXACT = 1 << 53  # whole numbers up to here are float64


def target_kind(y_true: Any) -> tuple[str, Array, Array]:
    """scikit-learn's kind of a target, its array, and its labels where it is binary or
    multiclass."""
    kind, y = kind_of(y_true, "y_true")
    if kind != "labels":
        return kind, y, np.zeros(0)
    labels = distinct(y.reshape(-1))
    return kind_among(labels), y, labels


class Thresholds:
    """The distinct scores, best first, and fp and tp at or above each: float64 [m]."""

    def __init__(self, sweep: Sweep, scores: Array, levels: Array | None) -> None:
        score, fp, tp = sweep.curve()[:3]
        self.fp, self.tp = fp.astype(np.float64), tp.astype(np.float64)
        self.score = score.astype(scores.dtype) if levels is None else levels[score.astype(int)]

    def keep(self, chosen: Array) -> None:
        """Only some of them."""
        self.fp, self.tp, self.score = self.fp[chosen], self.tp[chosen], self.score[chosen]


def thresholds_of(y_true: Any, y_score: Any, pos_label: Any, sample_weight: Any) -> Thresholds:
    """What the curves of a binary target stand on."""
    sweep = (
        plain_sweep(y_true, y_score) if sample_weight is None and pos_label in (None, 1) else None
    )
    if sweep is not None:
        return Thresholds(sweep, y_score, None)
    kind, y, labels = target_kind(y_true)
    if kind != "binary" and not (kind == "multiclass" and pos_label is not None):
        raise ValueError(f"{kind} format is not supported")
    if pos_label is None:
        pos_label = known_positive(labels)
    positive = y == pos_label
    if not isinstance(positive, np.ndarray):  # labels that cannot be compared
        positive = np.zeros(y.shape, bool)
    same_lengths(positive, y_score, sample_weight)
    positive, scores = column(positive), column(y_score)
    finite(scores)
    own, levels = _sortable(scores)
    return Thresholds(sweep_of(positive, own, sample_weight), scores, levels)


def plain_sweep(y_true: Any, y_score: Any) -> Sweep | None:
    """The sweep of labels 0 and 1 and finite floats, or None where they are anything else."""
    for side, kinds in ((y_true, "ib"), (y_score, "f")):
        if type(side) is not np.ndarray or side.ndim != 1 or side.dtype.kind not in kinds:
            return None
    if y_score.dtype.itemsize not in (4, 8) or not 0 < len(y_true) == len(y_score):
        return None
    if binary_cells(y_true, y_true) is None:
        return None
    negatives, positives, bad = ops.cut(y_true, y_score)
    if bad >= 0:
        return None
    return Sweep(pools={0: negatives, 1: positives}, positive=1, mode="exact")


def known_positive(labels: Array) -> int:
    """1, where labels are 0 and 1, or -1 and 1, or one of these."""
    if labels.dtype.kind in "OUS" or labels.tolist() not in ([0, 1], [-1, 1], [0], [-1], [1]):
        told = ", ".join(map(repr, labels.tolist()))
        raise ValueError(
            f"y_true takes value in {{{told}}} and pos_label is not specified: either make y_true "
            "take value in {0, 1} or {-1, 1} or pass pos_label explicitly."
        )
    return 1


def _sortable(scores: Array) -> tuple[Array, Array | None]:
    """The scores as floats of the same order; or their places among these levels."""
    wide = scores.dtype.kind in "iu" and scores.dtype.itemsize == 8 and scores.size
    if wide and (scores.max() > EXACT or scores.min() < -EXACT):
        levels, places = np.unique(scores, return_inverse=True)
        return places.reshape(-1).astype(np.float64), levels
    if scores.dtype in (np.float32, np.float64):
        return scores, None
    return scores.astype(np.float32 if scores.dtype.itemsize <= 2 else np.float64), None


def sweep_of(positive: Array, score: Any, weights: Any = None) -> Sweep:
    """Of bool [n] and numbers [n]; items of weight 0 are left out."""
    score, _ = _sortable(array_of(score))
    if weights is None:
        negatives, positives, _ = ops.cut(positive, score)
        return Sweep(pools={0: negatives, 1: positives}, positive=1, mode="exact")
    weights = weights_of(column(weights), len(positive)).astype(np.float64)
    there = weights != 0
    if not there.all():
        positive, score, weights = positive[there], score[there], weights[there]
    rows = np.stack([score.astype(np.float64), weights], axis=1)
    return Sweep(pools={0: rows[~positive], 1: rows[positive]}, positive=1, mode="weighted")
