"""Classification: count_labels of predictions, count_scores of scores, and one-line functions.

What is made of the counts is in `confusion.py`, `multilabel.py`, `sweep.py` and `multisweep.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag
from assay.core.errors import InputError
from assay.metrics import _device as device
from assay.metrics._counting import (
    by_groups,
    checked_weights,
    cuts_of,
    declared_of,
    keyed_limbs,
    label_of,
    labels_of,
    one_column,
    positives_of,
    refuse_others,
    refuse_scores,
    row_weights,
    same_kind,
)
from assay.metrics._item_rows import item_ids
from assay.metrics.confusion import Confusion
from assay.metrics.multilabel import MultilabelConfusion, count_rows
from assay.metrics.multisweep import MultiSweep, count_columns
from assay.metrics.sweep import Sweep
from assay.metrics.thresholds import BestThreshold
from assay.ops import columns, sweep
from assay.ops import labels as ops
from assay.ops.columns import as_array, as_floats, refuse_missing, same_length
from assay.ops.labels import Label

__all__ = ["Confusion", "MultiSweep", "MultilabelConfusion", "Sweep", "accuracy"]
__all__ += ["average_precision", "best_threshold", "count_labels", "count_scores", "f1"]
__all__ += ["macro_f1", "roc_auc"]

Array = npt.NDArray[Any]


def count_labels(
    target: Any,
    prediction: Any,
    *,
    labels: Sequence[Label] | None = None,
    num_classes: int | None = None,
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
    labels: those there are, in order; others are refused. By default those that occur. num_classes:
    K, for labels 0..K-1. positive: the label whose f1, precision and recall are meant; by default 1
    of labels 0 and 1, or -1 and 1.
    weights: float [n], finite; may be 0 or negative. A class with no weight
    does not count in macro averages. k: with scores of classes, cut-offs of top-k accuracy. by:
    columns [n] whose values group the items. items: keep a row for each item, under int64 `ids` [n]
    (by default 0..n-1), so that two systems can be compared.

    Tensors on a device are counted there, without waiting for it: labels [n] need num_classes= or
    labels= (or are bool), by, items and ids are refused, and bad rows are found when the state is
    read, counted from 0 over all batches that were added.

    Returns Confusion, which adds over batches, ranks and folds. Without items its values are nan.
    InputError names the row of a label that is not among `labels`, or a score that is NaN.

    >>> c = count_labels([1, 1, 0, 0], [1, 0, 0, 0])
    >>> c.accuracy, c.f1, c["macro_f1"], c.matrix.tolist()
    (0.75, 0.6666666666666666, 0.7333333333333334, [[2, 0], [1, 1]])
    """
    items, cuts = flag(items, "items"), cuts_of(k)
    if positive is not None:
        positive = label_of(positive)
    if labels is not None or num_classes is not None:
        labels = declared_of(labels, num_classes)
    if columns.on_device(target) or columns.on_device(prediction):
        return device.count_labels(
            target, prediction, labels=labels, positive=positive, weights=weights, cuts=cuts, by=by,
            items=items, ids=ids,
        )  # fmt: skip
    target, prediction = as_array(target, "target"), as_array(prediction, "prediction")
    plain = weights is None and labels is None and by is None and ids is None and not items
    kinds = target.dtype.kind + prediction.dtype.kind
    alike = target.ndim == 1 and target.shape == prediction.shape
    if plain and not cuts and alike and kinds in _PLAIN:
        counts = ops.binary_cells(target, prediction)
        if counts is not None:
            pairs: dict[tuple[Label, Label], int] = {
                pair: count for pair, count in zip(_PAIRS, counts, strict=True) if count
            }
            return Confusion(cells=pairs, positive=positive, weighted=False)
    n = same_length(target=target, prediction=prediction, weights=weights)
    weights = checked_weights(weights, n)
    own_ids = item_ids(items, ids, n)
    if by is not None:
        return by_groups(
            count_labels, by, n, (target, prediction), weights, own_ids,
            labels=labels, positive=positive, k=cuts,
        )  # fmt: skip
    one_column("target", target)
    one_column("prediction", prediction)
    if target.ndim == 2:
        if positive is not None or len(cuts):
            raise InputError("rows of several labels are counted without positive and k")
        return count_rows(target, prediction, labels, weights, own_ids)
    top: dict[tuple[int, int], int] = {}
    if prediction.ndim == 2:
        names = [*range(prediction.shape[1])] if labels is None else [*labels]
        own, guess, top = _of_class_scores(target, prediction, names, cuts, weights)
        declared: Sequence[Label] | None = names
    else:
        if cuts:
            raise InputError("k needs scores of classes [n, C] as prediction, got labels [n]")
        refuse_missing(target, "target")
        refuse_missing(prediction, "prediction")
        names = (
            ops.distinct(target, prediction, what=("target", "prediction"))
            if labels is None
            else [*labels]
        )
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
        "rows": np.stack([own_ids, numbers[own], numbers[guess]], axis=1), "detail": ("items",),
        "row_weights": row_weights(own_ids, weights),
    }  # fmt: skip
    return Confusion(
        cells=cells, weights=limbs, top=top, positive=positive, weighted=weights is not None,
        labels=None if declared is None else tuple(declared), **rows,
    )  # fmt: skip


