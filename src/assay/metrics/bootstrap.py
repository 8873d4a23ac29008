"""Two states that carry what intervals need through a sum of shards, in memory that does not grow.

    PoissonBootstrap   sums of every resample: an item's weight is a hash of (seed, replicate, id),
                       so a resample of the whole is the sum of those of its parts
    Bags               sums of bags of items, dealt to 8,191 bags in turn; intervals draw bags

Both are the same, to the last digit, however the items were cut into parts, and both answer
`interval()`. The first costs its resamples for every item; the second an addition, and up to 8,191
items it is the bootstrap of single items. Of more, a bag holds items that stand far apart, whose
sum varies as theirs do: with 8,191 bags the width found is off by about one percent (half the
square root of 2 / 8,191), less than 1,000 resamples leave open. The number is prime, so that no
period of the data falls into step with it. A score that is no function of sums (a median rank, an
area under a curve) has neither.

Source: Chamandy et al., "Estimating uncertainty for massive data streams", Google 2012; random
groups: Wolter, "Introduction to variance estimation", 2007, chapter 2.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.resampling import Items, Replicates
from assay.core.score import Score, provenance
from assay.core.state import State, fixed, grouped, summed
from assay.metrics._item_rows import EDIT_COLUMNS, add_edits
from assay.ops import resample
from assay.ops.groups import group_codes
from assay.ops.rankings import stable_id

__all__ = ["BAGS", "Bags", "PoissonBootstrap", "fill_bags", "poisson_bootstrap"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Made = TypeVar("Made")

BAGS = 8_191


@dataclass(frozen=True, eq=False)
class _Sums(State):
    """Sums of the columns of items, and the definition of the scores they are for.

    items: how many. metrics: the scores, whose columns are starts[i]:stops[i]. definition: the
    counted state without its counts.
    """

    items: int = summed()
    metrics: tuple[str, ...] | None = fixed()
    starts: tuple[int, ...] | None = fixed()
    stops: tuple[int, ...] | None = fixed()
    definition: Mapping[tuple[()], Any] = grouped()

    def check(self) -> None:
        """Refuse scores without columns."""
        spans = [self.starts or (), self.stops or (), self.metrics or ()]
        if len({*map(len, spans)}) > 1:
            raise InputError(f"{self.metrics} are of columns {self.starts} to {self.stops}")
        super().check()

    def total_scores(self) -> list[Score]:
        """The scores these are for."""
        if not self.definition:
            return []
        definition = self.definition[()]
        known = {score.name: score for score in definition.total_scores()}
        scores = []
        for name in self.metrics or ():
            # A score may be known by its items only, which are not here.
            signature = f"{name}|{getattr(definition, 'signature', '')}"
            plain = Score(name, 0.0, "fraction", "higher", 0, {}, signature, provenance())
            value = self._value(name)
            scores.append(replace(known.get(name, plain), value=value, n=self.items))
        return scores

    def scores(self) -> list[Score]:
        """Those of the total; `definition` is no group."""
        return self.total_scores()

    def value_of(self, name: str, totals: Ints) -> Floats:
        """The score of each row of totals; see core/resampling.py."""
        values: Floats = self.definition[()].value_of(name, totals)
        return values

    def _value(self, name: str) -> float:
        return float(self.value_of(name, self.whole()[None, self._of(name)])[0])

    def whole(self) -> Ints:
        """The sums of all items, int64 [C]."""
        raise NotImplementedError

    def _of(self, name: str) -> slice:
        if name not in (self.metrics or ()):
            raise InputError(f"no interval of {name!r}: these are of {list(self.metrics or ())}")
        at = (self.metrics or ()).index(name)
        return slice((self.starts or ())[at], (self.stops or ())[at])


@dataclass(frozen=True, eq=False)
class PoissonBootstrap(_Sums):
    """Sums of resamples: totals int64 [resamples, C], and of the items once each, columns int64
    [C]. Made by poisson_bootstrap()."""

    columns: Any = summed()
    totals: Any = summed()
    resamples: int | None = fixed()
    seed: int | None = fixed()

    def check(self) -> None:
        """Refuse totals that are not of these columns."""
        if np.shape(self.totals)[1:] != np.shape(self.columns):
            raise InputError(f"totals have shape {np.shape(self.totals)}")
        super().check()

    def whole(self) -> Ints:
        """The sums of all items."""
        return np.asarray(self.columns, np.int64)

    def resampling(self, name: str) -> Replicates:
        """The totals of one score."""
        return Replicates(self.totals[:, self._of(name)], self.seed or 0, self.items)


@dataclass(frozen=True, eq=False)
class Bags(_Sums):
    """Sums of bags: sums int64 [C, 8191]; filled[i]: items in bag i. Made by fill_bags()."""

    sums: Any = summed()
    filled: Any = summed(BAGS)

    def whole(self) -> Ints:
        """The sums of all items."""
        return np.asarray(np.sum(self.sums, axis=1), np.int64)

    def resampling(self, name: str) -> Items:
        """The bags that hold anything, as items."""
        table = self._of(name)
        filled = np.asarray(self.filled) > 0
        return Items(np.asarray(self.sums)[table, filled].T, table=f"{table.start}:{table.stop}")

    def shifted(self, first: int) -> "Bags":
        """The same with items numbered from `first`."""
        by = first % BAGS
        return replace(self, sums=np.roll(self.sums, by, 1), filled=np.roll(self.filled, by))


def poisson_bootstrap(
    state: Any,
    metrics: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    cluster: Any = None,
) -> PoissonBootstrap:
    """Resampled sums of a state's items, to be added to those of other shards.

    metrics: scores that are functions of sums. cluster: n values, one an item in the order of
    per_item(): items of one value, in whichever shard, are weighted together. Ids must differ
    between shards, as when states with items are added. InputError for a state without items, and
    for a score that is no function of sums. Source: Chamandy et al., 2012 (Poisson weights).

    >>> from assay.metrics.intervals import interval
    >>> from assay.metrics.words import count_words
    >>> refs, hyps, ids = ["a b", "c d", "e f"], ["a b", "c x", "y z"], [0, 1, 2]
    >>> parts = [
    ...     poisson_bootstrap(count_words(refs[s], hyps[s], items=True, ids=ids[s]), ["wer"])
    ...     for s in (slice(0, 1), slice(1, 3))
    ... ]
    >>> i = interval(sum(parts), "wer")
    >>> i.value, i.low, i.high, i.method
    (0.5, 0.0, 1.0, 'poisson')
    """
    tables, common = _tables(state, metrics, lambda items: (items.ids, items.columns))
    ids = next(iter(tables.values()))[0]
    columns = np.concatenate([own for _, own in tables.values()], axis=1)
    if cluster is not None:
        keys, codes = group_codes({"cluster": cluster}, len(columns))
        ids = np.array([stable_id(key[0]) for key in keys], np.int64)[codes]
    if ids is None:
        raise InputError("poisson_bootstrap: items have no ids to weight them by")
    totals = resample.poisson_totals(ids, columns, resamples, seed)
    sums = columns.sum(axis=0)
    return PoissonBootstrap(
        **common, totals=totals, columns=sums, resamples=int(resamples), seed=int(seed)
    )


def fill_bags(state: Any, metrics: Sequence[str], first: int = 0) -> Bags:
    """The items of a state in bags, the first of them number `first` of all shards.

    >>> from assay.metrics.intervals import interval
    >>> from assay.metrics.words import count_words
    >>> bags = fill_bags(count_words(["a b", "c d"], ["a b", "c x"], items=True), ["wer"])
    >>> interval(bags, "wer").high
    0.5
    """
    first = whole(first, "first", 0)
    tables, common = _tables(state, metrics, lambda items: _dealt(items.columns, first))
    filled = np.zeros(BAGS, np.int64)
    for start, stop, at in _turns(common["items"], first):
        filled[at : at + stop - start] += 1
    return Bags(**common, sums=np.concatenate(list(tables.values())), filled=filled)


def _dealt(columns: Ints, first: int) -> Ints:
    """Sums [C, BAGS] of the columns [n, C] of items."""
    sums = np.zeros((columns.shape[1], BAGS), np.int64)
    for start, stop, at in _turns(len(columns), first):
        sums[:, at : at + stop - start] += columns[start:stop].T
    return sums


def _turns(n: int, first: int) -> Iterator[tuple[int, int, int]]:
    """Runs start:stop of n items that go to different bags, from bag `at` on."""
    start, at = 0, first % BAGS
    while start < n:
        stop = min(n, start + BAGS - at)
        yield start, stop, at
        start, at = stop, 0


def edit_bags(state: Any, edits: Any, kept: Any, metrics: Sequence[str]) -> Bags:
    """The same of edits (those kept) that were counted as `state`, without rows in between."""
    n = len(edits.distance) if isinstance(kept, slice) else len(kept)
    sums, filled = np.zeros((EDIT_COLUMNS, BAGS), np.int64), np.zeros(BAGS, np.int64)
    for start, stop, at in _turns(n, 0):
        part = slice(start, stop) if isinstance(kept, slice) else kept[start:stop]
        add_edits(sums[:, at : at + stop - start], *edits.columns(part))
        filled[at : at + stop - start] += 1
    spans = dict.fromkeys(metrics, (0, EDIT_COLUMNS))
    return Bags(**_common(state, n, spans), sums=sums, filled=filled)


def _tables(
    state: Any, metrics: Sequence[str], make: Callable[[Items], Made]
) -> tuple[dict[str, Made], dict[str, Any]]:
    """What is made of each table of columns, side by side, and what both states hold."""
    tables: dict[str, Made] = {}
    spans: dict[str, tuple[int, int]] = {}
    of_tables: dict[str, tuple[int, int]] = {}
    width, sizes = 0, set()
    if isinstance(metrics, str) or not np.iterable(metrics):
        raise InputError(f"metrics must be names of scores, got {metrics!r}")
    if not hasattr(state, "resampling"):
        raise InputError(f"{type(state).__name__} does not tell of its items")
    for name in metrics:
        items = state.resampling(name)
        if not isinstance(items, Items) or items.counts is not None:
            raise InputError(f"{name}: its items have no columns that could be added up")
        if items.weight is not None:
            raise InputError(f"{name}: items with weights are not added up over shards")
        table = items.table or name
        if table not in tables:
            tables[table] = make(items)
            of_tables[table] = (width, width := width + items.columns.shape[1])
            sizes.add(len(items.columns))
        spans[name] = of_tables[table]
    if not tables:
        raise InputError("metrics must name a score at least, got none")
    if len(sizes) > 1:
        raise InputError(f"{list(metrics)} are not of the same items; take them one by one")
    return tables, _common(state, sizes.pop(), spans)


def _common(state: Any, items: int, spans: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    kept = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)
            if f.metadata["kind"] == "fixed"}  # fmt: skip
    return {
        "items": items,
        "definition": {(): type(state)(**kept)},
        "metrics": tuple(spans),
        "starts": tuple(start for start, _ in spans.values()),
        "stops": tuple(stop for _, stop in spans.values()),
    }
