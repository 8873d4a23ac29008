"""What states of captions share: integer columns of items that add, or values whose mean is exact.

ItemSums: a score that is a function of sums over items (BLEU, chrF).
ItemMeans: a score that is the mean of a value of each item (ROUGE-L, CIDEr-D).
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items
from assay.core.score import Score, provenance
from assay.core.state import State, fixed, grouped, listed, summed
from assay.metrics._item_rows import UNKEPT, item_ids, mean_items, mean_values, no_form
from assay.ops.exact import LIMBS, add_limbs, value_of
from assay.ops.groups import check_by, group_codes

__all__ = ["CaptionCounts", "ItemMeans", "ItemSums", "in_lists"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def in_lists(reference: Any, hypothesis: Any) -> tuple[Any, Any]:
    """Both as columns: a str as hypothesis is one item, whose references may be a str too."""
    return ([reference], [hypothesis]) if isinstance(hypothesis, str) else (reference, hypothesis)


@dataclass(frozen=True, eq=False)
class CaptionCounts(State):
    """items: how many; rows: of single items, where they are kept; see the subclasses."""

    items: int = summed()
    groups: Mapping[tuple[str, ...], Any] = grouped()
    by: tuple[str, ...] | None = fixed()
    normaliser: str | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        raise NotImplementedError(f"{type(self).__name__} does not say what defines it")

    def _score(self, name: str, value: float, unit: str, better: Any) -> Score:
        value = value if self.items else math.nan
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.items, {}, signature, provenance())

    @classmethod
    def of_items(
        cls,
        values: npt.NDArray[Any],
        by: Mapping[str, Any] | None,
        ids: Ints | None,
        **definition: Any,
    ) -> Self:
        """The state of n items, with that of each group of the `by` columns.

        values: one an item, or a row of columns; ids: of rows that are kept.
        """
        check_by(by)
        detail = () if ids is None else ("items",)

        def total(rows: Any) -> Any:
            own = np.ascontiguousarray(values[rows])
            fields = cls.fields_of(own, None if ids is None else ids[rows])
            return cls(items=len(own), by=(), detail=detail, **fields, **definition)

        whole: Self = total(slice(None))
        if not by:
            return whole
        keys, codes = group_codes(by, len(values))
        ends = np.cumsum(np.bincount(codes, minlength=len(keys)))
        members = np.split(np.argsort(codes, kind="stable"), ends)[: len(keys)]
        groups = {key: total(rows) for key, rows in zip(keys, members, strict=True)}
        return replace(whole, groups=groups, by=tuple(by))

    @staticmethod
    def fields_of(values: Any, ids: Ints | None) -> dict[str, Any]:
        """What the values of items become in a state, and with ids their rows."""
        raise NotImplementedError("a state of captions says what the values of items become")

    @property
    def definition(self) -> dict[str, Any]:
        """What a file of item_columns() needs beside them, as plain JSON."""
        own = [f.name for f in fields(self) if f.metadata["kind"] == "fixed"]
        kept = {name: getattr(self, name) for name in own if name not in ("by", "detail")}
        return {"kind": type(self).__name__, **kept}

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The rows of a count with items=True as named columns, for a file of them."""
        raise NotImplementedError("a state of captions says which columns its items have")

    @classmethod
    def from_items(cls, ids: Any, columns: Mapping[str, Any], definition: Mapping[str, Any]) -> Any:
        """The state of rows that item_columns() gave, as a per-item file has them."""
        options = dict(definition)
        own = cls.named(str(options.pop("kind", None)))
        known = {f.name for f in fields(own) if f.metadata["kind"] == "fixed"}
        if others := options.keys() - known:
            raise InputError(f"from_items: {own.__name__} has no {', '.join(sorted(others))}")
        try:
            values = own(**options)._from_columns(columns)
            return own.of_items(values, None, item_ids(True, ids, len(values)), **options)
        except KeyError as missing:
            raise InputError(
                f"from_items: no column {missing}; there are {list(columns)}"
            ) from None
        except TypeError as error:
            raise InputError(f"from_items: {definition} is no definition: {error}") from error

    def _from_columns(self, columns: Mapping[str, Any]) -> npt.NDArray[Any]:
        """The values of items, as of_items() takes them."""
        raise NotImplementedError("a state of captions says which columns its items have")

    def totals(self) -> Self:
        """The same counts without the rows of single items."""
        groups = {key: state.totals() for key, state in self.groups.items()}
        kept: dict[str, Any] = {"rows": self._rows()[:0]}
        return replace(self, groups=groups, detail=(), **kept)

    def _rows(self) -> Ints:
        raise NotImplementedError

    def _kept_rows(self) -> Ints:
        if "items" not in (self.detail or ()):
            raise InputError(UNKEPT)
        return self._rows()


