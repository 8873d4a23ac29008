"""Ranking metrics of embeddings: count_ranks, and its parts for a gallery in shards.

Where each relevant row stands among the whole gallery is counted behind the product of query and
gallery, which is never held. Counts follow one canonical score and are the same for any precision,
block size, number of threads and sharding; see `ops/similarity.py`. What is made of them is in
`rank_counts.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.core.score import Score
from assay.core.state import State, fixed, summed
from assay.metrics._rankings import unwanted_of
from assay.metrics.rank_conventions import convention_named
from assay.metrics.rank_counts import DIRECTIONS, RankCounts
from assay.metrics.relevance import Relevance, excluded, relevance, same_label
from assay.ops import similarity

__all__ = ["PartialRanks", "count_partial_ranks", "count_ranks", "same_label", "target_scores"]

Ints = npt.NDArray[np.int64]


def count_ranks(
    query: Any,
    gallery: Any,
    relevant: Any,
    *,
    metric: str = "cosine",
    k: int | Sequence[int] = (1, 5, 10),
    both_directions: bool = False,
    directions: tuple[str, str] = DIRECTIONS,
    exclude: Any = None,
    query_ids: Any = None,
    by: Mapping[str, Any] | None = None,
    precision: str | None = None,
    verify: int = 0,
    **definition: Any,
) -> RankCounts:
    """Rank the relevant gallery rows of each query, exactly and at full depth.

    query [q, d], gallery [g, d], metric, precision, verify: as topk.
    relevant: gallery rows. An index for each query; index lists, an array [q, r] or Ragged; lists
        of {row: gain}; {query id: rows or {row: gain}}; a table with columns query, item and gain;
        or same_label(query_labels, gallery_labels).
    both_directions: also rank the queries of each gallery row, from the same product, as
        `.reverse`; `directions` are the tags of the two.
    exclude: rows that are not there for a query, such as itself: an index for each query, index
        lists, or (groups of queries, groups of gallery rows), where rows of the query's own group
        are not there. What is excluded is not relevant.
    query_ids: int64 [q], different over all states that are to be added; by default 0..q-1.
    k, by, and convention, ties, gain, level and empty: as count_rankings. Equal scores stand in
        order of their rows.

    Returns RankCounts, which adds over batches of queries, ranks and folds. InputError names the
    row of NaN, infinity, a zero vector under cosine, or a relevant row that is not in the gallery.

    >>> r = count_ranks([[1.0, 0.0], [0.0, 1.0]], [[0.8, 0.6], [1.0, 0.1], [0.1, 1.0]], [0, 2])
    >>> r["recall@1"], r["recall@5"], r["map"], r.per_item("rank").tolist()
    (0.5, 1.0, 0.75, [2.0, 1.0])
    """
    own, out, groups, ids = _asked(query, gallery, relevant, exclude, query_ids)
    q, g = len(ids), len(gallery)
    found = similarity.rank_pairs(
        query, gallery, own.rows, metric=metric, exclude=out, groups=groups,
        reverse=both_directions, precision=precision, verify=verify,
    )  # fmt: skip
    missing, missing_back = _missing(out, groups, q, g)
    state = _state(ids, own, found[:3], g - missing, {"k": k, "by": by, **definition})
    if found.reverse is None:
        return state
    back, order = _turned(own, ids, g)
    counts = [side[order] for side in found.reverse[:3]]
    reverse = _state(np.arange(g), back, counts, q - missing_back, {"k": k, **definition})
    return state.with_reverse(reverse, directions)


# -- a gallery in shards ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class PartialRanks(State):
    """Counts of one shard of a gallery; those of all shards add up.

    above, equal_before, equal_after: int64 [p], rows of the shards against each relevant pair.
    depth: int64 [q], rows there were for each query. pairs: what the pairs and their scores are,
    which must be the same for all shards.
    """

    above: Any = summed()  # noqa: RUF009  field specifiers
    equal_before: Any = summed()  # noqa: RUF009
    equal_after: Any = summed()  # noqa: RUF009
    depth: Any = summed()  # noqa: RUF009
    pairs: str | None = fixed()
    metric: str | None = fixed()

    def total_scores(self) -> list[Score]:
        """None before finish(): ranks are known when all shards are added."""
        return []

    def finish(
        self,
        relevant: Any,
        *,
        query_ids: Any = None,
        k: int | Sequence[int] = (1, 5, 10),
        **definition: Any,
    ) -> RankCounts:
        """The ranks, when all shards are added; relevant and query_ids as they were counted."""
        q = np.size(self.depth)
        ids = _ids(query_ids, q)
        own = relevance(relevant, ids, 0)
        if len(own.rows.values) != np.size(self.above):
            raise InputError(
                f"finish: {np.size(self.above)} relevant pairs were counted, "
                f"got {len(own.rows.values)}; give the same `relevant`"
            )
        counts = [self.above, self.equal_before, self.equal_after]
        return _state(ids, own, counts, self.depth, {"k": k, **definition})


def target_scores(
    query: Any,
    gallery: Any,
    relevant: Any,
    *,
    metric: str = "cosine",
    gallery_offset: int = 0,
    query_ids: Any = None,
) -> npt.NDArray[np.float64]:
    """Canonical scores of the relevant pairs, float64 [p]; NaN where the row is in another shard.

    Shards of a gallery are ranked in two steps: each shard gives its target scores,
    `np.fmax.reduce` puts them together, and count_partial_ranks takes all of them.

    >>> g = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> target_scores([[0.0, 1.0]], g[1:], [1], gallery_offset=1).tolist()
    [1.0]
    """
    ids = _ids(query_ids, len(query))
    rows = relevance(relevant, ids, 0).rows
    local = rows.values[rows.offsets[0] : rows.offsets[-1]] - gallery_offset
    here = np.flatnonzero((local >= 0) & (local < len(gallery)))
    scores = np.full(len(local), np.nan)
    queries = np.repeat(np.arange(len(ids)), rows.lengths)
    scores[here] = similarity.score_pairs(query, gallery, queries[here], local[here], metric=metric)
    return scores


def count_partial_ranks(
    query: Any,
    gallery: Any,
    relevant: Any,
    scores: Any,
    *,
    metric: str = "cosine",
    gallery_offset: int = 0,
    query_ids: Any = None,
    precision: str | None = None,
) -> PartialRanks:
    """Count the rows of one shard of a gallery against every relevant pair.

    relevant: as count_ranks, rows of the whole gallery. gallery: rows gallery_offset,
    gallery_offset + 1, … of it. scores: float64 [p], the target scores of all pairs; see
    target_scores.

    >>> q, g = np.eye(2), np.array([[0.8, 0.6], [1.0, 0.1], [0.1, 1.0]])
    >>> shards = [(g[:1], 0), (g[1:], 1)]
    >>> scores = [target_scores(q, s, [0, 2], gallery_offset=o) for s, o in shards]
    >>> t = np.fmax.reduce(scores)
    >>> parts = [count_partial_ranks(q, s, [0, 2], t, gallery_offset=o) for s, o in shards]
    >>> sum(parts).finish([0, 2])["recall@1"]
    0.5
    """
    ids = _ids(query_ids, len(query))
    own = relevance(relevant, ids, 0)
    scores = np.asarray(scores, np.float64)
    if np.isnan(scores).any():
        raise InputError(
            f"scores: that of pair {int(np.argmax(np.isnan(scores)))} is NaN; put those of all "
            "shards together first, with np.fmax.reduce"
        )
    found = similarity.rank_pairs(
        query, gallery, own.rows, metric=metric, first=gallery_offset, scores=scores,
        precision=precision,
    )  # fmt: skip
    digest = hashlib.blake2b(digest_size=16)
    for array in (ids, own.rows.lengths, own.rows.values, scores):
        digest.update(np.ascontiguousarray(array).tobytes())
    depth = np.full(len(ids), len(gallery), np.int64)
    return PartialRanks(*found[:3], depth, pairs=digest.hexdigest(), metric=metric)


# -- pairs -----------------------------------------------------------------------------------------


def _ids(query_ids: Any, q: int) -> Ints:
    if query_ids is None:
        return np.arange(q)
    ids = np.asarray(query_ids)
    if ids.shape != (q,) or ids.dtype.kind not in "iu":
        raise InputError(f"query_ids must be {q} integers, got shape {ids.shape} of {ids.dtype}")
    return ids.astype(np.int64)


def _asked(
    query: Any, gallery: Any, relevant: Any, exclude: Any, query_ids: Any
) -> tuple[Relevance, Ragged | None, tuple[Ints, Ints] | None, Ints]:
    """What is relevant, without what is excluded; what is excluded; the ids of queries."""
    q, g = len(query), len(gallery)
    ids = _ids(query_ids, q)
    own = relevance(relevant, ids, g)
    out, groups = excluded(exclude, q, g)
    rows = np.repeat(np.arange(q), own.rows.lengths)
    items = own.rows.values[own.rows.offsets[0] : own.rows.offsets[-1]].astype(np.int64)
    keep = np.ones(len(items), bool)
    inside = (items >= 0) & (items < g)  # others are refused later
    if out is not None:
        taken = np.repeat(np.arange(q), out.lengths) * g + out.values
        keep = ~np.isin(rows * g + items, taken) | ~inside
    if groups is not None:
        keep[inside] = groups[0][rows[inside]] != groups[1][items[inside]]
    kept = Ragged.from_lengths(items[keep], np.bincount(rows[keep], minlength=q))
    return Relevance(kept, None if own.gains is None else own.gains[keep]), out, groups, ids


def _missing(
    out: Ragged | None, groups: tuple[Ints, Ints] | None, q: int, g: int
) -> tuple[Any, Any]:
    """How many rows are not there for each query, and queries for each row."""
    if groups is not None:
        size = max((int(codes.max()) + 1 for codes in groups if len(codes)), default=0)
        of_q, of_g = (np.bincount(codes, minlength=size) for codes in groups)
        return of_g[groups[0]], of_q[groups[1]]
    if out is None:
        return np.zeros(q, np.int64), np.zeros(g, np.int64)
    pairs = np.unique(np.repeat(np.arange(q), out.lengths) * g + out.values)
    return np.bincount(pairs // g, minlength=q), np.bincount(pairs % g, minlength=g)


def _turned(own: Relevance, ids: Ints, g: int) -> tuple[Relevance, Ints]:
    """The pairs as those of gallery rows, and the place of each in the order of queries."""
    queries = np.repeat(np.arange(len(ids)), own.rows.lengths)
    order = np.lexsort((queries, own.rows.values))
    lengths = np.bincount(own.rows.values, minlength=g)
    gains = None if own.gains is None else own.gains[order]
    return Relevance(Ragged.from_lengths(ids[queries[order]], lengths), gains), order


def _state(
    ids: Ints, own: Relevance, counts: Any, depth: Any, definition: dict[str, Any]
) -> RankCounts:
    if own.gains is not None:
        definition = definition | _unwanted(own, own.gains, counts, definition)
    above, before, after = counts
    return RankCounts.from_pairs(
        ids, own.rows.offsets - own.rows.offsets[0], own.rows.values, own.gains,
        above, before, after, depth, **definition,
    )  # fmt: skip


def _unwanted(
    own: Relevance, gains: npt.NDArray[np.float64], counts: Any, definition: dict[str, Any]
) -> dict[str, Any]:
    """Judged rows that are not relevant: of each query, and better than each pair."""
    chosen = convention_named(definition.get("convention", "cross-modal"))
    level = chosen.level if definition.get("level") is None else definition["level"]
    downwards = (definition.get("ties") or chosen.ties) == "item-descending"
    unwanted = unwanted_of(gains, level)
    rows = np.repeat(np.arange(len(own.rows)), own.rows.lengths)
    order = np.lexsort((counts[0] + counts[2 if downwards else 1], rows))
    before = np.concatenate([[0], np.cumsum(unwanted[order])])
    first = np.searchsorted(rows[order], np.arange(len(own.rows)))
    above = np.empty(len(rows), np.int64)
    above[order] = before[:-1] - before[first[rows[order]]]
    of_query = np.bincount(rows[unwanted], minlength=len(own.rows))
    return {"nonrelevant": of_query, "nonrelevant_above": above}
