"""Classification: count_labels of predictions, count_scores of scores, and one-line functions.

What is made of the counts is in `confusion.py`, `multilabel.py`, `sweep.py` and `multisweep.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.metrics._counting import (
    by_groups,
    checked_weights,
    item_ids,
    keyed_limbs,
    label_of,
    labels_of,
    one_column,
    refuse_scores,
    same_kind,
)
from assay.metrics.confusion import Confusion
from assay.metrics.multilabel import MultilabelConfusion, count_rows
from assay.metrics.multisweep import MultiSweep, count_columns
from assay.metrics.sweep import Sweep
from assay.metrics.thresholds import BestThreshold
from assay.ops import labels as ops
from assay.ops import sweep
from assay.ops.columns import as_array, as_floats, refuse_missing, same_length
from assay.ops.labels import Label

__all__ = ["Confusion", "MultiSweep", "MultilabelConfusion", "Sweep", "accuracy"]
__all__ += ["average_precision", "best_threshold", "count_labels", "count_scores", "f1"]
__all__ += ["macro_f1", "positives_of", "roc_auc"]

Array = npt.NDArray[Any]


def count_labels(
    target: Any,
    prediction: Any,
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
    weights: Any = None,
    k: int | Sequence[int] = (),
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> Any:
    """Count how often each label is predicted as each.

    target [n]: integers, booleans or strings. prediction [n]: the same; or [n, C], scores of C
    classes (labels, by default 0..C-1), of which the highest is predicted, the first of equals.
    Both [n, L] of 0 and 1: rows of several labels, counted as MultilabelConfusion.
    labels: those there are, in order; others are refused. By default those that occur. positive:
    the label whose f1, precision and recall are meant; by default 1 of labels 0 and 1, or -1 and 1.
    weights: float [n], finite; may be 0 or negative. k: with scores of classes, cut-offs of top-k
    accuracy. by: columns [n] whose values group the items. items: keep a row for each item, under
    int64 `ids` [n] (by default 0..n-1), so that two systems can be compared.

    Returns Confusion, which adds over batches, ranks and folds. Without items its values are nan.
    InputError names the row of a label that is not among `labels`, or a score that is NaN.

    >>> c = count_labels([1, 1, 0, 0], [1, 0, 0, 0])
    >>> c.accuracy, c.f1, c["macro_f1"], c.matrix.tolist()
    (0.75, 0.6666666666666666, 0.7333333333333334, [[2, 0], [1, 1]])
    """
    target, prediction = as_array(target, "target"), as_array(prediction, "prediction")
    if positive is not None:
        positive = label_of(positive)
    if labels is not None:
        labels = labels_of(labels)
    n = same_length(target=target, prediction=prediction, weights=weights)
    plain = weights is None and labels is None and by is None and ids is None and not items
    kinds = target.dtype.kind + prediction.dtype.kind
    if plain and k == () and target.ndim == 1 == prediction.ndim and kinds in _PLAIN:
        counts = ops.binary_cells(target, prediction)
        if counts is not None:
            pairs: dict[tuple[Label, Label], int] = {
                pair: count for pair, count in zip(_PAIRS, counts, strict=True) if count
            }
            return Confusion(cells=pairs, positive=positive, weighted=False)
    weights = checked_weights(weights, n)
    own_ids = item_ids(items, ids, n)
    if by is not None:
        return by_groups(
            count_labels, by, n, (target, prediction), weights, own_ids,
            labels=labels, positive=positive, k=k,
        )  # fmt: skip
    one_column("target", target)
    one_column("prediction", prediction)
    if target.ndim == 2:
        if items or positive is not None or k != ():
            raise InputError("rows of several labels are counted without items, positive and k")
        return count_rows(target, prediction, labels, weights)
    top: dict[tuple[int, int], int] = {}
    if prediction.ndim == 2:
        names = [*range(prediction.shape[1])] if labels is None else [*labels]
        own, guess, top = _of_class_scores(target, prediction, names, k, weights)
        declared: Sequence[Label] | None = names
    else:
        if k:
            raise InputError("k needs scores of classes [n, C] as prediction, got labels [n]")
        refuse_missing(target, "target")
        refuse_missing(prediction, "prediction")
        names = ops.distinct(target, prediction) if labels is None else [*labels]
        own, guess = (
            ops.codes_of(side, names, what)
            for side, what in ((target, "target"), (prediction, "prediction"))
        )
        declared = labels
    same_kind(positive, names)
    found = (side.tolist() for side in ops.count_pairs(own, guess, len(names)))
    cells: dict[tuple[Label, Label], int] = {
        (names[i], names[j]): count for i, j, count in zip(*found, strict=True)
    }
    limbs = {}
    if weights is not None:
        flat = keyed_limbs(own * len(names) + guess, weights)
        limbs = {
            (names[code // len(names)], names[code % len(names)], limb): part
            for (code, limb), part in flat.items()
        }
    numbers = np.array([ops.number_of(name) for name in names], np.int64)
    rows: dict[str, Any] = {} if own_ids is None else {
        "rows": np.stack([own_ids, numbers[own], numbers[guess]], axis=1), "detail": ("items",)
    }  # fmt: skip
    return Confusion(
        cells=cells, weights=limbs, top=top, positive=positive, weighted=weights is not None,
        labels=None if declared is None else tuple(declared), **rows,
    )  # fmt: skip


_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))
_PLAIN = ("ii", "bb", "ib", "bi")  # kinds of columns that are counted as 0 and 1 if they can be


def _of_class_scores(
    target: Array, scores: Array, names: Sequence[Label], k: int | Sequence[int], weights: Any
) -> tuple[Any, Any, dict[tuple[int, int], int]]:
    """Codes of target and of the best class, and hits within the top k."""
    if scores.dtype.kind not in "fiu":
        raise InputError(f"prediction must be scores of classes, got {scores.dtype}")
    if len(names) != scores.shape[1]:
        raise InputError(f"labels must be {scores.shape[1]}, one a column, got {len(names)}")
    bad = np.isnan(scores).any(axis=1)
    if bad.any():
        raise InputError(f"prediction[{int(np.argmax(bad))}] holds NaN; mend or drop that row")
    own = ops.codes_of(target, names, "target")
    mine = np.take_along_axis(scores, own[:, None], 1)
    rank = (scores > mine).sum(axis=1)
    rank += ((scores == mine) & (np.arange(len(names)) < own[:, None])).sum(axis=1)
    top: dict[tuple[int, int], int] = {}
    for cut in k if isinstance(k, Iterable) else [k]:
        if isinstance(cut, bool) or not hasattr(cut, "__index__"):
            raise InputError(f"k must be whole numbers, got {cut!r}")
        cut = int(cut)
        if not 1 <= cut <= len(names):
            raise InputError(f"k must be in 1..{len(names)}, the classes, got {cut}")
        hits = rank < cut
        if weights is None:
            top[cut, 0] = int(hits.sum())
        else:
            found = keyed_limbs(np.zeros(int(hits.sum()), np.int64), weights[hits])
            top |= {(cut, limb): part for (_, limb), part in found.items()} or {(cut, 0): 0}
    return own, scores.argmax(axis=1), top


def count_scores(
    target: Any,
    score: Any,
    *,
    labels: Sequence[Label] | None = None,
    positive: Label | None = None,
    weights: Any = None,
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> Any:
    """Count scores by the label of their item: every threshold at once.

    target [n]: labels; score [n]: numbers, high where an item is likely positive; or [n, C] of C
    classes, or of L labels where target is [n, L] of 0 and 1, counted as MultiSweep. float16 and
    bfloat16 scores [n] are kept as an exact histogram of their 65,536 values, others as they are.
    positive: the label that a high score [n] speaks for; by default 1 of labels 0 and 1, or -1 and
    1. labels: those of the columns [C], by default 0..C-1. weights: float [n], at least 0; items of
    weight 0 are left out. by: columns [n] whose values group the items. items, ids: as
    count_labels.

    Returns Sweep, which adds over batches, ranks and folds. InputError names the row of a score
    that is NaN or infinite and of an unknown label.

    >>> s = count_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> s.roc_auc, s.at(0.4).accuracy, s.best_threshold("f1").value
    (0.75, 0.5, 0.8)
    """
    target = as_array(target, "target")
    kind = _half(score)
    width = 8 * getattr(getattr(score, "dtype", None), "itemsize", 8)
    score = as_array(score, "score") if kind == "float16" else as_floats(score, "score")
    n = same_length(target=target, score=score, weights=weights)
    weights = checked_weights(weights, n, negative=False)
    asked: dict[str, Any] = {
        "labels": None if labels is None else labels_of(labels), "positive": label_of(positive),
        "kind": kind, "width": 16 if kind == "float16" else 32 if width <= 32 else 64,
    }  # fmt: skip
    own_ids = item_ids(items, ids, n)
    if by is not None:
        return by_groups(_counted, by, n, (target, score), weights, own_ids, **asked)
    return _counted(target, score, weights=weights, items=items, ids=own_ids, **asked)


def _counted(
    target: Array, score: Array, *, weights: Array | None, labels: Sequence[Label] | None,
    positive: Label | None, kind: str | None, width: int, items: bool = False, ids: Any = None,
) -> Any:  # fmt: skip
    one_column("target", target)
    one_column("score", score)
    if score.ndim == 2:
        if items or positive is not None:
            raise InputError("scores of several classes are counted without items and positive")
        wide = score.astype(np.float32) if kind else score
        return count_columns(target, wide, labels, weights, width)
    if target.ndim == 2:
        raise InputError(f"target must be labels [n] for scores [n], got {target.shape}")
    own, label = positives_of(target, positive)
    rows: dict[str, Any] = {} if not items else {
        "rows": np.stack([ids, own.astype(np.int64), score.astype(float).view(np.int64)], 1),
        "detail": ("items",),
    }  # fmt: skip
    known: dict[str, Any] = {"positive": 1, "label": label, "width": width, **rows}
    if weights is not None:
        return Sweep(pools=_weighted(own, score, weights), mode="weighted", **known)
    if kind is not None:
        refuse_scores(score)
        _refuse_others(own, target)
        cells = own.astype(np.int64) << 16 | sweep.bits_of(score)
        counts = np.bincount(cells, minlength=2 << 16).reshape(2, -1)
        return Sweep(histogram=counts, mode=kind, **known)
    negatives, positives, bad = sweep.cut(own, score)
    if bad >= 0:
        refuse_scores(score)
        _refuse_others(own, target)
    return Sweep(pools={0: negatives, 1: positives}, mode="exact", **known)


def _half(score: Any) -> str | None:
    name = str(getattr(score, "dtype", "")).removeprefix("torch.")
    return name if name in ("float16", "bfloat16") else None


def positives_of(target: Array, positive: Label | None) -> tuple[Array, Label]:
    """1 for items of the positive label and 0 for others; what it is called."""
    refuse_missing(target, "target")
    if positive is not None:
        same_kind(positive, ops.distinct(target[:1]))
        return np.asarray(target == positive), positive
    if target.dtype == np.bool_:
        return target, 1
    if target.dtype.kind in "iu":
        signs = target.size and target.min() == -1 and ((target == 1) | (target == -1)).all()
        return target == 1 if signs else target, 1
    if target.dtype.kind == "f" and np.isin(target, (0, 1)).all():
        return target.astype(np.int64), 1
    if not target.size:
        return np.zeros(0, np.int64), 1
    raise InputError(f"name the positive label with positive=; labels are {target.dtype}")


def _refuse_others(own: Array, target: Array) -> None:
    others = (own != 0) & (own != 1)
    if others.any():
        row = int(np.argmax(others))
        raise InputError(
            f"target[{row}] is {target[row].item()!r}; with labels other than 0 and 1, or -1 and "
            "1, name the positive one with positive="
        )


def _weighted(own: Array, score: Array, weights: Array) -> dict[int, Array]:
    refuse_scores(score)
    _refuse_others(own, own)
    rows = np.stack([score.astype(np.float64), weights], axis=1)[weights != 0]
    one = own.astype(bool)[weights != 0]
    return {0: rows[~one], 1: rows[one]}


def accuracy(target: Any, prediction: Any, **options: Any) -> float:
    """The share of items whose label is predicted; inputs and options as count_labels.

    In 0..1, better higher; nan without items.

    >>> accuracy(["a", "b"], ["a", "a"])
    0.5
    """
    return float(count_labels(target, prediction, **options).accuracy)


def f1(target: Any, prediction: Any, **options: Any) -> float:
    """F1 of the positive label; inputs and options as count_labels.

    In 0..1, better higher; 0 where the label is in neither target nor prediction.

    >>> f1([1, 1, 0], [1, 0, 0])
    0.6666666666666666
    """
    found = count_labels(target, prediction, **options)
    named = options.get("positive")
    if named is not None and found.n and named not in found.classes:
        raise InputError(f"positive: {named!r} is not among the labels {found.classes[:5]}")
    return float(found.value("f1"))


def macro_f1(target: Any, prediction: Any, **options: Any) -> float:
    """The mean of F1 over the labels that occur; inputs and options as count_labels.

    In 0..1, better higher; nan without items.

    >>> macro_f1([1, 1, 0], [1, 0, 0])
    0.6666666666666666
    """
    return float(count_labels(target, prediction, **options).macro_f1)


def roc_auc(target: Any, score: Any, **options: Any) -> float:
    """The area under the ROC curve; inputs and options as count_scores.

    In 0..1, better higher, 0.5 for chance; nan where there is one class. Of several classes the
    mean over classes, each against all others.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return float(count_scores(target, score, **options).roc_auc)


def average_precision(target: Any, score: Any, **options: Any) -> float:
    """The sum over scores of the step of recall times precision; inputs as count_scores.

    In 0..1, better higher; nan without positives.

    >>> average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    return float(count_scores(target, score, **options).average_precision)


def best_threshold(
    target: Any, score: Any, metric: str = "macro_f1", *, grid: Any = None,
    constraint: Mapping[str, float] | None = None, **options: Any,
) -> BestThreshold:  # fmt: skip
    """The threshold with the highest value of a metric; see Sweep.best_threshold.

    >>> best_threshold([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "f1").threshold
    0.35
    """
    found = count_scores(target, score, **options)
    if isinstance(found, MultiSweep):
        raise InputError("best_threshold is of one score a row; take .of(label) of count_scores")
    best: BestThreshold = found.best_threshold(metric, grid=grid, constraint=constraint)
    return best
