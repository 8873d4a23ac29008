"""Pairs of labels on a device: how often each occurs, and sums of their weights."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assay.ops._held_torch import Bad, Columns, Counter, Held, Spans, bad_of, first_bad, places
from assay.ops.exact import LIMBS

__all__ = ["PairCounter", "Pairs", "of_class_scores"]

CELLS = 1 << 20  # of a table that is held on the device


class Pairs(NamedTuple):
    """codes [m]: target * K + prediction, as places among the labels, of the pairs that occur.
    counts [m]. limbs [m, LIMBS]: exact sums of their weights, or None. top [cuts], or limbs of
    them [cuts, LIMBS]: items whose target has a rank below each cut."""

    codes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    limbs: npt.NDArray[np.int64] | None
    top: npt.NDArray[np.int64]
    bad: Bad | None


@dataclass(frozen=True)
class PairCounter(Counter):
    """Counts pairs of columns target [n], prediction [n].

    spans: the labels. classes: prediction is a place among the labels, -1 where it is bad. cuts:
    of ranks [n], the next column, if there are any. weighted: the last column are weights.
    """

    spans: Spans
    classes: bool = False
    cuts: tuple[int, ...] = ()
    weighted: bool = False

    @property
    def size(self) -> int:
        """K."""
        return sum(last - first + 1 for first, last in self.spans)

    @property
    def folds(self) -> bool:
        """Whether the table of all pairs is small enough."""
        return (self.size**2 + len(self.cuts)) * (1 + LIMBS * self.weighted) < CELLS

    def fold(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """The table of all pairs; see Counter."""
        code, bad = self._codes(columns)
        code = code.masked_fill_(bad, self.size**2)
        return self._table(code, self.size**2, columns), first_bad(bad, columns)

    def found(self, held: Held) -> Pairs:
        """The pairs that occur; see Counter."""
        if self.folds:
            table, bad = held.totals()
            return self._pairs(table, np.arange(self.size**2), bad)
        columns = held.columns()
        if not len(columns[0]):
            return self._pairs(None, np.zeros(0, np.int64), None)
        code, wrong = self._codes(columns)
        note = first_bad(wrong, columns).cpu().numpy()
        if note[0]:
            bad = bad_of(note, held.kind, 0, int(wrong.sum()))
            return self._pairs(None, np.zeros(0, np.int64), bad)
        used, dense = torch.unique(code, return_inverse=True)
        table = self._table(dense, len(used), columns).cpu().numpy()
        return self._pairs(table, used.cpu().numpy(), None)

    def _codes(self, columns: Columns) -> tuple[Tensor, Tensor]:
        target, bad = places(columns[0], self.spans)
        if self.classes:
            bad |= columns[1] < 0
            guess = columns[1].clamp(min=0)
        else:
            guess, wrong = places(columns[1], self.spans)
            bad |= wrong
        if self.weighted:
            bad |= ~columns[-1].isfinite()
        return torch.add(guess, target, alpha=self.size), bad

    def _table(self, code: Tensor, size: int, columns: Columns) -> Tensor:
        """Flat: limbs of pairs and of cuts, hits of cuts, counts of pairs, and at `size` of bad
        items, which are in no limbs and no cut."""
        cuts, limbs = len(self.cuts), LIMBS * self.weighted
        table = torch.zeros((size + cuts) * limbs + cuts + size + 1, dtype=torch.int64,
                            device=code.device)  # fmt: skip
        sums, hits, counts = torch.split(table, [(size + cuts) * limbs, cuts, size + 1])
        counts.scatter_add_(0, code, code.new_ones(()).expand(len(code)))
        parts = _limbs(columns[-1], code == size) if self.weighted else None
        if parts is not None:
            _add_limbs(sums, code.clamp(max=max(size - 1, 0)), *parts)
        for i, cut in enumerate(self.cuts):
            within = (columns[2] < cut) & (code != size)
            hits[i] = within.sum()
            if parts is not None:
                place, amounts = parts
                _add_limbs(sums, torch.full_like(code, size + i), place, amounts * within)
        return table

    def _pairs(self, table: Any, codes: npt.NDArray[np.int64], bad: Bad | None) -> Pairs:
        cuts, limbs, size = len(self.cuts), LIMBS * self.weighted, len(codes)
        if table is None:
            table = np.zeros((size + cuts) * limbs + cuts + size + 1, np.int64)
        sums, top, counts = np.split(table[:-1], np.cumsum([(size + cuts) * limbs, cuts]))
        there = np.flatnonzero(counts)
        if not self.weighted:
            return Pairs(codes[there], counts[there], None, top, bad)
        sums = sums.reshape(-1, LIMBS)
        return Pairs(codes[there], counts[there], sums[there], sums[size:], bad)


def of_class_scores(scores: Tensor, target: Tensor, spans: Spans, ranks: bool) -> Columns:
    """The column of the highest score of each row [n, C], the first of equals, -1 where one is NaN;
    and, if wanted, the rank of the target's column, from 0."""
    best, guess = scores.max(1)
    if scores.is_floating_point():
        guess = guess.masked_fill_(best.isnan(), -1)
    if not ranks:
        return (guess,)
    own, _ = places(target, spans)
    mine = scores.gather(1, own[:, None])
    before = torch.arange(scores.shape[1], device=scores.device) < own[:, None]
    return guess, ((scores > mine) | ((scores == mine) & before)).sum(1)


def _limbs(weights: Tensor, bad: Tensor) -> tuple[Tensor, Tensor]:
    """Of each weight the lowest of its three limbs [n], and their amounts [3, n]: see exact.py."""
    bits = weights.double().view(torch.int64)
    exponent, mantissa = (bits >> 52) & 2047, bits & 0xFFFFFFFFFFFFF
    normal = exponent > 0
    mantissa = mantissa | (normal.long() << 52)
    exponent = exponent - normal.long()
    low, off = 0xFFFFFFFF, exponent & 31
    lower, upper = (mantissa & low) << off, (mantissa >> 32) << off
    amounts = torch.stack([lower & low, (lower >> 32) + (upper & low), upper >> 32])
    sign = (1 - 2 * (bits < 0).long()).masked_fill_(bad, 0)
    return exponent >> 5, amounts * sign


def _add_limbs(sums: Tensor, code: Tensor, place: Tensor, amounts: Tensor) -> None:
    at = code * LIMBS + place
    for limb in range(3):
        sums.scatter_add_(0, at + limb, amounts[limb])
