"""Ranking metrics of embeddings: count_ranks, of a whole gallery or of one in shards.

Where each relevant row stands among the whole gallery is counted behind the product of query and
gallery, which is never held. Counts follow one canonical score and are the same for any precision,
block size, number of threads and sharding; see `ops/similarity.py`. What is made of them is in
`rank_counts.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.metrics.partial_ranks import PartialRanks
from assay.metrics.rank_conventions import convention_named
from assay.metrics.rank_counts import DIRECTIONS, RankCounts, cuts_of
from assay.metrics.relevance import hidden, relevance, same_label
from assay.ops import similarity

__all__ = ["PartialRanks", "count_ranks", "same_label", "target_scores"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class _Options(TypedDict, total=False):
    """What both forms of count_ranks take."""

    metric: str
    k: int | Sequence[int]
    both_directions: bool
    directions: tuple[str, str]
    exclude: Any
    query_ids: Any
    by: Mapping[str, Any] | None
    convention: str
    ties: str | None
    gain: str
    level: float | None
    empty: str | None
    precision: str | None
    verify: int


@overload
def count_ranks(
    query: Any, gallery: Any, relevant: Any, *, target_scores: None = None,
    **options: Unpack[_Options],
) -> RankCounts: ...  # fmt: skip
@overload
def count_ranks(
    query: Any, gallery: Any, relevant: Any, *, target_scores: npt.ArrayLike,
    gallery_offset: int = 0, **options: Unpack[_Options],
) -> PartialRanks: ...  # fmt: skip
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
    gallery_offset: int = 0,
    target_scores: Any = None,
    by: Mapping[str, Any] | None = None,
    convention: str = "cross-modal",
    ties: str | None = None,
    gain: str = "linear",
    level: float | None = None,
    empty: str | None = None,
    precision: str | None = None,
    verify: int = 0,
) -> RankCounts | PartialRanks:
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
    target_scores: where the gallery is one shard of a larger one, whose rows begin with
        gallery_offset: the scores float64 [p] of all relevant pairs, see target_scores(). Rows in
        `relevant` and `exclude` are then those of the whole gallery; groups are the shard's.
    k, by, and convention, ties, gain, level and empty: as count_rankings. Equal scores stand in
        order of their rows.

    Returns RankCounts, which adds over batches of queries, ranks and folds; with target_scores
    PartialRanks, which adds over shards and gives RankCounts by finish(). InputError names the
    row of NaN, infinity, a zero vector under cosine, or a relevant row that is not in the gallery.

    >>> r = count_ranks([[1.0, 0.0], [0.0, 1.0]], [[0.8, 0.6], [1.0, 0.1], [0.1, 1.0]], [0, 2])
    >>> r["recall@1"], r["recall@5"], r["map"], r.per_item("rank").tolist()
    (0.5, 1.0, 0.75, [2.0, 1.0])
    """
    convention_named(convention)
    q, g = len(query), len(gallery)
    ids = _ids(query_ids, q)
    sharded = target_scores is not None
    if sharded and by is not None:
        raise InputError("by goes to finish(), when the shards are added")
    if not sharded and gallery_offset:
        raise InputError("gallery_offset needs the target_scores of all shards; see target_scores")
    own = relevance(relevant, ids, None if sharded else g)
    rows, items = _pairs(own.rows)
    scores = _known(target_scores, len(rows)) if sharded else None
    out = hidden(exclude, q, g, gallery_offset, None if sharded else g)
    gone = out.among(rows, items)
    there = np.flatnonzero(~gone)
    found = similarity.rank_pairs(
        query, gallery, Ragged.from_lengths(items[there], np.bincount(rows[there], minlength=q)),
        metric=metric, exclude=out.lists, groups=out.groups, reverse=both_directions,
        first=gallery_offset, scores=None if scores is None else scores[there],
        precision=precision, verify=verify,
    )  # fmt: skip
    of_query, of_row = out.counts(q, g)
    above, before, after = _placed(found, there, len(rows))
    back = 0 if found.reverse is None else _placed(found.reverse, there, len(rows))
    depths = q - of_row if both_directions else np.zeros(0, np.int64)
    gains = np.ones(len(rows)) if own.gains is None else own.gains
    if scores is None:
        scores = np.full(len(rows), np.nan)
        scores[there] = found.scores
    partial = PartialRanks(
        above=above,
        equal_before=before,
        equal_after=after,
        held=((items >= gallery_offset) & (items < gallery_offset + g)).astype(np.int64),
        excluded=gone.astype(np.int64),
        depth=g - of_query,
        rows=g,
        query_ids=ids,
        pairs=np.stack([rows, items, gains.view(np.int64), scores.view(np.int64)], axis=1),
        graded=own.gains is not None,
        metric=metric,
        k=cuts_of(k),
        convention=convention,
        ties=ties,
        gain=gain,
        level=level,
        empty=empty,
        back=back,
        row_depths=np.stack([gallery_offset + np.arange(len(depths)), depths], axis=1),
        directions=(directions[0], directions[1]) if both_directions else None,
    )
    return partial if sharded else partial.finish(by=by)


