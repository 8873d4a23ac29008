"""The variance of an area under the ROC curve, and of the difference of two, without resampling.

The area is the mean over positives of the share of negatives that each beats, ties counting half:
its placement. With the placements of both classes V10 [p] and V01 [m],

    var = S(V10) / p + S(V01) / m

S the sample variance (ddof = 1); of two systems over the same items, S of the differences of their
placements. O(n log n): placements are found in the sorted scores of the other class.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; Sun and Xu, IEEE SPL 2014.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["Area", "auc_variance", "paired_auc_variance"]

Floats = npt.NDArray[np.float64]


class Area(NamedTuple):
    """An area (or a difference of two) and its variance; nan where it has none."""

    value: float
    variance: float


def auc_variance(positive: Any, score: Any) -> Area:
    """The area under the ROC curve of n items and its variance.

    positive bool [n], score [n] without NaN. One class only: both nan; a class of one item: the
    variance is nan. Perfect separation has variance 0.

    >>> auc_variance([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    Area(value=0.75, variance=0.125)
    """
    (beaten, lost), size = _placements(positive, score)
    return Area(_mean(beaten), _variance(beaten, lost) if min(size) else np.nan)


def paired_auc_variance(positive: Any, score_a: Any, score_b: Any) -> Area:
    """The area of b minus that of a over the same items, and its variance; else as auc_variance().

    >>> paired_auc_variance([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], [0.1, 0.2, 0.35, 0.8])
    Area(value=0.25, variance=0.125)
    """
    (beaten_a, lost_a), size = _placements(positive, score_a)
    (beaten_b, lost_b), _ = _placements(positive, score_b)
    difference = _mean(beaten_b) - _mean(beaten_a)
    return Area(
        difference, _variance(beaten_b - beaten_a, lost_b - lost_a) if min(size) else np.nan
    )


def _placements(positive: Any, score: Any) -> tuple[tuple[Floats, Floats], tuple[int, int]]:
    """For each positive the share of negatives below it, for each negative that of positives
    above it; and how many there are of each."""
    chosen, scores = np.asarray(positive, bool), np.asarray(score)
    if chosen.shape != scores.shape or scores.ndim != 1:
        raise InputError(
            f"positive and score must have one length, got {chosen.shape} and {scores.shape}"
        )
    high, low = scores[chosen], scores[~chosen]
    sorted_high, sorted_low = np.sort(high), np.sort(low)
    beaten = _below(sorted_low, high) / max(len(low), 1)
    lost = 1 - _below(sorted_high, low) / max(len(high), 1)
    if not len(low) or not len(high):
        beaten, lost = np.full(len(high), np.nan), np.full(len(low), np.nan)
    return (beaten, lost), (len(high), len(low))


def _below(ordered: npt.NDArray[Any], values: npt.NDArray[Any]) -> Floats:
    """How many of the ordered are below each value, equal ones counting half."""
    both = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(both / 2.0)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan


def _variance(beaten: Floats, lost: Floats) -> float:
    if min(len(beaten), len(lost)) < 2:
        return np.nan
    return float(beaten.var(ddof=1) / len(beaten) + lost.var(ddof=1) / len(lost))
