"""Ranking metrics of embeddings: count_ranks, of a whole gallery or of one in shards.

Where each relevant row stands among the whole gallery is counted behind the product of query and
gallery, which is never held. Counts follow one canonical score and are the same for any precision,
block size, number of threads and sharding; see `ops/similarity.py`. What is made of them is in
`rank_counts.py`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.protocols import DIRECTIONS
from assay.core.ragged import Ragged
from assay.metrics._rank_inputs import cuts_of
from assay.metrics.partial_ranks import PartialRanks
from assay.metrics.rank_conventions import convention_named
from assay.metrics.rank_counts import CUTS, PAIR_COLUMNS, RankCounts
from assay.metrics.relevance import Hidden, Relevance, hidden, pairs_of, relevance, same_label
from assay.ops import similarity

__all__ = ["PartialRanks", "count_ranks", "same_label", "target_scores"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


PAIRS = 1 << 18  # relevant pairs that are ranked at once: about 350 bytes each


class _Options(TypedDict, total=False):
    """What both forms of count_ranks take."""

    metric: str
    k: int | Sequence[int]
    both_directions: bool
    directions: tuple[str, str]
    exclude: Any
    query_ids: Any
    gallery_ids: Any
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
    k: int | Sequence[int] = CUTS,
    both_directions: bool = False,
    directions: tuple[str, str] = DIRECTIONS,
    exclude: Any = None,
    query_ids: Any = None,
    gallery_ids: Any = None,
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
    both_directions: also rank the queries of each gallery row, as `.reverse`, from the same product
        (with more than 262,144 pairs from another, in less memory); `directions` are their tags.
    exclude: rows that are not there for a query, such as itself: an index for each query, index
        lists, or (groups of queries, groups of gallery rows), where rows of the query's own group
        are not there. What is excluded is not relevant.
    query_ids: int64 [q], different over all states that are to be added; by default 0..q-1.
    gallery_ids: int64 [g], the same for the queries of `.reverse`. Batches of queries against one
        gallery add without both_directions only: a row's rank among queries needs all of them.
    target_scores: where the gallery is one shard of a larger one, whose rows begin with
        gallery_offset: the scores float64 [p] of all relevant pairs, see target_scores(). Rows in
        `relevant` and `exclude` are then those of the whole gallery; groups are the shard's.
    k, by, and convention, ties, gain, level and empty: as count_rankings; no k but the default may
        be beyond the gallery. Equal scores stand in order of their rows.

    Returns RankCounts, which adds over batches of queries, ranks and folds; with target_scores
    PartialRanks, which adds over shards and gives RankCounts by finish(). InputError names the
    row of NaN, infinity, a zero vector under cosine, or a relevant row that is not in the gallery.

    >>> r = count_ranks([[1.0, 0.0], [0.0, 1.0]], [[0.8, 0.6], [1.0, 0.1], [0.1, 1.0]], [0, 2])
    >>> r["recall@1"], r["recall@5"], r["map"], r.per_item("rank").tolist()
    (0.5, 1.0, 0.75, [2.0, 1.0])
    """
    convention_named(convention)
    q, g = len(query), len(gallery)
    ids = _ids(query_ids, q, "query_ids")
    sharded = target_scores is not None
    if sharded and not (by is gallery_ids is None):
        raise InputError("by and gallery_ids go to finish(), when the shards are added")
    if not sharded and gallery_offset:
        raise InputError("gallery_offset needs the target_scores of all shards; see target_scores")
    first = _offset(gallery_offset)
    own = relevance(relevant, ids, None if sharded else g)
    p = int(own.rows.offsets[-1] - own.rows.offsets[0])
    scores = _known(target_scores, p) if sharded else None
    out = hidden(exclude, ids, g, gallery_offset, None if sharded else g)
    if p > PAIRS and q > 1 and not sharded:
        options: dict[str, Any] = {
            "metric": metric, "k": k, "convention": convention, "ties": ties, "gain": gain,
            "level": level, "empty": empty, "precision": precision,
        }  # fmt: skip
        # Bad input is told below, where rows have the numbers they were given under.
        with suppress(InputError):
            state = _in_slices(query, gallery, own, out, ids, verify, options)
            state = state.grouped_by(by, ids)
            if not both_directions:
                return state
            numbers = _ids(gallery_ids, g, "gallery_ids")
            own, _ = own.turned(np.arange(q), g)
            back = _in_slices(gallery, query, own, out.turned(g), numbers, verify, options)
            return state.with_reverse(back, _pair_of(directions), ids)
    rows, items = pairs_of(own.rows)
    gone = out.among(rows, items)
    there = np.flatnonzero(~gone)
    if scores is not None and g:
        _check_targets(query, gallery, rows, items - first, scores, metric)
    if sharded and not g:
        none = np.zeros(len(there), np.int64)
        found = similarity.PairCounts(none, none, none, None, np.full(len(there), np.nan))
        found = found._replace(reverse=found if both_directions else None)
    else:
        kept = Ragged.from_lengths(items[there], np.bincount(rows[there], minlength=q))
        found = similarity.rank_pairs(
            query, gallery, kept, metric=metric, exclude=out.lists, groups=out.groups,
            reverse=both_directions, first=first, scores=None if scores is None else scores[there],
            precision=precision, verify=verify,
        )  # fmt: skip
    of_query, of_row = out.counts(q, g)
    above, before, after = _placed(found, there, p)
    backward = 0 if found.reverse is None else _placed(found.reverse, there, p)
    depths = q - of_row if both_directions else np.zeros(0, np.int64)
    gains = np.ones(p) if own.gains is None else own.gains
    if scores is None:
        scores = np.full(p, np.nan)
        scores[there] = found.scores
    partial = PartialRanks(
        above=above,
        equal_before=before,
        equal_after=after,
        held=((items >= first) & (items < first + g)).astype(np.int64),
        excluded=gone.astype(np.int64),
        depth=g - of_query,
        shards=np.array([[first, g]], np.int64)[: g > 0],
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
        back=backward,
        row_depths=np.stack([first + np.arange(len(depths)), depths], axis=1),
        directions=_pair_of(directions) if both_directions else None,
    )
    return partial if sharded else partial.finish(by=by, gallery_ids=gallery_ids)


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
    `np.fmax.reduce` puts them together, and count_ranks takes all of them. Arguments and errors as
    count_ranks; rows of `relevant` are those of the whole gallery.

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
    ids = _ids(query_ids, len(query), "query_ids")
    rows, items = pairs_of(relevance(relevant, ids, None).rows)
    local = items - _offset(gallery_offset)
    here = np.flatnonzero((local >= 0) & (local < len(gallery)))
    scores = np.full(len(local), np.nan)
    if len(gallery):
        own = similarity.score_pairs(query, gallery, rows[here], local[here], metric=metric)
        scores[here] = own
    return scores