def target_scores(
    query: Any,
    gallery: Any,
    relevant: Any,
    *,
    metric: str = "cosine",
    gallery_offset: int = 0,
    query_ids: Any = None,
) -> Floats:
    """Canonical scores of the relevant pairs, float64 [p]; NaN where the row is in another shard.

    Shards of a gallery are ranked in two steps: each shard gives its target scores,
    `np.fmax.reduce` puts them together, and count_ranks takes all of them.

    >>> q, g = np.eye(2), np.array([[0.8, 0.6], [1.0, 0.1], [0.1, 1.0]])
    >>> shards = [(g[:1], 0), (g[1:], 1)]
    >>> scores = [target_scores(q, s, [0, 2], gallery_offset=o) for s, o in shards]
    >>> all_scores = np.fmax.reduce(scores)
    >>> parts = [
    ...     count_ranks(q, s, [0, 2], target_scores=all_scores, gallery_offset=o)
    ...     for s, o in shards
    ... ]
    >>> sum(parts).finish()["recall@1"]
    0.5
    """
    ids = _ids(query_ids, len(query))
    rows, items = _pairs(relevance(relevant, ids, None).rows)
    local = items - gallery_offset
    here = np.flatnonzero((local >= 0) & (local < len(gallery)))
    scores = np.full(len(local), np.nan)
    scores[here] = similarity.score_pairs(query, gallery, rows[here], local[here], metric=metric)
    return scores


def _ids(query_ids: Any, q: int) -> Ints:
    if query_ids is None:
        return np.arange(q)
    ids = np.asarray(query_ids)
    if ids.shape != (q,) or ids.dtype.kind not in "iu":
        raise InputError(f"query_ids must be {q} integers, got shape {ids.shape} of {ids.dtype}")
    return ids.astype(np.int64)


def _pairs(rows: Ragged) -> tuple[Ints, Ints]:
    """Query and gallery row of each pair."""
    items = rows.values[rows.offsets[0] : rows.offsets[-1]].astype(np.int64)
    return np.repeat(np.arange(len(rows)), rows.lengths), items


def _known(target_scores: Any, p: int) -> Floats:
    scores = np.array(target_scores, np.float64)
    if scores.shape != (p,):
        raise InputError(
            f"target_scores must be one for each of {p} relevant pairs, got shape {scores.shape}"
        )
    if np.isnan(scores).any():
        raise InputError(
            f"target_scores: that of pair {int(np.argmax(np.isnan(scores)))} is NaN; put those of "
            "all shards together first, with np.fmax.reduce"
        )
    return scores


def _placed(found: similarity.PairCounts, there: Ints, p: int) -> Ints:
    """Counts [3, p] of the pairs that are there; 0 of the others."""
    placed = np.zeros((3, p), np.int64)
    placed[:, there] = found[:3]
    return placed
