"""Areas under curves of one target or several, and hits within the top k."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._classification import mean_of
from assay.compat.sklearn._columns import (
    array_of,
    column,
    finite,
    numbers,
    same_lengths,
    some,
)
from assay.compat.sklearn._encode import distinct, encoded
from assay.compat.sklearn._errors import (
    ARRAY,
    BOOL,
    LABEL,
    OPTIONAL,
    Rule,
    among,
    checked,
    number,
    warn,
    warn_undefined,
)  # fmt: skip
from assay.compat.sklearn._sweeps import plain_sweep, sweep_of, target_kind
from assay.metrics.classification import count_scores
from assay.metrics.multisweep import MultiSweep
from assay.metrics.sweep import Sweep

__all__ = ["average_precision_score", "roc_auc_score", "top_k_accuracy_score"]

Array = npt.NDArray[Any]
Area = Callable[[Array, Array, Any], float]

AVERAGES = among("micro", "samples", "weighted", "macro", None)


def _roc_auc(positive: Array, score: Array, weights: Any, *, max_fpr: float | None) -> float:
    """Of bool [n] and scores; nan where there is one class."""
    if positive.all() or not positive.any():
        return _one_class()
    same_lengths(positive, score, weights)
    score = column(score)
    return _area(sweep_of(positive, score, weights), max_fpr)


def _area(sweep: Sweep, max_fpr: float | None) -> float:
    if not (sweep.negatives and sweep.positives):
        _no_side(sweep)
        return math.nan
    return sweep.roc_auc if max_fpr is None else sweep.partial_auc(max_fpr)


def _one_class() -> float:
    warn_undefined(
        "Only one class is present in y_true. ROC AUC score is not defined in that case."
    )
    return math.nan


def _no_side(sweep: Sweep) -> None:
    """One class is left when items of weight 0 are left out."""
    if not sweep.negatives:
        warn_undefined("No negative samples in y_true, false positive value should be meaningless")
    if not sweep.positives:
        warn_undefined("No positive samples in y_true, true positive value should be meaningless")


def _precision(positive: Array, score: Array, weights: Any) -> float:
    """Average precision of bool [n] and scores; 0 without positives."""
    same_lengths(positive, score, weights)
    score = column(score)
    finite(score)
    return _average_precision(sweep_of(positive, score, weights))


def _average_precision(sweep: Sweep) -> float:
    if not sweep.positives:
        warn("No positive class found in y_true, recall is set to one for all thresholds.")
        return 0.0
    return max(0.0, sweep.average_precision)


def _averaged(area: Area, target: Array, score: Array, average: Any, weights: Any) -> Any:
    """An area of each column of bool [n, L], or of each row, and their average."""
    same_lengths(target, score, weights)
    finite(score)
    some(score)
    average_weights: Any = None
    if average == "micro":
        weights = None if weights is None else np.repeat(weights, target.shape[1])
        return area(target.ravel(), score.ravel(), weights)
    if average == "weighted":
        average_weights = (target if weights is None else target * weights[:, None]).sum(axis=0)
        if np.isclose(average_weights.sum(), 0):
            return 0
    elif average == "samples":
        target, score, average_weights, weights = target.T, score.T, weights, None
    values = np.array(
        [area(np.ascontiguousarray(target[:, c]), np.ascontiguousarray(score[:, c]), weights)
         for c in range(score.shape[1])]
    )  # fmt: skip
    if average is None:
        return values
    if average_weights is not None:
        values[average_weights == 0] = 0
    return float(np.average(values, weights=average_weights))


@checked(
    y_true=ARRAY, y_score=ARRAY, average=AVERAGES, sample_weight=OPTIONAL,
    max_fpr=number(Real, np.nextafter(0, 1), 1, "a float in the range (0.0, 1] or None", None),
    multi_class=among("raise", "ovr", "ovo"), labels=OPTIONAL,
)  # fmt: skip
def roc_auc_score(
    y_true: Any, y_score: Any, *, average: str | None = "macro", sample_weight: Any = None,
    max_fpr: float | None = None, multi_class: str = "raise", labels: Any = None,
) -> Any:  # fmt: skip
    """The area under the ROC curve, of one target, of several, or of classes.

    >>> roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    if sample_weight is None:
        sweep = plain_sweep(y_true, y_score)
        if sweep is not None:
            if not (sweep.negatives and sweep.positives):
                return _one_class()
            return _area(sweep, max_fpr)
    kind, y, names = target_kind(y_true)
    finite(y)
    some(y)
    score = numbers(y_score)
    weights = None if sample_weight is None else column(sample_weight)
    area = partial(_roc_auc, max_fpr=max_fpr)
    if kind == "multiclass" or (kind == "binary" and score.ndim == 2 and score.shape[1] > 2):
        if max_fpr is not None and max_fpr != 1:
            raise ValueError(
                "Partial AUC computation not available in multiclass setting, 'max_fpr' must be "
                f"set to `None`, received `max_fpr={max_fpr}` instead"
            )
        if multi_class == "raise":
            raise ValueError("multi_class must be in ('ovo', 'ovr')")
        return _of_classes(column(y), score, labels, multi_class, average, weights)
    if kind == "binary":
        y = column(y)
        return area(y == names[-1] if len(names) > 1 else np.zeros(len(y), bool), score, weights)
    if kind != "multilabel-indicator":
        raise ValueError(f"{kind} format is not supported")
    return _averaged(area, y != 0, score, average, weights)


