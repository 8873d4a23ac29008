"""Confusions at every threshold: scores cut by class, sorted once, merged once.

Of scores sorted within each class one linear merge gives, for each distinct score s from the best
down, how many negatives (fp) and positives (tp) are at least s. Every curve, area and best
threshold is a view of these runs. They come in slices of bounded size, cut between distinct scores
at places that hang on the scores alone, so no number of threads changes a digit.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.threads import parallel
from assay.ops import _sweep_kernels as kernels
from assay.ops.backend import choose

__all__ = ["Runs", "areas", "bits_of", "cut", "cut_sorted", "cut_weighted", "histogram_runs"]
__all__ += ["least_at", "merge", "over_runs", "slices_of", "sort_scores", "weighted_side"]

Floats = npt.NDArray[Any]

Slice = tuple[tuple[int, int], tuple[int, int]]  # (negative, positive) where it begins and ends

SLICE = 1 << 16  # scores of one class in a slice
SMALL = 1 << 9  # scores that NumPy sorts sooner
_SORTS: dict[int, Any] = {4: (np.uint32, kernels.sort_32), 8: (np.uint64, kernels.sort_64)}


class Runs(NamedTuple):
    """A slice of a sweep: distinct scores [m], best first, with how many negatives fp [m] and
    positives tp [m] are at least that; before: the fp and tp of the slice above."""

    score: Floats
    fp: npt.NDArray[Any]
    tp: npt.NDArray[Any]
    before: tuple[Any, Any] = (0, 0)


def cut(target: npt.NDArray[Any], score: Floats) -> tuple[Floats, Floats, int]:
    """Scores of label 0 and of label 1, each sorted upwards, and the first bad row or -1: one
    with another label, or a score that is not finite.

    target int or bool [n], score float32 or float64 [n].

    >>> cut(np.array([1, 0, 1]), np.array([0.9, 0.4, 0.1]))
    (array([0.4]), array([0.1, 0.9]), -1)
    """
    found: tuple[Floats, Floats, int] = choose("cut")(target, score)
    return found


def cut_sorted(target: npt.NDArray[Any], score: Floats) -> tuple[Floats, Floats, int]:
    """The backend of cut() that is compiled."""
    kind = np.bool_ if target.dtype == np.bool_ else np.int64
    target = np.require(target, kind, "C")
    # As the kernel puts them, whatever labels there are: it must not write past an end.
    positives = int(np.count_nonzero(target if kind is np.bool_ else target & 1))
    sides = [np.empty(n + 1, score.dtype) for n in (len(score) - positives, positives)]
    call: Any = kernels.cut_32 if score.dtype == np.float32 else kernels.cut_64
    bad = int(call(target, np.ascontiguousarray(score), *sides))
    if bad < 0:
        own = [side[:-1] for side in sides]
        list(map(_sort, own) if len(score) < SMALL else parallel(_sort, own))
    return sides[0][:-1], sides[1][:-1], bad


def sort_scores(scores: Floats) -> Floats:
    """Finite float32 or float64, sorted upwards; -0.0 becomes 0.0."""
    scores = scores.copy()
    _sort(scores)
    return scores


def _sort(scores: Floats) -> None:
    if len(scores) < SMALL:
        scores += 0  # -0.0 becomes 0.0
        scores.sort()
        return
    kind, sort = _SORTS[scores.dtype.itemsize]
    digits = -(-8 * scores.itemsize // kernels.DIGIT)
    counts = np.zeros((digits, 1 << kernels.DIGIT), np.int64)
    sort(scores.view(kind), np.empty(len(scores), kind), counts)


def over_runs(
    negatives: Floats, positives: Floats, function: Callable[[Runs], Any],
    slices: Sequence[Slice] | None = None, sums: tuple[Floats, Floats] | None = None,
    power: int = 0,
) -> Iterator[Any]:  # fmt: skip
    """A function of each slice of the runs of two classes, best scores first. Each class is sorted
    upwards, both are of one dtype. slices: some of slices_of(), by default all. sums: of each class
    the weight [n + 1] of its k highest scores; then fp and tp are weights, times 2^power."""
    call = choose("merge")

    def some(bounds: Slice) -> Any:
        (i, j), (i_end, j_end) = bounds
        before = len(negatives) - i_end, len(positives) - j_end
        score, fp, tp = call(negatives[i:i_end], positives[j:j_end], *before)
        if sums is None:
            return function(Runs(score, fp, tp, before))
        for counts, side in zip((fp, tp), sums, strict=True):
            kernels.weigh(counts, side.view(np.int64))  # in place: threads do this at once
        fp, tp = fp.view(np.float64), tp.view(np.float64)
        for weights in (fp, tp):
            np.ldexp(weights, power, out=weights)
        above = [float(np.ldexp(side[k], power)) for side, k in zip(sums, before, strict=True)]
        return function(Runs(score, fp, tp, (above[0], above[1])))

    yield from parallel(some, slices_of(negatives, positives) if slices is None else slices)


def merge(
    negatives: Floats, positives: Floats, fp: int, tp: int
) -> tuple[Floats, npt.NDArray[Any], npt.NDArray[Any]]:
    """The distinct scores [m] of two sorted classes, best first, and how many negatives and
    positives are at least that, fp and tp of them above: the backend that is compiled."""
    call: Any = kernels.merge_32 if negatives.dtype == np.float32 else kernels.merge_64
    size = len(negatives) + len(positives)
    score, counts = np.empty(size, negatives.dtype), np.empty((2, size), np.int64)
    m = call(negatives, positives, fp, tp, score, *counts)
    return score[:m], counts[0, :m], counts[1, :m]


def slices_of(negatives: Floats, positives: Floats) -> list[Slice]:
    """Where slices begin and end in both classes, between distinct scores, the highest first."""
    edges = np.unique(np.concatenate([negatives[SLICE::SLICE], positives[SLICE::SLICE]]))
    inner = (np.searchsorted(side, edges) for side in (negatives, positives))
    cuts = zip(*(places.tolist() for places in inner), strict=True)
    last = len(negatives), len(positives)
    ends = dict.fromkeys([(0, 0), *cuts, last])
    return [*pairwise(ends)][::-1]


def cut_weighted(target: npt.NDArray[Any], score: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Rows (score, weight) float64 [n, 2] of label 0 and of label 1, without those of weight 0,
    columns together. More than SLICE are sorted: then weighted_side() needs no copy of them.

    >>> cut_weighted(np.array([1, 1, 0]), np.array([0.9, 0.4, 0.2]), np.array([1.0, 2.0, 3.0]))[1]
    array([[0.9, 1. ],
           [0.4, 2. ]])
    """
    sides = []
    for label in (0, 1):
        there = (target == label) & (weight != 0)
        side = np.empty((2, np.count_nonzero(there)))
        for own, column in zip(side, (score, weight), strict=True):
            own[:] = column[there]
        sides.append(side)
    for side in sides:
        if side.shape[1] > SLICE:
            _sort_weighted(*side)
    return sides[0].T, sides[1].T


