"""Rates of labels and their averages, with what is put where a denominator is 0."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._errors import warn, warn_undefined
from assay.compat.sklearn._pairs import Pair, Sums
from assay.metrics._label_formulas import ratio

__all__ = ["average_of", "chosen_labels", "divided", "pooled", "rates"]

Array = npt.NDArray[Any]

AVERAGES = (None, "micro", "macro", "weighted", "samples")


def chosen_labels(pair: Pair, average: Any, labels: Any, pos_label: Any) -> Any:
    """The labels that are meant; refuses what cannot be averaged so."""
    if average != "binary":
        if pos_label not in (None, 1):
            warn(
                f"Note that pos_label (set to {pos_label!r}) is ignored when average != 'binary' "
                f"(got {average!r}). You may use labels=[pos_label] to specify a single positive "
                "class."
            )
        return labels
    if pair.kind != "binary":
        options = [o for o in AVERAGES if o != "samples" or pair.multilabel]
        raise ValueError(
            f"Target is {pair.kind} but average='binary'. Please choose another average setting, "
            f"one of {options!r}."
        )
    if pos_label not in pair.labels.tolist() and len(pair.labels) >= 2:
        raise ValueError(
            f"pos_label={pos_label} is not a valid label. It should be one of {pair.labels}"
        )
    return [pos_label]


def pooled(sums: Sums, average: Any) -> Sums:
    """All labels as one, of a micro average."""
    if average != "micro":
        return sums
    return Sums(*(np.array([side.sum()]) for side in sums))


def rates(
    sums: Sums, beta: float, average: Any, warn_for: Collection[str], zero_division: Any
) -> tuple[Array, Array, Array]:
    """(precision, recall, F) of each label or row."""

    def rate(above: Array, below: Array, name: str, of: str) -> Array:
        return divided(above, below, name, of, average, warn_for, zero_division)

    precision = rate(sums.right, sums.predicted, "precision", "predicted")
    recall = rate(sums.right, sums.true, "recall", "true")
    if beta in (0, np.inf):
        return precision, recall, recall if beta else precision
    square = beta * beta
    below = square * sums.true.astype(np.float64) + sums.predicted
    hits = (1 + square) * sums.right.astype(np.float64)
    return precision, recall, rate(hits, below, "f-score", "true nor predicted")


def divided(
    above: Array, below: Array, name: str, of: str, average: Any,
    warn_for: Collection[str], zero_division: Any,
) -> Array:  # fmt: skip
    """above / below; zero_division where that is 0 / 0, with a warning that names the metric."""
    empty = below == 0
    if not empty.any():
        return above / below
    if zero_division == "warn" and name in warn_for:
        axis, other = ("label", "sample") if average == "samples" else ("sample", "label")
        where = "due to" if len(below) == 1 else f"in {other}s with"
        warn_undefined(
            f"{name.capitalize()} is ill-defined and being set to 0.0 {where} no {of} {axis}s. Use "
            "`zero_division` parameter to control this behavior."
        )
    return np.asarray(ratio(above, below, 0.0 if zero_division == "warn" else float(zero_division)))


def average_of(values: Array, weights: Any = None) -> float:
    """The mean of the values that are not NaN; a plain one where their weights sum to 0."""
    if len(values) == 1:
        return float(values[0])
    there = ~np.isnan(values)
    if not there.any():
        return np.nan
    values = values[there]
    weights = None if weights is None else np.asarray(weights)[there]
    if weights is None or not weights.sum():
        return float(values.mean())
    return float(np.average(values, weights=weights))
