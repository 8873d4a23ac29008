"""Losses of probabilities and of decisions."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._classification import mean_of
from assay.compat.sklearn._columns import (
    array_of,
    column,
    finite,
    kind_of,
    length_of,
    numbers,
    same_lengths,
    weights_of,
)  # fmt: skip
from assay.compat.sklearn._encode import distinct, encoded, kind_among
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
from assay.compat.sklearn._sweeps import known_positive

__all__ = ["brier_score_loss", "d2_brier_score", "d2_log_loss_score", "hinge_loss", "log_loss"]

Array = npt.NDArray[Any]

TARGET = Rule(
    lambda v: isinstance(v, str) or ARRAY.holds(v), "an array-like or an instance of 'str'"
)
SHARED = {"y_true": ARRAY, "sample_weight": OPTIONAL, "labels": OPTIONAL}


class Forecast(NamedTuple):
    """Probabilities of two classes, of the second one [n], or of more [n, C]; and what is so: the
    class of each item, int [n], or several at once, bool [n, C]."""

    so: Array
    probability: Array

    def of_so(self) -> Array:
        """The probability of the class that is so [n]."""
        if self.probability.ndim == 1:
            return np.where(self.so, self.probability, 1 - self.probability)
        return np.take_along_axis(self.probability, self.so[:, None], 1).reshape(-1)

    def squares(self) -> Array:
        """The squared distance of the probabilities of all classes from what is so [n]."""
        p = self.probability
        if p.ndim == 1:
            return 2 * (p - self.so) ** 2
        so = self.so if self.so.ndim == 2 else self.so[:, None] == np.arange(p.shape[1])
        return np.asarray(((p - so) ** 2).sum(axis=1))

    def logs(self) -> Array:
        """-ln of the probability of what is so [n], kept an epsilon of its type from 0 and 1."""
        several = self.so.ndim == 2
        epsilon = np.finfo(self.probability.dtype).eps
        found = np.clip(self.probability if several else self.of_so(), epsilon, 1 - epsilon)
        found = -np.log(found, out=found)
        return np.asarray((found * self.so).sum(axis=1) if several else found)


def _probabilities(data: Any) -> Array:
    array = numbers(data)
    return array if array.dtype.kind == "f" and array.itemsize < 16 else array.astype(np.float64)


def _forecast(y_true: Any, y_proba: Array, weights: Any, labels: Any) -> Forecast:
    """Of classes: probabilities [n] or [n, 1] of the second of two, or [n, C]."""
    _in_range(y_proba, "lower")
    same_lengths(y_proba, y_true, weights)
    if weights is not None:
        weights_of(weights, len(y_proba))
    single = y_proba.ndim == 1 or y_proba.shape[1] == 1
    classes, so = _outcomes(y_true, labels)
    size = 2 if single else y_proba.shape[1]
    if not single:
        sums = y_proba @ np.ones(y_proba.shape[1], y_proba.dtype)
        if (np.abs(sums - 1) > math.sqrt(np.finfo(y_proba.dtype).eps)).any():
            warn("The y_prob values do not sum to one. Make sure to pass probabilities.")
    if len(classes) != size:
        if labels is None:
            raise ValueError(
                "y_true and y_prob contain different number of classes: "
                f"{len(classes)} vs {size}. Please provide the true labels explicitly through the "
                f"labels argument. Classes found in y_true: {classes}"
            )
        raise ValueError(
            "The number of classes in labels is different from that in y_prob. Classes found in "
            f"labels: {classes}"
        )
    if single:
        return Forecast(so, y_proba.reshape(-1))
    return Forecast(so, y_proba)


def _in_range(y_proba: Array, less: str) -> None:
    high, low = y_proba.max(), y_proba.min()
    if high > 1:
        raise ValueError(f"y_prob contains values greater than 1: {high}")
    if low < 0:
        raise ValueError(f"y_prob contains values {less} than 0: {low}")


def _outcomes(y_true: Any, labels: Any) -> tuple[Array, Array]:
    """The classes, in order, and which each item is."""
    kind, y = kind_of(y_true, "y_true")
    if kind == "multilabel-indicator":
        if labels is not None and len(labels) != y.shape[1]:
            raise ValueError(f"labels must be {y.shape[1]}, one a column of y_true")
        return np.arange(y.shape[1]), y != 0
    if kind != "labels":
        raise ValueError(
            "Multioutput target data is not supported with label binarization"
            if "multioutput" in kind else f"Unknown label type: {kind}"
        )  # fmt: skip
    classes, (codes,) = encoded(column(y))
    if labels is not None:
        given = array_of(labels)
        declared = distinct(column(given))
        if len(declared) != len(given) or not np.array_equal(declared, given):
            warn(
                f"Labels passed were {labels}. But this function assumes labels are ordered "
                "lexicographically. Pass the ordered "
                f"labels={declared.tolist()} and ensure that the columns of y_prob correspond to "
                "this ordering."
            )
        places = {label: i for i, label in enumerate(declared.tolist())}
        found = np.array([places.get(label, -1) for label in classes.tolist()])
        if (found < 0).any():
            unknown = {*classes.tolist()} - {*places}
            raise ValueError(
                f"y_true contains values {unknown} not belonging to the passed labels {labels}."
            )
        classes, codes = declared, found[codes]
    if len(classes) == 1:
        raise ValueError(
            f"y_true contains only one label ({classes[0]}). Please provide the list of all "
            "expected class labels explicitly through the labels argument."
            if labels is None else
            f"The labels array needs to contain at least two labels, got {classes}."
        )  # fmt: skip
    return classes, codes


def _binary(y_true: Any, y_proba: Array, weights: Any, pos_label: Any) -> Forecast:
    """Of a binary target: probabilities of its positive label."""
    y, probability = column(y_true), column(y_proba)
    finite(y)
    same_lengths(probability, y, weights)
    if weights is not None:
        weights_of(weights, len(probability))
    kind, _ = kind_of(y, "y_true")
    names = distinct(y) if kind == "labels" else None
    if names is None or len(names) > 2:
        told = kind if names is None else kind_among(names)
        raise ValueError(
            f"The type of the target inferred from y_true is {told} but should be binary according "
            "to the shape of y_prob."
        )
    _in_range(probability, "less")
    if pos_label is None:
        try:
            pos_label = known_positive(names)
        except ValueError:
            if names.dtype.kind in "OUS":
                raise
            pos_label = names[-1]
    return Forecast((y == pos_label).astype(np.int64), probability)


def _renamed(y_proba: Any, y_pred: Any) -> Any:
    """The probabilities, by their name or the one before."""
    if isinstance(y_pred, str) and y_pred == "deprecated":
        return y_proba
    if y_proba is not None:
        raise ValueError(
            "Cannot use both `y_pred` and `y_proba`. `y_pred` is deprecated, use `y_proba` instead."
        )
    warn(
        "`y_pred` was renamed to `y_proba` in version 1.9 and will be removed in 1.11. Use "
        "`y_proba` instead.",
        FutureWarning,
    )
    return y_pred


@checked(y_proba=OPTIONAL, normalize=BOOL, y_pred=TARGET, **SHARED)
def log_loss(
    y_true: Any, y_proba: Any = None, *, normalize: bool = True, sample_weight: Any = None,
    labels: Any = None, y_pred: Any = "deprecated",
) -> float:  # fmt: skip
    """The mean (or sum) of -ln of the probability of what is so.

    >>> round(log_loss([0, 1], [0.1, 0.8]), 4)
    0.1643
    """
    y_proba = _probabilities(_renamed(y_proba, y_pred))
    forecast = _forecast(y_true, y_proba, sample_weight, labels)
    return mean_of(forecast.logs(), sample_weight, normalize)


@checked(y_proba=ARRAY, pos_label=LABEL,
         scale_by_half=Rule(lambda v: BOOL.holds(v) or v == "auto",
                            f"{BOOL.words} or a str among {{'auto'}}"), **SHARED)  # fmt: skip
def brier_score_loss(
    y_true: Any, y_proba: Any, *, sample_weight: Any = None, pos_label: Any = None,
    labels: Any = None, scale_by_half: Any = "auto",
) -> float:  # fmt: skip
    """The mean squared distance of probabilities from what is so.

    >>> round(brier_score_loss([0, 1], [0.1, 0.8]), 4)
    0.025
    """
    forecast = _either(y_true, _probabilities(y_proba), sample_weight, pos_label, labels)
    score = mean_of(forecast.squares(), sample_weight)
    shape = forecast.probability.shape
    half = len(shape) == 1 or shape[1] < 3 if scale_by_half == "auto" else scale_by_half
    return score * 0.5 if half else score


def _either(y_true: Any, y_proba: Array, weights: Any, pos_label: Any, labels: Any) -> Forecast:
    if y_proba.ndim == 1 or y_proba.shape[1] == 1:
        return _binary(y_true, y_proba, weights, pos_label)
    return _forecast(y_true, y_proba, weights, labels)


def _against_base(forecast: Forecast, weights: Any, losses: Any) -> float:
    """1 less the loss over that of the base rates."""
    so, p = forecast
    size = 2 if p.ndim == 1 else p.shape[1]
    rates = np.average(
        so if so.ndim == 2 else so[:, None] == np.arange(size), axis=0, weights=weights
    )
    base = np.broadcast_to(rates.astype(p.dtype), (len(so), size))
    ours, theirs = (mean_of(losses(f), weights) for f in (forecast, Forecast(so, base)))
    return float(1 - np.float64(ours) / theirs)


def _too_few(y_true: Any, y_proba: Any, weights: Any) -> bool:
    same_lengths(y_proba, y_true, weights)
    if length_of(y_proba) >= 2:
        return False
    warn_undefined("D^2 score is not well-defined with less than two samples.")
    return True


@checked(y_proba=OPTIONAL, y_pred=TARGET, **SHARED)
def d2_log_loss_score(
    y_true: Any, y_proba: Any = None, *, sample_weight: Any = None, labels: Any = None,
    y_pred: Any = "deprecated",
) -> float:  # fmt: skip
    """The share of the log loss of base rates that is saved.

    >>> round(d2_log_loss_score([0, 1], [0.1, 0.8]), 4)
    0.763
    """
    y_proba = _renamed(y_proba, y_pred)
    if _too_few(y_true, y_proba, sample_weight):
        return math.nan
    forecast = _forecast(y_true, _probabilities(y_proba), sample_weight, labels)
    return _against_base(forecast, sample_weight, Forecast.logs)


@checked(y_proba=ARRAY, pos_label=LABEL, **SHARED)
def d2_brier_score(
    y_true: Any, y_proba: Any, *, sample_weight: Any = None, pos_label: Any = None,
    labels: Any = None,
) -> float:  # fmt: skip
    """The share of the Brier score of base rates that is saved.

    >>> round(d2_brier_score([0, 1], [0.1, 0.8]), 4)
    0.9
    """
    if _too_few(y_true, y_proba, sample_weight):
        return math.nan
    forecast = _either(y_true, _probabilities(y_proba), sample_weight, pos_label, labels)
    return _against_base(forecast, sample_weight, Forecast.squares)


@checked(pred_decision=ARRAY, **SHARED)
def hinge_loss(
    y_true: Any, pred_decision: Any, *, labels: Any = None, sample_weight: Any = None
) -> float:
    """The mean of max(0, 1 - margin).

    >>> hinge_loss([0, 1, 1], [-2, 0.5, 1.5])
    0.16666666666666666
    """
    same_lengths(y_true, pred_decision, sample_weight)
    decision, y = numbers(pred_decision), column(y_true)
    classes = distinct(column(labels if labels is not None else y))
    if len(classes) > 2:
        shape = (
            f"pred_decision shape must be (n_samples, n_classes), that is ({len(y)}, "
            f"{len(classes)}). Got: {decision.shape}"
        )
        if decision.ndim <= 1:
            raise ValueError(
                f"The shape of pred_decision cannot be 1d arraywith a multiclass target. {shape}"
            )
        if len(classes) != decision.shape[1]:
            raise ValueError(
                "Please include all labels in y_true or pass labels as third argument"
                if labels is None else
                "The shape of pred_decision is not consistent with the number of classes. With a "
                f"multiclass target, {shape}"
            )  # fmt: skip
        places = {label: i for i, label in enumerate(classes.tolist())}
        own, (found,) = encoded(y)
        if not {*own.tolist()} <= {*places}:
            raise ValueError("y contains previously unseen labels: "
                             f"{sorted({*own.tolist()} - {*places})}")  # fmt: skip
        codes = np.array([places[label] for label in own.tolist()])[found]
        rest = decision.astype(np.float64)
        mine = rest[np.arange(len(y)), codes].copy()
        rest[np.arange(len(y)), codes] = -np.inf
        margin = mine - rest.max(axis=1)
    else:
        own = distinct(y)
        side = np.where(y == own[-1], 1, -1) if len(own) > 1 else -1
        margin = side * column(decision)
    return float(np.average(np.clip(1 - margin, 0, None), weights=sample_weight))
