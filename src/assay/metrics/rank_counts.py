"""RankCounts: where the relevant items of queries stand, and every ranking metric as a view of it.

With R relevant items of a query at ranks p_1 < p_2 < … (ranks from 1, P_i = i / p_i):

    hit@k         1 where p_1 <= k                       recall@k      hit@k, or |p <= k| / R
    precision@k   |p <= k| / k, at any depth              r_precision   |p <= R| / R
    map           mean of Σ P_i / R, at full depth        map@k         the same over p <= k
    mrr, mrr@k    mean of 1 / p_1                         ndcg, ndcg@k  DCG over the best DCG
    bpref         judged pairs in the right order         mean_rank, median_rank   of p_1

All lie in 0..1 and are better higher, ranks excepted. Which recall, which denominator of average
precision, how ties and queries without relevant items are taken: the convention says, see
`rank_conventions.py`. A relevant item that is not in the ranking gives 0; where none of a query
is, its rank is inf. Means are over queries, rounded once, so no order of adding changes a digit.

Source: Manning, Raghavan and Schütze, "Introduction to information retrieval", 2008, chapter 8;
trec_eval. Ties: `_rank_values.py`.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError, MergeError
from assay.core.protocols import DIRECTIONS
from assay.core.resampling import PLACES, Items
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed, summed
from assay.metrics._item_rows import RANK_PLACES, mean_values
from assay.metrics._rank_inputs import (
    GAINS,
    check_counts,
    check_definition,
    check_gains,
    check_rows,
    cuts_of,
    ints,
    level_of,
    named_ids,
    table_of,
)
from assay.metrics._rank_table import ITEMS, RankTable, mean
from assay.metrics.rank_conventions import EMPTY, TIES, convention_named
from assay.ops.groups import check_by, group_codes

__all__ = ["CUTS", "RankCounts"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CUTS = (1, 5, 10)
_QUERY = ("id", "depth", "nonrelevant")
PAIR_COLUMNS = ("query", "above", "before", "after", "unwanted", "gain", "item")


@dataclass(frozen=True, eq=False)
class RankCounts(State):
    """Ranks of the relevant items of queries.

    queries int64 [n, 3]: id; depth, the items ranked for it; judged non-relevant items (-1 where
    that is not known). pairs int64 [p, 7]: query id; items of higher score (-1 where this one was
    not ranked); items of equal score before and after it; judged non-relevant items before it; its
    gain as float64 bits; its id. names: query names that are no integers -> id.
    unranked_queries: judged, but not in the run; unjudged_queries: in the run, but not judged.
    Made by count_ranks, count_rankings or from_pairs.
    """

    made_of_rows: ClassVar[bool] = True  # no totals stand for them where they are many

    queries: Ints = listed(*_QUERY)
    pairs: Ints = listed(*PAIR_COLUMNS)
    unranked_queries: int = summed()
    unjudged_queries: int = summed()
    names: Mapping[str, int] = keyed()
    groups: Mapping[tuple[str, ...], "RankCounts"] = grouped()
    backward: Mapping[tuple[()], "RankCounts"] = grouped()
    by: tuple[str, ...] | None = fixed()
    directions: tuple[str, ...] | None = fixed()
    convention: str | None = fixed()
    ties: str | None = fixed()
    gain: str | None = fixed()
    level: float | None = fixed()
    empty: str | None = fixed()
    k: tuple[int, ...] | None = fixed()

    @classmethod
    def from_pairs(
        cls,
        query_ids: Any,
        offsets: Any,
        item: Any,
        gains: Any,
        above: Any,
        equal_before: Any,
        equal_after: Any,
        depth: Any,
        *,
        k: int | Sequence[int] = CUTS,
        convention: str = "cross-modal",
        ties: str | None = None,
        gain: str = "linear",
        level: float | None = None,
        empty: str | None = None,
        nonrelevant: Any = None,
        nonrelevant_above: Any = None,
        names: Sequence[str | None] | None = None,
        by: Mapping[str, Any] | None = None,
        ordered: bool = False,
        reverse: "RankCounts | None" = None,
        directions: tuple[str, str] = DIRECTIONS,
        unranked_queries: int = 0,
        unjudged_queries: int = 0,
    ) -> "RankCounts":
        """A state of the judged items of n queries.

        query_ids int64 [n], different; the items of query i are offsets[i]:offsets[i + 1] of
        item int64 [p] (different within a query), gains float64 [p] (None: all 1; those not above
        0 are left out), above, equal_before, equal_after int64 [p]: how many of all other items,
        relevant ones included, have a higher score, an equal one and a lower index, an equal one
        and a higher index; above is -1 where an item was not ranked. depth int64 [n] or one
        number: items ranked for each query.
        ties, level, empty: the convention's where None; a relevant item has a gain of at least
        `level`, by default any above 0. gain: "linear", or "exponential" for nDCG with 2^g - 1.
        nonrelevant int64 [n], nonrelevant_above int64 [p]: judged non-relevant items of a query
        (-1 where unknown) and those before an item; known for all queries, there is a bpref.
        names [n]: what queries are called, None of an integer. by: columns [n] whose values group
        the queries.
        ordered: the counts of equal scores are by the order that `ties` names already; else items
        are numbers. reverse: the state of the other direction.

        >>> r = RankCounts.from_pairs([7], [0, 2], [4, 9], None, [0, 2], [0, 0], [0, 0], 10)
        >>> r["map"], r["recall@1"], r.per_item("recall@5").tolist()
        (0.8333333333333333, 1.0, [1.0])
        """
        chosen = convention_named(convention)
        ties = one_of(ties or chosen.ties, "ties", TIES)
        empty = one_of(empty or chosen.empty, "empty", EMPTY)
        cuts = cuts_of(k)
        ids = ints("query_ids", query_ids)
        n = len(ids)
        bounds = ints("offsets", offsets, n + 1)
        p = int(bounds[-1]) if len(bounds) else 0
        if n and (bounds[0] != 0 or np.any(np.diff(bounds) < 0)):
            raise InputError("offsets must begin with 0 and not decrease")
        columns = {"item": item, "above": above, "equal_before": equal_before,
                   "equal_after": equal_after}  # fmt: skip
        items, *counts = (ints(name, column, p) for name, column in columns.items())
        single = np.ndim(depth) == 0
        depths = np.full(n, int(depth)) if single else ints("depth", depth, n)
        if np.unique(ids).size != n:
            raise InputError("query_ids must differ from each other; one occurs twice")
        gained = np.ones(p) if gains is None else np.asarray(gains, np.float64)
        if gained.shape != (p,):
            raise InputError(f"gains must have shape [{p}], got {gained.shape}")
        query = np.repeat(np.arange(n), np.diff(bounds))
        if np.any(np.isnan(gained)):
            bad = int(np.argmax(np.isnan(gained)))
            raise InputError(f"the gain of item {items[bad]} of query {ids[query[bad]]} is NaN")
        check_gains(gained, gain)
        keep = np.flatnonzero(gained > 0)
        check_counts(ids, query[keep], items[keep], [count.take(keep) for count in counts], depths)
        if (nonrelevant is None) != (nonrelevant_above is None):
            raise InputError("nonrelevant and nonrelevant_above go together")
        if ties == "item-descending" and not ordered:
            counts[1], counts[2] = counts[2], counts[1]
        unwanted = np.full(p, -1) if nonrelevant is None else ints("", nonrelevant_above, p)
        unknown = np.full(n, -1) if nonrelevant is None else ints("nonrelevant", nonrelevant, n)
        columns_of_pairs = [ids[query], *counts, unwanted, gained.view(np.int64), items]
        state = cls(
            queries=table_of([ids, depths, unknown]),
            pairs=table_of([column.take(keep) for column in columns_of_pairs]),
            unranked_queries=unranked_queries,
            unjudged_queries=unjudged_queries,
            names=named_ids(names, ids),
            by=(),
            directions=(),
            convention=convention,
            ties=ties,
            gain=one_of(gain, "gain", GAINS),
            level=chosen.level if level is None else level_of(level),
            empty=empty,
            k=cuts,
        )
        state._refuse_empty()
        state = state.grouped_by(by, ids)
        return state if reverse is None else state.with_reverse(reverse, directions)

    def check(self) -> None:
        """Refuse rows that no rankings give, and a definition that there is not."""
        check_definition(self)
        check_rows(self)

    def grouped_by(self, by: Mapping[str, Any] | None, ids: Ints) -> "RankCounts":
        """The same state with that of each group of queries, by columns [n] in order of ids [n]."""
        check_by(by)
        if not by:
            return self
        keys, codes = group_codes(by, len(ids))
        groups = {key: self._chosen(ids[codes == c]) for c, key in enumerate(keys)}
        return replace(self, groups=groups, by=tuple(by))

    def with_reverse(
        self,
        reverse: "RankCounts",
        directions: tuple[str, str] = DIRECTIONS,
        query_ids: Any = None,
    ) -> "RankCounts":
        """The same state with that of the other direction; `directions` are tags of scores.
        query_ids [q]: of the queries, where `reverse` has their rows in place of them."""
        if query_ids is not None:
            pairs = reverse.pairs.copy()
            pairs[:, -1] = query_ids[pairs[:, -1]]
            reverse = replace(reverse, pairs=pairs)
        return replace(self, backward={(): reverse}, directions=tuple(directions))

    def __add__(self, other: Any) -> "RankCounts":
        if type(other) is type(self) and self.reverse and other.reverse:
            common = np.intersect1d(self.reverse.queries[:, 0], other.reverse.queries[:, 0])
            if common.size:
                raise MergeError(
                    f"RankCounts: both rank the queries of gallery row {common[0]}, each among "
                    "its own queries, and such ranks do not add; count all queries at once, or "
                    "without both_directions, or give the rows of other galleries gallery_ids"
                )
        return super().__add__(other)

    @property
    def reverse(self) -> "RankCounts | None":
        """The state of the other direction, or None where only one was counted."""
        return self.backward.get(())

    @property
    def numbers_are_names(self) -> bool:
        """Whether queries have names, which their numbers stand for."""
        return bool(self.names)

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return (
            f"convention:{self.convention}|ties:{self.ties}|gain:{self.gain}"
            f"|relevant:{f'>={self.level:g}' if self.level else '>0'}|empty:{self.empty}"
        )

    @property
    def statement(self) -> str:
        """One line that says what the numbers mean, for under a table of them."""
        chosen = convention_named(self.convention or "cross-modal")
        parts = [f"{self.convention}: {chosen.text}"]
        if self.ties != chosen.ties or self.ties in ("index", "expected"):
            parts.append(TIES[self.ties or "index"])
        if self.gain == "exponential":
            parts.append("nDCG with gain 2^g - 1")
        if self.level and self.level != chosen.level:
            parts.append(f"relevant from a gain of {self.level:g}")
        parts.append(f"queries without relevant items {EMPTY[self.empty or 'skip']}")
        return "; ".join(parts)

    # -- scores --------------------------------------------------------------------------------

    def scores(self) -> list[Score]:
        """The scores of all queries, then of each group; with both directions each has a tag."""
        scores = self.total_scores()
        for key, state in sorted(self.groups.items(), key=lambda group: repr(group[0])):
            tags = dict(zip(self.by or (), map(str, key), strict=True))
            scores += [score.tagged(**tags) for score in state.total_scores()]
        if self.reverse is None or not self.directions:
            return scores
        there, back = self.directions
        return [
            *(score.tagged(direction=there) for score in scores),
            *(score.tagged(direction=back) for score in self.reverse.scores()),
        ]

    def total_scores(self) -> list[Score]:
        """The metrics at every k, then ranks, then how many queries there are."""
        table = self._table
        scores = [
            self._score(name, table.mean(name), "fraction", "higher", table.n)
            for name in table.fractions
        ]
        ranks = table.ranks()
        middle: float = np.median(ranks).item() if len(ranks) else math.nan
        if convention_named(self.convention or "cross-modal").median == "floor":
            middle = middle if not math.isfinite(middle) else float(math.floor(middle))
        counts = {
            "queries": table.n,
            "queries_without_relevant": int(np.count_nonzero(table.total == 0)),
            "unranked_queries": self.unranked_queries,
            "unjudged_queries": self.unjudged_queries,
        }
        return [
            *scores,
            self._score("mean_rank", mean(ranks), "rank", "lower", len(ranks)),
            self._score("median_rank", middle, "rank", "lower", len(ranks)),
            *(self._score(name, count, "queries", None, table.n) for name, count in counts.items()),
        ]

    def __getitem__(self, name: str) -> float:
        table = self._table
        return table.mean(name) if name in table.fractions else super().__getitem__(name)

    @functools.cached_property
    def _table(self) -> RankTable:
        """Values of single queries, grouped once: a state does not change."""
        return RankTable(self)

    def _score(self, name: str, value: float, unit: str, better: Better, n: int) -> Score:
        return Score(name, value, unit, better, n, {}, f"{name}|{self.signature}", provenance())

    # -- single queries ------------------------------------------------------------------------

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value for each query, in order of name where queries have names, else of id.

        name: "id", "query" (its name), "depth", "relevant" (how many), "rank" (of the best
        relevant item: inf where none was ranked, nan where there is none), or a score's name;
        "average_precision" is "map" and "reciprocal_rank" is "mrr", of one query. Queries without
        relevant items are not there under the policy "skip".

        >>> r = RankCounts.from_pairs([3, 2], [0, 1, 2], [0, 0], None, [1, 0], [0, 0], [0, 0], 5)
        >>> r.per_item("id").tolist(), r.per_item("average_precision").tolist()
        ([2, 3], [1.0, 0.5])
        """
        table = self._table
        head, _, tail = name.partition("@")
        means = {item: mean for mean, item in ITEMS.items()}
        asked = means.get(head, head) + (f"@{tail}" if tail else "")
        if name in table.about:
            return table.about[name]()[table.kept]
        if asked not in table.fractions:
            raise InputError(
                f"per_item: no column {name!r}; there are {[*table.about, *table.fractions]}"
            )
        return table.of_queries(asked)

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """All values of single queries as named columns, in the order of per_item()."""
        table = self._table
        columns = {name: column()[table.kept] for name, column in table.about.items()}
        for name in table.fractions:
            head, at, cut = name.partition("@")
            columns[ITEMS.get(head, head) + at + cut] = table.of_queries(name)
        return columns

    @property
    def means(self) -> tuple[str, ...]:
        """The scores that are means over queries."""
        return tuple(self._table.fractions)

    def resampling(self, name: str) -> Items:
        """Queries with their value, in the order of per_item(); see core/resampling.py."""
        return self._table.resampling(name)

    def value_of(self, name: str, totals: Ints) -> Floats:
        """The mean of each row of sums over queries."""
        return mean_values(totals, RANK_PLACES if name == "mean_rank" else PLACES)

    def _chosen(self, ids: Ints) -> "RankCounts":
        """The state of some queries, without what was counted beside them."""
        kept = set(ids.tolist()) if self.names else set()
        return replace(
            self,
            queries=self.queries[np.isin(self.queries[:, 0], ids)],
            pairs=self.pairs[np.isin(self.pairs[:, 0], ids)],
            names={name: number for name, number in self.names.items() if number in kept},
            unranked_queries=0,
            unjudged_queries=0,
        )

    def _refuse_empty(self) -> None:
        if self.empty != "error":
            return
        table = self._table
        if bare := int(np.count_nonzero(table.total == 0)):
            first = table.about["query"]()[table.total == 0].tolist()[0]
            raise InputError(
                f"query {first!r} has no relevant item ({bare} of {len(table.total)} have none); "
                "drop those queries or choose another empty="
            )
