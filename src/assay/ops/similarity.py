"""Exact ranking of a gallery for many queries: the k best, or the rank of every relevant pair.

One score is canonical: products and sums in float64 in a fixed order (`_similarity_simd.py`; in
plain words `reference_ranks.py`). Rows are ranked by it, best first, ties to the lower row. A
cheaper product with a rigorous bound decides what it can, so that result and digits are the same on
any processor, with any block size, number of threads or precision. Backends: `_similarity_scan.py`
and `_similarity_ranks.py` for arrays and CPU tensors, `_similarity_torch.py` for CUDA tensors.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import AssayError, InputError
from assay.core.ragged import Ragged, rows_of_codes
from assay.ops.backend import choose, on_device
from assay.ops.rankings import first_repeat, order_of_pairs
from assay.ops.vectors import Vectors, vectors

__all__ = ["METRICS", "PairCounts", "TopK", "VerifyError", "rank_pairs", "score_pairs", "topk"]

Ints = npt.NDArray[np.int64]

METRICS = ("dot", "cosine", "l2")
MAX_K = 4096


class VerifyError(AssayError):
    """A device ranked a row otherwise than the canonical score does."""


class TopK(NamedTuple):
    """scores float64 [q, k]: canonical (of l2 the squared distance). index int64 [q, k]: gallery
    rows, best first, ties to the lower row."""

    scores: Any
    index: Any


def topk(
    query: Any,
    gallery: Any,
    k: int,
    *,
    metric: str = "cosine",
    precision: str | None = None,
    verify: int = 0,
) -> TopK:
    """The k best gallery rows of each query, exactly.

    query [q, d], gallery [g, d]: NumPy arrays, memory maps, Arrow columns of fixed-size lists, or
    tensors; floats, or integers of up to 32 bits. A gallery on disk is read block by block.
    k: 1..g, at most 4,096. metric: "cosine" and "dot", higher is better, or "l2", squared distance,
    lower is better. precision: what the first product is taken in, "int8", "float32" or "exact";
    by default what pays. It changes no digit of the result. verify: so many random queries are
    ranked again by the canonical score alone, and a difference is a VerifyError.

    Returns TopK in the kind of `query`: arrays, or tensors on its device. Equal scores stand in
    order of their rows. InputError for other shapes, widths that differ, NaN or infinity, and
    zero vectors under cosine, with the row.

    >>> gallery = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    >>> found = topk([[0.0, 2.0]], gallery, 2)
    >>> found.index.tolist(), found.scores.tolist()
    ([[1, 2]], [[1.0, 0.8]])
    """
    one_of(metric, "metric", METRICS)
    if _on_device(query, gallery):
        from assay.ops._similarity_torch import topk_device

        k = _checked_k(k, len(gallery))
        return TopK(*topk_device(query, gallery, k, metric, verify=verify, backend=on_device()))
    x, y = _both(query, gallery)
    k = _checked_k(k, y.n)
    keys, index = choose("topk")(x, y, k, metric, precision)
    if verify and x.n:
        _verify(x, y, k, metric, keys, index, verify)
    scores = _as_scores(keys, metric)
    if hasattr(query, "detach"):
        import torch

        return TopK(torch.from_numpy(scores), torch.from_numpy(index))
    return TopK(scores, index)


class PairCounts(NamedTuple):
    """int64 [p] for pairs of a query and a gallery row, in the order they were given: how many
    other rows are better, equal and before it, equal and behind it. reverse: the same for the
    queries of each pair's row, or None. scores float64 [p]: canonical."""

    above: Ints
    equal_before: Ints
    equal_after: Ints
    reverse: "PairCounts | None"
    scores: npt.NDArray[np.float64]


def score_pairs(
    query: Any, gallery: Any, rows: Ints, items: Ints, *, metric: str = "cosine"
) -> npt.NDArray[np.float64]:
    """The canonical score of query rows[p] and gallery row items[p], float64 [p]."""
    from assay.ops._similarity_ranks import pair_keys

    one_of(metric, "metric", METRICS)
    x, y = _both(query, gallery)
    return _as_scores(pair_keys(x, y, rows, items, metric), metric)


