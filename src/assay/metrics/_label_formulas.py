"""What confusions amount to: formulas over counts of classes, for one confusion or many at once.

With tp, fp, fn of each class (rows of that class predicted as it, others predicted as it, rows of
it predicted as others), n rows and tn = n - tp - fp - fn:

    precision    tp / (tp + fp)          recall      tp / (tp + fn)
    specificity  tn / (tn + fp)          f1          2 tp / (2 tp + fp + fn)
    jaccard      tp / (tp + fp + fn)     accuracy    sum of tp / n

A denominator of 0 gives 0. Averages: `micro_` over the sums of all classes, `macro_` the mean over
classes that occur in target or prediction, `weighted_` by how often they do in the target.

Source: scikit-learn 1.9; Matthews 1975; Cohen 1960; Gorodkin 2004 for mcc of several classes.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import name_of
from assay.core.errors import InputError

__all__ = [
    "AVERAGES",
    "PER_CLASS",
    "WHOLE",
    "Classes",
    "f_beta",
    "metric_named",
    "of_matrix",
    "of_two",
]

Array = npt.NDArray[Any]


class Classes(NamedTuple):
    """tp, fp, fn [K, ...] of K classes; n [...] rows. The rest are as many confusions."""

    tp: Array
    fp: Array
    fn: Array
    n: Array

    @property
    def tn(self) -> Array:
        return self.n - self.tp - self.fp - self.fn

    @property
    def total(self) -> "Classes":
        """All classes as one, for micro averages."""
        tp, fp, fn = (side.sum(axis=0) for side in (self.tp, self.fp, self.fn))
        return Classes(tp, fp, fn, self.n * len(self.tp))


def of_matrix(cells: Array) -> Classes:
    """Of confusions [..., K, K], targets in rows and predictions in columns."""
    tp = np.moveaxis(np.diagonal(cells, axis1=-2, axis2=-1), -1, 0)
    target = np.moveaxis(cells.sum(axis=-1), -1, 0)
    predicted = np.moveaxis(cells.sum(axis=-2), -1, 0)
    return Classes(tp, predicted - tp, target - tp, target.sum(axis=0))


def of_two(fp: Array, tp: Array, negatives: Any, positives: Any) -> Classes:
    """Of the two classes of a binary target: false and true positives [...]; class 1 is last."""
    fn, tn = positives - tp, negatives - fp
    return Classes(
        np.stack([tn, tp]), np.stack([fn, fp]), np.stack([fp, fn]),
        np.broadcast_to(negatives + positives, np.shape(tp)),
    )  # fmt: skip


def ratio(above: Any, below: Any, empty: float = 0.0) -> Any:
    """above / below, `empty` where below is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below == 0, empty, np.true_divide(above, below))


def f_beta(c: Classes, beta: float) -> Array:
    """The F of each class; recall counts beta times as much as precision. inf: recall."""
    if beta == np.inf:
        return ratio(c.tp, c.tp + c.fn)  # type: ignore[no-any-return]
    square = beta * beta
    hits = (1 + square) * c.tp
    return ratio(hits, hits + square * c.fn + c.fp)  # type: ignore[no-any-return]


PER_CLASS: Mapping[str, Callable[[Classes], Array]] = {
    "precision": lambda c: ratio(c.tp, c.tp + c.fp),
    "recall": lambda c: ratio(c.tp, c.tp + c.fn),
    "specificity": lambda c: ratio(c.tn, c.tn + c.fp),
    "f1": lambda c: ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "jaccard": lambda c: ratio(c.tp, c.tp + c.fp + c.fn),
}


def _accuracy(c: Classes) -> Array:
    return ratio(c.tp.sum(axis=0), c.n, np.nan)  # type: ignore[no-any-return]


def _balanced(c: Classes) -> Array:
    """The mean recall of classes that are in the target."""
    there = c.tp + c.fn != 0
    recall = np.where(there, PER_CLASS["recall"](c), 0.0)
    return ratio(recall.sum(axis=0), there.sum(axis=0), np.nan)  # type: ignore[no-any-return]


