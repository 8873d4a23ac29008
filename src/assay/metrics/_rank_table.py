"""The values of single queries of a RankCounts by name, each computed when asked for."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items
from assay.metrics import _rank_values as values
from assay.metrics._item_rows import RANK_PLACES, mean_items, no_form
from assay.metrics.rank_conventions import convention_named
from assay.ops import rankings as ops

if TYPE_CHECKING:
    from assay.metrics.rank_counts import RankCounts

__all__ = ["ITEMS", "RankTable", "mean"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Columns = Mapping[str, Callable[[], npt.NDArray[Any]]]

ITEMS = {"map": "average_precision", "mrr": "reciprocal_rank"}  # mean -> value of one query


class RankTable:
    """A state's rows in canonical order, and its values as functions by name.

    about: what a query is; fractions: the metrics, before the policy for queries without relevant
    items. kept: the queries that count under it, n of them. total: relevant items of each query.
    """

    def __init__(self, state: "RankCounts") -> None:
        ids, depth, nonrelevant = state.queries[_canonical(state)].T
        pairs = state.pairs
        query = _places(ids, pairs[:, 0])
        if np.any(query[1:] < query[:-1]):
            rows = np.argsort(query, kind="stable")
            pairs, query = pairs[rows], query[rows]
        gain = np.array(pairs[:, 5]).view(np.float64)
        relevant = gain >= (state.level or 0.0)
        self.total = np.bincount(query[relevant], minlength=len(ids))
        self._rules = convention_named(state.convention or "cross-modal")
        self._ties = state.ties or "index"
        self._empty = state.empty
        self._exponential = state.gain == "exponential"
        self._nonrelevant = nonrelevant
        above, before, after, unwanted = pairs[:, 1:5].T
        self._judged = values.Judged(
            query, above, before, after, unwanted, gain, relevant, self.total
        )
        self._cache: dict[str, Any] = {}
        self.kept = np.flatnonzero((self.total > 0) | (state.empty != "skip"))
        self.n = len(self.kept)
        self.about: Columns = {
            "id": lambda: ids,
            "query": lambda: _labels(state, ids),
            "depth": lambda: depth,
            "relevant": lambda: self.total,
            "rank": self._rank,
        }
        self.fractions: Columns = self._fractions(state.k or ())

    def _fractions(self, cuts: tuple[int, ...]) -> dict[str, Callable[[], Floats]]:
        named: dict[str, Callable[[], Floats]] = {}
        for name, function in (
            ("recall", self._recall),
            ("precision", self._precision),
            ("hit", self._hit),
        ):
            named |= {f"{name}@{k}": partial(function, k) for k in cuts}
        for name, whole in (
            ("map", self._average_precision),
            ("mrr", self._reciprocal),
            ("ndcg", self._ndcg),
        ):
            named[name] = partial(whole, None)
            if name != "map" or self._ties != "grouped":  # a step has no rank to cut it at
                named |= {f"{name}@{k}": partial(whole, k) for k in cuts}
        named["r_precision"] = self._r_precision
        if self._nonrelevant.size and self._nonrelevant.min() >= 0:
            named["bpref"] = lambda: values.bpref(self._judged, self._nonrelevant)
        return named

    def of_queries(self, name: str) -> Floats:
        """Values of the queries that count, under the policy for those without relevant items."""
        column = self.fractions[name]()
        if self._empty == "nan":  # else 0 already: nothing was found
            column[self.total == 0] = math.nan
        return column[self.kept]

    def mean(self, name: str) -> float:
        """The mean over the queries that count."""
        return mean(self.of_queries(name))

    def ranks(self) -> Floats:
        """Ranks of the first relevant item, of queries that have one."""
        ranks = self._rank()[self.kept]
        return ranks if self._empty == "nan" else ranks[~np.isnan(ranks)]

    def resampling(self, name: str) -> Items:
        """The queries that count, with their value; of ranks none where they have none."""
        ids, total = self.about["id"]()[self.kept], self.total[self.kept]
        if name == "mean_rank":
            ranks = self._rank()[self.kept]
            items = mean_items(ranks, ids, total, RANK_PLACES)
            if self._empty != "nan":
                items.columns[np.isnan(ranks)] = 0
            return items
        if name not in self.fractions:
            raise InputError(no_form(name, [*self.fractions, "mean_rank"]))
        return mean_items(self.of_queries(name), ids, total)

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._cache:
            self._cache[what] = make()
        return self._cache[what]

    def _grouped(self) -> values.Groups:
        groups: values.Groups = self._once("", lambda: values.group(self._judged, self._ties))
        return groups

    def _recall(self, k: int) -> Floats:
        if self._rules.recall == "any":
            return self._hit(k)
        return values.hits(self._grouped(), k) / np.maximum(self.total, 1)

    def _hit(self, k: int) -> Floats:
        return values.hit(self._grouped(), k)

    def _precision(self, k: int) -> Floats:
        return values.hits(self._grouped(), k) / k

    def _r_precision(self) -> Floats:
        return values.hits(self._grouped(), self.total) / np.maximum(self.total, 1)

    def _average_precision(self, k: int | None) -> Floats:
        if self._ties == "grouped":
            return values.grouped_precision(self._judged, self._grouped())
        return values.average_precision(self._judged, self._grouped(), k, self._rules.denominator)

    def _reciprocal(self, k: int | None) -> Floats:
        return values.reciprocal_rank(self._grouped(), k)

    def _rank(self) -> Floats:
        return np.where(self.total > 0, values.first_rank(self._grouped()), math.nan)

    def _ndcg(self, k: int | None) -> Floats:
        groups, ideal = self._once("gains", self._gains)
        best = ideal.dcg(k)
        return values.dcg(groups, k) / np.where(best > 0, best, 1.0)

    def _gains(self) -> tuple[values.Groups, values.Ideal]:
        """Items where they stand and in the best order, with the gains that nDCG sums."""
        rules, judged = self._rules, self._judged
        own = rules.ndcg_ties if rules.ndcg_ties and self._ties == rules.ties else self._ties
        if rules.graded and rules.below and not self._exponential and own == self._ties:
            return self._grouped(), values.Ideal.of(judged)
        gain = judged.gain if rules.graded else judged.relevant.astype(np.float64)
        if not rules.below:
            gain = np.where(judged.relevant, gain, 0.0)
        judged = judged._replace(gain=ops.exponential(gain) if self._exponential else gain)
        return values.group(judged, own), values.Ideal.of(judged)


def _places(ids: Ints, wanted: Ints) -> Ints:
    """Where each wanted id stands among different ids."""
    if len(ids) and np.array_equal(ids, np.arange(ids[0], ids[0] + len(ids))):
        return np.asarray(wanted - ids[0])
    sorter = np.argsort(ids)
    found: Ints = sorter[np.searchsorted(ids, wanted, sorter=sorter)]
    return found


def _canonical(state: "RankCounts") -> Ints:
    """Queries in order of name where they have names, else of id."""
    ids = state.queries[:, 0]
    if not state.names:
        return np.argsort(ids)
    names = _labels(state, ids)
    return np.array(sorted(range(len(ids)), key=lambda i: (str(names[i]), ids[i])), np.int64)


def _labels(state: "RankCounts", ids: Ints) -> npt.NDArray[Any]:
    if not state.names:
        return ids
    names = {number: name for name, number in state.names.items()}
    return np.array([names.get(i, i) for i in ids.tolist()], object)


def mean(column: Floats) -> float:
    """The mean, rounded once; nan without values."""
    return math.fsum(column.tolist()) / len(column) if len(column) else math.nan
