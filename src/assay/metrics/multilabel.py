"""MultilabelConfusion: targets and predictions of several labels at once, and what follows.

Each label is a binary target of its own; `samples_` averages are over rows instead.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import name_of
from assay.core.errors import InputError
from assay.core.resampling import Items, ratio
from assay.core.score import Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed, summed
from assay.metrics._counting import has_items, keyed_limbs
from assay.metrics._item_rows import fine_columns, fine_values
from assay.metrics._label_formulas import AVERAGES, PER_CLASS, Classes
from assay.ops.exact import LIMBS, value_of
from assay.ops.labels import Label

__all__ = ["MultilabelConfusion", "count_rows"]

Array = npt.NDArray[Any]

DRAWN = 50  # labels whose averages are drawn again
_WHOLE = ("accuracy", "hamming_loss")
_NAMES = ("macro_precision", "macro_recall", "macro_f1", "micro_f1", "weighted_f1", "samples_f1")


@dataclass(frozen=True, eq=False)
class MultilabelConfusion(State):
    """Counts of rows of labels, each there (1) or not (0) in target and prediction.

    cells: (label, target, prediction, limb) -> items, or limbs of the exact sum of their weights.
    rows: (hits, predicted only, target only, limb) -> rows of so many labels. n: rows. items int64
    [n L, 4], with items=True: id, place of the label, target, prediction.
    """

    cells: Mapping[tuple[Label, int, int, int], int] = keyed()
    rows: Mapping[tuple[int, int, int, int], int] = keyed()
    n: int = summed()
    items: Array = listed("id", "label", "target", "prediction")
    groups: Mapping[tuple[str, ...], "MultilabelConfusion"] = grouped()
    by: tuple[str, ...] | None = fixed()
    labels: tuple[Label, ...] | None = fixed()
    weighted: bool | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    def check(self) -> None:
        """Refuse rows that are no items of these labels."""
        size = len(self.labels or ())
        if len(self.items) % (size or math.inf) or np.any(self.items[:, 2:] & ~1):
            raise InputError(f"{len(self.items)} rows are no items of {size} labels, 0 or 1")
        super().check()

    @cached_property
    def counts(self) -> Classes:
        """tp, fp, fn [L] of each label, in order of `labels`; n: rows."""
        known = {key[:3] for key in self.cells}
        sums = {key: self._sum(self.cells, key) for key in known}
        tp, fp, fn, tn = (
            np.array([sums.get((label, *pair), 0) for label in self.labels or ()])
            for pair in ((1, 1), (0, 1), (1, 0), (0, 0))
        )
        return Classes(tp, fp, fn, tp + fp + fn + tn)

    @cached_property
    def _rows(self) -> tuple[Classes, Array]:
        """Distinct rows as if each was a class, and how many there are of each."""
        kinds = sorted({key[:3] for key in self.rows})
        many = np.array([self._sum(self.rows, kind) for kind in kinds])
        tp, fp, fn = np.array(kinds, np.int64).reshape(-1, 3).T
        return Classes(tp, fp, fn, np.array(len(self.labels or ()))), many

    def _sum(self, table: Mapping[Any, int], key: tuple[Any, ...]) -> Any:
        if not self.weighted:
            return table[*key, 0]
        return value_of([table.get((*key, limb), 0) for limb in range(LIMBS)])

    def value(self, name: str) -> float:
        """ "accuracy" (rows that are right in every label), "hamming_loss", or an average over
        labels or rows: "macro_f1", "micro_recall", "samples_jaccard", …"""
        name_of(name)
        rows, many = self._rows
        if not self.rows:
            return math.nan
        if name == "accuracy":
            return float(many[(rows.fp + rows.fn) == 0].sum() / many.sum())
        if name == "hamming_loss":
            wrong = ((rows.fp + rows.fn) * many).sum()
            return float(wrong / (many.sum() * len(self.labels or ())))
        average, own = _parts(name)
        if average == "samples":
            return float((PER_CLASS[own](rows) * many).sum() / many.sum())
        return float(_averaged(average, own, self.counts))

    def per_class(self) -> dict[str, Array]:
        """Columns by label: label, precision, recall, specificity, f1, jaccard, support."""
        counts = self.counts
        columns = {name: np.asarray(values(counts)) for name, values in PER_CLASS.items()}
        return {"label": np.array(self.labels), **columns, "support": counts.tp + counts.fn}

    @property
    def accuracy(self) -> float:
        """The share of rows that are right in every label."""
        return self.value("accuracy")

    @property
    def macro_f1(self) -> float:
        """The mean of F1 over labels."""
        return self.value("macro_f1")

    # -- single items --------------------------------------------------------------------------

    def resampling(self, name: str) -> Items:
        """What rows add to a score: whether they are right, how many labels are wrong, or a value
        of each. Averages over labels need the items, and have the columns of Confusion and one.
        See core/resampling.py."""
        if self.weighted:
            raise InputError("intervals: rows of labels with weights are not drawn again")
        self.value(name)  # refuses what there is not
        size = len(self.labels or ())
        if not has_items(self, len(self.items) // max(size, 1)):
            rows, many = self._rows
            return Items(self._of_rows(name, rows), counts=many)
        if size > DRAWN:
            raise InputError(f"intervals are of at most {DRAWN} labels, got {size:,}")
        table = self.items[np.lexsort((self.items[:, 1], self.items[:, 0]))].reshape(-1, size, 4)
        own, guess = table[:, :, 2], table[:, :, 3]
        tp = own & guess
        truth = np.unique(own, axis=0, return_inverse=True)[1].reshape(-1)
        if _over_labels(name):
            columns = np.concatenate([tp, own, guess, np.ones((len(own), 1), np.int64)], axis=1)
            return Items(columns, table[:, 0, 0], truth=truth, table=f"labels {self.labels}")
        hits = tp.sum(axis=1)
        rows = Classes(hits, guess.sum(1) - hits, own.sum(1) - hits, np.array(size))
        return Items(self._of_rows(name, rows), table[:, 0, 0], truth=truth)

    def _of_rows(self, name: str, rows: Classes) -> Array:
        """Columns of each kind of rows: (right, one), (wrong labels, one) or fine_columns()."""
        wrong = rows.fp + rows.fn
        if _over_labels(name):
            raise InputError(
                f"{name}: an average over labels needs the items; count with items=True"
            )
        if name in _WHOLE:
            return np.stack([wrong == 0 if name == "accuracy" else wrong, np.ones_like(wrong)], 1)
        return fine_columns(PER_CLASS[_parts(name)[1]](rows))

    def value_of(self, name: str, totals: Array) -> Array:
        """A metric of each row of sums of those columns."""
        size = len(self.labels or ())
        if name in _WHOLE:
            return ratio(totals[:, 0], totals[:, 1] * (1 if name == "accuracy" else size))
        average, own = _parts(name)
        if average == "samples":
            return fine_values(totals)
        tp, target, guess = np.moveaxis(totals[:, :-1].reshape(-1, 3, size), 0, 2)
        classes = Classes(tp, guess - tp, target - tp, totals[:, -1])
        return np.asarray(_averaged(average, own, classes))

    def share_of(self, name: str) -> tuple[int, int]:
        """The rows that are right in every label, and all; see core/resampling.py."""
        if self.weighted or name != "accuracy":
            raise InputError(f"{name} is not a share of rows without weights, as accuracy is")
        rows, many = self._rows
        return int(many[(rows.fp + rows.fn) == 0].sum()), self.n

    # -- scores --------------------------------------------------------------------------------

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return f"multilabel|weighted:{bool(self.weighted)}|zero_division:0"

    def total_scores(self) -> list[Score]:
        """Over rows, then averages over labels, then how many rows there are."""

        def score(name: str, value: float, unit: str, better: Any) -> Score:
            signature = f"{name}|{self.signature}"
            return Score(name, value, unit, better, self.n, {}, signature, provenance())

        return [
            score("accuracy", self.accuracy, "fraction", "higher"),
            score("hamming_loss", self.value("hamming_loss"), "fraction", "lower"),
            *(score(name, self.value(name), "fraction", "higher") for name in _NAMES),
            score("items", self.n, "items", None),
        ]

    def __getitem__(self, name: str) -> float:
        try:
            return super().__getitem__(name)
        except KeyError:
            try:
                return self.value(name)
            except InputError as error:
                raise KeyError(str(error)) from None


def _over_labels(name: str) -> bool:
    return name not in _WHOLE and _parts(name)[0] != "samples"


def _parts(name: str) -> tuple[str, str]:
    """An average and what it is of."""
    average, _, own = name.partition("_")
    if average not in (*AVERAGES, "samples") or own not in PER_CLASS:
        raise InputError(
            f"there is no metric {name!r}; there are {', '.join(_WHOLE)}, and "
            f"{', '.join(f'{a}_' for a in (*AVERAGES, 'samples'))} before {', '.join(PER_CLASS)}"
        )
    return average, own


def _averaged(average: str, own: str, counts: Classes) -> Array:
    """An average over labels [L, ...]; of "macro" every label counts, also one that is nowhere."""
    if average == "macro":
        return np.asarray(PER_CLASS[own](counts).mean(axis=0))
    return AVERAGES[average](PER_CLASS[own], counts)


def count_rows(
    target: Array, prediction: Array, labels: Sequence[Label] | None, weights: Any,
    ids: Array | None = None,
) -> MultilabelConfusion:  # fmt: skip
    """Rows of labels [n, L], 0 or 1; see count_labels."""
    if target.shape != prediction.shape:
        raise InputError(
            f"target and prediction must have one shape, got {target.shape} and {prediction.shape}"
        )
    names = [*range(target.shape[1])] if labels is None else [*labels]
    if len(names) != target.shape[1]:
        raise InputError(f"labels must be {target.shape[1]}, one a column, got {len(names)}")
    for side, what in ((target, "target"), (prediction, "prediction")):
        wrong = (side != 0) & (side != 1)
        if wrong.any():
            row = int(np.argmax(wrong.any(axis=1)))
            raise InputError(f"{what}[{row}] must hold 0 and 1 only, got {side[row].tolist()}")
    own, guess = target.astype(np.int64), prediction.astype(np.int64)
    n, size = own.shape
    pairs = (own * 2 + guess + 4 * np.arange(size)).ravel()
    rows = np.stack([(own & guess).sum(1), (guess & ~own & 1).sum(1), (own & ~guess & 1).sum(1)], 1)
    kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
    parts = [keyed_limbs(codes, None if weights is None else np.repeat(weights, times))
             for codes, times in ((pairs, size), (kind_of.reshape(-1), 1))]  # fmt: skip
    kept: dict[str, Any] = {}
    if ids is not None:
        kept = {"items": _items(ids, own, guess), "detail": ("items",)}
    return MultilabelConfusion(
        cells={(names[code // 4], code // 2 % 2, code % 2, limb): part
               for (code, limb), part in parts[0].items()},
        rows={(*kinds[code].tolist(), limb): part for (code, limb), part in parts[1].items()},
        n=n, labels=tuple(names), weighted=weights is not None,
        **kept,
    )  # fmt: skip


def _items(ids: Array, own: Array, guess: Array) -> Array:
    n, size = own.shape
    places = np.broadcast_to(np.arange(size), (n, size))
    return np.stack([np.repeat(ids, size), places.ravel(), own.ravel(), guess.ravel()], axis=1)
