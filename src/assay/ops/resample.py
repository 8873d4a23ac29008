"""Bootstrap and permutation over items: sums, and areas under the ROC curve, of many replicates.

A replicate gives every item a weight, and what it is worth is computed under these weights: nothing
is counted again, and no [replicates, items] table is made. Random numbers are hashes of (seed,
replicate, number of the draw or id of the item), so threads and blocks change none, and the first
replicates of many are those of few. Columns of two systems side by side get the same weights: a
paired comparison needs no more.

Weights are the counts of n draws out of n (Efron 1979); of a swap 0 or 1 (Fisher 1935); or Poisson
numbers by the item's id, which need no n and so add over shards (Hanley and MacGibbon 2006;
Chamandy et al., "Estimating uncertainty for massive data streams", Google 2012).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.threads import parallel, thread_count
from assay.ops import _resample_kernels as kernels

__all__ = [
    "Ordered",
    "Ranked",
    "added",
    "aucs",
    "check_drawn",
    "curves",
    "ordered",
    "poisson_totals",
    "poisson_weights",
    "rank",
    "swapped_totals",
    "totals",
    "weights",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]

COLLAPSE = 64  # items for each distinct row from which drawing rows is cheaper than drawing items
TASKS = 4  # a thread, so that none waits long for another
MOST = 2**62  # what sums may reach
REPLICATES = 1 << 24

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_DRAW, _SWAP, _ITEM = 1, 2, 3  # streams of a seed


def totals(
    columns: Any, resamples: int, seed: int = 0, *, counts: Any = None, cluster: Any = None
) -> Ints:
    """Sums of columns over items drawn with replacement, as many as there are.

    columns int64 [n, c] -> int64 [resamples, c]. counts int64 [n]: how many items have this row
    (cells of a table). cluster int64 [n], from 0: items that are drawn together; as many clusters
    are drawn as there are. Rows that many items share are drawn by number, so a table of cells
    costs the same for any number of items. Without items all sums are 0. Columns whose sums could
    leave int64, negative counts and counts with cluster are an InputError.

    >>> totals([[1, 10], [1, 20], [1, 30]], 4).tolist()
    [[3, 60], [3, 70], [3, 70], [3, 40]]
    """
    rows = _rows("totals", columns)
    if counts is not None:
        if cluster is not None:
            raise InputError("totals: counts are of single items; give rows of items with cluster")
        return _of_cells(rows, _counts(counts, len(rows)), resamples, seed)
    if cluster is not None:
        rows = added(rows, _codes(cluster, len(rows)))
    cells, number = _collapsed(rows)
    if number is not None:
        return _of_cells(cells, number, resamples, seed)
    return _summed(_keys(seed, resamples, _DRAW), False, rows)


def swapped_totals(differences: Any, resamples: int, seed: int = 0) -> Ints:
    """Sums of columns over items, each chosen with probability 1/2.

    differences int64 [n, c] (b minus a of each item) -> int64 [resamples, c]: what total a gains
    and b loses where the chosen items are swapped. Clusters: add their rows first.
    """
    rows = _rows("swapped_totals", differences)
    return _summed(_keys(seed, resamples, _SWAP), True, rows)


def poisson_totals(ids: Any, columns: Any, resamples: int, seed: int = 0) -> Ints:
    """Sums of columns under Poisson(1) weights, each a hash of (id, seed, replicate).

    ids int64 [n] (of clusters, where these are drawn), columns int64 [n, c] -> int64 [resamples,
    c]. The sums of parts are those of the whole, to the last digit. Weights end at 12, which is
    exceeded once in 2^32.

    >>> whole = poisson_totals([7, 8, 9], [[1], [2], [4]], 3)
    >>> parts = poisson_totals([9], [[4]], 3) + poisson_totals([8, 7], [[2], [1]], 3)
    >>> bool((whole == parts).all())
    True
    """
    rows = _rows("poisson_totals", columns)
    base = _bases(ids, len(rows), seed)
    resamples = len(_keys(seed, resamples, _ITEM))
    turned, out = np.array(rows.T, order="C"), np.zeros((resamples, rows.shape[1]), np.int64)

    def work(part: slice) -> None:
        kernels.poisson_totals(base, np.arange(part.start, part.stop), turned, out[part])

    _spread(work, resamples)
    return out


class Ranked(NamedTuple):
    """Items of two classes in order of score.

    negative int32 [m], positive int32 [p]: who they are; below, upto int32 [p]: how many negatives
    have a lower score than each positive, and how many none higher. units: how many are drawn
    from, 0..units - 1.
    """

    negative: npt.NDArray[np.int32]
    positive: npt.NDArray[np.int32]
    below: npt.NDArray[np.int32]
    upto: npt.NDArray[np.int32]
    units: int


def rank(positive: Any, score: Any, cluster: Any = None) -> Ranked:
    """Sort items once for any number of replicates.

    positive bool [n], score float [n] (no NaN); cluster int64 [n], from 0: items drawn together.
    """
    is_positive, scores = np.asarray(positive, bool), np.asarray(score)
    n = len(scores)
    units = np.arange(n) if cluster is None else _codes(cluster, n)
    sides = []
    for chosen in (np.flatnonzero(~is_positive), np.flatnonzero(is_positive)):
        chosen = chosen[np.argsort(scores[chosen], kind="stable")]
        sides.append((units[chosen].astype(np.int32), scores[chosen]))
    (negative, low), (above, high) = sides
    below = np.searchsorted(low, high, "left").astype(np.int32)
    upto = np.searchsorted(low, high, "right").astype(np.int32)
    return Ranked(negative, above, below, upto, int(units.max(initial=-1)) + 1)


def aucs(ranked: Ranked, resamples: int, seed: int = 0) -> Floats:
    """Areas under the ROC curve of items drawn with replacement, float64 [resamples].

    One linear pass a replicate; nothing is sorted again. Ties count half; a replicate of one class
    only is nan.

    >>> aucs(rank([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8]), 3).tolist()
    [nan, 0.6666666666666666, 1.0]
    """
    keys, out = _keys(seed, resamples, _DRAW), np.empty(resamples)

    def work(part: slice) -> None:
        kernels.aucs(keys[part], ranked.units, *ranked[:4], out[part])

    _spread(work, resamples)
    return out


class Ordered(NamedTuple):
    """Items of two classes, best score first.

    unit int32 [n]: who they are; positive, last bool [n]: whether each is positive, and whether it
    ends a run of equal scores; weight float64 [n], or empty. units: how many are drawn from,
    0..units - 1.
    """

    unit: npt.NDArray[np.int32]
    positive: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]
    weight: Floats
    units: int


def ordered(positive: Any, score: Any, weight: Any = None, cluster: Any = None) -> Ordered:
    """Sort items once for any number of replicates; as rank(), and weight float [n], at least 0."""
    is_positive, scores = np.asarray(positive, bool), np.asarray(score)
    n = len(scores)
    units = np.arange(n) if cluster is None else _codes(cluster, n)
    order = np.argsort(scores, kind="stable")[::-1]
    scores = scores[order]
    last = np.append(scores[1:] != scores[:-1], True)[:n]
    own = np.empty(0) if weight is None else np.asarray(weight, np.float64)[order]
    number = int(units.max(initial=-1)) + 1
    return Ordered(units[order].astype(np.int32), is_positive[order], last, own, number)


def curves(items: Ordered, resamples: int, seed: int = 0, *, precise: bool = False) -> Floats:
    """Areas under the ROC curve (precise: average precisions) of items drawn with replacement,
    float64 [resamples], with the weights of aucs() times their own.

    One linear pass a replicate. nan where it drew one class only, or, of average precision, no
    positive.

    >>> curves(ordered([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8]), 3, precise=True).tolist()
    [1.0, 0.8333333333333334, 1.0]
    """
    keys, out = _keys(seed, resamples, _DRAW), np.empty(resamples)

    def work(part: slice) -> None:
        kernels.curves(
            keys[part], items.units, items.unit, items.positive, items.last, items.weight,
            precise, out[part],
        )  # fmt: skip

    _spread(work, resamples)
    return out


def weights(n: int, resamples: int, seed: int = 0, *, swap: bool = False) -> npt.NDArray[np.uint8]:
    """The weights that totals() and aucs() use, or swapped_totals() does: uint8 [resamples, n].

    >>> weights(5, 2).tolist()
    [[0, 3, 1, 0, 1], [0, 1, 1, 2, 1]]
    """
    out = np.empty((resamples, n), np.uint8)
    kernels.weights(_keys(seed, resamples, _SWAP if swap else _DRAW), swap, out)
    return out


def poisson_weights(ids: Any, resamples: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """The weights that poisson_totals() uses: uint8 [resamples, n]."""
    base = _bases(ids, len(ids), seed)
    out = np.empty((resamples, len(base)), np.uint8)
    kernels.poisson_weights(base, np.arange(resamples), out)
    return out


# -- rows ------------------------------------------------------------------------------------------


def _summed(keys: Keys, swap: bool, rows: Ints) -> Ints:
    turned, out = np.array(rows.T, order="C"), np.zeros((len(keys), rows.shape[1]), np.int64)

    def work(part: slice) -> None:
        kernels.totals(keys[part], swap, turned, out[part])

    _spread(work, len(keys))
    return out


def _of_cells(cells: Ints, counts: Ints, resamples: int, seed: int) -> Ints:
    """The same where only how many items have each row matters: draws of a multinomial."""
    n = int(counts.sum())
    if float(n) * float(np.abs(cells).max(initial=0)) > MOST:
        raise InputError(_too_large("totals", n))
    keys = _keys(seed, resamples, _DRAW)
    found = counts > 0
    cells, chances = cells[found], counts[found] / max(n, 1)
    out = np.zeros((resamples, cells.shape[1]), np.int64)

    def work(part: slice) -> None:
        for r in range(part.start, part.stop):
            random = np.random.Generator(np.random.Philox(key=int(keys[r])))
            out[r] = random.multinomial(n, chances) @ cells

    if n:
        _spread(work, resamples)
    return out


def _collapsed(rows: Ints) -> tuple[Ints, Ints | None]:
    """The distinct rows in order and how often each is there, or no numbers where these are many.

    A row is numbered by its places between the least and the greatest of each column.
    """
    n, low = len(rows), rows.min(axis=0, initial=0)
    spans = [int(span) + 1 for span in rows.max(axis=0, initial=0) - low]
    product = 1
    for span in spans:
        product *= span
    if n < COLLAPSE or product > MOST:
        return rows, None
    code = np.zeros(n, np.int64)
    for column, least, span in zip(rows.T, low, spans, strict=True):
        code *= span
        code += column - least
    if product <= n:
        counts = np.bincount(code, minlength=product)
        distinct = np.flatnonzero(counts)
        counts = counts[distinct]
    else:
        distinct, counts = np.unique(code, return_counts=True)
    if len(distinct) * COLLAPSE > n:
        return rows, None
    cells = np.empty((len(distinct), len(spans)), np.int64)
    for c in reversed(range(len(spans))):
        distinct, place = np.divmod(distinct, spans[c])
        cells[:, c] = place + low[c]
    return cells, counts


def added(rows: Ints, codes: Ints) -> Ints:
    """The rows of each cluster, added."""
    out = np.zeros((int(codes.max(initial=-1)) + 1, rows.shape[1]), np.int64)
    np.add.at(out, codes, rows)
    return out


# -- what is given ---------------------------------------------------------------------------------


def _rows(what: str, columns: Any) -> Ints:
    rows = np.asarray(columns)
    if rows.ndim != 2 or (rows.size and rows.dtype.kind not in "iub"):
        raise InputError(
            f"{what}: columns must be integers [n, c], got shape {rows.shape} of {rows.dtype}"
        )
    if rows.size and float(np.abs(rows).max()) * len(rows) * 12 > MOST:
        raise InputError(_too_large(what, len(rows)))
    return rows.astype(np.int64, copy=False)


def _too_large(what: str, n: int) -> str:
    return f"{what}: sums of {n} items could leave int64; scale the columns down"


def _counts(counts: Any, n: int) -> Ints:
    found = np.asarray(counts)
    if found.shape != (n,) or (n and (found.dtype.kind not in "iu" or found.min() < 0)):
        raise InputError(f"totals: counts must be {n} integers of at least 0, got {counts!r}")
    return found.astype(np.int64)


def _codes(cluster: Any, n: int) -> Ints:
    codes = np.asarray(cluster)
    if codes.shape != (n,) or (n and (codes.dtype.kind not in "iu" or codes.min() < 0)):
        raise InputError(f"cluster must be {n} codes from 0, got shape {codes.shape}")
    return codes.astype(np.int64)


# -- random numbers --------------------------------------------------------------------------------


def _mixed(z: Keys) -> Keys:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def check_drawn(resamples: Any, seed: Any) -> int:
    """How often is drawn; an InputError where that or the seed is no number there can be."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise InputError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    return whole(resamples, "resamples", 1, REPLICATES)


