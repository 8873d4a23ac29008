"""Numbers of one table of targets and predictions: accuracy, matrices, agreement, likelihoods."""

import math
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.compat.sklearn._columns import array_of, length_of
from assay.compat.sklearn._errors import (
    ARRAY,
    ARRAYS,
    BOOL,
    OPTIONAL,
    Rule,
    among,
    checked,
    number,
    warn,
    warn_undefined,
)  # fmt: skip
from assay.compat.sklearn._pairs import Pair
from assay.metrics._label_formulas import WHOLE, of_matrix

__all__ = ["accuracy_score", "balanced_accuracy_score", "class_likelihood_ratios"]
__all__ += ["cohen_kappa_score", "confusion_matrix", "hamming_loss", "matthews_corrcoef"]
__all__ += ["multilabel_confusion_matrix", "zero_one_loss"]

Array = npt.NDArray[Any]

PAIR = {"y_true": ARRAYS, "y_pred": ARRAYS, "sample_weight": OPTIONAL}


def mean_of(values: Array, weights: Any, normalize: bool = True) -> float:
    """The mean, or the sum, of values with weights or without."""
    if weights is None:
        total = np.count_nonzero(values) if values.dtype == bool else values.sum()
        return float(total / len(values) if normalize else total)
    return float(np.average(values, weights=weights) if normalize else np.dot(values, weights))


@checked(normalize=BOOL, **PAIR)
def accuracy_score(
    y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None
) -> float:
    """The share of rows that are predicted right, or how many.

    >>> accuracy_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.75
    """
    pair = Pair(y_true, y_pred, sample_weight)
    return mean_of(pair.agreement, pair.weights, normalize)


@checked(normalize=BOOL, **PAIR)
def zero_one_loss(
    y_true: Any, y_pred: Any, *, normalize: bool = True, sample_weight: Any = None
) -> Any:
    """The share of rows that are predicted wrong, or how many.

    >>> zero_one_loss([0, 1, 1, 0], [0, 1, 0, 0])
    0.25
    """
    pair = Pair(y_true, y_pred, sample_weight)
    total = 1 if normalize else pair.n if pair.weights is None else pair.weights.sum()
    return float(total - mean_of(pair.agreement, pair.weights, normalize))


