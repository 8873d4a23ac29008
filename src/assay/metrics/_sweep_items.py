"""What sweeps tell of their items, so that their scores can be drawn again.

Areas hang on the order of all scores (`RankedItems`), losses are means of what single items lose
(`Items`). Of distances there is no interval: a resample adds noise to every rate or bin, of which a
distance takes the size, so resamples lie too high. An interval of ks that says 95 % holds the true
value in 78 % of samples of 100 items, in 86 % of 1,000 (normal scores, d' = 1);
where scores are right, so that ece tends to 0, and 1,000 items say 0.038, it spans 0.037..0.074.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items, RankedItems, ratio, scaled
from assay.metrics._counting import has_items
from assay.metrics._item_rows import fine_columns, fine_values, no_form
from assay.metrics.calibration import EPSILON
from assay.ops.exact import LIMBS, add_limbs

__all__ = ["CURVES", "LOSSES", "mean_of", "of_sweep"]
__all__ += ["of_columns", "refuse", "rows_at", "rows_of", "weighted_cells"]

Array = npt.NDArray[Any]

CURVES = ("roc_auc", "average_precision")
DISTANCES = ("ks", "ece", "mce")
LOSSES = ("brier", "log_loss")
BLOCK = 1 << 16  # weights that are added at once
MOST = 1 << 26  # items that a histogram is spread out to


def of_sweep(sweep: Any, name: str) -> Items | RankedItems:
    """See Sweep.resampling."""
    refuse(name, (*CURVES, *LOSSES))
    if name in LOSSES and not sweep.are_probabilities:
        raise InputError(f"{name}: scores must be probabilities in 0..1; map them there first")
    positive, score, ids, weight = _items(sweep)
    if name in CURVES:
        return RankedItems(positive, score, ids, name, weight)
    lost = losses_of(name, np.where(positive, score, 1 - score.astype(np.float64)), sweep.width)
    return mean_loss(lost, ids, positive.astype(np.int64), weight)


def refuse(name: str, known: tuple[str, ...]) -> None:
    """An InputError for a score that is none of those known."""
    if name in DISTANCES:
        raise InputError(
            f"no interval of {name!r}: it is a distance, which the noise of a resample makes "
            f"larger, so it would lie too high; of these there is one: {', '.join(known)}"
        )
    if name not in known:
        raise InputError(no_form(name, known))


def losses_of(name: str, given: Array, width: int | None) -> Array:
    """What each item loses, from the score given to what is so."""
    given = given.astype(np.float64)
    if name == "brier":
        return np.asarray((1 - given) ** 2)
    epsilon = EPSILON[width or 64]
    return np.asarray(-np.log(np.clip(given, epsilon, 1 - epsilon)))


def mean_loss(lost: Array, ids: Any, truth: Array, weight: Array | None) -> Items:
    """Items whose score is the mean of what they lose: those of fine_columns(), or, with weights,
    (loss times weight, weight)."""
    if weight is not None:
        columns = scaled(np.stack([lost * weight, weight], axis=1))
        return Items(columns, ids, truth=truth, weight=weight)
    return Items(fine_columns(lost), ids, truth=truth)


def mean_of(totals: Array) -> Array:
    """The mean of each row of sums of those columns."""
    if totals.shape[1] == 2:
        return ratio(totals[:, 0], totals[:, 1])
    return fine_values(totals)


def _items(sweep: Any) -> tuple[Array, Array, Array | None, Array | None]:
    """Class, score, id and weight of each item, in order of id where they have one."""
    if has_items(sweep, len(sweep.rows)):
        own = sweep.per_item("weight") if sweep.mode == "weighted" else None
        positive = sweep.per_item("positive").astype(bool)
        return positive, sweep.per_item("score"), sweep.per_item("id"), own
    scores, weights = zip(*_classes(sweep), strict=True)
    score = np.concatenate(scores)
    weight = np.concatenate(weights) if sweep.mode == "weighted" else None
    return np.arange(len(score)) >= len(scores[0]), score, None, weight


def _classes(sweep: Any) -> Iterator[tuple[Array, Array]]:
    """Scores and weights of negatives, then of positives, in an order that no partition changes."""
    if sweep.mode == "weighted":
        for rows in sweep.classes():
            rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
            yield rows[:, 0], rows[:, 1]
        return
    if sweep.pools:
        yield from ((scores, scores[:0]) for scores in sweep._sides)
        return
    if sweep.n > MOST:
        raise InputError(f"items of a histogram are drawn up to {MOST:,}, got {sweep.n:,}")
    runs = sweep.curve()
    for side in (runs.fp, runs.tp):
        yield np.repeat(runs.score, np.diff(side, prepend=0))[::-1], runs.score[:0]


def rows_at(sweep: Any, threshold: float) -> dict[str, Any]:
    """Rows of single items at a threshold, as Confusion has them; none where none were kept."""
    if not has_items(sweep, len(sweep.rows)):
        return {}
    above = np.ascontiguousarray(sweep.rows[:, 2]).view(np.float64) >= threshold
    rows = np.stack([sweep.rows[:, 0], sweep.rows[:, 1], above], axis=1)
    return {"rows": rows, "row_weights": sweep.row_weights, "detail": ("items",)}


def weighted_cells(negatives: Array, positives: Array, threshold: float) -> dict[str, Any]:
    """The cells of rows (score, weight) of both classes at a threshold, and their sums."""
    counts, limbs = np.zeros(4, np.int64), np.zeros((4, LIMBS), np.int64)
    for label, rows in enumerate((negatives, positives)):
        for start in range(0, len(rows), BLOCK):
            score, weight = rows[start : start + BLOCK].T
            codes = 2 * label + (score >= threshold)
            counts += np.bincount(codes, minlength=4)
            limbs += add_limbs(weight, codes, 4)
    cells = np.flatnonzero(counts).tolist()
    return {
        "cells": {(code // 2, code % 2): int(counts[code]) for code in cells},
        "weights": {(code // 2, code % 2, place): int(limbs[code, place]) for code in cells
                    for place in {0, *np.flatnonzero(limbs[code]).tolist()}},  # also of a sum of 0
        "weighted": True,
    }  # fmt: skip


# -- several classes -------------------------------------------------------------------------------


def rows_of(ids: Array | None, target: Array, score: Array) -> dict[str, Any]:
    """Rows of single items, as MultiSweep has them, of target bool [n, C] and score [n, C]; none
    without ids."""
    if ids is None:
        return {}
    n, size = score.shape
    rows = np.empty((n, size, 4), np.int64)
    rows[:, :, 0], rows[:, :, 1], rows[:, :, 2] = ids[:, None], np.arange(size), target
    rows[:, :, 3] = score.astype(np.float64).view(np.int64)
    return {"rows": rows.reshape(-1, 4), "detail": ("items",)}


def of_columns(sweep: Any, name: str) -> Items | RankedItems:
    """See MultiSweep.resampling."""
    losses = LOSSES if sweep.kind == "multiclass" and not sweep.uneven else ()
    refuse(name, ("roc_auc", "average_precision", *losses))
    size = max(len(sweep.labels or ()), 1)
    if not has_items(sweep, len(sweep.rows) // size):
        raise InputError(f"{name} of several classes needs the items; count with items=True")
    rows = sweep.rows[np.lexsort((sweep.rows[:, 1], sweep.rows[:, 0]))]
    rows = rows.reshape(-1, size, 4)
    ids, target = rows[:, 0, 0], rows[:, :, 2] == 1
    score = np.ascontiguousarray(rows[:, :, 3]).view(np.float64)
    if name not in LOSSES:
        return RankedItems(target, score, ids, name)
    if name == "brier":
        lost = ((score - target) ** 2).sum(axis=1)
    else:
        lost = losses_of(name, score[target], sweep.of(sweep.labels[0]).width)
    return mean_loss(lost, ids, target.argmax(axis=1), None)