def _seeded(seed: Any, stream: int) -> Keys:
    check_drawn(1, seed)
    start: Any = np.array([seed], np.uint64) * _GOLDEN + np.uint64(stream)
    return _mixed(start)


def _keys(seed: Any, resamples: Any, stream: int) -> Keys:
    """Where the stream of each replicate starts."""
    resamples = check_drawn(resamples, seed)
    replicates = np.arange(resamples, dtype=np.uint64)
    return _mixed(_seeded(seed, stream) + np.asarray(replicates * _GOLDEN, np.uint64))


def _bases(ids: Any, n: int, seed: int) -> Keys:
    """Where the stream of each item starts, which goes on by replicates."""
    given = np.asarray(ids)
    if given.shape != (n,) or (n and given.dtype.kind not in "iu"):
        raise InputError(f"ids must be {n} integers, got shape {given.shape} of {given.dtype}")
    return _mixed(_mixed(given.astype(np.uint64)) ^ _seeded(seed, _ITEM))


def _spread(work: Callable[[slice], None], resamples: int) -> None:
    """Run work over slices of the replicates on the shared pool."""
    step = max(1, -(-resamples // (TASKS * thread_count())))
    step += -step % kernels.BESIDE
    parts = [slice(at, min(at + step, resamples)) for at in range(0, resamples, step)]
    for _ in parallel(work, parts):
        pass
