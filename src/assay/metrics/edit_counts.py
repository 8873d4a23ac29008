"""EditCounts: totals of alignments, and every rate that is a view of them.

With H, S, D, I the totals, N = H + S + D reference units and M = H + S + I hypothesis units:

    wer, cer   (S + D + I) / N                lower is better, >= 0, above 1 with many insertions
    mer        (S + D + I) / (H + S + D + I)  lower, 0..1
    wip        (H / N) * (H / M)              higher, 0..1
    wil        1 - wip                        lower, 0..1

A corpus value is the sum of errors over the sum of units. The mean of the values of single pairs
is another number under another name (`mean_wer`, with items=True).

Source: jiwer 4.0; Morris, Maier and Green, "From WER and RIL to MER and WIL", Interspeech 2004.
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.resampling import Items
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed, summed
from assay.metrics._item_rows import (
    UNKEPT,
    edit_columns,
    edit_values,
    mean_items,
    mean_values,
    no_form,
)

__all__ = ["EMPTY", "TIES", "EditCounts", "rate"]

# empty-reference policy -> the error rate of a corpus without reference units, from its insertions
EMPTY: Mapping[str, Callable[[int], float]] = {
    "jiwer": lambda insertions: insertions,  # the number of insertions, as jiwer 4
    "nan": lambda insertions: math.nan,
    "inf": lambda insertions: math.inf if insertions else 0.0,  # as kaldialign
    "skip": lambda insertions: math.nan,  # such pairs are left out of every count
    "error": lambda insertions: math.nan,  # count_* refuses such pairs
}

# policy of alignments -> what signatures say; see assay.ops.edit
TIES: Mapping[str, str] = {
    "jiwer": "rapidfuzz",
    "kaldi": "kaldi",
    "sclite": "sclite|weights:4-3-3",  # of substitutions, deletions, insertions
}

# score -> (unit, better, units it is offered for)
_RATES: dict[str, tuple[str, Better, tuple[str, ...]]] = {
    "wer": ("fraction", "lower", ("word",)),
    "cer": ("fraction", "lower", ("char",)),
    "mer": ("fraction", "lower", ("word",)),
    "wil": ("fraction", "lower", ("word",)),
    "wip": ("fraction", "higher", ("word",)),
    "sentence_error_rate": ("fraction", "lower", ("word",)),
}
_COUNTS: dict[str, Better] = {
    "hits": "higher",
    "substitutions": "lower",
    "deletions": "lower",
    "insertions": "lower",
}
_ROW = ("id", *_COUNTS)


@dataclass(frozen=True, eq=False)
class EditCounts(State):
    """Totals of the canonical alignments of reference-hypothesis pairs.

    hits, substitutions, deletions, insertions: units (words or characters). pairs: how many were
    counted; wrong_pairs: those with any error; empty_references: those without a reference unit
    (left out of everything else under the policy "skip").
    """

    hits: int = summed()
    substitutions: int = summed()
    deletions: int = summed()
    insertions: int = summed()
    pairs: int = summed()
    wrong_pairs: int = summed()
    empty_references: int = summed()
    confusions: Mapping[tuple[str | None, str | None], int] = keyed()
    rows: npt.NDArray[np.int64] = listed(*_ROW)
    groups: Mapping[tuple[str, ...], "EditCounts"] = grouped()
    by: tuple[str, ...] | None = fixed()
    unit: str | None = fixed()
    split: str | None = fixed()
    normaliser: str | None = fixed()
    empty: str | None = fixed()
    policy: str | None = fixed(before="jiwer")
    detail: tuple[str, ...] | None = fixed()

    @property
    def reference_units(self) -> int:
        """Words or characters of all references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis_units(self) -> int:
        """Words or characters of all hypotheses."""
        return self.hits + self.substitutions + self.insertions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions: the edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def error_rate(self) -> float:
        """Errors over reference units: the WER of words, the CER of characters."""
        return rate(self.errors, self.reference_units, self.insertions, self.pairs, self.empty)

    @property
    def wer(self) -> float:
        """Word error rate; counts of characters have none."""
        return self._rate_of("word", "wer")

    @property
    def cer(self) -> float:
        """Character error rate; counts of words have none."""
        return self._rate_of("char", "cer")

    def _rate_of(self, unit: str, name: str) -> float:
        if self.unit not in (None, unit):
            raise AttributeError(f"counts of {self.unit}s have no {name}; use count_{unit}s")
        return self.error_rate

    @property
    def mer(self) -> float:
        """Match error rate: errors over errors and hits."""
        if self.reference_units == 0:
            return self._without_reference(0, 1)
        return float(self.errors) / float(self.hits + self.errors)

    @property
    def wip(self) -> float:
        """Word information preserved."""
        if self.reference_units == 0:
            return self._without_reference(1, 0)
        if self.hypothesis_units == 0:
            return 0
        return (float(self.hits) / self.reference_units) * (
            float(self.hits) / self.hypothesis_units
        )

    @property
    def wil(self) -> float:
        """Word information lost: 1 - wip."""
        return 1 - self.wip

    @property
    def sentence_error_rate(self) -> float:
        """Pairs with any error over pairs; nan without pairs."""
        return self.wrong_pairs / self.pairs if self.pairs else math.nan

    def _without_reference(self, silent: int, inserted: int) -> float:
        if self.pairs == 0 or self.empty not in (None, "jiwer", "inf"):
            return math.nan
        return inserted if self.insertions else silent

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return (
            f"unit:{self.unit}|split:{self.split}|normaliser:{self.normaliser}"
            f"|ties:{TIES[self.policy or 'jiwer']}|empty:{self.empty}"
        )

    def total_scores(self) -> list[Score]:
        """The rates of this unit, then the counts they stand on; with items=True their mean."""
        rates = [
            self._score(name, getattr(self, name), unit, better)
            for name, (unit, better, units) in _RATES.items()
            if self.unit in units
        ]
        prefix, plural = ("char_", "characters") if self.unit == "char" else ("", "words")
        rate = "cer" if self.unit == "char" else "wer"
        if "items" in (self.detail or ()):
            mean = self._score(f"mean_{rate}", self._mean_of_items(), "fraction", "lower")
            rates.insert(1, mean)
        counts = [
            self._score(prefix + name, getattr(self, name), plural, better)
            for name, better in _COUNTS.items()
        ]
        lengths = [
            self._score(f"reference_{plural}", self.reference_units, plural, None),
            self._score(f"hypothesis_{plural}", self.hypothesis_units, plural, None),
        ]
        return [*rates, *counts, *lengths]

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.pairs, {}, signature, provenance())

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value for each pair in order of item id, from a count with items=True.

        name: "id", a count, or "wer" of words and "cer" of characters (under the empty-reference
        policy of this count).
        """
        columns = self._columns()
        columns["cer" if self.unit == "char" else "wer"] = columns.pop("rate")
        if name not in columns:
            raise InputError(f"per_item: no column {name!r}; there are {list(columns)}")
        return columns[name]

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The rows of a count with items=True as named columns, for a file of them."""
        columns = self._columns()
        counts = {f"{self.unit}_{name}": columns[name] for name in _COUNTS}
        return {**counts, "cer" if self.unit == "char" else "wer": columns["rate"]}

    @classmethod
    def from_items(
        cls, unit: str, ids: Any, columns: Mapping[str, Any], empty: str = "jiwer"
    ) -> "EditCounts":
        """The state of rows that item_columns() gave, as a per-item file has them."""
        names = [f"{unit}_{name}" for name in _COUNTS]
        if missing := [name for name in names if name not in columns]:
            raise InputError(f"from_items: no column {missing[0]!r}; there are {list(columns)}")
        rows = np.column_stack([ids, *(columns[name] for name in names)]).astype(np.int64)
        if np.unique(rows[:, 0]).size != len(rows):
            raise InputError("from_items: ids must differ from each other; an id occurs twice")
        hits, substitutions, deletions, insertions, pairs, wrong = (
            edit_columns(rows).sum(axis=0).tolist()
        )
        return cls(
            hits, substitutions, deletions, insertions, pairs, wrong,
            empty_references=int(np.count_nonzero(rows[:, 1:4].sum(axis=1) == 0)),
            rows=rows, by=(), unit=unit, empty=empty, detail=("items",),
        )  # fmt: skip

    def resampling(self, name: str) -> Items:
        """Rows of a count with items=True, in order of id; see core/resampling.py."""
        items = self._edits
        if name.startswith("mean_"):
            return mean_items(self.per_item(name[5:]), self.per_item("id"), items.truth)
        if name not in (known := [rate for rate, row in _RATES.items() if self.unit in row[2]]):
            raise InputError(no_form(name, known))
        return items

    @functools.cached_property
    def _edits(self) -> Items:
        rows = self._ordered()
        units = rows[:, 1] + rows[:, 2] + rows[:, 3]
        return Items(edit_columns(rows), rows[:, 0], truth=units, table="edits")

    def value_of(self, name: str, totals: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """A rate of each row of sums of those rows."""
        return mean_values(totals) if name.startswith("mean_") else edit_values(self, name, totals)

    def _ordered(self) -> npt.NDArray[np.int64]:
        if "items" not in (self.detail or ()):
            raise InputError(UNKEPT)
        rows = self.rows
        if np.any(rows[1:, 0] < rows[:-1, 0]):
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
        return rows

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        rows = self._ordered()
        units = rows[:, 1] + rows[:, 2] + rows[:, 3]
        rates: npt.NDArray[Any] = rows[:, 2:].sum(axis=1) / np.maximum(units, 1)
        for i in np.flatnonzero(units == 0):
            rates[i] = EMPTY[self.empty or "jiwer"](int(rows[i, 4]))
        return {**dict(zip(_ROW, rows.T, strict=True)), "rate": rates}

    def totals(self) -> "EditCounts":
        """The same counts without the rows of single pairs."""
        return replace(
            self,
            rows=self.rows[:0],
            groups={key: state.totals() for key, state in self.groups.items()},
            detail=tuple(kept for kept in self.detail or () if kept != "items"),
        )

    def _mean_of_items(self) -> float:
        values = self._columns()["rate"]
        return math.fsum(values) / len(values) if len(values) else math.nan

    def top_confusions(self, kind: str, limit: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent errors as (reference, hypothesis, times); ties in alphabetical order.

        kind: "substitutions", "deletions" or "insertions". One side of a deletion or insertion is
        empty. Needs a count with confusions=True.
        """
        if "confusions" not in (self.detail or ()):
            raise InputError("top_confusions: errors were not kept; count with confusions=True")
        wanted: Mapping[str, Callable[[Any, Any], bool]] = {
            "substitutions": lambda ref, hyp: ref is not None and hyp is not None,
            "deletions": lambda ref, hyp: hyp is None,
            "insertions": lambda ref, hyp: ref is None,
        }
        one_of(kind, "top_confusions: kind", wanted)
        found = [
            (r or "", h or "", n) for (r, h), n in self.confusions.items() if wanted[kind](r, h)
        ]
        return sorted(found, key=lambda row: (-row[2], row[0], row[1]))[:limit]


def rate(errors: int, units: int, insertions: int, pairs: int, empty: str | None) -> float:
    """Errors over units, and what the policy says where there are no units."""
    if units:
        return float(errors) / float(units)
    return EMPTY[empty or "jiwer"](insertions) if pairs else math.nan