def _of_classes(
    y: Array, score: Array, labels: Any, multi_class: str, average: Any, weights: Any
) -> Any:
    if score.ndim != 2:
        raise ValueError(
            "`y_score` needs to be of shape `(n_samples, n_classes)`, since `y_true` contains "
            f"multiple classes. Got `y_score.shape={score.shape}`."
        )
    if not np.allclose(1, score.sum(axis=1)):
        raise ValueError(
            "Target scores need to be probabilities for multiclass roc_auc, i.e. they should sum "
            "up to 1.0 over classes"
        )
    options = ("micro", "macro", "weighted", None)[multi_class == "ovo" :]
    if average not in options:
        raise ValueError(f"average must be one of {options} for multiclass problems")
    if average is None and multi_class == "ovo":
        raise NotImplementedError("average=None is not implemented for multi_class='ovo'.")
    classes, codes = _classes(y, score, labels)
    if multi_class == "ovr":
        target = codes[:, None] == np.arange(len(classes))
        return _averaged(partial(_roc_auc, max_fpr=None), target, score, average, weights)
    if weights is not None:
        raise ValueError(
            "sample_weight is not supported for multiclass one-vs-one ROC AUC, 'sample_weight' "
            "must be None in this case."
        )
    there = np.flatnonzero(np.bincount(codes, minlength=len(classes)))
    if len(there) < 2:  # a mean of nothing
        return float(np.average([], weights=[] if average == "weighted" else None))
    if len(there) < len(classes):
        codes, score = np.searchsorted(there, codes), score[:, there]
    same_lengths(codes, score)
    found: MultiSweep = count_scores(codes, score)
    return found.auc(average, "ovo")


def _classes(y: Array, score: Array, labels: Any) -> tuple[Array, Array]:
    """The classes of the columns, and the number of each item's."""
    size = score.shape[1]
    if labels is None:
        classes, (codes,) = encoded(y)
        if len(classes) != size:
            raise ValueError(
                "Number of classes in y_true not equal to the number of columns in 'y_score'"
            )
        return classes, codes
    classes, codes = _declared(y, labels)
    if len(classes) != size:
        raise ValueError(
            f"Number of given labels, {len(classes)}, not equal to the number of columns in "
            f"'y_score', {size}"
        )
    if codes.min(initial=0) < 0:
        raise ValueError("'y_true' contains labels not in parameter 'labels'")
    return classes, codes


def _declared(y: Array, labels: Any, end: str = "") -> tuple[Array, Array]:
    """The labels, unique and in order, and the place of each item's among them, or -1."""
    labels = column(labels)
    classes = distinct(labels)
    if len(classes) != len(labels):
        raise ValueError(f"Parameter 'labels' must be unique{end}")
    if not np.array_equal(classes, labels):
        raise ValueError(f"Parameter 'labels' must be ordered{end}")
    own, (codes,) = encoded(y)
    places = {label: i for i, label in enumerate(classes.tolist())}
    return classes, np.array([places.get(label, -1) for label in own.tolist()])[codes]


