"""Precision, recall, F, Jaccard, and the report of all of them."""

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np

from assay.compat.sklearn._averages import average_of, chosen_labels, divided, pooled, rates
from assay.compat.sklearn._columns import array_of
from assay.compat.sklearn._errors import (
    ARRAYS,
    AVERAGE,
    BOOL,
    DIVISION,
    LABEL,
    OPTIONAL,
    Rule,
    checked,
    number,
    warn,
)  # fmt: skip
from assay.compat.sklearn._pairs import Pair

__all__ = ["classification_report", "f1_score", "fbeta_score", "jaccard_score"]
__all__ += ["precision_recall_fscore_support", "precision_score", "recall_score"]

BETA = number(Real, 0, np.inf, "a float in the range [0.0, inf]")
DIGITS = number(Integral, 0, np.inf, "an int in the range [0, inf)")
NAMES = Rule(lambda v: isinstance(v, (list, tuple, set)), "a list, a tuple or a set")
SHARED = {
    "y_true": ARRAYS, "y_pred": ARRAYS, "labels": OPTIONAL, "pos_label": LABEL,
    "average": AVERAGE, "sample_weight": OPTIONAL, "zero_division": DIVISION,
}  # fmt: skip


def _scores(
    y_true: Any, y_pred: Any, *, beta: float = 1.0, labels: Any, pos_label: Any, average: Any,
    sample_weight: Any, zero_division: Any, warn_for: Collection[str],
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    pair = Pair(y_true, y_pred, sample_weight)
    labels = chosen_labels(pair, average, labels, pos_label)
    return _averaged(pair, labels, beta, average, warn_for, zero_division)


def _averaged(
    pair: Pair, labels: Any, beta: float, average: Any, warn_for: Collection[str],
    zero_division: Any,
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    sums = pooled(pair.sums(labels, samplewise=average == "samples"), average)
    found = rates(sums, beta, average, warn_for, zero_division)
    if average is None:
        return *found, sums.true
    weights = {"weighted": sums.true, "samples": pair.weights}.get(average)
    precision, recall, f = (average_of(values, weights) for values in found)
    return precision, recall, f, None


@checked(beta=BETA, warn_for=NAMES, **SHARED)
def precision_recall_fscore_support(
    y_true: Any, y_pred: Any, *, beta: float = 1.0, labels: Any = None, pos_label: Any = 1,
    average: Any = None, warn_for: Any = ("precision", "recall", "f-score"),
    sample_weight: Any = None, zero_division: Any = "warn",
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """(precision, recall, F, support): of each label [K], or averaged, without a support.

    >>> precision_recall_fscore_support([0, 1, 1, 0], [0, 1, 0, 0], average="binary")
    (1.0, 0.5, 0.6666666666666666, None)
    """
    return _scores(
        y_true, y_pred, beta=beta, labels=labels, pos_label=pos_label, average=average,
        sample_weight=sample_weight, zero_division=zero_division, warn_for=warn_for,
    )  # fmt: skip


@checked(**SHARED)
def precision_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """Of what is predicted as a label, the share that is it.

    >>> precision_score([0, 1, 1, 0], [0, 1, 0, 0])
    1.0
    """
    return _scores(
        y_true, y_pred, labels=labels, pos_label=pos_label, average=average,
        sample_weight=sample_weight, zero_division=zero_division, warn_for=("precision",),
    )[0]  # fmt: skip


@checked(**SHARED)
def recall_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """Of the items of a label, the share that is predicted so.

    >>> recall_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.5
    """
    return _scores(
        y_true, y_pred, labels=labels, pos_label=pos_label, average=average,
        sample_weight=sample_weight, zero_division=zero_division, warn_for=("recall",),
    )[1]  # fmt: skip


@checked(**SHARED)
def f1_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """The harmonic mean of precision and recall.

    >>> f1_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.6666666666666666
    """
    return _scores(
        y_true, y_pred, labels=labels, pos_label=pos_label, average=average,
        sample_weight=sample_weight, zero_division=zero_division, warn_for=("f-score",),
    )[2]  # fmt: skip


@checked(beta=BETA, **SHARED)
def fbeta_score(
    y_true: Any, y_pred: Any, *, beta: float, labels: Any = None, pos_label: Any = 1,
    average: Any = "binary", sample_weight: Any = None, zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """F, in which recall counts beta times as much as precision.

    >>> fbeta_score([0, 1, 1, 0], [0, 1, 0, 0], beta=2)
    0.5555555555555556
    """
    return _scores(
        y_true, y_pred, beta=beta, labels=labels, pos_label=pos_label, average=average,
        sample_weight=sample_weight, zero_division=zero_division, warn_for=("f-score",),
    )[2]  # fmt: skip


@checked(**SHARED)
def jaccard_score(
    y_true: Any, y_pred: Any, *, labels: Any = None, pos_label: Any = 1, average: Any = "binary",
    sample_weight: Any = None, zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """Items right over items of the label in target or prediction.

    >>> jaccard_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.5
    """
    pair = Pair(y_true, y_pred, sample_weight)
    labels = chosen_labels(pair, average, labels, pos_label)
    sums = pair.sums(labels, samplewise=average == "samples")
    support = sums.true
    sums = pooled(sums, average)
    values = divided(
        sums.right, sums.predicted + sums.true - sums.right, "jaccard", "true or predicted",
        average, ("jaccard",), zero_division,
    )  # fmt: skip
    if average is None:
        return values
    weights = {"weighted": support if support.any() else None, "samples": pair.weights}
    return float(np.average(values, weights=weights.get(average)))


COLUMNS = ("precision", "recall", "f1-score", "support")


@checked(
    y_true=ARRAYS, y_pred=ARRAYS, labels=OPTIONAL, target_names=OPTIONAL, sample_weight=OPTIONAL,
    digits=DIGITS, output_dict=BOOL, zero_division=DIVISION,
)  # fmt: skip
def classification_report(
    y_true: Any, y_pred: Any, *, labels: Any = None, target_names: Any = None,
    sample_weight: Any = None, digits: int = 2, output_dict: bool = False,
    zero_division: Any = "warn",
) -> Any:  # fmt: skip
    """Precision, recall, F1 and support of each label, and averages: a text, or a dictionary.

    >>> classification_report(["a", "b"], ["a", "b"], output_dict=True)["accuracy"]
    1.0
    """
    pair = Pair(y_true, y_pred, sample_weight)
    given = labels is not None
    labels = array_of(labels) if given else pair.labels
    whole = not pair.multilabel and (not given or {*labels.tolist()} >= {*pair.labels.tolist()})
    if target_names is not None and len(labels) != len(target_names):
        if not given:
            raise ValueError(
                f"Number of classes, {len(labels)}, does not match size of target_names, "
                f"{len(target_names)}. Try specifying the labels parameter"
            )
        warn(
            f"labels size, {len(labels)}, does not match size of target_names, {len(target_names)}"
        )
    names = [f"{label}" for label in labels] if target_names is None else target_names
    chosen = labels if given else None
    every = ("precision", "recall", "f-score")
    columns = _averaged(pair, chosen, 1.0, None, every, zero_division)
    total = np.sum(columns[3])
    rows = {"": [*zip(names, *columns, strict=False)]}
    averages = []
    for average in ("micro", "macro", "weighted", *(("samples",) if pair.multilabel else ())):
        found = _averaged(pair, chosen, 1.0, average, every, zero_division)
        head = "accuracy" if average == "micro" and whole else f"{average} avg"
        averages.append((head, *found[:3], total))
    if output_dict:
        table: dict[Any, Any] = {
            name: dict(zip(COLUMNS, map(float, values), strict=True))
            for name, *values in [*rows[""], *averages]
        }
        if "accuracy" in table:
            table["accuracy"] = table["accuracy"]["precision"]
        return table
    return _text(rows[""], averages, names, digits)


def _text(rows: Any, averages: Any, names: Any, digits: int) -> str:
    width = max(*map(len, names), len("weighted avg"), digits)
    lines = ["".join([f"{'':>{width}} ", *(f" {head:>9}" for head in COLUMNS)]), ""]

    def line(name: Any, *values: Any) -> str:
        *some, support = values
        cells = [f" {'':>9}" if value is None else f" {value:>9.{digits}f}" for value in some]
        return "".join([f"{name:>{width}s} ", *cells, f" {support!s:>9}"])

    lines += [line(*row) for row in rows]
    lines.append("")
    for name, precision, recall, f, support in averages:
        alone = (None, None) if name == "accuracy" else (precision, recall)
        lines.append(line(name, *alone, f, support))
    return "\n".join(lines) + "\n"