def weighted_side(rows: Floats) -> tuple[Floats, Floats]:
    """Of rows (score, weight) [n, 2] of a class: scores upwards, and the weight [n + 1] of the k
    highest, added in order of score, then weight."""
    score, weight = rows.T
    if not _is_sorted(score, weight):
        score, weight = (column.astype(np.float64) for column in (score, weight))
        _sort_weighted(score, weight)
    sums = np.zeros(len(rows) + 1)
    np.cumsum(weight[::-1], out=sums[1:])
    return score, sums


def _sort_weighted(score: Floats, weight: Floats) -> None:
    """Scores upwards, of equal ones the lightest last, in place."""
    for column in (score, weight):
        column += 0.0  # -0.0 becomes 0.0
    order = np.argsort(score)
    for column in (score, weight):
        column[:] = column[order]
    kernels.sort_ties(score, weight.view(np.uint64))


def _is_sorted(score: Floats, weight: Floats) -> bool:
    """Whether columns are as _sort_weighted() puts them."""
    if score.dtype != np.float64 or not score.flags.c_contiguous:
        return False
    lower, equal = score[1:] < score[:-1], score[1:] == score[:-1]
    heavier = equal & (weight[1:] > weight[:-1])
    return not (lower.any() or heavier.any() or (np.signbit(score) & (score == 0)).any())


def bits_of(score: Any) -> npt.NDArray[np.uint16]:
    """The 16 bits of each float16, or of the bfloat16 that a float32 holds, as a table's index."""
    if score.dtype == np.float16:
        return np.asarray(score.view(np.uint16))
    return np.asarray(score.view(np.uint32) >> np.uint32(16), np.uint16)


def histogram_runs(counts: npt.NDArray[np.int64], kind: str) -> Runs:
    """The runs of counts [2, 65536] by the bits of 16-bit scores; kind float16 or bfloat16."""
    bits = np.flatnonzero(counts.any(axis=0))
    if kind == "float16":
        score = bits.astype(np.uint16).view(np.float16).astype(np.float32)
    else:
        score = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    distinct, place = np.unique(score + np.float32(0), return_inverse=True)
    sums = np.zeros((2, len(distinct)), np.int64)
    for side, own in zip(sums, counts[:, bits], strict=True):
        np.add.at(side, place, own)
    fp, tp = np.cumsum(sums[:, ::-1], axis=1)
    return Runs(distinct[::-1], fp, tp)


def areas(runs: Runs) -> tuple[Any, float]:
    """Of a slice: twice the pairs of a positive above a negative, ties half a pair; and the sum of
    new positives times precision. Weights are overwritten."""
    _, fp, tp, (fp0, tp0) = runs
    if fp.dtype == np.float64:
        kernels.area_terms(fp, tp, fp0, tp0)
        return float(fp.sum()), float(tp.sum())
    if fp[-1] + tp[-1] >= 1 << 31:  # of a histogram: few runs, of many items
        tps, fps = [int(tp0), *tp.tolist()], [int(fp0), *fp.tolist()]
        above = sum(
            (b - a) * (c + d) for a, b, c, d in zip(fps, fps[1:], tps, tps[1:], strict=False)
        )
        steps = float(np.sum(np.diff(tp, prepend=tp0) * (tp / (tp + fp))))
        return above, steps
    low, high, steps = kernels.areas(fp, tp, fp0, tp0)
    return (int(high) << 31) + int(low), float(steps)


def least_at(threshold: float, kind: Any) -> Any:
    """The least number of this type that is at least the threshold."""
    with np.errstate(over="ignore"):
        found = np.dtype(kind).type(threshold)
    if float(found) < threshold:
        found = np.nextafter(found, np.dtype(kind).type(np.inf))
    return found
