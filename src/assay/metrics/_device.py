"""Counts of tensors on a device: nothing is read from there before somebody reads the state.

The states are those of arrays, and so are their values and bytes; their fields are Waiting until
then (core/waiting.py). A bad item is found when they are read, and named by its row in the order
in which batches were added.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.core.waiting import WaitingArray, WaitingMapping
from assay.metrics._counting import checked_weights, one_column, same_kind
from assay.metrics.confusion import Confusion
from assay.metrics.multilabel import MultilabelConfusion, count_rows
from assay.metrics.multisweep import TOLERANCE, MultiSweep, uneven_rows
from assay.metrics.sweep import Sweep
from assay.ops import columns
from assay.ops.labels import Label, not_among

__all__ = ["bin_counts", "count_labels", "count_scores"]

LARGE = 1 << 62  # labels beyond could not be counted up to
_TYPES = {"bool", "uint8", "int8", "int16", "int32", "int64"}
_TYPES |= {"float16", "bfloat16", "float32", "float64"}


def count_labels(
    target: Any, prediction: Any, *, labels: Sequence[Label] | None, positive: Label | None,
    weights: Any, cuts: tuple[int, ...], by: Any, items: bool, ids: Any,
) -> Any:  # fmt: skip
    """See count_labels in classification.py."""
    _check(by, items, ids, target=target, prediction=prediction, weights=weights)
    weighted = weights is not None
    from assay.ops import _labels_torch as ops
    from assay.ops._held_torch import Held, spans_of

    if target.dim() == 2:
        if positive is not None or cuts:
            raise InputError("rows of several labels are counted without positive and k")
        return _of_rows(target, prediction, labels, weights)
    wide = prediction.dim() == 2
    declared = None if labels is None else tuple(labels)
    if wide:
        size = prediction.shape[1]
        names: Sequence[Any] = range(size) if labels is None else labels
        if str(prediction.dtype) == "torch.bool" or len(names) != size or not size:
            raise InputError(
                f"prediction must be scores of {len(names)} classes [n, {len(names)}], got "
                f"{prediction.dtype} of shape {tuple(prediction.shape)}"
            )
        if cuts and max(cuts) > size:
            raise InputError(f"k must be in 1..{size}, the classes, got {max(cuts)}")
        declared = tuple(names)
    elif cuts:
        raise InputError("k needs scores of classes [n, C] as prediction, got labels [n]")
    elif labels is None:
        if {str(side.dtype) for side in (target, prediction)} != {"torch.bool"}:
            raise InputError(
                "labels: name them with num_classes= or labels= for tensors on "
                f"{target.device}; which ones occur cannot be found without waiting for the device"
            )
        names = range(2)
    else:
        names = labels
    _refuse_floats(target=target, **({} if wide else {"prediction": prediction}))
    spans, given = spans_of(_integers(names)), [target, prediction]
    same_kind(positive, names)
    if wide:
        given = [target, *ops.of_class_scores(prediction, target, spans, ranks=bool(cuts))]
    held = Held.of(
        ops.PairCounter(spans, wide, cuts, weighted), *given, *([weights] if weighted else [])
    )
    read = {"cells": _cells, "weights": _limbs if weighted else None, "top": _top if cuts else None}
    known = tuple(names) if declared is None else declared
    fields: dict[str, Any] = {name: WaitingMapping((held,), partial(how, known))
              for name, how in read.items() if how is not None}  # fmt: skip
    return Confusion(**fields, positive=positive, labels=declared, weighted=weighted)


def count_scores(
    target: Any, score: Any, *, labels: Sequence[Label] | None, positive: Label | None,
    weights: Any, by: Any, items: bool, ids: Any, kind: str | None, width: int,
    count: Callable[..., Any],
) -> Any:  # fmt: skip
    """See count_scores in classification.py. count: the same of arrays."""
    _check(by, items, ids, target=target, score=score, weights=weights)
    from assay.ops import _sweep_torch as ops
    from assay.ops._held_torch import Held

    score, number = _as_floats(score), _number(target, positive)
    if score.dim() == 2:
        if positive is not None:
            raise InputError("scores of several classes are counted without positive")
        return _of_columns(target, score, labels, weights, width)
    if target.dim() == 2:
        raise InputError(f"target must be labels [n] for scores [n], got {tuple(target.shape)}")
    label = 1 if positive is None else positive
    known: dict[str, Any] = {"positive": 1, "label": label, "width": width}
    if weights is not None:
        whole = partial(_weighted, count, positive=positive, kind=kind, width=width)
        key = ("scores", positive, width)
        held = Held.of(ops.RowCounter(key, whole), target, score, weights)
        pools = WaitingMapping((held,), lambda held: held.found.pools)
        return Sweep(pools=pools, mode="weighted", **known)
    held = Held.of(ops.ScoreCounter(number, 0 if kind is None else ops.CELLS), target, score)
    if kind is not None:
        return Sweep(histogram=WaitingArray((held,), _counts), mode=kind, **known)
    return Sweep(pools=WaitingMapping((held,), _pools), mode="exact", **known)


def bin_counts(target: Any, score: Any, positive: Label | None, bins: int, by: Any) -> WaitingArray:
    """Counts int64 [2, bins]; see count_scores_binned."""
    _check(by, False, None, target=target, score=score)
    from assay.ops._held_torch import Held
    from assay.ops._sweep_torch import ScoreCounter

    for what, column in (("target", target), ("score", score)):
        if column.dim() != 1:
            raise InputError(f"{what} must be a column [n], got shape {tuple(column.shape)}")
    counter = ScoreCounter(_number(target, positive), bins, binned=True)
    return WaitingArray((Held.of(counter, target, _as_floats(score)),), _counts)


def _check(by: Any, items: bool, ids: Any, **given: Any) -> None:
    """Tensors [n] or [n, c] of one length on one device."""
    there = {name: column for name, column in given.items() if column is not None}
    first = next(column for column in there.values() if columns.on_device(column))
    for name, column in there.items():
        place = getattr(column, "device", None) if hasattr(column, "detach") else None
        if place != first.device:
            raise InputError(
                f"{name} must be a tensor on {first.device} as the others are, got "
                f"{type(column).__name__} on {place or 'the host'}; move it there, or all here"
            )
        if column.dim() not in (1, 2) or (name == "weights" and column.dim() == 2):
            raise InputError(f"{name} must be a column [n] or rows [n, c], got {column.shape}")
        if str(column.dtype).removeprefix("torch.") not in _TYPES:
            raise InputError(f"{name}: {column.dtype} is not counted on a device")
        one_column(name, column)
    columns.same_length(**given)
    if by is not None or items or ids is not None:
        raise InputError(
            "by, items and ids are of the host: with tensors on a device give "
            + ", ".join(f"{name}.cpu()" for name in there)
        )


def _refuse_floats(**given: Any) -> None:
    for name, column in given.items():
        if column.dtype.is_floating_point:
            raise InputError(f"{name}: labels must be integers or booleans, got {column.dtype}")


def _integers(labels: Sequence[Label]) -> Sequence[int]:
    ends = [labels[0], labels[-1]] if isinstance(labels, range) else labels
    for label in ends:
        if not isinstance(label, int) or not -LARGE <= label <= LARGE:
            raise InputError(f"labels of tensors are integers in -2^62..2^62, got {label!r}")
    return labels  # type: ignore[return-value]


def _number(target: Any, positive: Label | None) -> int | None:
    """The positive label, of a target of integers."""
    if positive is None:
        return None
    _refuse_floats(target=target)
    same_kind(positive, [0])
    return _integers([positive])[0]


def _as_floats(score: Any) -> Any:
    if score.dtype.is_floating_point:
        return score
    return score.float() if score.element_size() <= 2 else score.double()


def _raised(held: Any, bad: Any, message: str) -> InputError:
    many = "" if bad.rows == 1 else f"; {bad.rows:,} of {held.n:,} rows counted there are bad"
    return InputError(message + many, row=bad.row)


# -- labels ----------------------------------------------------------------------------------------


def _pairs(names: tuple[Label, ...], held: Any) -> Any:
    found = held.found
    if found.bad is None:
        return found
    row, (target, guess, *rest), _ = found.bad
    counter = held.counter
    if target not in names:
        message = not_among("target", row, target, names)
    elif counter.classes and guess < 0:
        message = f"prediction[{row}] holds NaN; mend or drop that row"
    elif not counter.classes and guess not in names:
        message = not_among("prediction", row, guess, names)
    else:
        message = f"weights[{row}] must be finite, got {rest[-1]}"
    raise _raised(held, found.bad, message)


def _named(names: tuple[Label, ...], codes: Any) -> list[tuple[Label, Label]]:
    own, guess = np.divmod(codes, len(names))
    return [(names[i], names[j]) for i, j in zip(own.tolist(), guess.tolist(), strict=True)]


def _cells(names: tuple[Label, ...], held: Any) -> dict[Any, int]:
    found = _pairs(names, held)
    return dict(zip(_named(names, found.codes), found.counts.tolist(), strict=True))


def _limbs(names: tuple[Label, ...], held: Any) -> dict[Any, int]:
    found = _pairs(names, held)
    sums = zip(_named(names, found.codes), found.limbs.tolist(), strict=True)
    return {(*pair, place): limb for pair, limbs in sums for place, limb in _there(limbs)}


def _top(names: tuple[Label, ...], held: Any) -> dict[Any, int]:
    found, cuts = _pairs(names, held), held.counter.cuts
    if found.limbs is None:
        return {(cut, 0): hits for cut, hits in zip(cuts, found.top.tolist(), strict=True)}
    sums = zip(cuts, found.top.tolist(), strict=True)
    return {(cut, place): limb for cut, limbs in sums for place, limb in _there(limbs)}


def _there(limbs: list[int]) -> list[tuple[int, int]]:
    """Limbs that are not 0, and the first one: a sum of 0 is there too."""
    return [(place, limb) for place, limb in enumerate(limbs) if limb or not place]


def _of_rows(
    target: Any, prediction: Any, labels: Sequence[Label] | None, weights: Any
) -> MultilabelConfusion:
    from assay.ops._held_torch import Held
    from assay.ops._sweep_torch import RowCounter

    n, size = target.shape
    names = tuple(range(size) if labels is None else labels)
    if target.shape != prediction.shape or len(names) != size:
        raise InputError(
            f"target and prediction must have one shape, [n, {len(names)}], got "
            f"{tuple(target.shape)} and {tuple(prediction.shape)}"
        )

    def count(target: Any, prediction: Any, weights: Any = None) -> Any:
        return count_rows(target, prediction, names, checked_weights(weights, len(target)))

    given = [target, prediction] if weights is None else [target, prediction, weights]
    held = Held.of(RowCounter(("rows", names), count), *given)
    return MultilabelConfusion(
        cells=WaitingMapping((held,), lambda held: held.found.cells),
        rows=WaitingMapping((held,), lambda held: held.found.rows),
        n=n, labels=names, weighted=weights is not None,
    )  # fmt: skip


# -- scores ----------------------------------------------------------------------------------------


def _scores(held: Any) -> Any:
    found = held.found
    if found.bad is not None:
        row, (target, score), _ = found.bad
        message = f"score[{row}] is {score}; drop that row or mend it"
        if held.counter.binned and not 0 <= score <= 1:
            message = f"score[{row}] must be in 0..1, got {score}"
        elif math.isfinite(score):
            message = (
                f"target[{row}] is {target!r}; with labels other than 0 and 1, or -1 and 1, name "
                "the positive one with positive="
            )
        raise _raised(held, found.bad, message)
    if found.mixed:
        raise InputError("target: labels are -1, 0 and 1; name the positive one with positive=")
    return found


def _pools(held: Any) -> dict[int, Any]:
    found = _scores(held)
    return {0: found.negatives, 1: found.positives}


def _counts(held: Any) -> Any:
    return _scores(held).counts


def _weighted(
    count: Callable[..., Any], target: Any, score: Any, weights: Any, **asked: Any
) -> Any:
    weights = checked_weights(weights, len(target), negative=False)
    return count(target, score, weights=weights, labels=None, **asked)


def _of_columns(
    target: Any, score: Any, labels: Sequence[Label] | None, weights: Any, width: int
) -> MultiSweep:
    from assay.ops._held_torch import Held, spans_of
    from assay.ops._sweep_torch import ColumnCounter

    n, size = score.shape
    names = tuple(range(size) if labels is None else labels)
    if len(names) != size or not size:
        raise InputError(f"labels must be {size}, one a column of score, got {len(names)}")
    if weights is not None:
        raise InputError("weights: scores of several classes are counted without; use columns")
    multilabel = target.dim() == 2
    if multilabel and target.shape != score.shape:
        raise InputError(
            f"target and score must have one shape, got {tuple(target.shape)} and "
            f"{tuple(score.shape)}"
        )
    if not multilabel:
        _refuse_floats(target=target)
    spans = None if multilabel else spans_of(_integers(names))
    held = Held.of(ColumnCounter(spans, TOLERANCE), target, score)

    def sweep(read: Any, positive: int, label: Label) -> Sweep:
        pools = WaitingMapping((held,), read)
        return Sweep(pools=pools, positive=positive, label=label, mode="exact", width=width)

    columns = {j: sweep(partial(_column, names, j, multilabel), 1 if multilabel else j, names[j])
               for j in range(size)}  # fmt: skip
    if multilabel:
        return MultiSweep(columns=columns, n=n, labels=names, kind="multilabel")
    uneven: Any = WaitingArray((held,), partial(_uneven, names))
    return MultiSweep(
        columns=columns, top={1: sweep(partial(_best, names), 1, "right")}, n=n,
        uneven=uneven, labels=names, kind="multiclass",
    )  # fmt: skip


def _columned(names: tuple[Label, ...], held: Any) -> Any:
    found = held.found
    if found.bad is None:
        return found
    row, (target, score), _ = found.bad
    if not np.isfinite(score).all():
        message = f"score[{row}] is {score}; drop that row or mend it"
    elif isinstance(target, list):
        message = f"target[{row}] must hold 0 and 1 only, got {target}"
    else:
        message = not_among("target", row, target, names)
    raise _raised(held, found.bad, message)


def _column(names: tuple[Label, ...], j: int, empty: bool, held: Any) -> dict[int, Any]:
    """The pools of a column; empty: also of labels without items."""
    found = _columned(names, held)
    parts = np.split(found.scores[j], np.cumsum(found.sizes[j])[:-1])
    return {label: part for label, part in enumerate(parts) if len(part) or empty}


def _best(names: tuple[Label, ...], held: Any) -> dict[int, Any]:
    found = _columned(names, held)
    return {0: found.wrong, 1: found.right}


def _uneven(names: tuple[Label, ...], held: Any) -> int:
    found = _columned(names, held)
    return int(found.uneven + uneven_rows(found.near))
