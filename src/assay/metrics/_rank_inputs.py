"""What RankCounts.from_pairs is given, checked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops import rankings as ops

__all__ = [
    "check_counts",
    "check_gains",
    "cuts_of",
    "ints",
    "level_of",
    "named_ids",
    "one_of",
    "table_of",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def one_of(what: str, value: str, names: Any) -> str:
    if value not in names:
        raise InputError(f"{what} must be one of {list(names)}, got {value!r}")
    return value


def named_ids(names: Sequence[str | None] | None, ids: Ints) -> dict[str, int]:
    pairs = [] if names is None else zip(names, ids.tolist(), strict=True)
    return {name: number for name, number in pairs if name is not None}


def check_gains(gains: Floats, gain: str) -> None:
    """Finite, and so that 2^gain is."""
    most = np.abs(gains).max(initial=0.0)
    if gain == "exponential" and most >= 1000:
        raise InputError(f"gain: 2^{most:g} - 1 is beyond what can be added; take linear gains")
    if not np.isfinite(most):
        raise InputError("gains must be finite, got inf")


def level_of(level: Any) -> float:
    if isinstance(level, str) or not level >= 0:
        raise InputError(f"level must be at least 0, got {level!r}")
    return float(level)


def cuts_of(k: int | Sequence[int]) -> tuple[int, ...]:
    """The cut-offs, checked, in order."""
    cuts: list[Any] = list(k) if isinstance(k, Iterable) else [k]
    for cut in cuts:
        if isinstance(cut, bool) or not isinstance(cut, (int, np.integer)) or cut < 1:
            raise InputError(f"k must be whole numbers of at least 1, got {cut!r}")
    return tuple(sorted({int(cut) for cut in cuts}))


def ints(what: str, data: Any, size: int | None = None) -> Ints:
    array = np.asarray(data)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or size not in (None, len(array)):
        wanted = "" if size is None else f"{size} "
        raise InputError(
            f"{what} must be {wanted}integers in one dimension, "
            f"got shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.int64, copy=False)


def table_of(columns: list[Ints]) -> Ints:
    """A table of these columns."""
    table = np.empty((len(columns[0]), len(columns)), np.int64)
    for at, column in enumerate(columns):
        table[:, at] = column
    return table


def check_counts(ids: Ints, query: Ints, items: Ints, counts: list[Ints], depths: Ints) -> None:
    """Refuse items that occur twice, and ranks outside the depth."""
    above, before, after = counts
    bad = ops.first_repeat(items, np.searchsorted(query, np.arange(len(ids) + 1)))
    if bad >= 0:
        raise InputError(f"query {ids[query[bad]]} has the relevant item {items[bad]} twice")
    ranked = above >= 0
    last = above + before + after + 1
    wrong = ranked & ((before < 0) | (after < 0) | (last > depths[query])) | (above < -1)
    if np.any(wrong):
        bad = int(np.argmax(wrong))
        raise InputError(
            f"item {items[bad]} of query {ids[query[bad]]}: {above[bad]} above, {before[bad]} and "
            f"{after[bad]} equal do not fit in a ranking of {depths[query[bad]]} items"
        )
