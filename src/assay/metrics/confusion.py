"""Confusion: how often each label is predicted as each, and every metric that is a view of it.

Formulas, averages and what an empty denominator gives: `_label_formulas.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import is_one_of, name_of, number, one_of
from assay.core.errors import InputError
from assay.core.resampling import Items, scaled
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed
from assay.metrics._counting import float_column, has_items, refuse_sums
from assay.metrics._item_rows import UNKEPT
from assay.metrics._label_formulas import (
    AVERAGES,
    PER_CLASS,
    Classes,
    f_beta,
    metric_named,
)
from assay.ops.exact import LIMBS, value_of
from assay.ops.labels import Label, number_of

__all__ = ["Confusion"]

Array = npt.NDArray[Any]

_OF_ALL = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1",
           "macro_jaccard", "weighted_f1", "mcc", "cohen_kappa")  # fmt: skip
DRAWN = 50  # labels whose items are drawn again
_CORRELATIONS = ("mcc", "cohen_kappa")


@dataclass(frozen=True, eq=False)
class Confusion(State):
    """Counts of (target, prediction) pairs of labels.

    cells: (target, prediction) -> items. weights: (target, prediction, limb) -> limbs of the exact
    sum of their weights, where items have weights. top: (k, limb) -> the same of the items whose
    label is among the k classes of highest score, where scores of classes were given (without
    weights their number, in limb 0). rows int64 [n, 3], with items=True: id, target and prediction
    (of a string its stable_id); row_weights int64 [n, 2]: id, and weight as float64 bits. labels:
    those that were declared, in order; otherwise those that occur. positive: the label whose
    precision, recall and f1 are meant without a class, or None.
    """

    cells: Mapping[tuple[Label, Label], int] = keyed()
    weights: Mapping[tuple[Label, Label, int], int] = keyed()
    top: Mapping[tuple[int, int], int] = keyed()
    rows: Array = listed("id", "target", "prediction")
    row_weights: Array = listed("id", "weight")
    groups: Mapping[tuple[str, ...], "Confusion"] = grouped()
    by: tuple[str, ...] | None = fixed()
    labels: tuple[Label, ...] | None = fixed()
    positive: Label | None = fixed()
    weighted: bool | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    def check(self) -> None:
        """Refuse rows of labels that are not there."""
        if len(self.rows):
            known = [number_of(label) for label in self.classes]
            if not np.isin(self.rows[:, 1:], np.array(known, np.int64)).all():
                raise InputError("rows are of labels that no cell has")
        if self.weighted and len(self.rows) != len(self.row_weights):
            raise InputError(f"{len(self.rows)} rows have {len(self.row_weights)} weights")
        super().check()

    # -- counts --------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Items."""
        return sum(self.cells.values())

    @cached_property
    def classes(self) -> tuple[Label, ...]:
        """The labels that were declared, or else those that occur, in order."""
        there = {label for pair in self.cells for label in pair}
        if self.labels is not None:
            if strange := there.difference(self.labels):
                raise InputError(
                    f"label {next(iter(strange))!r} is not among those declared, {self.labels}; "
                    "count all batches with the same labels="
                )
            return tuple(self.labels)
        if len({isinstance(label, str) for label in there}) > 1:
            raise InputError("labels are integers in one batch and strings in another")
        return tuple(sorted(there))

    @cached_property
    def _filled(self) -> tuple[Array, Array, Array]:
        """The cells there are, in order: places of target and prediction, and count or sum of
        weights."""
        place = {label: i for i, label in enumerate(self.classes)}
        cells = sorted(self.cells, key=lambda pair: (place[pair[0]], place[pair[1]]))
        pairs = np.array([(place[t], place[p]) for t, p in cells], np.int64).reshape(-1, 2)
        if not self.weighted:
            counts = np.array([self.cells[pair] for pair in cells], np.int64)
            return pairs[:, 0], pairs[:, 1], counts
        limbs: dict[Any, tuple[tuple[int, int], ...]] = dict.fromkeys(cells, ())
        for (target, prediction, limb), part in self.weights.items():
            limbs[target, prediction] = (*limbs[target, prediction], (limb, part))
        sums = [value_of([dict(own).get(i, 0) for i in range(LIMBS)]) for own in limbs.values()]
        refuse_sums(np.array(sums, np.float64))
        return pairs[:, 0], pairs[:, 1], np.array(sums, np.float64)

    @cached_property
    def matrix(self) -> Array:
        """[K, K] in order of `classes`: targets in rows, predictions in columns; int64 counts, or
        float64 sums of weights."""
        target, prediction, values = self._filled
        matrix = np.zeros((len(self.classes),) * 2, values.dtype)
        matrix[target, prediction] = values
        return matrix

    @cached_property
    def _counts(self) -> Classes:
        """Counts of classes, without the matrix: there may be many."""
        target, prediction, values = self._filled
        right = target == prediction
        tp, fp, fn = np.zeros((3, len(self.classes)), values.dtype)
        np.add.at(tp, target[right], values[right])
        np.add.at(fp, prediction[~right], values[~right])
        np.add.at(fn, target[~right], values[~right])
        return Classes(tp, fp, fn, values.sum())

    @property
    def positive_label(self) -> Label | None:
        """The label that is meant without a class: the one that was named, or 1 where labels are
        0 and 1, or -1 and 1."""
        if self.positive is not None:
            return self.positive
        return 1 if {*self.classes} <= {0, 1} or {*self.classes} <= {-1, 1} else None

    def _place_of(self, label: Label | None) -> int | None:
        """The place of a label among the classes, -1 where it never occurs; None of None."""
        if label is None:
            return None
        return self.classes.index(label) if label in self.classes else -1

    def _place_for(self, name: str) -> int | None:
        """The place of the positive label, which metrics of one class need."""
        place = self._place_of(self.positive_label)
        if name_of(name) in PER_CLASS and place is None:
            raise InputError(
                f"{name} is of one class; name it with positive= (labels: "
                f"{', '.join(map(repr, self.classes[:5]))}), or take macro_{name}"
            )
        return place

    # -- values --------------------------------------------------------------------------------

    def value(self, name: str) -> float:
        """A metric by name: one of all classes ("accuracy", "mcc", …), an average ("macro_f1",
        "micro_recall", …), or one of the positive class ("f1", "recall", …)."""
        place = self._place_for(name)
        if not self.n:
            return math.nan
        if place == -1 and name in (*PER_CLASS, "youden"):  # a label that never occurs
            return 1.0 if name == "specificity" else 0.0
        return float(metric_named(name, positive=place)(self._counts))

    def f_beta(self, beta: float, average: str | None = None) -> float:
        """F of the positive class, or its "micro", "macro" or "weighted" average."""
        beta = number(beta, "beta")
        if not beta >= 0:
            raise InputError(f"beta must be at least 0, got {beta!r}")
        if average is not None:
            one_of(average, "average", AVERAGES)
        if not self.n:
            return math.nan
        if average is not None:
            return float(AVERAGES[average](lambda c: f_beta(c, beta), self._counts))
        self.value("f1")  # refuses counts without a positive label
        place = self._place_of(self.positive_label)
        return 0.0 if place in (None, -1) else float(f_beta(self._counts, beta)[place])

    def top_accuracy(self, k: int) -> float:
        """The share of items whose label is among the k classes of highest score; equal scores
        count for the class that stands first."""
        limbs = {limb: part for (cut, limb), part in self.top.items() if cut == k}
        if not limbs:
            known = sorted({cut for cut, _ in self.top})
            raise InputError(f"top_accuracy: k={k} was not counted; there are {known}")
        if not self.weighted:
            return limbs[0] / self.n if self.n else math.nan
        hits = value_of([limbs.get(place, 0) for place in range(LIMBS)])
        total = float(self.matrix.sum())
        return hits / total if total else math.nan

    def per_class(self) -> dict[str, Array]:
        """Columns by class, in order of `classes`: label, precision, recall, specificity, f1,
        jaccard, support (items of the target)."""
        counts = self._counts
        columns = {name: np.asarray(values(counts)) for name, values in PER_CLASS.items()}
        return {"label": np.array(self.classes), **columns, "support": counts.tp + counts.fn}

    @property
    def accuracy(self) -> float:
        """The share of items whose label is predicted; nan without items."""
        return self.value("accuracy")

    @property
    def f1(self) -> float:
        """F1 of the positive class."""
        return self.value("f1")

    @property
    def precision(self) -> float:
        """Of what is predicted as positive, the share that is."""
        return self.value("precision")

    @property
    def recall(self) -> float:
        """Of the positive items, the share that is predicted so."""
        return self.value("recall")

    @property
    def specificity(self) -> float:
        """Of all other items, the share that is not predicted as positive."""
        return self.value("specificity")

    @property
    def macro_f1(self) -> float:
        """The mean of F1 over the classes that occur."""
        return self.value("macro_f1")

    @property
    def balanced_accuracy(self) -> float:
        """The mean of recall over the classes of the target."""
        return self.value("balanced_accuracy")

    @property
    def mcc(self) -> float:
        """Matthews' correlation coefficient, in -1..1."""
        return self.value("mcc")

    @property
    def cohen_kappa(self) -> float:
        """Cohen's kappa, at most 1; nan where target and prediction are one class."""
        return self.value("cohen_kappa")

    # -- single items --------------------------------------------------------------------------

    def per_item(self, name: str) -> Array:
        """ "id", "target", "prediction", "accuracy" (1 where they are equal), or "weight" (where
        items have some) of each item, in order of id; needs a count with items=True."""
        if not has_items(self, len(self.rows)):
            raise InputError(UNKEPT)
        rows = self.rows[np.argsort(self.rows[:, 0], kind="stable")]
        named = {number_of(label): label for label in self.classes}
        columns: dict[str, Any] = {
            "id": lambda: rows[:, 0],
            "target": lambda: np.array([named[code] for code in rows[:, 1].tolist()]),
            "prediction": lambda: np.array([named[code] for code in rows[:, 2].tolist()]),
            "accuracy": lambda: (rows[:, 1] == rows[:, 2]).astype(float),
        }
        if self.weighted:
            columns["weight"] = lambda: float_column(self.row_weights)
        if not is_one_of(name, columns):
            raise InputError(f"per_item: no column {name!r}; there are {list(columns)}")
        return np.asarray(columns[name]())

    def item_columns(self) -> dict[str, Array]:
        """Target, prediction and accuracy of single items as named columns, in order of id."""
        return {name: self.per_item(name) for name in ("target", "prediction", "accuracy")}

    def resampling(self, name: str) -> Items:
        """What single items, or those of a cell, add to the counts of classes: columns [3 K],
        whether they are right, of the class, and predicted as it; see core/resampling.py."""
        kept = has_items(self, len(self.rows))
        if self.weighted and not kept:
            raise InputError(
                "intervals of items with weights need the items; count with items=True"
            )
        size = len(self.classes)
        if size > DRAWN:
            raise InputError(f"intervals are of at most {DRAWN} labels, got {size:,}")
        self.value_of(name, np.zeros((0, 3 * max(size, 1)), np.int64))  # refuses what has none
        if not kept:
            target, guess, counts = self._filled
            return Items(_columns(target, guess, size), counts=counts)
        place = {number_of(label): i for i, label in enumerate(self.classes)}
        rows = self.rows[np.argsort(self.rows[:, 0], kind="stable")]
        target, guess = (np.array([place[c] for c in rows[:, j].tolist()], int) for j in (1, 2))
        columns, weight = _columns(target, guess, size), None
        if self.weighted:
            weight = self.per_item("weight")
            columns = scaled(columns * weight[:, None])
        known = f"classes {self.classes}"
        return Items(columns, rows[:, 0], truth=rows[:, 1], table=known, weight=weight)

    def share_of(self, name: str) -> tuple[int, int]:
        """The items that a score is a share of, those that are right first; see
        core/resampling.py. An InputError for scores that are none."""
        if self.weighted:
            raise InputError(f"{name}: items with weights are no proportion")
        place, n = self._place_of(self.positive_label), self.n
        tp, fp, fn, _ = self._counts
        shares = {f"top_{k}_accuracy": (hits, n) for (k, _), hits in self.top.items()}
        shares["accuracy"] = int(tp.sum()), n
        if place is not None:
            hits, wrong, missed = (int(s[place]) for s in (tp, fp, fn)) if place >= 0 else (0, 0, 0)
            rest = n - hits - missed
            shares |= {"recall": (hits, hits + missed), "precision": (hits, hits + wrong),
                       "specificity": (rest - wrong, rest)}  # fmt: skip
        if name not in shares:
            raise InputError(
                f"{name} is not a share of items that are right or wrong; there are "
                f"{', '.join(shares)}; use method='bootstrap'"
            )
        return shares[name]

    def value_of(self, name: str, totals: Array) -> Array:
        """A metric of each row of sums [B, 3 K] of those columns."""
        size = max(len(self.classes), 1)
        if totals.shape[1] != 3 * size:
            raise InputError(
                f"{name}: sums of {totals.shape[1] // 3} labels need names; count with labels="
            )
        place = self._place_for(name)
        tp, target, predicted = np.moveaxis(totals.reshape(-1, 3, size), 0, 2)
        if place == -1 and name in (*PER_CLASS, "youden"):
            return np.full(len(totals), self.value(name))
        classes = Classes(tp, predicted - tp, target - tp, target.sum(axis=0))
        return np.asarray(metric_named(name, positive=place)(classes), np.float64)

    # -- scores --------------------------------------------------------------------------------

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return f"positive:{self.positive_label}|weighted:{bool(self.weighted)}|zero_division:0"

    def total_scores(self) -> list[Score]:
        """Metrics of all classes, then those of the positive class, then what they stand on."""
        scores = [self._score(name, self.value(name)) for name in _OF_ALL]
        scores += [
            self._score(f"top_{k}_accuracy", self.top_accuracy(k))
            for k in sorted({k for k, _ in self.top})
        ]
        if self.positive_label is not None:
            scores += [self._score(name, self.value(name)) for name in PER_CLASS]
        return [*scores, self._score("items", self.n, "items", None)]

    def scores(self) -> list[Score]:
        """The totals and the same of groups, then precision, recall and f1 of each class, with its
        label as the tag `class`."""
        table = self.per_class()
        of_classes = [
            self._score(name, float(table[name][i])).tagged(**{"class": str(label)})
            for i, label in enumerate(self.classes)
            for name in ("precision", "recall", "f1")
        ]
        # A group may hold 0 and 1 alone where there are more labels: then 1 is no positive one.
        known = {score.name for score in self.total_scores()}
        return [*(score for score in super().scores() if score.name in known), *of_classes]

    def __getitem__(self, name: str) -> float:
        try:
            return self.value(name)
        except InputError as error:
            try:
                return super().__getitem__(name)
            except KeyError:
                raise KeyError(str(error)) from None

    def _score(
        self, name: str, value: float, unit: str = "fraction", better: Better = "higher"
    ) -> Score:
        unit = "coefficient" if name in _CORRELATIONS else unit
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.n, {}, signature, provenance())


def _columns(target: Array, guess: Array, size: int) -> Array:
    """int64 [n, 3 K]: right, of the class, predicted as it."""
    columns = np.zeros((len(target), 3 * max(size, 1)), np.int64)
    rows = np.arange(len(target))
    columns[rows[target == guess], target[target == guess]] = 1
    columns[rows, size + target] = 1
    columns[rows, 2 * size + guess] = 1
    return columns
