"""Scores on a device: sorted there by class, or counted there by their 16 bits.

What comes to the host is what `ops/sweep.py` makes of an array, digit for digit: two sorted
classes, from which the runs of a sweep are one linear merge. Sorted scores are fewer bytes than
their runs, which have a score and two counts each.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assay.ops._held_torch import Bad, Columns, Counter, Held, Spans, bad_of, first_bad, places

__all__ = ["CELLS", "ColumnCounter", "Columned", "RowCounter", "ScoreCounter", "Scores"]

BLOCK = 1 << 24  # scores that are sorted at once, of several classes
NEAR = 1e-9  # far more than sums of probabilities differ by for their order
CELLS = 1 << 16  # values of 16 bits

Array = npt.NDArray[Any]


class Scores(NamedTuple):
    """negatives and positives, sorted upwards, or counts [2, cells] by cell of the score. mixed:
    labels are -1, 0 and 1, of which no two are meant."""

    negatives: Array
    positives: Array
    counts: Array
    bad: Bad | None
    mixed: bool = False


@dataclass(frozen=True)
class ScoreCounter(Counter):
    """Counts columns target [n] and score [n], finite. positive: the label of positives, or None:
    1, beside 0 or -1. cells: 0 where scores are sorted; CELLS where they have 16 bits and are
    counted by them; or how many bins of equal width of 0..1 they are counted in."""

    positive: int | None
    cells: int = 0
    binned: bool = False

    @property
    def folds(self) -> bool:
        """Whether scores are counted."""
        return self.cells > 0

    def fold(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """Counts by class (0, 1, -1) and cell; see Counter."""
        (side, bad), score = self._sides(columns), columns[1]
        if self.binned:
            bad |= (score < 0) | (score > 1)
            place = self._bin(score.double().masked_fill(bad, 0))
        else:
            place = score.view(torch.int16).long().bitwise_and_(CELLS - 1)
        cell = place.add_(side, alpha=self.cells).masked_fill_(bad, 3 * self.cells)
        table = torch.zeros(3 * self.cells + 1, dtype=torch.int64, device=cell.device)
        table.scatter_add_(0, cell, cell.new_ones(()).expand(len(cell)))
        return table, first_bad(bad, columns)

    def _bin(self, score: Tensor) -> Tensor:
        edges = torch.arange(self.cells + 1, device=score.device).double() / self.cells
        last = self.cells - 1
        place = (score * self.cells).long().clamp_(max=last)
        place += edges[(place + 1).clamp_(max=last)] <= score  # a product may round across an edge
        place -= (edges[place] > score).long()
        return place.clamp_(max=last)

    def found(self, held: Held) -> Scores:
        """The scores by class; see Counter."""
        return self._counted(held) if self.cells else self._sorted(held)

    def _counted(self, held: Held) -> Scores:
        table, bad = held.totals()
        none = np.zeros(0, np.float32)
        if table is None:
            return Scores(none, none, np.zeros((2, self.cells), np.int64), None)
        zero, one, minus = table[:-1].reshape(3, self.cells)
        counts = np.stack([zero + minus, one])
        return Scores(none, none, counts, bad, bool(zero.any() and minus.any()))

    def _sorted(self, held: Held) -> Scores:
        columns = held.columns()
        score = columns[1]
        if not len(score):
            none = score.cpu().numpy()
            return Scores(none, none, none, None)
        side, wrong = self._sides(columns)
        number = [(side == 0).any(), (side == 2).any(), wrong.sum()]
        known = torch.cat([first_bad(wrong, columns), torch.stack([x.long() for x in number])])
        host = known.cpu().numpy()
        zero, minus, count = host[-3:]
        bad = bad_of(host[:-3], held.kind, 0, int(count)) if count else None
        if bad is not None or (zero and minus):
            none = np.zeros(0, np.float32)
            return Scores(none, none, none, bad, bool(zero and minus))
        negatives, positives = _upwards(score[side != 1]), _upwards(score[side == 1])
        return Scores(negatives, positives, np.zeros(0, np.int64), None)

    def _sides(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """0, 1, or 2 for the label -1; and which rows are bad."""
        target, score = columns
        bad = ~score.isfinite()
        if not target.is_floating_point():
            target = target.long()
        if self.positive is not None:
            return (target == self.positive).long(), bad
        one = target == 1
        if target.is_floating_point():
            return one.long(), bad | ((target != 0) & ~one)
        minus = target == -1
        bad |= (target != 0) & ~one & ~minus
        return one.long().add_(minus, alpha=2), bad


@dataclass(frozen=True)
class RowCounter(Counter):
    """Keeps columns as they are, for `count` to count them on the host; those of one key add."""

    key: Hashable
    count: Callable[..., Any] = field(compare=False)

    def found(self, held: Held) -> Any:
        """What `count` makes of the columns on the host; see Counter."""
        return self.count(*map(_on_host, held.columns()))


class Columned(NamedTuple):
    """scores [C, n], sorted upwards within each label 0, 1, … of their items, of which there are
    sizes [C, L]; wrong and right: the highest scores of rows whose class that is not, or is,
    sorted; uneven: how many rows do not sum to 1, near: rows [m, C] that come too close to say."""

    scores: Array
    sizes: Array
    wrong: Array
    right: Array
    uneven: int
    near: Array
    bad: Bad | None = None


@dataclass(frozen=True)
class ColumnCounter(Counter):
    """Counts scores [n, C], finite, by target [n], one of the labels, which stand in the order of
    the columns; or by target [n, C] of 0 and 1, where spans is None. tolerance: of the sum of
    probabilities."""

    spans: Spans | None
    tolerance: float

    def found(self, held: Held) -> Columned:
        """The scores of each column by class; see Counter."""
        target, score = held.columns()
        score = score if score.dtype == torch.float64 else score.float()
        n, size = score.shape
        bad = ~score.isfinite().all(1)
        if self.spans is None:
            bad |= ((target != 0) & (target != 1)).any(1)
            own = target.long().T
        else:
            own, unknown = places(target, self.spans)
            bad |= unknown
            own = own.expand(size, n)
        if bad.any():
            row = int(bad.view(torch.uint8).argmax())
            first = Bad(row, (target[row].tolist(), score[row].tolist()), int(bad.sum()))
            none = np.zeros(0)
            return Columned(none, none, none, none, 0, none, first)
        if self.spans is None:
            ones = own.sum(1)
            sizes = torch.stack([n - ones, ones], 1)
        else:
            sizes = torch.bincount(own[0], minlength=size).expand(size, size)
        step = max(BLOCK // max(n, 1), 1)
        parts = [_within_labels(score.T[j : j + step], own[j : j + step])
                 for j in range(0, size, step)]  # fmt: skip
        found = np.concatenate([_on_host(part) for part in parts])
        if self.spans is None:
            none = np.zeros(0, np.float32)
            return Columned(found, _on_host(sizes), none, none, 0, found[:0])
        best, place = score.max(1)
        wrong, right = (_upwards(best[place != own[0]]), _upwards(best[place == own[0]]))
        off = (score.sum(1, dtype=torch.float64) - 1).abs_() - self.tolerance
        negative = (score < 0).any(1)
        near = (off.abs() < NEAR) & ~negative
        uneven = int(((negative | (off > 0)) & ~near).sum())
        return Columned(found, _on_host(sizes), wrong, right, uneven, _on_host(score[near]))


def _upwards(score: Tensor) -> Array:
    """Sorted, -0.0 as 0.0."""
    return _on_host((score + 0.0).sort().values)


def _within_labels(score: Tensor, label: Tensor) -> Tensor:
    """Scores [c, n], sorted upwards within each label."""
    values, order = (score + 0.0).sort(dim=1)
    return values.gather(1, label.gather(1, order).sort(dim=1, stable=True).indices)


def _on_host(column: Tensor) -> Array:
    """As an array; bfloat16 as float32."""
    column = column.float() if column.dtype == torch.bfloat16 else column
    return np.asarray(column.cpu().numpy())
