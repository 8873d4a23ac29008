"""Curves over all thresholds: ROC, precision and recall, detection error; and areas of curves."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._columns import array_of, column, same_lengths, weights_of
from assay.compat.sklearn._encode import distinct
from assay.compat.sklearn._errors import (
    ARRAY,
    BOOL,
    LABEL,
    OPTIONAL,
    Rule,
    checked,
    warn,
    warn_undefined,
)  # fmt: skip
from assay.compat.sklearn._sweeps import Thresholds, thresholds_of

__all__ = ["auc", "confusion_matrix_at_thresholds", "det_curve", "metric_at_thresholds"]
__all__ += ["precision_recall_curve", "roc_curve"]

Array = npt.NDArray[Any]
Three = tuple[Array, Array, Array]

SHARED = {"y_true": ARRAY, "y_score": ARRAY, "pos_label": LABEL, "sample_weight": OPTIONAL,
          "drop_intermediate": BOOL}  # fmt: skip


@checked(x=ARRAY, y=ARRAY)
def auc(x: Any, y: Any) -> float:
    """The area under points (x, y) [n], x in order, by trapezes.

    >>> auc([0, 0.5, 1], [0, 1, 1])
    0.75
    """
    same_lengths(x, y)
    x, y = column(x), column(y)
    if len(x) < 2:
        raise ValueError(
            f"At least 2 points are needed to compute area under curve, but x.shape = {x.shape}"
        )
    steps = np.diff(x)
    sign = 1 if not (steps < 0).any() else -1
    if sign < 0 and not (steps <= 0).all():
        raise ValueError(f"x is neither increasing nor decreasing : {x}.")
    return float(sign * np.trapezoid(y, x))


def confusion_matrix_at_thresholds(
    y_true: Any, y_score: Any, *args: Any, pos_label: Any = None, sample_weight: Any = None
) -> tuple[Array, Array, Array, Array, Array]:
    """(tns, fps, fns, tps, thresholds) [m] at each distinct score, best first.

    >>> negatives, false, *_ = confusion_matrix_at_thresholds([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> negatives.tolist(), false.tolist()
    ([2.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 2.0])
    """
    if args:
        names = ("pos_label", "sample_weight")[: len(args)]
        told = ", ".join(f"{name}={value}" for name, value in zip(names, args, strict=True))
        warn(
            f"Pass {told} as keyword args. From version 1.11 passing these as positional arguments "
            "will result in an error",
            FutureWarning,
        )
        given = dict(zip(names, args, strict=True))
        pos_label = given.get("pos_label", pos_label)
        sample_weight = given.get("sample_weight", sample_weight)
    at = _at_thresholds(y_true, y_score, pos_label=pos_label, sample_weight=sample_weight)
    return at.fp[-1] - at.fp, at.fp, at.tp[-1] - at.tp, at.tp, at.score


@checked(**SHARED)
def _at_thresholds(y_true: Any, y_score: Any, *, pos_label: Any, sample_weight: Any) -> Thresholds:
    return thresholds_of(y_true, y_score, pos_label, sample_weight)


_at_thresholds.__name__ = "confusion_matrix_at_thresholds"


def _ends(inner: Array) -> Array:
    return np.concatenate([[True], inner, [True]]).nonzero()[0]


@checked(**SHARED)
def roc_curve(
    y_true: Any, y_score: Any, *, pos_label: Any = None, sample_weight: Any = None,
    drop_intermediate: bool = True,
) -> Three:  # fmt: skip
    """(false positive rate, true positive rate, threshold) [m], from (0, 0) at inf.

    >>> fpr, tpr, threshold = roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0])
    """
    at = thresholds_of(y_true, y_score, pos_label, sample_weight)
    if drop_intermediate and len(at.fp) > 2:
        at.keep(_ends((np.diff(at.fp, 2) != 0) | (np.diff(at.tp, 2) != 0)))
    rates = []
    for side, which, what in ((at.fp, "negative", "false"), (at.tp, "positive", "true")):
        if side[-1] <= 0:
            warn_undefined(
                f"No {which} samples in y_true, {what} positive value should be meaningless"
            )
            rates.append(np.full(len(side) + 1, np.nan))
        else:
            rates.append(np.append(0.0, side) / side[-1])
    return rates[0], rates[1], np.append(np.inf, at.score.astype(np.float64))


def _drop_level(at: Thresholds) -> None:
    """Leaves out thresholds between two of the same true positives."""
    if len(at.fp) > 2:
        at.keep(_ends((np.diff(at.tp[:-1]) != 0) | (np.diff(at.tp[1:]) != 0)))


@checked(**SHARED)
def precision_recall_curve(
    y_true: Any, y_score: Any, *, pos_label: Any = None, sample_weight: Any = None,
    drop_intermediate: bool = False,
) -> Three:  # fmt: skip
    """(precision [m + 1], recall [m + 1], threshold [m]), thresholds upwards.

    >>> precision, recall, threshold = precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> recall.tolist(), threshold.tolist()
    ([1.0, 1.0, 0.5, 0.5, 0.0], [0.1, 0.35, 0.4, 0.8])
    """
    at = thresholds_of(y_true, y_score, pos_label, sample_weight)
    if drop_intermediate:
        _drop_level(at)
    predicted = at.tp + at.fp
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(predicted != 0, at.tp / predicted, 0.0)
    if at.tp[-1] == 0:
        warn("No positive class found in y_true, recall is set to one for all thresholds.")
        recall = np.ones(len(at.tp))
    else:
        recall = at.tp / at.tp[-1]
    return np.append(precision[::-1], 1.0), np.append(recall[::-1], 0.0), at.score[::-1].copy()


@checked(**SHARED)
def det_curve(
    y_true: Any, y_score: Any, pos_label: Any = None, sample_weight: Any = None,
    drop_intermediate: bool = False,
) -> Three:  # fmt: skip
    """(false positive rate, false negative rate, threshold) [m], thresholds upwards.

    >>> fpr, fnr, threshold = det_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> fpr.tolist(), fnr.tolist()
    ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5])
    """
    at = thresholds_of(y_true, y_score, pos_label, sample_weight)
    at.fp, at.tp = np.append(0.0, at.fp), np.append(0.0, at.tp)
    at.score = np.append(np.inf, at.score.astype(np.float64))
    if drop_intermediate:
        _drop_level(at)
    if len(distinct(array_of(y_true).reshape(-1))) != 2:
        raise ValueError(
            "Only one class is present in y_true. Detection error tradeoff curve is not defined in "
            "that case."
        )
    first = max(int(np.searchsorted(at.fp, at.fp[0], "right")) - 1, 0)
    last = int(np.searchsorted(at.tp, at.tp[-1])) + 1
    fp, tp, score = (side[first:last][::-1] for side in (at.fp, at.tp, at.score))
    return fp / at.fp[-1], (at.tp[-1] - tp) / at.tp[-1], score.copy()


@checked(
    y_true=ARRAY, y_score=ARRAY, metric_func=Rule(callable, "a callable"), sample_weight=OPTIONAL,
    metric_params=Rule(lambda v: v is None or isinstance(v, dict), "an instance of 'dict' or None"),
)  # fmt: skip
def metric_at_thresholds(
    y_true: Any, y_score: Any, metric_func: Any, *, sample_weight: Any = None,
    metric_params: Any = None,
) -> tuple[Array, Array]:  # fmt: skip
    """(metric_func of labels at or above it [m, ...], threshold [m]) at each distinct score.

    The function is called for each of them; Sweep.best_threshold needs one pass.

    >>> from assay.compat.sklearn import accuracy_score
    >>> metric_at_thresholds([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], accuracy_score)[0].tolist()
    [0.75, 0.5, 0.75, 0.5]
    """
    same_lengths(y_true, y_score, sample_weight)
    target, score, given = column(y_true), column(y_score), dict(metric_params or {})
    if sample_weight is not None:
        weights = weights_of(column(sample_weight), len(target)).astype(np.float64)
        there = weights != 0
        target, score, given["sample_weight"] = target[there], score[there], weights[there]
    order = np.argsort(score, kind="stable")[::-1]
    target, score = target[order], score[order]
    if sample_weight is not None:
        given["sample_weight"] = given["sample_weight"][order]
    levels = np.unique(score)[::-1]
    values = [metric_func(target, (score >= level).astype(np.int32), **given) for level in levels]
    return np.asarray(values), levels