# A meter ranks the shards of a gallery by both; see GalleryCount in core/protocols.py.
count_ranks.target_scores = target_scores  # type: ignore[attr-defined]


def _ids(given: Any, n: int, what: str) -> Ints:
    if given is None:
        return np.arange(n)
    ids = np.asarray(given)
    if ids.shape != (n,) or ids.dtype.kind not in "iu":
        raise InputError(f"{what} must be {n} integers, got shape {ids.shape} of {ids.dtype}")
    return ids.astype(np.int64)


def _offset(first: Any) -> int:
    if isinstance(first, bool) or not hasattr(first, "__index__") or first < 0:
        raise InputError(f"gallery_offset must be a whole number of at least 0, got {first!r}")
    return int(first)


def _pair_of(directions: Any) -> tuple[str, str]:
    if len(directions) != 2 or directions[0] == directions[1]:
        raise InputError(f"directions must be two names, got {directions!r}")
    return directions[0], directions[1]


def _in_slices(
    query: Any, gallery: Any, own: Relevance, out: Hidden, ids: Ints, verify: int,
    options: dict[str, Any],
) -> RankCounts:  # fmt: skip
    """Ranks of queries in slices of at most PAIRS pairs, or of one query."""
    ends = own.rows.offsets - own.rows.offsets[0]
    cuts = [0]
    while cuts[-1] < len(query):
        fits = int(np.searchsorted(ends, ends[cuts[-1]] + PAIRS, "right")) - 1
        cuts.append(max(cuts[-1] + 1, fits))
    parts = (
        count_ranks(query[a:b], gallery, own.of_queries(a, b), exclude=out.of_queries(a, b),
                    query_ids=ids[a:b], verify=min(verify, b - a), **options)
        for a, b in pairwise(cuts)
    )  # fmt: skip
    # Put in place one by one: a sum would hold the pairs twice.
    pairs = np.empty((ends[-1], len(PAIR_COLUMNS)), np.int64)
    at, state = 0, RankCounts.zero()
    for part in parts:
        pairs[at : at + len(part.pairs)] = part.pairs
        at += len(part.pairs)
        state += replace(part, pairs=part.pairs[:0])
    return replace(state, pairs=pairs[:at])


def _known(target_scores: Any, p: int) -> Floats:
    try:
        scores = np.array(target_scores, np.float64)
    except (TypeError, ValueError):
        raise InputError("target_scores must be numbers; see target_scores") from None
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


def _check_targets(
    query: Any, gallery: Any, rows: Ints, local: Ints, scores: Floats, metric: str
) -> None:
    """The scores of pairs whose row is here are those that this shard gives them."""
    here = np.flatnonzero((local >= 0) & (local < len(gallery)))
    own = similarity.score_pairs(query, gallery, rows[here], local[here], metric=metric)
    if (wrong := np.flatnonzero(own != scores[here])).size:
        at = int(here[wrong[0]])
        raise InputError(
            f"target_scores: that of pair {at} is {scores[at]}, but {metric} gives "
            f"{own[wrong[0]]}; take target_scores() of the same vectors and metric"
        )


def _placed(found: similarity.PairCounts, there: Ints, p: int) -> Ints:
    """Counts [3, p] of the pairs that are there; 0 of the others."""
    placed = np.zeros((3, p), np.int64)
    placed[:, there] = found[:3]
    return placed