_PAIRS = ((0, 0), (0, 1), (1, 0), (1, 1))
_PLAIN = ("ii", "bb", "ib", "bi")  # kinds of columns that are counted as 0 and 1 if they can be


def _of_class_scores(
    target: Array, scores: Array, names: Sequence[Label], cuts: Sequence[int], weights: Any
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
    for cut in cuts:
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
    Tensors on a device stay there until the state is read, then they are sorted there; by, items,
    ids and bad rows as count_labels.

    Returns Sweep, which adds over batches, ranks and folds. InputError names the row of a score
    that is NaN or infinite and of an unknown label.

    >>> s = count_scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> s.roc_auc, s.at(0.4).accuracy, s.best_threshold("f1").value
    (0.75, 0.5, 0.8)
    """
    items, kind = flag(items, "items"), _half(score)
    width = 8 * getattr(getattr(score, "dtype", None), "itemsize", 8)
    asked: dict[str, Any] = {
        "labels": None if labels is None else labels_of(labels), "positive": label_of(positive),
        "kind": kind, "width": 16 if kind == "float16" else 32 if width <= 32 else 64,
    }  # fmt: skip
    if columns.on_device(target) or columns.on_device(score):
        return device.count_scores(
            target, score, weights=weights, by=by, items=items, ids=ids, count=_counted, **asked
        )
    target = as_array(target, "target")
    score = as_array(score, "score") if kind == "float16" else as_floats(score, "score")
    n = same_length(target=target, score=score, weights=weights)
    weights = checked_weights(weights, n, negative=False)
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
        if positive is not None:
            raise InputError("scores of several classes are counted without positive")
        wide = score.astype(np.float32) if kind else score
        return count_columns(target, wide, labels, weights, width, ids)
    if labels is not None:
        raise InputError("labels are of scores [n, C]; name the one of scores [n] with positive=")
    if target.ndim == 2:
        raise InputError(f"target must be labels [n] for scores [n], got {target.shape}")
    own, label = positives_of(target, positive)
    rows: dict[str, Any] = {} if not items else {
        "rows": np.stack([ids, own.astype(np.int64), score.astype(float).view(np.int64)], 1),
        "row_weights": row_weights(ids, weights), "detail": ("items",),
    }  # fmt: skip
    known: dict[str, Any] = {"positive": 1, "label": label, "width": width, **rows}
    if weights is not None:
        return Sweep(pools=_weighted(own, score, weights), mode="weighted", **known)
    if kind is not None:
        refuse_scores(score)
        refuse_others(own)
        cells = own.astype(np.int64) << 16 | sweep.bits_of(score)
        counts = np.bincount(cells, minlength=2 << 16).reshape(2, -1)
        return Sweep(histogram=counts, mode=kind, **known)
    negatives, positives, bad = sweep.cut(own, score)
    if bad >= 0:
        refuse_scores(score)
        refuse_others(own)
    return Sweep(pools={0: negatives, 1: positives}, mode="exact", **known)


def _half(score: Any) -> str | None:
    name = str(getattr(score, "dtype", "")).removeprefix("torch.")
    return name if name in ("float16", "bfloat16") else None


def _weighted(own: Array, score: Array, weights: Array) -> dict[int, Array]:
    refuse_scores(score)
    refuse_others(own)
    return dict(enumerate(sweep.cut_weighted(own, score, weights)))


def accuracy(target: Any, prediction: Any, **options: Any) -> float:
    """The share of items whose label is predicted; inputs and options as count_labels.

    In 0..1, better higher; nan without items; of scores [n, C] the first of equals is predicted.

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
    mean over classes, each against all others. A pair of equal scores is one half.

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return float(_of_scores(target, score, options).roc_auc)


def average_precision(target: Any, score: Any, **options: Any) -> float:
    """The sum over scores of the step of recall times precision; inputs as count_scores.

    In 0..1, better higher; nan without positives. Items of one score are one step.

    >>> average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    return float(_of_scores(target, score, options).average_precision)


def best_threshold(
    target: Any, score: Any, metric: str = "macro_f1", *, grid: Any = None,
    constraint: Mapping[str, float] | None = None, **options: Any,
) -> BestThreshold:  # fmt: skip
    """The threshold with the highest value of a metric; inputs as count_scores, the rest as
    Sweep.best_threshold: of equal values the threshold nearest 0.5, then the lower one; nan where
    none meets the constraint. InputError for several scores a row.

    >>> best_threshold([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], "f1").threshold
    0.35
    """
    found = _of_scores(target, score, options)
    if isinstance(found, MultiSweep):
        raise InputError("best_threshold is of one score a row; take .of(label) of count_scores")
    best: BestThreshold = found.best_threshold(metric, grid=grid, constraint=constraint)
    return best


def _of_scores(target: Any, score: Any, options: Mapping[str, Any]) -> Any:
    """count_scores of all items there are: then a positive label that none has is misspelt."""
    found = count_scores(target, score, **options)
    named = options.get("positive")
    if named is not None and found.n and not found.positives:
        raise InputError(f"positive: no item of the target has the label {named!r}, or any weight")
    return found
