"""PartialRanks: counts of one part of a gallery, which add up to those of the whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError, MergeError
from assay.core.ragged import Ragged
from assay.core.score import Score
from assay.core.state import State, fixed, listed, summed
from assay.metrics._rank_inputs import DEEPEST, check_definition
from assay.metrics._rankings import unwanted_of
from assay.metrics.rank_conventions import convention_named
from assay.metrics.rank_counts import CUTS, RankCounts
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
    depth: int64 [q], rows there were for each query. shards int64 [s, 2]: the first row of each,
    and how many it has.
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
    shards: Ints = listed("first", "rows")
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

    def check(self) -> None:
        """Refuse arrays that are not of one size, and a definition that there is not."""
        pairs = np.zeros((0, 4), np.int64) if self.pairs is None else self.pairs
        ids = np.zeros(0, np.int64) if self.query_ids is None else self.query_ids
        q = len(ids) if ids.ndim == 1 else -1
        if pairs.shape[1:] != (4,) or q < 0:
            raise InputError(f"shapes {pairs.shape} and {ids.shape} are not [p, 4] and [q]")
        if np.any((pairs[:, 0] < 0) | (pairs[:, 0] >= q)) or np.any(np.diff(pairs[:, 0]) < 0):
            raise InputError(f"pairs must be of {q} queries, in order")
        sizes = dict.fromkeys(
            ("above", "equal_before", "equal_after", "held", "excluded"), pairs[:, 0]
        )
        back = pairs[:, :3].T if self.directions else np.int64(0)
        for name, like in {**sizes, "back": back, "depth": ids}.items():
            shape = () if self.pairs is None else like.shape
            if np.shape(getattr(self, name)) != shape:
                raise InputError(f"{name} must have shape {shape}")
        if np.any((self.shards < 0) | (self.shards > DEEPEST)):
            raise InputError("shards are no rows of a gallery")
        if self.directions is not None:
            self._check_row_depths()
        check_definition(self)

    def _check_row_depths(self) -> None:
        rows = np.sort(self.row_depths[:, 0])
        if len(rows) == self.rows:
            there = [np.arange(first, first + n) for first, n in self.shards.tolist()]
            if np.array_equal(rows, np.sort(np.concatenate([rows[:0], *there]))):
                return
        raise InputError(f"{len(rows)} rows have a depth, which are not those of the shards")

    def __add__(self, other: Any) -> "PartialRanks":
        if type(other) is type(self):
            common = np.intersect1d(self.shards[:, 0], other.shards[:, 0])
            if common.size:
                raise MergeError(
                    f"PartialRanks: the shard that begins with row {common[0]} was added already"
                )
        return super().__add__(other)

    @property
    def rows(self) -> int:
        """Gallery rows of the shards."""
        return int(self.shards[:, 1].sum())

    def total_scores(self) -> list[Score]:
        """None before finish(): ranks are known when all shards are added."""
        return []

    def finish(
        self,
        *,
        by: Mapping[str, Any] | None = None,
        gallery_ids: Any = None,
        rows: int | None = None,
        deep: bool = False,
    ) -> RankCounts:
        """The ranks, when all shards are added; `by` and `gallery_ids` as in count_ranks.

        rows: how many the whole gallery has. InputError where shards are missing, overlap, or have
        another number of rows; shards missing at the end are seen with `rows` only, or where a
        relevant row is among them. deep: k may be beyond the gallery, as it may for `.reverse`.
        """
        if self.pairs is None or self.query_ids is None:
            raise InputError("finish: no shard of the gallery was added")
        query, item, gain, _ = self.pairs.T
        self._check_shards(query, item, rows, deep)
        n = len(self.query_ids)
        kept = np.flatnonzero(np.asarray(self.excluded) == 0)
        query, item = query[kept], item[kept]
        gains = np.ascontiguousarray(gain[kept]).view(np.float64) if self.graded else None
        own = Relevance(Ragged.from_lengths(item, np.bincount(query, minlength=n)), gains)
        counts = [side[kept] for side in (self.above, self.equal_before, self.equal_after)]
        state = self._state(self.query_ids, own, counts, self.depth, by)
        if self.directions is None:
            return state
        back, order = own.turned(self.query_ids, self.rows)
        counts = list(self.back[:, kept][:, order])
        depth = np.empty(self.rows, np.int64)
        depth[self.row_depths[:, 0]] = self.row_depths[:, 1]
        numbers = np.arange(self.rows) if gallery_ids is None else np.asarray(gallery_ids)
        if numbers.shape != (self.rows,) or numbers.dtype.kind not in "iu":
            raise InputError(f"gallery_ids must be {self.rows} integers, got {numbers.shape}")
        reverse = self._state(numbers, back, counts, depth, None)
        return state.with_reverse(reverse, self.directions)

    def _check_shards(self, query: Ints, item: Ints, rows: int | None, deep: bool) -> None:
        shards = self.shards[np.argsort(self.shards[:, 0], kind="stable")]
        ends = np.append(0, shards.sum(axis=1))
        wrong = np.flatnonzero(shards[:, 0] != ends[:-1])
        if wrong.size:
            at = int(wrong[0])
            raise InputError(
                f"finish: a shard begins with row {shards[at, 0]} where {ends[at]} is next; add "
                "each shard of the gallery, once"
            )
        known = deep or self.k is None or self.k == CUTS
        if not known and max(self.k or (), default=0) > self.rows:
            raise InputError(
                f"k: {max(self.k or ())} is more than the {self.rows} rows of the gallery"
            )
        if rows is not None and rows != self.rows:
            raise InputError(f"finish: the shards added have {self.rows} rows of {rows}")
        held = np.flatnonzero((self.held != 1) | (item < 0) | (item >= self.rows))
        if held.size and self.query_ids is not None:
            at = int(held[0])
            raise InputError(
                f"finish: row {item[at]}, relevant to query {self.query_ids[query[at]]}, is in no "
                f"shard that was added; they have {self.rows} rows"
            )

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