@dataclass(frozen=True, eq=False)
class ItemSums(CaptionCounts):
    """sums int64 [c]: of the columns of all items, the first of which is what an item has in
    common in all systems: the tokens or characters of its references."""

    sums: Any = summed()
    rows: Ints = listed("id", "column", "value")

    # -- what a subclass says ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the score."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """How many columns there are."""
        raise NotImplementedError

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """The score of each row of sums [B, c]; single: rows are items."""
        raise NotImplementedError

    # ----------------------------------------------------------------------------------------------

    @staticmethod
    def fields_of(values: Any, ids: Ints | None) -> dict[str, Any]:
        """Sums of columns [n, c], and rows (id, column, value) of them."""
        sums = values.sum(axis=0)
        if ids is None:
            return {"sums": sums}
        n, width = values.shape
        rows = np.empty((n, width, 3), np.int64)
        rows[:, :, 0], rows[:, :, 1], rows[:, :, 2] = ids[:, None], np.arange(width), values
        return {"sums": sums, "rows": rows.reshape(-1, 3)}

    def _rows(self) -> Ints:
        return self.rows

    def check(self) -> None:
        """Refuse sums and rows of another width, and a definition that gives no score."""
        if not self.items and not len(self.rows) and not np.ndim(self.sums):
            return  # nothing was counted
        self.values(np.zeros((1, self.width), np.int64))
        if np.ndim(self.sums) and np.shape(self.sums) != (self.width,):
            raise InputError(f"sums have shape {np.shape(self.sums)}, not [{self.width}]")
        if len(self.rows) % self.width:
            raise InputError(f"{len(self.rows)} rows are no items of {self.width} columns")
        super().check()

    @property
    def value(self) -> float:
        """The score of all items; nan without items."""
        if not self.items:
            return math.nan
        return float(self.values(np.asarray(self.sums)[None])[0])

    @functools.cached_property
    def _table(self) -> tuple[Ints, Ints]:
        """Ids and columns of the items, in order of id."""
        table = self._kept_rows().reshape(-1, self.width, 3)
        table = table[np.argsort(table[:, 0, 0], kind="stable")]
        return table[:, 0, 0], table[:, :, 2]

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value an item in order of id, from a count with items=True: "id", or the score."""
        ids, table = self._table
        if name not in ("id", self.name):
            raise InputError(f"per_item: no column {name!r}; there are {['id', self.name]}")
        return ids if name == "id" else self.values(table, single=True)

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """NAME_0, NAME_1, …: the columns whose sums decide; and the score of each item."""
        table = self._table[1]
        own = {f"{self.name}_{at}": column for at, column in enumerate(table.T)}
        return {**own, self.name: self.per_item(self.name)}

    def _from_columns(self, columns: Mapping[str, Any]) -> npt.NDArray[Any]:
        names = [f"{self.name}_{at}" for at in range(self.width)]
        return np.column_stack([np.asarray(columns[name], np.int64) for name in names])

    def _mean(self) -> float:
        values = self.per_item(self.name)
        return math.fsum(values.tolist()) / len(values) if len(values) else math.nan

    def resampling(self, name: str) -> Items:
        """Items with their columns, in order of id; see core/resampling.py."""
        ids, table = self._table
        if name == f"mean_{self.name}":
            return mean_items(self.per_item(self.name), ids, table[:, 0])
        if name != self.name:
            raise InputError(no_form(name, [self.name, f"mean_{self.name}"]))
        return Items(np.ascontiguousarray(table), ids, truth=table[:, 0])

    def value_of(self, name: str, totals: Ints) -> Floats:
        """The score of each row of sums of those items."""
        return mean_values(totals) if name.startswith("mean_") else self.values(totals)


@dataclass(frozen=True, eq=False)
class ItemMeans(CaptionCounts):
    """limbs int64 [67]: the exact sum of the values, so that no order of adding changes a digit.
    rows: values as float64 bits."""

    limbs: Any = summed(LIMBS)
    rows: Ints = listed("id", "value")

    @property
    def name(self) -> str:
        """Of the score."""
        raise NotImplementedError

    @property
    def unit(self) -> str:
        """Of the score."""
        return "fraction"

    @staticmethod
    def fields_of(values: Any, ids: Ints | None) -> dict[str, Any]:
        """The exact sum of values [n], and rows (id, value) of them."""
        limbs = add_limbs(values, np.zeros(len(values), np.int64), 1)[0]
        if ids is None:
            return {"limbs": limbs}
        return {"limbs": limbs, "rows": np.stack([ids, values.view(np.int64)], axis=1)}

    def _rows(self) -> Ints:
        return self.rows

    @property
    def value(self) -> float:
        """The mean over items; nan without items."""
        return value_of(self.limbs) / self.items if self.items else math.nan

    def total_scores(self) -> list[Score]:
        """The mean over items."""
        return [self._score(self.name, self.value, self.unit, "higher")]

    @functools.cached_property
    def _ordered(self) -> Ints:
        rows = self._kept_rows()
        return rows[np.argsort(rows[:, 0], kind="stable")]

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value an item in order of id, from a count with items=True: "id", or the score."""
        rows = self._ordered
        if name not in ("id", self.name):
            raise InputError(f"per_item: no column {name!r}; there are {['id', self.name]}")
        column = np.ascontiguousarray(rows[:, int(name != "id")])
        return column if name == "id" else column.view(np.float64)

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The value of each item."""
        return {self.name: self.per_item(self.name)}

    def _from_columns(self, columns: Mapping[str, Any]) -> npt.NDArray[Any]:
        return np.ascontiguousarray(columns[self.name], np.float64)

    def resampling(self, name: str) -> Items:
        """Items with their values, in order of id; see core/resampling.py."""
        if name != self.name:
            raise InputError(no_form(name, [self.name]))
        return mean_items(self.per_item(name), self.per_item("id"))

    def value_of(self, name: str, totals: Ints) -> Floats:
        """The mean of each row of sums of those values."""
        return mean_values(totals)
