"""What RankCounts.from_pairs is given, checked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.metrics.rank_conventions import EMPTY, TIES, convention_named
from assay.ops import rankings as ops

__all__ = [
    "DEEPEST",
    "GAINS",
    "check_counts",
    "check_definition",
    "check_gains",
    "check_rows",
    "cuts_of",
    "ints",
    "level_of",
    "named_ids",
    "table_of",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GAINS = ("linear", "exponential")

DEEPEST = 1 << 32  # items of a ranking of a state from elsewhere: equal scores cost time


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


def check_rows(state: Any) -> None:
    """Refuse the rows of a RankCounts from elsewhere that no count gives."""
    ids, depths, unjudged = state.queries.T
    query, above, before, after, unwanted, bits, items = state.pairs.T
    sorter = np.argsort(ids)
    order = ids[sorter]
    place = np.minimum(np.searchsorted(order, query), max(len(ids) - 1, 0))
    if np.any(order[1:] == order[:-1]) or (len(query) and not np.array_equal(order[place], query)):
        raise InputError("pairs are of queries that are not there, or there twice")
    if np.any((depths < 0) | (depths > DEEPEST)) or np.any(unjudged < -1) or np.any(unwanted < -1):
        raise InputError("depths or counts are below 0 or beyond any ranking")
    ranked = np.maximum(np.maximum(above, before), after)
    if np.any(ranked > DEEPEST):
        raise InputError("ranks are beyond any ranking")
    gains = np.ascontiguousarray(bits).view(np.float64)
    if not np.all(gains > 0):
        raise InputError("gains must be above 0")
    check_gains(gains, state.gain)
    grouped = np.argsort(place, kind="stable")
    columns = [count[grouped] for count in (above, before, after)]
    check_counts(order, place[grouped], items[grouped], columns, depths[sorter])
    if state.backward and len(state.directions or ()) != 2:
        raise InputError(f"directions must be two names, got {state.directions}")


def check_definition(state: Any) -> None:
    """Refuse what is no definition of rankings, of a state from elsewhere."""
    for name, known in (("ties", TIES), ("gain", GAINS), ("empty", EMPTY)):
        if (own := getattr(state, name)) is not None:
            one_of(own, name, known)
    if state.convention is not None:
        convention_named(state.convention)
    if state.k is not None and (cuts_of(state.k) != state.k or max(state.k, default=0) > DEEPEST):
        raise InputError(f"k must be whole numbers in order, got {state.k}")
    if state.level is not None:
        level_of(state.level)


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