@checked(**PAIR)
def hamming_loss(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """The share of labels that are predicted wrong.

    >>> hamming_loss([[0, 1], [1, 1]], [[0, 1], [1, 0]])
    0.25
    """
    pair = Pair(y_true, y_pred, sample_weight)
    if pair.multilabel:
        return mean_of(pair.mistakes, pair.weights) / int(pair.true.shape[1])
    return mean_of(~pair.agreement, pair.weights)


@checked(y_true=ARRAY, y_pred=ARRAY, labels=OPTIONAL, sample_weight=OPTIONAL,
         normalize=among("true", "pred", "all", None))  # fmt: skip
def confusion_matrix(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None,
    normalize: str | None = None,
) -> Array:  # fmt: skip
    """[K, K]: targets in rows, predictions in columns.

    >>> confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0]).tolist()
    [[2, 0], [1, 1]]
    """
    return _confusion(Pair(y_true, y_pred, sample_weight), labels, normalize)


def _confusion(pair: Pair, labels: Any = None, normalize: str | None = None) -> Array:
    if pair.multilabel:
        raise ValueError(f"{pair.kind} is not supported")
    if labels is None:
        matrix = pair.matrix
    else:
        labels = array_of(labels)
        if not labels.size:
            raise ValueError("'labels' should contain at least one label.")
        if not {*labels.tolist()} & {*pair.labels[pair.in_true].tolist()}:
            raise ValueError("At least one label specified must be in y_true")
        matrix = pair.matrix_of(labels)
    if normalize is not None:
        axis = {"true": 1, "pred": 0, "all": None}[normalize]
        with np.errstate(all="ignore"):
            matrix = np.nan_to_num(matrix / matrix.sum(axis=axis, keepdims=True))
    if matrix.shape == (1, 1):
        warn(
            "A single label was found in 'y_true' and 'y_pred'. For the confusion matrix to have "
            "the correct shape, use the 'labels' parameter to pass all known labels."
        )
    return matrix


@checked(samplewise=BOOL, labels=OPTIONAL, **PAIR)
def multilabel_confusion_matrix(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, labels: Any = None,
    samplewise: bool = False,
) -> Array:  # fmt: skip
    """[K, 2, 2] of each label, or of each row: ((tn, fp), (fn, tp)).

    >>> multilabel_confusion_matrix([[0, 1], [1, 1]], [[0, 1], [1, 0]]).tolist()
    [[[1, 0], [0, 1]], [[0, 0], [1, 1]]]
    """
    pair = Pair(y_true, y_pred, sample_weight)
    right, predicted, true = pair.sums(labels, samplewise=samplewise)
    total: Any = pair.n if pair.weights is None else pair.weights.sum()
    if samplewise:
        size = pair.true.shape[1] if labels is None else length_of(labels)
        total = size if pair.weights is None else pair.weights * size
    fp, fn = predicted - right, true - right
    return np.stack([total - right - fp - fn, fp, fn, right], axis=-1).reshape(-1, 2, 2)


@checked(y_true=ARRAY, y_pred=ARRAY, sample_weight=OPTIONAL, adjusted=BOOL)
def balanced_accuracy_score(
    y_true: Any, y_pred: Any, *, sample_weight: Any = None, adjusted: bool = False
) -> float:
    """The mean recall of the labels of y_true; adjusted: 0 for chance.

    >>> balanced_accuracy_score([0, 0, 0, 1], [0, 0, 1, 1])
    0.8333333333333333
    """
    matrix = _confusion(Pair(y_true, y_pred, sample_weight))
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls = np.diagonal(matrix) / matrix.sum(axis=1)
    missing = np.isnan(recalls)
    if missing.any():
        warn("y_pred contains classes not in y_true")
        recalls = recalls[~missing]
    score = recalls.mean()
    if adjusted:
        chance = 1 / len(recalls)
        score = (score - chance) / (1 - chance)
    return float(score)


@checked(y_true=ARRAY, y_pred=ARRAY, sample_weight=OPTIONAL)
def matthews_corrcoef(y_true: Any, y_pred: Any, *, sample_weight: Any = None) -> float:
    """Matthews' correlation of target and prediction; 0 where either is of one class.

    >>> round(matthews_corrcoef([0, 1, 1, 0], [0, 1, 0, 0]), 4)
    0.5774
    """
    return float(WHOLE["mcc"](of_matrix(_confusion(Pair(y_true, y_pred, sample_weight)))))


@checked(
    y1=ARRAY, y2=ARRAY, labels=OPTIONAL, sample_weight=OPTIONAL,
    weights=among("linear", "quadratic", None),
    replace_undefined_by=number(Real, -1, 1, "a float in the range [-1.0, 1.0] or nan", np.nan),
)  # fmt: skip
def cohen_kappa_score(
    y1: Any, y2: Any, *, labels: Any = None, weights: str | None = None, sample_weight: Any = None,
    replace_undefined_by: float = np.nan,
) -> float:  # fmt: skip
    """Cohen's kappa: agreement beyond chance over what is possible.

    >>> cohen_kappa_score([0, 1, 1, 0], [0, 1, 0, 0])
    0.5
    """
    try:
        table = _confusion(Pair(y1, y2, sample_weight), labels).astype(np.float64)
    except ValueError as error:
        if "At least one label specified must be in y_true" not in str(error):
            raise
        raise ValueError(
            "At least one label in `labels` must be present in `y1` (even though "
            "`cohen_kappa_score` is otherwise agnostic to the order of `y1` and `y2`)."
        ) from error
    undefined = f"`replace_undefined_by` param, which is set to {replace_undefined_by}."
    total = table.sum()
    if not total:
        warn_undefined(
            "`y2` contains no labels that are present in both `y1` and `labels`."
            f"`cohen_kappa_score` is undefined and set to the value defined by the {undefined}"
        )
        return replace_undefined_by
    apart = np.abs(np.subtract.outer(np.arange(len(table)), np.arange(len(table))))
    cost = {None: apart != 0, "linear": apart, "quadratic": apart**2}[weights]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    possible = (cost * expected).sum()
    if not possible:
        warn_undefined(
            "`y1`, `y2` and `labels` have only one label in common. `cohen_kappa_score` is "
            f"undefined and set to the value defined by the the {undefined}"
        )
        return replace_undefined_by
    return float(1 - (cost * table).sum() / possible)


@checked(
    labels=OPTIONAL,
    replace_undefined_by=Rule(
        lambda v: isinstance(v, dict) or (isinstance(v, Real) and (v == 1 or v != v)),
        "a float among {1.0, nan} or an instance of 'dict'",
    ),
    **PAIR,
)
def class_likelihood_ratios(
    y_true: Any, y_pred: Any, *, labels: Any = None, sample_weight: Any = None,
    replace_undefined_by: Any = np.nan,
) -> tuple[float, float]:  # fmt: skip
    """(LR+, LR-): how much likelier a prediction is among positives than among negatives.

    >>> class_likelihood_ratios([0, 1, 1, 0], [0, 1, 0, 1])
    (1.0, 1.0)
    """
    pair = Pair(y_true, y_pred, sample_weight)
    if pair.kind != "binary":
        raise ValueError(
            "class_likelihood_ratios only supports binary classification problems, got targets of "
            f"type: {pair.kind}"
        )
    instead = _instead(replace_undefined_by)
    tn, fp, fn, tp = _confusion(pair, labels).ravel()
    positives, negatives = tp + fn, tn + fp
    use = (
        "Use the `replace_undefined_by` param to control this behavior. To suppress this warning "
        "or turn it into an error, see Python's `warnings` module and `warnings.catch_warnings()`."
    )
    if not positives:
        warn_undefined(
            "No samples of the positive class are present in `y_true`. `positive_likelihood_ratio` "
            f"and `negative_likelihood_ratio` are both set to `np.nan`. {use}"
        )
    if fp:
        plus = tp * negatives / (fp * positives) if positives else math.nan
    else:
        how = ("`positive_likelihood_ratio` is ill-defined and" if tp else
               "No samples were predicted for the positive class and `positive_likelihood_ratio` "
               "is")  # fmt: skip
        warn_undefined(f"{how} set to `np.nan`. {use}")
        plus = instead["LR+"]
    if tn:
        minus = fn * negatives / (tn * positives) if positives else math.nan
    else:
        warn_undefined(f"`negative_likelihood_ratio` is ill-defined and set to `np.nan`. {use}")
        minus = instead["LR-"]
    return float(plus), float(minus)


def _instead(value: Any) -> dict[str, float]:
    """What to give where LR+ and LR- are undefined."""
    if not isinstance(value, dict):
        return {"LR+": value, "LR-": value}
    plus: Any = value.get("LR+")
    minus: Any = value.get("LR-")
    if all(isinstance(v, Real) for v in (plus, minus)) and not (plus < 1 or minus < 0 or minus > 1):
        return value
    raise ValueError(
        "The dictionary passed as `replace_undefined_by` needs to be in the form `{'LR+': "
        "`value_1`, 'LR-': `value_2`}` where the value for `LR+` ranges from `1.0` to `np.inf` or "
        "is `np.nan` and the value for `LR-` ranges from `0.0` to `1.0` or is `np.nan`; got "
        f"`{value}`."
    )
