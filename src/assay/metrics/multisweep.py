"""MultiSweep: scores of several classes or labels, a sweep for each, and their averages.

    ovr   the mean of roc_auc of each class against all others
    ovo   the mean over pairs of classes (a, b) of the two areas, of a's score and of b's, among
          items of a and b alone (Hand and Till 2001)

Source: scikit-learn 1.9.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import is_one_of, one_of
from assay.core.errors import InputError
from assay.core.field_kinds import joined
from assay.core.resampling import Items, RankedItems
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, listed, summed
from assay.metrics._counting import label_of, refuse_scores
from assay.metrics._sweep_items import LOSSES, mean_of, of_columns, refuse, rows_of
from assay.metrics.calibration import EPSILON
from assay.metrics.sweep import Sweep
from assay.ops.labels import Label, codes_of
from assay.ops.sweep import cut, sort_scores

__all__ = ["MultiSweep", "count_columns", "uneven_rows"]

TOLERANCE = 1e-3  # of the sum of probabilities from 1: what float16 leaves of a softmax
AVERAGES = ("macro", "weighted", "micro")

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class MultiSweep(State):
    """A sweep for each class of a multiclass target, or each label of a multilabel one.

    columns: number of a class -> its Sweep, whose pools are by the class of the items (multilabel:
    by 0 and 1). top: the sweep of the highest score of each item, positive where that class is
    right. n: items; uneven: rows of scores that are no probabilities which sum to 1. rows int64
    [n C, 4], with items=True: id, column, 1 where the item is of that class or has that label,
    score as float64 bits.
    """

    columns: Mapping[int, Sweep] = grouped()
    top: Mapping[int, Sweep] = grouped()
    rows: Array = listed("id", "column", "target", "score")
    groups: Mapping[tuple[str, ...], "MultiSweep"] = grouped()
    n: int = summed()
    uneven: int = summed()
    by: tuple[str, ...] | None = fixed()
    labels: tuple[Label, ...] | None = fixed()
    kind: str | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    def check(self) -> None:
        """Refuse classes without a sweep, and rows that are no items."""
        size = len(self.labels or ())
        if self.columns.keys() != {*range(size)} or [*self.top] != [1] * (
            self.kind == "multiclass"
        ):
            raise InputError(f"there are sweeps {[*self.columns]} of {size} labels")
        if len(self.rows) % (size or math.inf):
            raise InputError(f"{len(self.rows)} rows are no items of {size} labels")

    def of(self, label: Label) -> Sweep:
        """The sweep of one class against all others, or of one label."""
        labels = self.labels or ()
        if label_of(label) not in labels:
            raise InputError(f"there is no class {label!r}; there are {list(labels)}")
        return self.columns[labels.index(label)]

    def auc(self, average: str = "macro", multi_class: str = "ovr") -> float:
        """ROC-AUC averaged: "macro", "weighted" by items, or "micro" over all columns as one;
        multi_class: "ovr" or "ovo". nan where a class has no items, or all."""
        one_of(average, "average", AVERAGES)
        if is_one_of(multi_class, ("ovr",)):
            return self._averaged([s.roc_auc for s in self._sweeps], average, lambda s: s.roc_auc)
        if not is_one_of(multi_class, ("ovo",)) or self.kind != "multiclass" or average == "micro":
            raise InputError(
                f"multi_class must be ovr, or ovo of a multiclass target with a macro or weighted "
                f"average; got {multi_class!r}, {average!r}, {self.kind}"
            )
        values, weights = [], []
        for a, b in combinations(range(len(self._sweeps)), 2):
            areas = [self._between(a, b).roc_auc, self._between(b, a).roc_auc]
            values.append(sum(areas) / 2)
            weights.append((self._sweeps[a].positives + self._sweeps[b].positives) / max(self.n, 1))
        return _mean(values, weights if average == "weighted" else None)

    def precision(self, average: str = "macro") -> float:
        """Average precision, averaged likewise."""
        one_of(average, "average", AVERAGES)
        values = [s.average_precision for s in self._sweeps]
        return self._averaged(values, average, lambda s: s.average_precision)

    @property
    def roc_auc(self) -> float:
        """The macro average of the area of each class against all others."""
        return self.auc()

    @property
    def average_precision(self) -> float:
        """The macro average of average precision."""
        return self.precision()

    @property
    def brier(self) -> float:
        """The mean squared distance of the scores of all classes from what is so, 0..2."""
        self._refuse("brier")
        return math.fsum(s.brier for s in self._sweeps)

    @property
    def log_loss(self) -> float:
        """The mean of -ln of the score of the right class."""
        self._refuse("log_loss")
        logs = []
        for number, sweep in self.columns.items():
            own = joined(sweep.pools.get(number, np.zeros(0, np.float32)))
            epsilon = EPSILON[sweep.width or 64]
            logs += np.log(np.clip(own.astype(np.float64), epsilon, 1 - epsilon)).tolist()
        return -math.fsum(logs) / self.n if self.n else math.nan

    @property
    def ece(self) -> float:
        """The expected calibration error of the highest score of each item."""
        self._refuse("ece")
        return self.top[1].ece

    @property
    def _sweeps(self) -> list[Sweep]:
        return [self.columns[number] for number in range(len(self.labels or ()))]

    def _averaged(self, values: list[float], average: str, of: Any) -> float:
        if average == "micro":
            sides: list[list[Any]] = [[], []]
            for sweep in self._sweeps:
                for side, scores in zip(sides, sweep._sides, strict=True):
                    side.append(scores)
            pools = {label: np.concatenate(side) for label, side in enumerate(sides)}
            return float(of(Sweep(pools=pools, positive=1, mode="exact")))
        weights = [float(s.positives) for s in self._sweeps] if average == "weighted" else None
        return _mean(values, weights)

    def _between(self, a: int, b: int) -> Sweep:
        """The score of class a among items of a and b."""
        sweep = self._sweeps[a]
        return replace(sweep, pools={k: v for k, v in sweep.pools.items() if k in (a, b)})

    def _refuse(self, what: str) -> None:
        if self.kind != "multiclass":
            raise InputError(f"{what} is of one class or of classes that exclude each other")
        if self.uneven:
            raise InputError(
                f"{what}: {int(self.uneven)} of {self.n} rows of scores are no probabilities that "
                "sum to 1; apply a softmax first"
            )

    def resampling(self, name: str) -> Items | RankedItems:
        """The items of a macro average or a loss, of a count with items=True; see
        core/resampling.py."""
        return of_columns(self, name)

    def value_of(self, name: str, totals: Array) -> Array:
        """A loss of each row of sums; see core/resampling.py."""
        refuse(name, LOSSES)
        return mean_of(totals)

    def total_scores(self) -> list[Score]:
        """Averages, then losses of probabilities, then how many items there are."""
        values: list[tuple[str, float, str, Better]] = [
            ("roc_auc", self.roc_auc, "fraction", "higher"),
            ("average_precision", self.average_precision, "fraction", "higher"),
        ]
        if self.kind == "multiclass":
            values.insert(1, ("roc_auc_ovo", self.auc("macro", "ovo"), "fraction", "higher"))
            if not self.uneven:
                values += [("brier", self.brier, "fraction", "lower")]
                values += [("log_loss", self.log_loss, "nats", "lower")]
                values += [("ece", self.ece, "fraction", "lower")]
        return [self._score(*value) for value in [*values, ("items", self.n, "items", None)]]

    def scores(self) -> list[Score]:
        """The averages, those of groups, then the areas of each class, tagged with its label."""
        scores = self.total_scores()
        for key, state in sorted(self.groups.items()):
            tags = dict(zip(self.by or (), key, strict=True))
            scores += [score.tagged(**tags) for score in state.total_scores()]
        for label, sweep in zip(self.labels or (), self._sweeps, strict=True):
            scores += [
                score.tagged(**{"class": str(label)})
                for score in sweep.total_scores()
                if score.name in ("roc_auc", "average_precision")
            ]
        return scores

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return f"{self.kind}|average:macro|multi_class:ovr"

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.n, {}, signature, provenance())


def _of_label(target: Array, score: Array, label: Label, width: int) -> Sweep:
    negatives, positives, bad = cut(target, score)
    if bad >= 0:
        raise InputError(f"target[{bad}] must hold 0 and 1 only, got {target[bad]} of {label!r}")
    pools = {0: negatives, 1: positives}
    return Sweep(pools=pools, positive=1, label=label, mode="exact", width=width)


def _mean(values: list[float], weights: list[float] | None) -> float:
    if weights is None:
        return math.fsum(values) / len(values) if values else math.nan
    total = math.fsum(weights)
    if not total:
        return math.nan
    return math.fsum(v * w for v, w in zip(values, weights, strict=True) if w) / total


def uneven_rows(score: Array) -> int:
    """How many rows of scores are no probabilities that sum to 1."""
    off = np.abs(score.sum(axis=1, dtype=np.float64) - 1) > TOLERANCE
    return int((off | (score < 0).any(axis=1)).sum())


def count_columns(
    target: Array, score: Array, labels: Sequence[Label] | None, weights: Any, width: int,
    ids: Array | None = None,
) -> MultiSweep:  # fmt: skip
    """Scores [n, C] of classes, or of labels where target is [n, C]; see count_scores."""
    refuse_scores(score)
    size = score.shape[1]
    names = [*range(size)] if labels is None else [*labels]
    if len(names) != size:
        raise InputError(f"labels must be {size}, one a column of score, got {len(names)}")
    if weights is not None:
        raise InputError("weights: scores of several classes are counted without; use columns")
    if target.ndim == 2:
        if target.shape != score.shape:
            raise InputError(
                f"target and score must have one shape, got {target.shape} and {score.shape}"
            )
        columns = {j: _of_label(target[:, j], score[:, j], names[j], width) for j in range(size)}
        return MultiSweep(
            columns=columns, n=len(score), labels=tuple(names), kind="multilabel",
            **rows_of(ids, target == 1, score),
        )  # fmt: skip
    codes = codes_of(target, names, "target")
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=size))[:-1]
    columns = {}
    for j in range(size):
        parts = np.split(score[order, j], ends)
        pools = {t: sort_scores(part) for t, part in enumerate(parts) if len(part)}
        columns[j] = Sweep(pools=pools, positive=j, label=names[j], mode="exact", width=width)
    best = score.argmax(axis=1)
    wrong, right, _ = cut(best == codes, score.max(axis=1, initial=-np.inf))
    top = Sweep(pools={0: wrong, 1: right}, positive=1, label="right", mode="exact", width=width)
    return MultiSweep(
        columns=columns, top={1: top}, n=len(score), uneven=uneven_rows(score),
        labels=tuple(names), kind="multiclass",
        **rows_of(ids, codes[:, None] == np.arange(size), score),
    )  # fmt: skip
