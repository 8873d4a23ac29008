"""BinnedSweep: a sweep over fixed bins, for streams that must keep constant memory.

A bin counts as one score, its lower edge. So counts at the edges are exact, and what lies within a
bin is a tie: the area is at most `roc_auc_error` away from that of the scores. Scores of 16 bits
need no bins: count_scores keeps them exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.score import Score
from assay.core.state import fixed, summed
from assay.metrics._counting import by_groups, label_of, positives_of, refuse_scores
from assay.metrics._device import bin_counts
from assay.metrics.calibration import MOST_BINS
from assay.metrics.sweep import Sweep
from assay.ops import columns
from assay.ops.columns import as_array, as_floats, same_length
from assay.ops.labels import Label
from assay.ops.sweep import Runs

__all__ = ["BinnedSweep", "count_scores_binned"]


@dataclass(frozen=True, eq=False)
class BinnedSweep(Sweep):
    """histogram: int64 [2, bins], negatives and positives in each bin of equal width of 0..1."""

    histogram: Any = summed()
    bins: int | None = fixed()

    MODES: ClassVar[tuple[str, ...]] = ("binned",)

    def check(self) -> None:
        """Refuse what are no counts of so many bins."""
        super().check()
        if np.shape(self.histogram) not in ((), (2, self.bins)):
            raise InputError(f"histogram of shape {np.shape(self.histogram)}, for {self.bins} bins")

    @cached_property
    def _whole(self) -> Runs:
        bins = self.bins or 1
        counts = np.broadcast_to(self.histogram, (2, bins))
        there = np.flatnonzero(counts.any(axis=0))[::-1]
        fp, tp = np.cumsum(counts[:, there], axis=1)
        return Runs(there / bins, fp, tp)

    @property
    def n(self) -> int:
        """Items."""
        return int(np.sum(self.histogram))

    @property
    def roc_auc_error(self) -> float:
        """How far roc_auc may be from that of the scores: half the share of pairs in one bin."""
        counts = np.broadcast_to(self.histogram, (2, self.bins or 1)).astype(object)
        pairs = self.negatives * self.positives
        return float((counts[0] * counts[1]).sum() / (2 * pairs)) if pairs else 0.0

    @property
    def are_probabilities(self) -> bool:
        """No: a bin does not tell the scores in it, so there are no losses."""
        return False

    def total_scores(self) -> list[Score]:
        """Those of a sweep, and roc_auc_error."""
        scores = super().total_scores()
        return [*scores, self._score("roc_auc_error", self.roc_auc_error, "fraction", "lower")]


def count_scores_binned(
    target: Any,
    score: Any,
    *,
    bins: int = 1000,
    positive: Label | None = None,
    by: Mapping[str, Any] | None = None,
) -> BinnedSweep:
    """Count scores in 0..1 by label and bin of equal width; a score on an edge is in the upper bin.

    target, positive, by: as count_scores. score [n]: in 0..1, 1 is in the last bin. Returns
    BinnedSweep, of 16 bytes a bin, which adds over batches, ranks and folds; thresholds at
    multiples of 1 / bins are exact. Tensors on a device are counted there, as by count_scores.
    InputError for scores outside.

    >>> s = count_scores_binned([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], bins=10)
    >>> s.roc_auc, s.roc_auc_error, s.at(0.4).accuracy
    (0.75, 0.0, 0.5)
    """
    bins, positive = whole(bins, "bins", 1, MOST_BINS), label_of(positive)
    if columns.on_device(target) or columns.on_device(score):
        counts = bin_counts(target, score, positive, bins, by)
        label = 1 if positive is None else positive
        return BinnedSweep(histogram=counts, positive=1, label=label, mode="binned", bins=bins)
    target, score = as_array(target, "target"), as_floats(score, "score")
    for what, column in (("target", target), ("score", score)):
        if column.ndim != 1:
            raise InputError(f"{what} must be a column [n], got shape {column.shape}")
    n = same_length(target=target, score=score)
    if by is not None:
        return by_groups(  # type: ignore[no-any-return]
            _counted, by, n, (target, score), None, None, bins=bins, positive=positive
        )
    return _counted(target, score, bins=bins, positive=positive)


def _counted(
    target: npt.NDArray[Any], score: npt.NDArray[Any], *, bins: int, positive: Label | None,
    weights: None = None,
) -> BinnedSweep:  # fmt: skip
    refuse_scores(score)
    outside = (score < 0) | (score > 1)
    if outside.any():
        row = int(np.argmax(outside))
        raise InputError(f"score[{row}] must be in 0..1, got {score[row]}")
    own, label = positives_of(target, positive)
    wrong = (own != 0) & (own != 1)
    if wrong.any():
        raise InputError(f"target[{int(np.argmax(wrong))}]: name the positive label with positive=")
    edges = np.arange(bins + 1) / bins
    place = np.minimum((score.astype(np.float64) * bins).astype(np.int64), bins - 1)
    place += edges[np.minimum(place + 1, bins - 1)] <= score  # a product may round across an edge
    place -= edges[place] > score
    counts = np.bincount(own.astype(np.int64) * bins + np.minimum(place, bins - 1),
                         minlength=2 * bins)  # fmt: skip
    return BinnedSweep(
        histogram=counts.reshape(2, bins), positive=1, label=label, mode="binned", bins=bins
    )