@checked(
    y_true=ARRAY, y_score=ARRAY, average=AVERAGES, sample_weight=OPTIONAL,
    pos_label=Rule(lambda v: v is not None and LABEL.holds(v),
                   "an instance of 'float', an instance of 'str' or an instance of 'bool'"),
)  # fmt: skip
def average_precision_score(
    y_true: Any, y_score: Any, *, average: str | None = "macro", pos_label: Any = 1,
    sample_weight: Any = None,
) -> Any:  # fmt: skip
    """The sum over thresholds of the step of recall times precision.

    >>> round(average_precision_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    if sample_weight is None and pos_label == 1:
        sweep = plain_sweep(y_true, y_score)
        if sweep is not None:
            return _average_precision(sweep)
    weights = None if sample_weight is None else column(sample_weight)
    kind, y, names = target_kind(y_true)
    if kind == "binary":
        if len(names) == 2 and pos_label not in names.tolist():
            raise ValueError(
                f"pos_label={pos_label} is not a valid label. It should be one of {names}"
            )
        finite(y)
        some(y)
        return _precision(column(y) == pos_label, array_of(y_score), weights)
    if kind not in ("multiclass", "multilabel-indicator"):
        raise ValueError(f"{kind} format is not supported")
    if pos_label != 1:
        raise ValueError(
            f"Parameter pos_label is fixed to 1 for {kind} y_true. Do not set pos_label or set "
            "pos_label to 1."
        )
    score = array_of(y_score)
    target = y == 1
    if kind == "multiclass":
        classes, (codes,) = encoded(column(y))
        target = codes[:, None] == np.arange(len(classes))
        if score.shape != target.shape:
            raise ValueError(
                "`y_score` needs to be of shape `(n_samples, n_classes)`, since `y_true` contains "
                f"multiple classes. Got `y_score.shape={score.shape}`."
            )
    return _averaged(_precision, target, numbers(score, rows=True), average, weights)


@checked(
    y_true=ARRAY, y_score=ARRAY, k=number(Integral, 1, math.inf, "an int in the range [1, inf)"),
    normalize=BOOL, sample_weight=OPTIONAL, labels=OPTIONAL,
)  # fmt: skip
def top_k_accuracy_score(
    y_true: Any, y_score: Any, *, k: int = 2, normalize: bool = True, sample_weight: Any = None,
    labels: Any = None,
) -> float:  # fmt: skip
    """The share of items whose class is among the k of highest score; of equal scores the last
    class comes first.

    >>> top_k_accuracy_score([0, 1, 2], [[5, 2, 3], [1, 2, 3], [4, 3, 0]], k=2)
    0.6666666666666666
    """
    y = array_of(y_true)
    finite(y)
    some(y)
    y = column(y)
    kind = target_kind(y)[0]
    if kind == "binary" and labels is not None and len(labels) > 2:
        kind = "multiclass"
    if kind not in ("binary", "multiclass"):
        raise ValueError(f"y type must be 'binary' or 'multiclass', got '{kind}' instead.")
    score = numbers(y_score)
    if kind == "binary":
        if score.ndim == 2 and score.shape[1] != 1:
            raise ValueError(
                f"`y_true` is binary while y_score is 2d with {score.shape[1]} classes. If "
                "`y_true` does not contain all the labels, `labels` must be provided."
            )
        score = column(score)
    elif score.ndim != 2:
        raise ValueError(
            "`y_score` needs to be of shape `(n_samples, n_classes)`, since `y_true` contains "
            f"multiple classes. Got `y_score.shape={score.shape}`."
        )
    same_lengths(y, score, sample_weight)
    size = score.shape[1] if score.ndim == 2 else 2
    if labels is None:
        classes, (codes,) = encoded(y)
        if len(classes) != size:
            raise ValueError(
                f"Number of classes in 'y_true' ({len(classes)}) not equal to the number of "
                f"classes in 'y_score' ({size}).You can provide a list of all known classes by "
                "assigning it to the `labels` parameter."
            )
    else:
        classes, codes = _declared(y, labels, ".")
        if len(classes) != size:
            raise ValueError(
                f"Number of given labels ({len(classes)}) not equal to the number of classes in "
                f"'y_score' ({size})."
            )
        if codes.min() < 0:
            raise ValueError("'y_true' contains labels not in parameter 'labels'.")
    if k >= size:
        warn_undefined(
            f"'k' ({k}) greater than or equal to 'n_classes' ({size}) will result in a perfect "
            "score and is therefore meaningless."
        )
    return mean_of(_hits(codes, score, k), sample_weight, normalize)


def _hits(codes: Array, score: Array, k: int) -> Array:
    """Whether each item's class is among its k best."""
    if score.ndim == 1:
        middle = 0.5 if score.min() >= 0 and score.max() <= 1 else 0
        return (score > middle) == codes if k == 1 else np.ones(len(score), bool)
    mine = np.take_along_axis(score, codes[:, None], 1)
    after = np.arange(score.shape[1]) > codes[:, None]
    return np.asarray(((score > mine) | ((score == mine) & after)).sum(axis=1) < k)
