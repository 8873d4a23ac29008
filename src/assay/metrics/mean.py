"""Mean: the exact mean of losses, or of any numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag, one_of
from assay.core.errors import InputError
from assay.core.resampling import Items, ratio, scaled
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, listed, summed
from assay.core.waiting import WaitingArray
from assay.metrics._counting import by_groups, checked_weights, float_column, row_weights
from assay.metrics._item_rows import UNKEPT, item_ids
from assay.ops import columns
from assay.ops.columns import as_array, same_length
from assay.ops.exact import LIMBS, add_limbs

__all__ = ["Mean", "count_mean"]

Array = npt.NDArray[Any]

UNIT = 1 << 1074  # limbs are multiples of 1 / UNIT
RANGE = 1 << 14  # of values against weights, so that sums of both keep 20 bits of a weight


@dataclass(frozen=True, eq=False)
class Mean(State):
    """Sums of numbers.

    limbs int64 [2, LIMBS]: the exact sums of weight times value, rounded to float64 each, and of
    weights. counts int64 [4]: items, and those whose product is NaN, inf and -inf, which are in no
    limbs. rows int64 [n, 2], with items=True: id, value as float64 bits; row_weights likewise.
    """

    limbs: Any = summed(2, LIMBS)
    counts: Any = summed(4)
    rows: Array = listed("id", "value")
    row_weights: Array = listed("id", "weight")
    groups: Mapping[tuple[str, ...], "Mean"] = grouped()
    by: tuple[str, ...] | None = fixed()
    name: str | None = fixed()
    better: str | None = fixed()
    weighted: bool | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    def check(self) -> None:
        """Refuse rows without a weight."""
        if self.weighted and len(self.rows) != len(self.row_weights):
            raise InputError(f"{len(self.rows)} rows have {len(self.row_weights)} weights")
        super().check()

    @property
    def n(self) -> int:
        """Items."""
        return int(np.asarray(self.counts).reshape(-1)[0])

    @property
    def value(self) -> float:
        """Sum over sum of weights, rounded once; nan without items or weights."""
        _, nans, up, down = np.broadcast_to(np.asarray(self.counts), 4).tolist()
        if nans or (up and down):
            return math.nan
        limbs = np.broadcast_to(np.asarray(self.limbs), (2, LIMBS))
        total = whole_of(limbs[0])
        weight = whole_of(limbs[1]) if self.weighted else self.n * UNIT
        if not weight:
            return math.nan
        return total / weight if not (up or down) else math.inf if up else -math.inf

    def total_scores(self) -> list[Score]:
        """The mean, under its name."""
        signature = f"{self.name}|mean|weighted:{bool(self.weighted)}"
        better: Any = self.better
        return [Score(self.name or "mean", self.value, "value", better, self.n, {}, signature,
                      provenance())]  # fmt: skip

    def per_item(self, name: str) -> Array:
        """ "id", "value" (or what the mean is called), or "weight" where items have some, in order
        of id; needs a count with items=True."""
        if "items" not in (self.detail or ()):
            raise InputError(UNKEPT)
        known = {"id": lambda: np.sort(self.rows[:, 0]), "value": lambda: float_column(self.rows)}
        known[self.name or "mean"] = known["value"]
        if self.weighted:
            known["weight"] = lambda: float_column(self.row_weights)
        return np.asarray(known[one_of(name, "per_item: the column", known)]())

    def item_columns(self) -> dict[str, Array]:
        """The values of single items, in order of id."""
        return {self.name or "mean": self.per_item("value")}

    def resampling(self, name: str) -> Items:
        """Weight times value, and weight, of each item; see core/resampling.py."""
        one_of(name, "metric", [self.name or "mean"])
        values, ids = self.per_item("value"), self.per_item("id")
        if not np.isfinite(values).all():
            row = int(np.argmax(~np.isfinite(values)))
            raise InputError(f"intervals are of finite values; item {ids[row]} has {values[row]}")
        weight = self.per_item("weight") if self.weighted else np.ones(len(values))
        parts = np.stack([values * weight, weight], axis=1)
        most = np.abs(parts).max(axis=0, initial=0.0)
        if most[0] > RANGE * most[1]:
            raise InputError(
                f"intervals are of values up to {RANGE:,}; there is {most[0] / most[1]:g}; divide "
                "them by a scale of their own"
            )
        return Items(scaled(parts), ids, weight=weight)

    def value_of(self, name: str, totals: Array) -> Array:
        """The mean of each row of sums of those columns."""
        return ratio(totals[:, 0], totals[:, 1])


def whole_of(limbs: Array) -> int:
    """The sum as a whole number of 2^-1074."""
    return sum(int(limb) << (32 * place) for place, limb in enumerate(limbs.tolist()) if limb)


def count_mean(
    values: Any,
    weights: Any = None,
    *,
    name: str = "loss",
    better: Better = "lower",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> Mean:
    """Add up losses, or any numbers, for their mean.

    values: numbers [n], or one number, as the loss of a step. weights: numbers [n] of at least 0,
    or one; a loss that is the mean of a batch has the batch's size as its weight. name, better:
    what the mean is called, and "lower", "higher" or None. by, items, ids: as count_labels.

    The sum has no rounding, the mean one, so the order of batches and ranks changes no digit.
    Values of weight 0 do not count. NaN among the others: nan; inf: inf; both infinities: nan; no
    values, or no weights but 0: nan. Tensors on a GPU are added there and not waited for; weights
    then lie there too, or are one number.

    >>> count_mean([0.5, 0.25], [3, 1])["loss"]
    0.4375
    """
    if not name:
        raise InputError("name must be a name, as in 'loss', got ''")
    if better is not None:
        one_of(better, "better", ("lower", "higher"))
    known: dict[str, Any] = {"name": name, "better": better, "weighted": weights is not None}
    if columns.on_device(values):
        if by is not None or flag(items, "items") or ids is not None:
            raise InputError(
                f"count_mean: by and items are of values on the host, got values on {values.device}"
            )
        return _on_device(values, weights, known)
    own = _column(values, "values")
    n = len(own)
    weights = None if weights is None else _column(weights, "weights")
    same_length(values=own, weights=weights)
    weights = checked_weights(weights, n, negative=False)
    own_ids = item_ids(flag(items, "items"), ids, n)
    if by is not None:
        return by_groups(partial(_counted, **known), by, n, (own,), weights, own_ids)  # type: ignore[no-any-return]
    return _counted(own, weights=weights, items=items, ids=own_ids, **known)


def _counted(
    values: Array, *, weights: Array | None, items: bool = False, ids: Any = None, **known: Any
) -> Mean:
    rows: dict[str, Any] = {} if not items else {
        "rows": np.stack([ids, values.view(np.int64)], axis=1), "detail": ("items",),
        "row_weights": row_weights(ids, weights),
    }  # fmt: skip
    limbs = np.zeros((2, LIMBS), np.int64)
    products = values
    if weights is not None:
        limbs[1] = add_limbs(weights, np.zeros(len(weights)), 1)[0]
        with np.errstate(invalid="ignore", over="ignore"):
            products = np.where(weights == 0, 0.0, values * weights)
    finite = np.isfinite(products)
    special = [0, 0, 0]
    if not finite.all():
        odd = products[~finite]
        special = [int(there.sum()) for there in (np.isnan(odd), odd > 0, odd < 0)]
        products = products[finite]
    limbs[0] = add_limbs(products, np.zeros(len(products), np.int64), 1)[0]
    return Mean(limbs=limbs, counts=np.array([len(values), *special]), **rows, **known)


def _column(values: Any, what: str) -> Array:
    if np.ndim(values) == 0 or getattr(values, "ndim", 1) == 0:
        values = values.detach().reshape(1) if hasattr(values, "detach") else [values]
    array = as_array(values, what)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "fiub"):
        raise InputError(f"{what} must be numbers [n], got {array.dtype} of shape {array.shape}")
    return array.astype(np.float64, copy=False)


def _on_device(values: Any, weights: Any, known: dict[str, Any]) -> Mean:
    from assay.ops._held_torch import Held
    from assay.ops._means_torch import MeanCounter

    given = [values.detach().reshape(1) if values.dim() == 0 else values.detach()]
    if given[0].dim() != 1 or values.is_complex():
        raise InputError(f"values must be numbers [n], got {values.dtype} of {tuple(values.shape)}")
    if weights is not None:
        if isinstance(weights, (int, float)):
            weights = given[0].new_full((len(given[0]),), weights).double()
        if getattr(weights, "device", None) != values.device:
            raise InputError(f"weights must be one number, or lie on {values.device} as values do")
        given.append(weights.detach().reshape(1) if weights.dim() == 0 else weights.detach())
        if given[1].shape != given[0].shape:
            raise InputError(
                f"columns must be of one length: values has {len(given[0])}, weights has "
                f"{len(given[1])}"
            )
    held = Held.of(MeanCounter(weights is not None), *given)
    return Mean(limbs=WaitingArray((held,), _limbs), counts=WaitingArray((held,), _counts), **known)


def _limbs(held: Any) -> Array:
    if held.found.bad is not None:
        row, values, _ = held.found.bad
        raise InputError(f"weights[{row}] must be finite and at least 0, got {values[1]}")
    found: Array = held.found.limbs
    return found


def _counts(held: Any) -> Array:
    found: Array = held.found.counts
    return found
