"""What a state tells of its items, so that any of its scores can have an interval or be compared.

A state takes part by two methods:

    resampling(name) -> Items | RankedItems | Replicates
        what is drawn again for the score `name`; an InputError where the state kept no items,
        or the score has no such form (it names the scores that have)
    value_of(name, totals) -> float64 [B]
        the score of B replicates, from sums of the columns of Items over the items drawn, int64
        [B, c]; nan where it is not defined. It reads the definition only, never rows, so a sum of
        states without rows answers too. Not called for RankedItems, which say what they are for.

and, where some of its scores are shares of items, for intervals by formula:

    share_of(name) -> (int, int)
        the items that are right, and all of those; an InputError for other scores

Where the score is a ratio of sums the columns are its counts. A mean of values of single items is
one too: the values in fixed point (`fixed_point`), and a column of ones. So totals are integers,
and neither threads nor shards change a digit.

    class Accuracy(State):
        def resampling(self, name):  # a table of cells: no ids, but how many items each has
            return Items(np.array([[1, 1], [0, 1]]), counts=np.array([self.right, self.wrong]))
        def value_of(self, name, totals):
            return ratio(totals[:, 0], totals[:, 1])
"""

import dataclasses
import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from assay.core.score import Score

__all__ = ["Items", "RankedItems", "Replicates", "Resampled", "fixed_point", "from_fixed", "ratio"]
__all__ += ["scaled"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PLACES = 32  # binary places of a value in fixed point
BITS = 58  # of sums of scaled values, so that a few of them add without leaving int64


@dataclasses.dataclass(frozen=True, eq=False)
class Items:
    """Rows whose sums decide a score.

    columns int64 [n, c], in the order of per_item(). ids int64 [n], different: what matches items
    of two systems; None where the state does not know them (it can have intervals, but is not
    compared item by item). counts int64 [n]: how many items have this row; without ids only.
    truth int64 [n]: what is the same of an item in every system (its reference length, its label);
    a comparison refuses items where it differs. table: a name of the columns where several scores
    of the state have the same ones; else each score has its own. weight float64 [n]: what each item
    counts, where items have weights. The columns are then of a scale of their own (`scaled`), so
    their sums do not add over shards.
    """

    columns: Ints
    ids: Ints | None = None
    counts: Ints | None = None
    truth: Ints | None = None
    table: str = ""
    weight: Floats | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class RankedItems:
    """Items of two classes with a score each, whose order decides: for areas under curves.

    positive bool [n], score [n] without NaN, higher for the positive class; or both [n, C], whose
    value is the mean over the columns. of: "roc_auc" or "average_precision". ids and weight as
    those of Items.
    """

    positive: npt.NDArray[np.bool_]
    score: npt.NDArray[Any]
    ids: Ints | None = None
    of: str = "roc_auc"
    weight: Floats | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Replicates:
    """Totals of replicates that were drawn already: int64 [B, c], and the seed they came from.

    units: how many items they stand on.
    """

    totals: Ints
    seed: int
    units: int


class Resampled(Protocol):
    """A state with items; see above."""

    def resampling(self, name: str) -> Items | RankedItems | Replicates: ...

    def value_of(self, name: str, totals: Ints) -> Floats: ...

    def total_scores(self) -> list[Score]: ...

    def __getitem__(self, name: str) -> float: ...


def ratio(part: Any, whole: Any) -> Floats:
    """part / whole, nan where the whole is 0.

    >>> ratio(np.array([1, 0]), np.array([2, 0])).tolist()
    [0.5, nan]
    """
    return np.asarray(np.where(whole != 0, part / np.where(whole != 0, whole, 1), np.nan))


def fixed_point(values: Any, places: int = PLACES) -> Ints:
    """Numbers as multiples of 2^-places, the nearest, which add exactly: up to 2^26 of values in
    0..1 at 32 places."""
    return np.rint(np.asarray(values, np.float64) * 2.0**places).astype(np.int64)


def from_fixed(sums: Ints, places: int = PLACES) -> Floats:
    """Inverse of fixed_point()."""
    return np.asarray(sums * 2.0**-places)


def scaled(values: Any) -> Ints:
    """Numbers as integers of one scale, the finest at which sums of them drawn again stay within
    int64: for scores that no scale changes, as ratios of sums.

    >>> (scaled([0.25, 0.5, 0.0]) / scaled([0.5, 0.5, 0.5])).tolist()
    [0.5, 1.0, 0.0]
    """
    floats = np.asarray(values, np.float64)
    _, most = np.frexp(np.abs(floats).max(initial=0.0))
    room = BITS - int(most) - math.ceil(math.log2(16 * max(len(floats), 1)))
    return np.rint(np.ldexp(floats, room)).astype(np.int64)