def rank_pairs(
    query: Any,
    gallery: Any,
    relevant: Ragged,
    *,
    metric: str = "cosine",
    exclude: Ragged | None = None,
    groups: tuple[Ints, Ints] | None = None,
    reverse: bool = False,
    first: int = 0,
    scores: npt.NDArray[np.float64] | None = None,
    precision: str | None = None,
    verify: int = 0,
) -> PairCounts:
    """Where each relevant row stands in the ranking of its query, without the ranking.

    relevant: gallery rows of each query, different within it. exclude: rows that are not there for
    a query. groups: int64 [q] and [g]; rows of a query's own group are not there either. reverse:
    also rank the queries of each pair's row. first: the gallery is a part that begins with this
    row; then scores are those of all pairs, and counts are of this part and add up over parts.

    Relevant rows are never compared with themselves: they are ranked among each other by their
    canonical scores, and left out of what is counted. verify: so many queries are counted again
    by the canonical score alone, and a difference is a VerifyError.
    """
    one_of(metric, "metric", METRICS)
    if _on_device(query, gallery):
        return _rank_on_device(
            query, gallery, relevant, metric, exclude, groups, reverse, first, scores, verify
        )
    x, y = _both(query, gallery)
    rows, items = _pairs_of(relevant, x.n, y.n if scores is None else None)
    local = items - first
    if scores is None:
        scores = score_pairs(x, y, rows, local, metric=metric)
    elif len(scores) != len(items):
        raise InputError(f"scores must be one for each of {len(items)} pairs, got {len(scores)}")
    keys = -scores if metric == "l2" else np.asarray(scores, np.float64)
    here = (local >= 0) & (local < y.n)
    skip = _skipped(rows, local, exclude, first, x.n)
    count = choose("ranks")
    forth, back = count(x, y, rows, local, keys, skip, groups, reverse, metric, precision)
    if verify and x.n:
        _verify_counts(x, y, rows, local, keys, skip, groups, metric, forth, verify)
    above, before, after = forth + _among(rows, local, keys, here)
    other = None
    if reverse:
        r_above, r_before, r_after = back + _among(local, rows, keys, here)
        other = PairCounts(r_above, r_before, r_after, None, scores)
    return PairCounts(above, before, after, other, scores)


def _on_device(query: Any, gallery: Any) -> bool:
    kinds = {getattr(getattr(side, "device", None), "type", "cpu") for side in (query, gallery)}
    if len(kinds) > 1:
        raise InputError(f"query and gallery must be on one device, got {' and '.join(kinds)}")
    return kinds == {"cuda"}


def _both(query: Any, gallery: Any) -> tuple[Vectors, Vectors]:
    x, y = vectors(query, "query"), vectors(gallery, "gallery")
    if x.d != y.d:
        raise InputError(f"query and gallery must have the same width, got {x.d} and {y.d}")
    if y.n == 0:
        raise InputError("gallery is empty; there is nothing to rank")
    return x, y


def _checked_k(k: int, g: int) -> int:
    if isinstance(k, bool) or not hasattr(k, "__index__"):
        raise InputError(f"topk: k must be a whole number, got {k!r}")
    if not 1 <= k <= min(g, MAX_K):
        bound = "g" if g <= MAX_K else f"{MAX_K:,}"
        raise InputError(f"topk: k must be in 1..{bound}, got k={k} with g={g}")
    return k.__index__()


def _as_scores(keys: npt.NDArray[np.float64], metric: str) -> npt.NDArray[np.float64]:
    return 0.0 - keys if metric == "l2" else keys


def _some(n: int, count: int) -> Ints:
    """Queries to verify: the same for the same input."""
    return np.sort(np.random.default_rng(0).permutation(n)[:count])


def _verify(
    x: Vectors, y: Vectors, k: int, metric: str, keys: Any, index: Ints, queries: int
) -> None:
    from assay.ops import _similarity_scan as scan

    chosen = _some(x.n, queries)
    again = scan.topk(Vectors([x.take(chosen, x.float)], "query"), y, k, metric, "exact")
    for name, ours, truth in zip(("scores", "rows"), (keys, index), again, strict=True):
        wrong = np.flatnonzero((ours[chosen] != truth).any(axis=1))
        if wrong.size:
            raise VerifyError(
                f"topk: {name} of query {chosen[wrong[0]]} differ from the canonical ranking "
                f"({wrong.size} of {len(chosen)} queries do); please report this processor"
            )


def _verify_counts(
    x: Vectors, y: Vectors, rows: Ints, items: Ints, keys: Any, skip: Ragged, groups: Any,
    metric: str, forth: Ints, queries: int,
) -> None:  # fmt: skip
    from assay.ops._similarity_ranks import ranks

    chosen = _some(x.n, queries)
    pairs = np.flatnonzero(np.isin(rows, chosen))
    own = np.concatenate([skip[i] for i in chosen])
    again, _ = ranks(
        Vectors([x.take(chosen, x.float)], "query"), y, np.searchsorted(chosen, rows[pairs]),
        items[pairs], keys[pairs], Ragged.from_lengths(own, skip.lengths[chosen]),
        groups and (groups[0][chosen], groups[1]), False, metric, "exact",
    )  # fmt: skip
    wrong = np.flatnonzero((again != forth[:, pairs]).any(axis=0))
    if wrong.size:
        raise VerifyError(
            f"count_ranks: ranks of query {rows[pairs[wrong[0]]]} differ from the canonical "
            f"ranking ({wrong.size} of {len(pairs)} pairs do); please report this processor"
        )


