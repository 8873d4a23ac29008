"""Values of single queries from where their relevant items stand.

Judged items are taken in groups. Under a policy that orders ties a group is one item at one rank;
under random ties it is all items of one score: s rows stand before it, n rows are in it, r of
them relevant, with a sum of gains G; c relevant items stand before. Cut at k, m = clip(k - s, 0, n)
of its rows count, and each holds a relevant item with the chance r / n:

    hits          r m / n
    AP            r / n · Σ_{i=1..m} (c + 1 + (i - 1) (r - 1) / (n - 1)) / (s + i)
    DCG           G / n · Σ_{i=1..m} 1 / log2(s + i + 1)
    rank, first   s + (n + 1) / (r + 1)

which for n = r = 1 are the usual definitions. Source: McSherry and Najork, "Computing information
retrieval performance measures efficiently in the presence of tied scores", ECIR 2008.
"""

from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.ops import rankings as ops

__all__ = ["Groups", "Ideal", "Judged", "average_precision", "bpref", "dcg", "first_rank", "group"]
__all__ += ["grouped_precision", "hit", "hits", "reciprocal_rank"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Cut = Ints | int | None  # None: the full depth

# policies that look at gains within ties, and whether the higher stand first
ORDERS = {"optimistic": -1, "pessimistic": 1, "expected": 1, "grouped": 1}


class Judged(NamedTuple):
    """Items with a gain. query int64 [p] in 0..queries - 1, ascending; above -1 where an item is
    not in the ranking; relevant bool [p]; total int64 [queries]: relevant items of each."""

    query: Ints
    above: Ints
    before: Ints
    after: Ints
    unwanted: Ints
    gain: Floats
    relevant: npt.NDArray[np.bool_]
    total: Ints


class Groups(NamedTuple):
    """Groups in order of query, then rank: see above."""

    query: Ints
    start: Ints
    size: Ints
    relevant: Ints
    gain: Floats
    before: Ints
    first: Ints  # the group of the first relevant item of each query, -1 without


def group(judged: Judged, ties: str) -> Groups:
    """The items that are in the rankings, in groups under a policy of ties."""
    found = np.flatnonzero(judged.above >= 0)
    query, above, gain = judged.query[found], judged.above[found], judged.gain[found]
    relevant = judged.relevant[found].astype(np.int64)
    size = judged.before[found] + judged.after[found] + 1
    queries = len(judged.total)
    bounds = np.searchsorted(query, np.arange(queries + 1))
    if ties in ORDERS:
        # Bits of numbers above 0 are in their order.
        order = ops.order_within(bounds, -above.astype(float), ORDERS[ties] * gain.view(np.int64))
        query, above, size = query[order], above[order], size[order]
        gain, relevant = gain[order], relevant[order]
        starts = _starts(query, above)
        ends = np.append(starts, len(query))
        run = np.repeat(np.arange(len(starts)), np.diff(ends))
        if ties in ("optimistic", "pessimistic"):
            start = above + np.arange(len(query)) - starts[run]
            if ties == "pessimistic":
                start += size - np.diff(ends)[run]
            size = np.ones_like(start)
        else:
            query, start, size = query[starts], above[starts], size[starts]
            relevant = np.diff(np.append(0, np.cumsum(relevant))[ends])
            gain = np.bincount(run, gain, len(starts)).astype(np.float64)
    else:
        start = above + judged.before[found]
        order = ops.order_within(bounds, -start.astype(float), start)
        start, gain, relevant = start[order], gain[order], relevant[order]
        size = np.ones_like(start)
    summed = np.cumsum(relevant)
    base = np.append(0, summed)[np.searchsorted(query, np.arange(queries))]
    first = np.full(queries, -1, np.int64)
    with_relevant = np.flatnonzero(relevant)[::-1]
    first[query[with_relevant]] = with_relevant
    return Groups(query, start, size, relevant, gain, summed - relevant - base[query], first)


def _starts(query: Ints, above: Ints) -> Ints:
    new = np.ones(len(query), bool)
    new[1:] = (query[1:] != query[:-1]) | (above[1:] != above[:-1])
    return np.flatnonzero(new)


def _within(groups: Groups, k: Cut) -> Ints:
    """Rows of each group in the top k; k may differ between queries."""
    if k is None:
        return groups.size
    cut = k if isinstance(k, int) else k[groups.query]
    return np.clip(cut - groups.start, 0, groups.size)


def _per_query(groups: Groups, values: Floats) -> Floats:
    return np.bincount(groups.query, values, len(groups.first)).astype(np.float64)


def hits(groups: Groups, k: Cut) -> Floats:
    """Relevant items in the top k of each query."""
    return _per_query(groups, groups.relevant * _within(groups, k) / groups.size)


def hit(groups: Groups, k: int) -> Floats:
    """Whether one of the top k is relevant: 0, 1, or a chance."""
    out = np.zeros(len(groups.first))
    some = np.flatnonzero(groups.first >= 0)
    g = groups.first[some]
    m, n, r = _within(groups, k)[g], groups.size[g], groups.relevant[g]
    none = np.ones(len(g))
    for i in range(int(np.minimum(m, r).max(initial=0))):  # C(n - r, m) / C(n, m)
        more = i < np.minimum(m, r)
        share = np.maximum(n - np.maximum(m, r) - i, 0) / np.maximum(n - i, 1)
        none = np.where(more, none * share, none)
    out[some] = 1 - none
    return out


def first_rank(groups: Groups) -> Floats:
    """Rank of the first relevant item; inf where none is in the ranking."""
    out = np.full(len(groups.first), np.inf)
    some = np.flatnonzero(groups.first >= 0)
    g = groups.first[some]
    out[some] = groups.start[g] + (groups.size[g] + 1) / (groups.relevant[g] + 1)
    return out


def reciprocal_rank(groups: Groups, k: Cut) -> Floats:
    """1 / rank of the first relevant item of the top k, 0 without."""
    out = np.zeros(len(groups.first))
    some = np.flatnonzero(groups.first >= 0)
    g = groups.first[some]
    m = _within(groups, k)[g]
    values = np.where(m > 0, 1 / (groups.start[g] + 1), 0.0)
    tied = np.flatnonzero(groups.size[g] > 1)
    t = g[tied]
    values[tied] = ops.tied_first(groups.start[t], groups.size[t], groups.relevant[t], m[tied])
    out[some] = values
    return out


def average_precision(judged: Judged, groups: Groups, k: int | None, denominator: str) -> Floats:
    """Precision at the ranks of relevant items, summed and divided."""
    m, s, n, r, c = (_within(groups, k), *groups[1:4], groups.before)
    values = np.where((m > 0) & (r > 0), (c + 1) / (s + 1), 0.0)
    tied = np.flatnonzero((n > 1) & (r > 0))
    plain, weighted, _ = ops.tied_sums(s[tied], m[tied])
    slope = (r[tied] - 1) / (n[tied] - 1)
    values[tied] = r[tied] / n[tied] * ((c[tied] + 1) * plain + slope * weighted)
    if denominator == "found":
        return _over_found(groups, m, values)
    total = judged.total if k is None or denominator == "relevant" else np.minimum(judged.total, k)
    return _per_query(groups, values) / np.maximum(total, 1)


def _over_found(groups: Groups, m: Ints, values: Floats) -> Floats:
    """Sums over the hits of the top k; where a group of ties is cut, an expectation over hits."""
    cut = (m > 0) & (m < groups.size) & (groups.relevant > 0)
    whole = np.where(cut, 0.0, values)
    sums = _per_query(groups, whole)
    found = _per_query(groups, np.where(cut, 0, groups.relevant * (m > 0)))
    out = sums / np.maximum(found, 1)
    plain, weighted, _ = ops.tied_sums(groups.start[cut], m[cut])
    for g, a, b in zip(np.flatnonzero(cut).tolist(), plain, weighted, strict=True):
        n, r, c = int(groups.size[g]), int(groups.relevant[g]), int(groups.before[g])
        taken, q = int(m[g]), groups.query[g]
        mean = 0.0
        for h in range(max(0, taken - (n - r)), min(r, taken) + 1):
            if c + h:
                inside = h / taken * ((c + 1) * a + (h - 1) / max(taken - 1, 1) * b)
                chance = comb(r, h) * comb(n - r, taken - h) / comb(n, taken)
                mean += chance * (sums[q] + inside) / (c + h)
        out[q] = mean
    return out


def grouped_precision(judged: Judged, groups: Groups) -> Floats:
    """Average precision with the items of one score taken as one step, as scikit-learn."""
    through = groups.before + groups.relevant
    values = groups.relevant * through / (groups.start + groups.size)
    return _per_query(groups, values) / np.maximum(judged.total, 1)


def dcg(groups: Groups, k: int | None) -> Floats:
    """Discounted cumulative gain of the top k."""
    m = _within(groups, k)
    values = np.where(m > 0, groups.gain * ops.discounts(groups.start + 1), 0.0)
    tied = np.flatnonzero(groups.size > 1)
    _, _, slots = ops.tied_sums(groups.start[tied], m[tied])
    values[tied] = groups.gain[tied] / groups.size[tied] * slots
    return _per_query(groups, values)


class Ideal(NamedTuple):
    """Discounted gains of all judged items in the best order, and their places there from 0."""

    query: Ints
    place: Ints
    terms: Floats
    queries: int

    @classmethod
    def of(cls, judged: Judged) -> "Ideal":
        queries = len(judged.total)
        starts = np.searchsorted(judged.query, np.arange(queries + 1))
        place = np.arange(len(judged.query)) - starts[judged.query]
        order = ops.order_within(starts, judged.gain, place)
        return cls(judged.query, place, judged.gain[order] * ops.discounts(place + 1), queries)

    def dcg(self, k: int | None) -> Floats:
        """Of the top k of each query."""
        terms = self.terms if k is None else np.where(self.place < k, self.terms, 0.0)
        return np.bincount(self.query, terms, self.queries).astype(np.float64)


def bpref(judged: Judged, nonrelevant: Ints) -> Floats:
    """Share of judged pairs in the right order (Buckley and Voorhees, SIGIR 2004), as trec_eval:
    of the first R judged non-relevant items those that stand before a relevant one count."""
    least = np.maximum(np.minimum(judged.total, nonrelevant), 1)
    found = judged.relevant & (judged.above >= 0)
    query = judged.query[found]
    before = np.minimum(judged.unwanted[found], judged.total[query])
    # In whole numbers, whose sums are the same in any order of the items.
    right = np.bincount(query, least[query] - before, len(judged.total))
    shares: Floats = right / (least * np.maximum(judged.total, 1))
    return shares