def _before(side: Array) -> Array:
    """The sum of the classes that stand before each."""
    return np.cumsum(np.concatenate([np.zeros_like(side[:1]), side[:-1]]), axis=0)


def _agreement(c: Classes) -> tuple[Array, ...]:
    """n tp - target predicted, summed over classes; rows of each class, rows predicted as it, and
    the same of all others. Products of what is off, not differences of squares of n: those leave
    no digits where nearly all rows are of one class."""
    target, predicted = c.tp + c.fn, c.tp + c.fp
    rest = [_before(side) + _before(side[::-1])[::-1] for side in (target, predicted)]
    tn = c.tp[::-1] if len(c.tp) == 2 else rest[0] - c.fp  # of two classes without rounding
    size = np.frexp(np.asarray(c.n, float))[1]  # so that no product of weights is too large or 0
    tp, tn, fp, fn, *margins = (
        np.ldexp(side.astype(float), -size)
        for side in (c.tp, tn, c.fp, c.fn, target, predicted, *rest)
    )
    return (tp * tn - fp * fn).sum(axis=0), *margins


def _mcc(c: Classes) -> Array:
    """Matthews' correlation of target and prediction; 0 where either is of one class, nan where
    negative weights leave no spread."""
    both, target, predicted, no_target, not_predicted = _agreement(c)
    spread = [(target * no_target).sum(axis=0), (predicted * not_predicted).sum(axis=0)]
    with np.errstate(invalid="ignore"):
        return ratio(both, np.sqrt(spread[0]) * np.sqrt(spread[1]))  # type: ignore[no-any-return]


def _kappa(c: Classes) -> Array:
    """Agreement beyond chance over what is possible; nan where chance alone agrees always."""
    both, target, _, _, not_predicted = _agreement(c)
    return ratio(both, (target * not_predicted).sum(axis=0), np.nan)  # type: ignore[no-any-return]


WHOLE: Mapping[str, Callable[[Classes], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced,
    "mcc": _mcc,
    "cohen_kappa": _kappa,
}


def _micro(values: Callable[[Classes], Array], c: Classes) -> Array:
    return values(c.total)


def _macro(values: Callable[[Classes], Array], c: Classes) -> Array:
    there = c.tp + c.fp + c.fn != 0
    found = np.where(there, values(c), 0.0)
    return ratio(found.sum(axis=0), there.sum(axis=0), np.nan)  # type: ignore[no-any-return]


def _weighted(values: Callable[[Classes], Array], c: Classes) -> Array:
    support = c.tp + c.fn
    return ratio((values(c) * support).sum(axis=0), support.sum(axis=0), np.nan)  # type: ignore[no-any-return]


AVERAGES: Mapping[str, Callable[[Callable[[Classes], Array], Classes], Array]] = {
    "micro": _micro,
    "macro": _macro,
    "weighted": _weighted,
}


def metric_named(name: str, *, positive: int | None = None) -> Callable[[Classes], Array]:
    """The function [K, ...] -> [...] of a metric; one of a class is that of class `positive`."""
    if name_of(name) in WHOLE:
        return WHOLE[name]
    if name == "youden":  # informedness
        return lambda c: (PER_CLASS["recall"](c) + PER_CLASS["specificity"](c) - 1)[positive]
    average, _, own = name.partition("_")
    if average in AVERAGES and own in PER_CLASS:
        return lambda c: AVERAGES[average](PER_CLASS[own], c)
    if name in PER_CLASS and positive is not None:
        return lambda c: PER_CLASS[name](c)[positive]
    known = [*WHOLE, *(() if positive is None else (*PER_CLASS, "youden"))]
    averaged = ", ".join(f"{a}_" for a in AVERAGES)
    raise InputError(
        f"there is no metric {name!r}; there are {', '.join(known)}, and {averaged} before "
        f"{', '.join(PER_CLASS)}"
    )
