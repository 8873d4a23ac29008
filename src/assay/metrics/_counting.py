"""What count_labels and count_scores share: labels, weights, exact sums by key, groups."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.ops.columns import as_array, refuse_missing
from assay.ops.exact import add_limbs
from assay.ops.groups import check_by, group_codes
from assay.ops.labels import distinct, kind_of

__all__ = ["by_groups", "checked_weights", "cuts_of", "declared_of", "float_column", "has_items"]
__all__ += ["keyed_limbs", "label_of", "labels_of", "one_column", "positives_of"]
__all__ += ["refuse_others", "refuse_scores", "refuse_sums", "row_weights", "same_kind"]

Array = npt.NDArray[Any]

SPAN = 1 << 16  # codes below this are counted, not sorted


def checked_weights(weights: Any, n: int, *, negative: bool = True) -> Array | None:
    """Finite float64 [n]."""
    if weights is None:
        return None
    array = as_array(weights, "weights")
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise InputError(f"weights must be {n} numbers, got {array.dtype} of shape {array.shape}")
    array = array.astype(np.float64, copy=False)
    bad: Array = ~np.isfinite(array) if negative else ~((array >= 0) & np.isfinite(array))
    if bad.any():
        row = int(np.argmax(bad))
        rule = "finite" if negative else "finite and at least 0"
        raise InputError(f"weights[{row}] must be {rule}, got {array[row]}")
    return array


def refuse_sums(*sums: Array) -> None:
    """An InputError where sums of weights are too large for a float64."""
    with np.errstate(over="ignore"):
        if np.isinf(sum(np.abs(part).sum() for part in sums)):
            raise InputError("weights: their sum is beyond float64; divide all of them alike")


def row_weights(ids: Array, weights: Array | None) -> Array:
    """Rows (id, weight as float64 bits), none where items have no weights."""
    if weights is None:
        return np.zeros((0, 2), np.int64)
    return np.stack([ids, weights.view(np.int64)], axis=1)


def has_items(state: Any, rows: int) -> bool:
    """Whether rows of single items were kept; an InputError where of some items only."""
    if "items" not in (state.detail or ()):
        return False
    if rows < state.n:
        raise InputError(
            f"items were kept of {rows:,} of {state.n:,} only; count all batches with items=True"
        )
    return True


def float_column(rows: Array) -> Array:
    """The last column of listed rows, float64 bits, in order of id."""
    ordered = rows[np.argsort(rows[:, 0], kind="stable"), -1]
    return np.ascontiguousarray(ordered).view(np.float64)


def cuts_of(k: Any) -> tuple[int, ...]:
    """Cut-offs of top-k accuracy: one, or several."""
    if isinstance(k, tuple) and not k:  # the usual case, in a loop of small batches
        return ()
    several = isinstance(k, Iterable) and not isinstance(k, (str, bytes)) and np.ndim(k) > 0  # type: ignore[arg-type]
    cuts = tuple(k) if several else (k,)
    for cut in cuts:
        if isinstance(cut, (bool, np.bool_)) or not hasattr(cut, "__index__") or np.ndim(cut):
            raise InputError(f"k must be whole numbers, got {cut!r}")
    return tuple(int(cut) for cut in cuts)


def label_of(label: Any) -> Any:
    """A label as a Python int or str, None as it is."""
    label = label.item() if isinstance(label, np.generic) else label
    label = int(label) if isinstance(label, bool) else label
    if label is not None and not isinstance(label, (int, str)):
        raise InputError(f"a label must be an integer or a string, got {label!r}")
    return label


def labels_of(labels: Any) -> list[Any]:
    """Labels that are declared, different."""
    if (
        isinstance(labels, str)
        or not isinstance(labels, Iterable)
        or getattr(labels, "ndim", 1) != 1
    ):
        raise InputError(f"labels must be several, got {labels!r}")
    found = [label_of(label) for label in labels]
    if len({*found}) < len(found):
        raise InputError(f"labels must differ from each other, got {found}")
    if len({isinstance(label, str) for label in found}) > 1:
        raise InputError(f"labels must be all integers or all strings, got {found}")
    return found


def declared_of(labels: Any, num_classes: Any) -> Sequence[Any] | None:
    """Labels that are declared one way or the other, or None."""
    if num_classes is None:
        return None if labels is None else labels_of(labels)
    if labels is not None:
        raise InputError("labels: give labels= or num_classes=, not both")
    return range(whole(num_classes, "num_classes"))


def same_kind(positive: Any, labels: Sequence[Any]) -> None:
    """The positive label is a string if labels are."""
    if positive is not None and labels and isinstance(positive, str) != isinstance(labels[0], str):
        raise InputError(f"positive: {positive!r} is of another type than the label {labels[0]!r}")


def positives_of(target: Array, positive: Any) -> tuple[Array, Any]:
    """1 for items of the positive label and 0 for others; what it is called."""
    refuse_missing(target, "target")
    if target.dtype == object and kind_of(target, "target") == "integers":
        target = target.astype(np.int64)
    if positive is not None:
        same_kind(positive, distinct(target[:1], what=("target",)))
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


def refuse_others(own: Array) -> None:
    """An InputError with the first label that is neither 0 nor 1."""
    others = (own != 0) & (own != 1)
    if others.any():
        row = int(np.argmax(others))
        raise InputError(
            f"target[{row}] is {own[row].item()!r}; with labels other than 0 and 1, or -1 and "
            "1, name the positive one with positive="
        )


def one_column(what: str, column: Array) -> None:
    """Rows of one value are a column that was not meant to be two-dimensional."""
    if column.ndim == 2 and column.shape[1] == 1:
        raise InputError(f"{what} has shape {column.shape}; give the column itself, {what}[:, 0]")


def refuse_scores(score: Array) -> None:
    """An InputError with the first row that is not finite."""
    bad = ~np.isfinite(score).all(axis=tuple(range(1, score.ndim)))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"score[{row}] is {score[row].tolist()}; drop that row or mend it")


def keyed_limbs(codes: Array, weights: Array | None) -> dict[tuple[int, int], int]:
    """(code, limb) -> limb of the exact sum of weights; of each code its number of items in limb 0
    where there are no weights."""
    if codes.size and codes.max() < SPAN:
        there = np.bincount(codes) > 0
        used, place = np.flatnonzero(there), (np.cumsum(there) - 1)[codes]
    else:
        used, place = np.unique(codes, return_inverse=True)
    if weights is None:
        counts = np.bincount(place.reshape(-1), minlength=len(used))
        return {(int(code), 0): int(c) for code, c in zip(used, counts, strict=True)}
    limbs = add_limbs(weights, place.reshape(-1), len(used))
    found = {(int(code), 0): 0 for code in used}  # a sum of 0 is there too
    for row, limb in zip(*np.nonzero(limbs), strict=True):
        found[int(used[row]), int(limb)] = int(limbs[row, limb])
    return found


def by_groups(
    count: Callable[..., Any], by: Mapping[str, Any], n: int, columns: tuple[Array, ...],
    weights: Array | None, ids: Array | None, **options: Any,
) -> Any:  # fmt: skip
    """The state of all items, with that of each group of the `by` columns."""
    check_by(by)
    kept = {} if ids is None else {"items": True, "ids": ids}
    total = count(*columns, weights=weights, **kept, **options)
    if not by:
        return total
    keys, codes = group_codes(by, n)
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(keys))
    ends = np.cumsum(sizes)
    groups = {}
    for key, start, end in zip(keys, ends - sizes, ends, strict=True):
        rows = order[start:end]
        own = None if weights is None else weights[rows]
        some = {} if ids is None else {"items": True, "ids": ids[rows]}
        groups[key] = count(*(column[rows] for column in columns), weights=own, **some, **options)
    return replace(total, groups=groups, by=tuple(by))