def _pairs_of(relevant: Ragged, q: int, g: int | None) -> tuple[Ints, Ints]:
    """The pairs as query and gallery row, checked; no pair stands twice."""
    if len(relevant) != q:
        raise InputError(f"relevant must have a row for each of {q} queries, got {len(relevant)}")
    rows = np.repeat(np.arange(q), relevant.lengths)
    items = relevant.values[relevant.offsets[0] : relevant.offsets[-1]].astype(np.int64)
    wrong = items < 0
    if g is not None:
        wrong |= items >= g
    if wrong.any():
        at = int(np.argmax(wrong))
        rule = "must not be negative" if g is None else f"must be in 0..{g - 1}"
        raise InputError(f"relevant[{rows[at]}]: gallery rows {rule}, got {items[at]}")
    at = first_repeat(items, relevant.offsets - relevant.offsets[0])
    if at >= 0:
        raise InputError(f"relevant[{rows[at]}]: row {items[at]} stands there twice")
    return rows, items


def _skipped(rows: Ints, items: Ints, exclude: Ragged | None, first: int, q: int) -> Ragged:
    """The rows that are not counted, in order, of each query: relevant and excluded ones."""
    if exclude is not None:
        if len(exclude) != q:
            raise InputError(f"exclude must have a row for each of {q} queries, got {len(exclude)}")
        out = exclude.values[exclude.offsets[0] : exclude.offsets[-1]].astype(np.int64) - first
        rows = np.concatenate([rows, np.repeat(np.arange(q), exclude.lengths)])
        items = np.concatenate([items, out])
    order = order_of_pairs(rows, items)
    return Ragged.from_lengths(items[order], np.bincount(rows, minlength=q))


def _among(rows: Ints, items: Ints, keys: npt.NDArray[np.float64], here: Any) -> Ints:
    """int64 [3, p]: of the pairs of the same row that are `here`, how many are better, equal and
    of a lower item, equal and of a higher one."""
    out = np.zeros((3, len(rows)), np.int64)
    if not len(rows):
        return out
    order = order_of_pairs(rows, items, keys)
    row, key = rows[order], keys[order]
    new_row = np.concatenate([[True], row[1:] != row[:-1]])
    new_key = new_row | np.concatenate([[True], key[1:] != key[:-1]])
    _, row_end = _runs(new_row)
    begin, end = _runs(new_key)
    place = np.arange(len(order))
    before = np.concatenate([[0], np.cumsum(here[order])])  # of those here, before each place
    out[0, order] = before[row_end] - before[end]
    out[1, order] = before[place] - before[begin]
    out[2, order] = before[end] - before[place + 1]
    return out


def _runs(starts: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Where the run of each place begins and ends."""
    begins = np.flatnonzero(starts)
    number = np.cumsum(starts) - 1
    return begins[number], np.append(begins[1:], len(starts))[number]


def _rank_on_device(
    query: Any, gallery: Any, relevant: Ragged, metric: str, exclude: Ragged | None,
    groups: tuple[Ints, Ints] | None, reverse: bool, first: int, scores: Any, verify: int,
) -> PairCounts:  # fmt: skip
    import torch

    from assay.ops._similarity_torch_count import count_device

    if groups is not None:
        lists = rows_of_codes(*groups)  # the kernels know lists only
        exclude = Ragged(lists.values + first, lists.offsets)
    rows, items = _pairs_of(relevant, len(query), len(gallery) if scores is None else None)

    def there(values: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(values), device=query.device)

    found = count_device(
        query, gallery, there(relevant.offsets - relevant.offsets[0]), there(items),
        None if scores is None else there(scores), metric,
        skip=None if exclude is None else _packed(exclude, there),
        reverse=reverse, gallery_offset=first, verify=verify, backend=on_device(),
    )  # fmt: skip
    scores = found.targets.cpu().numpy()
    keys = -scores if metric == "l2" else scores
    local = items - first
    here = (local >= 0) & (local < len(gallery))
    back = None
    if reverse:
        back = _tallied(found.backward, _among(local, rows, keys, here), None, scores)
    return _tallied(found.forward, _among(rows, local, keys, here), back, scores)


def _tallied(tally: Any, among: Ints, reverse: PairCounts | None, scores: Any) -> PairCounts:
    above, before, after = np.stack([side.cpu().numpy() for side in tally]) + among
    return PairCounts(above, before, after, reverse, scores)


def _packed(exclude: Ragged, there: Any) -> tuple[Any, Any]:
    begin, end = exclude.offsets[0], exclude.offsets[-1]
    return there(exclude.offsets - begin), there(exclude.values[begin:end].astype(np.int64))
