"""The rows of single items as columns that add, and scores from their sums.

Of edits: hits, substitutions, deletions, insertions, one, and whether there is any error. Of a mean
of values: the value in fixed point (0 where it is not finite), one, whether it is infinite, whether
it is nan.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import PLACES, Items, fixed_point, from_fixed, ratio
from assay.ops.columns import as_array

if TYPE_CHECKING:
    from assay.metrics.edit_counts import EditCounts

__all__ = [
    "EDIT_COLUMNS",
    "RANK_PLACES",
    "UNKEPT",
    "add_edits",
    "edit_columns",
    "edit_values",
    "mean_values",
]
__all__ += ["fine_columns", "fine_values", "item_ids", "mean_items", "no_form"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FIELDS = ("hits", "substitutions", "deletions", "insertions", "pairs", "wrong_pairs")
EDIT_COLUMNS = 6
HALF = 24  # binary places of each part of a fine value
RANK_PLACES = 8  # binary places of a rank, which may be large

UNKEPT = "per_item: rows were not kept; count with items=True"


def item_ids(items: bool, ids: Any, n: int) -> Ints | None:
    """int64 [n], different; None where no rows of items are kept."""
    if not items:
        if ids is not None:
            raise InputError("ids go with items=True")
        return None
    if ids is None:
        return np.arange(n, dtype=np.int64)
    array = as_array(ids, "ids")
    if array.shape != (n,) or (n and array.dtype.kind not in "iu"):
        raise InputError(f"ids must be {n} integers, got shape {array.shape} of {array.dtype}")
    if n and array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"ids must fit in int64, got {array.max()}")
    if np.unique(array).size != n:
        raise InputError("ids must differ from each other; an id occurs twice")
    return array.astype(np.int64)


def edit_columns(rows: Ints) -> Ints:
    """Columns [n, 6] of rows (id, hits, substitutions, deletions, insertions)."""
    columns = np.empty((len(rows), 6), np.int64)
    columns[:, :4] = rows[:, 1:]
    columns[:, 4] = 1
    columns[:, 5] = (rows[:, 2] | rows[:, 3] | rows[:, 4]) > 0
    return columns


def add_edits(
    sums: Ints, hits: Ints, substitutions: Ints, deletions: Ints, insertions: Ints
) -> None:
    """Add the same columns of n pairs to sums [6, n]."""
    for at, column in enumerate((hits, substitutions, deletions, insertions)):
        sums[at] += column
    sums[4] += 1
    sums[5] += (substitutions | deletions | insertions) > 0


def edit_values(state: "EditCounts", name: str, totals: Ints) -> Floats:
    """A rate of each row of totals [B, 6], as the state has it of its own."""
    h, s, d, i, pairs, wrong = totals.astype(np.float64).T
    errors, reference, heard = s + d + i, h + s + d, h + s + i
    with np.errstate(divide="ignore", invalid="ignore"):
        wip = np.where(heard > 0, (h / reference) * (h / heard), 0.0)
        rates = {
            "wer": errors / reference,
            "cer": errors / reference,
            "mer": errors / (h + errors),
            "wip": wip,
            "wil": 1 - wip,
            "sentence_error_rate": wrong / pairs,
        }
    values = rates[name]
    for bare in np.flatnonzero(reference == 0):  # the policy for empty references says
        totals_of = dict(zip(_FIELDS, totals[bare].tolist(), strict=True))
        values[bare] = type(state)(**totals_of, unit=state.unit, empty=state.empty)[name]
    return np.asarray(values)


def mean_items(values: Any, ids: Ints, truth: Any = None, places: int = PLACES) -> Items:
    """Items whose score is the mean of their values."""
    return Items(mean_columns(values, places), ids, truth=truth)


def mean_columns(values: Any, places: int = PLACES) -> Ints:
    """Columns [n, 4] of values, each contiguous."""
    values = np.asarray(values, np.float64)
    columns = np.zeros((4, len(values)), np.int64)
    finite = np.isfinite(values)
    if not finite.all():
        columns[2], columns[3] = np.isinf(values), np.isnan(values)
        values = np.where(finite, values, 0.0)
    columns[0], columns[1] = fixed_point(values, places), 1
    return columns.T


def mean_values(totals: Ints, places: int = PLACES) -> Floats:
    """The mean of each row of totals [B, 4]: nan where a nan is in it, inf where an infinity is."""
    sums, n, infinite, unknown = totals.T
    values = ratio(from_fixed(sums, places), n)
    return np.where(unknown > 0, np.nan, np.where(infinite > 0, np.inf, values))


def fine_columns(values: Any) -> Ints:
    """Columns [n, 3] of finite values below 2^14: multiples of 2^-24, of 2^-48, and one."""
    values = np.asarray(values, np.float64) * 2.0**HALF
    columns = np.ones((3, len(values)), np.int64)
    columns[0] = np.floor(values)
    columns[1] = np.rint((values - columns[0]) * 2.0**HALF)
    return columns.T


def fine_values(totals: Ints) -> Floats:
    """The mean of each row of totals [B, 3] of those."""
    high, low, n = totals.T
    return ratio(from_fixed(high, HALF) + from_fixed(low, 2 * HALF), n)


def no_form(name: str, known: Any) -> str:
    """What a state says that cannot draw a score again."""
    return f"no interval of {name!r}: of these there is one: {', '.join(known)}"
