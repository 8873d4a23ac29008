"""PartialRanks: counts of one part of a gallery, which add up to those of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.core.score import Score
from assay.core.state import State, fixed, listed, summed
from assay.metrics._rankings import unwanted_of
from assay.metrics.rank_conventions import convention_named
from assay.metrics.rank_counts import RankCounts
from assay.metrics.relevance import Relevance

__all__ = ["PartialRanks"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DEFINITION = ("k", "convention", "ties", "gain", "level", "empty")


@dataclass(frozen=True, eq=False)
class PartialRanks(State):
    """Counts of one shard of a gallery; those of all shards add up to the whole, see finish().

    above, equal_before, equal_after: int64 [p], rows of the shards against each relevant pair.
    held, excluded: int64 [p], shards that hold the pair's row, and that found it excluded.
    depth: int64 [q], rows there were for each query. rows: those of the shards.
    back: int64 [3, p], the same counts of queries against each pair, where both directions were
    asked; row_depths int64 [rows, 2]: then each gallery row, and queries there were for it.
    query_ids int64 [q] and pairs int64 [p, 4] (which query, gallery row, gain and canonical score
    as float64 bits) are the same for all shards, as is the definition.
    """

    above: Any = summed()
    equal_before: Any = summed()
    equal_after: Any = summed()
    held: Any = summed()
    excluded: Any = summed()
    depth: Any = summed()
    rows: int = summed()
    back: Any = summed()
    row_depths: Ints = listed("row", "depth")
    query_ids: Ints | None = fixed()
    pairs: Ints | None = fixed()
    graded: bool | None = fixed()
    metric: str | None = fixed()
    directions: tuple[str, str] | None = fixed()
    k: tuple[int, ...] | None = fixed()
    convention: str | None = fixed()
    ties: str | None = fixed()
    gain: str | None = fixed()
    level: float | None = fixed()
    empty: str | None = fixed()

    def total_scores(self) -> list[Score]:
        """None before finish(): ranks are known when all shards are added."""
        return []

    def finish(self, *, by: Mapping[str, Any] | None = None) -> RankCounts:
        """The ranks, when all shards are added; `by` groups the queries, as in count_ranks.

        InputError where shards are missing, or one was added twice.
        """
        if self.pairs is None or self.query_ids is None:
            raise InputError("finish: no shard of the gallery was added")
        query, item, gain, _ = self.pairs.T
        self._check_shards(query, item)
        n = len(self.query_ids)
        kept = np.flatnonzero(np.asarray(self.excluded) == 0)
        query, item = query[kept], item[kept]
        gains = np.ascontiguousarray(gain[kept]).view(np.float64) if self.graded else None
        own = Relevance(Ragged.from_lengths(item, np.bincount(query, minlength=n)), gains)
        counts = [side[kept] for side in (self.above, self.equal_before, self.equal_after)]
        state = self._state(self.query_ids, own, counts, self.depth, by)
        if self.directions is None:
            return state
        back, order = _turned(own, query, self.query_ids, self.rows)
        counts = list(self.back[:, kept][:, order])
        depth = np.empty(self.rows, np.int64)
        depth[self.row_depths[:, 0]] = self.row_depths[:, 1]
        reverse = self._state(np.arange(self.rows), back, counts, depth, None)
        return state.with_reverse(reverse, self.directions)

    def _check_shards(self, query: Ints, item: Ints) -> None:
        ids = self.query_ids
        held = np.asarray(self.held)
        wrong = np.flatnonzero((held != 1) | (item >= self.rows))
        if wrong.size and ids is not None:
            at = wrong[0]
            raise InputError(
                f"finish: row {item[at]}, relevant to query {ids[query[at]]}, is in {held[at]} of "
                f"the shards added, which have {self.rows} rows; add each shard once"
            )
        if self.directions is not None and not np.array_equal(
            np.sort(self.row_depths[:, 0]), np.arange(self.rows)
        ):
            raise InputError(f"finish: the shards added are not the rows 0..{self.rows - 1}")

    def _state(
        self, ids: Ints, own: Relevance, counts: list[Ints], depth: Any, by: Any
    ) -> RankCounts:
        known = {name: getattr(self, name) for name in DEFINITION}
        definition = {name: value for name, value in known.items() if value is not None}
        if own.gains is not None:
            definition |= self._unwanted(own, own.gains, counts)
        above, before, after = counts
        return RankCounts.from_pairs(
            ids, own.rows.offsets, own.rows.values, own.gains, above, before, after, depth,
            by=by, **definition,
        )  # fmt: skip

    def _unwanted(self, own: Relevance, gains: Floats, counts: list[Ints]) -> dict[str, Any]:
        """Judged rows that are not relevant: of each query, and better than each pair."""
        chosen = convention_named(self.convention or "cross-modal")
        downwards = (self.ties or chosen.ties) == "item-descending"
        unwanted = unwanted_of(gains, chosen.level if self.level is None else self.level)
        rows = np.repeat(np.arange(len(own.rows)), own.rows.lengths)
        order = np.lexsort((counts[0] + counts[2 if downwards else 1], rows))
        before = np.concatenate([[0], np.cumsum(unwanted[order])])
        first = np.searchsorted(rows[order], np.arange(len(own.rows)))
        above = np.empty(len(rows), np.int64)
        above[order] = before[:-1] - before[first[rows[order]]]
        of_query = np.bincount(rows[unwanted], minlength=len(own.rows))
        return {"nonrelevant": of_query, "nonrelevant_above": above}


def _turned(own: Relevance, query: Ints, ids: Ints, g: int) -> tuple[Relevance, Ints]:
    """The pairs as those of gallery rows, and the place of each in the order of queries."""
    order = np.lexsort((query, own.rows.values))
    lengths = np.bincount(own.rows.values, minlength=g)
    gains = None if own.gains is None else own.gains[order]
    return Relevance(Ragged.from_lengths(ids[query[order]], lengths), gains), order
