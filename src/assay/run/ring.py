"""The ranks of rows that several processes keep, without gathering them.

1. ids and labels are told to all, so that a row that several ranks have counts once
2. every rank is dealt a stretch of the queries and of the gallery, both in order of id, so that
   ties, which go to the lower row, do not depend on who had which row
3. shards of the gallery go around a ring, twice: for the scores of relevant rows, and to be ranked
   against; a rank holds its own shard, the one it ranks against, and the next one
4. the ranks of all queries are added
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError, SyncError
from assay.core.ragged import rows_of_codes
from assay.core.state import State
from assay.run.counting import definition, function_of
from assay.run.sync import ROOM, add_over_ranks, opened
from assay.run.vectors import Rows, as_tensor
from assay.run.world import World

__all__ = ["SIDES", "Ranking"]

Ints = npt.NDArray[np.int64]
Read = Callable[[], tuple[Rows, Rows]]

SIDES = ("query", "gallery")

_ENTRY = np.dtype([("rows", "<i8"), ("width", "<i8"), ("name", "S24")])
_OF_UPDATE = ("both_directions", "directions", "query_ids", "gallery_ids", "by", "exclude")


class _Side(NamedTuple):
    """One side of all ranks in order of id: ids and labels of all rows, where the stretch of each
    rank ends, and the rows of this rank's own, a tensor."""

    ids: Ints
    labels: Ints
    ends: Ints
    own: Any

    @property
    def sizes(self) -> list[int]:
        return [int(size) for size in np.diff(self.ends)]

    def stretch(self, rank: int) -> slice:
        return slice(int(self.ends[rank]), int(self.ends[rank + 1]))


class Ranking:
    """How queries are ranked, by a count function of a gallery."""

    def __init__(self, count: Any, both: bool, directions: tuple[str, str]) -> None:
        function, options = function_of(count)
        if not hasattr(function, "target_scores"):
            raise InputError(
                f"RetrievalMeter: count must rank a gallery, as count_ranks does, got {count!r}; "
                "for counts of batches there is Meter"
            )
        if own := sorted({*_OF_UPDATE} & options.keys()):
            raise InputError(
                f"RetrievalMeter: {own[0]} of a partial is not of all rows; give both_directions "
                "and directions to RetrievalMeter, and ids to update()"
            )
        self._count, self._targets = count, function.target_scores
        self._metric = {name: options[name] for name in ("metric",) if name in options}
        self._both, self._directions = both, directions

    def alone(self, query: Rows, gallery: Rows) -> State | None:
        """The ranks among the rows of one process."""
        if query.rows is None and gallery.rows is None:
            return None
        _refuse_one_side(len(query.ids), len(gallery.ids))
        relevant = rows_of_codes(query.labels, gallery.labels)
        both: dict[str, Any] = {}
        if self._both:
            both = {"both_directions": True, "directions": self._directions,
                    "gallery_ids": gallery.ids}  # fmt: skip
        state: State = self._count(query.rows, gallery.rows, relevant, query_ids=query.ids, **both)
        return state

    def over(self, world: World, read: Read) -> State | None:
        """The ranks among the rows that all ranks read(); None where none has any."""
        # Ranks that rank otherwise would also pass rows on more or less often.
        ways = f"; {' and '.join(self._directions)}" if self._both else ""
        sides = _dealt(world, read, definition(self._count) + ways)
        if sides is None:
            return None
        query, gallery = sides
        _refuse_one_side(len(query.ids), len(gallery.ids))
        pairs = {"there": (query, gallery)} | ({"back": (gallery, query)} if self._both else {})
        found: dict[str, State | None] = {}
        failures: list[Exception] = []
        for name, (own, other) in pairs.items():
            found[name] = self._around(world, own, other, failures, deep=name == "back")

        def prepare() -> dict[str, State | None]:
            if failures:
                raise failures[0]
            return found

        added = add_over_ranks(world, prepare, "ranks")
        state: Any = added["there"]
        if self._both:
            state = state.with_reverse(added["back"], self._directions, query.ids)
        return state  # type: ignore[no-any-return]

    def _around(
        self,
        world: World,
        own: _Side,
        other: _Side,
        failures: list[Exception],
        *,
        deep: bool,
    ) -> State | None:
        """The ranks of this rank's stretch of `own` in all of `other`. After a failure the shards
        still go around, since other ranks wait for them."""
        mine = own.stretch(world.rank)
        queries, ids = own.own, own.ids[mine]
        relevant = rows_of_codes(own.labels[mine], other.labels)
        targets, total = None, None
        for step in ("targets", "ranks"):
            for rank, shard in world.around(other.own, other.sizes):
                if failures or not len(ids) or not len(shard):
                    continue
                at: dict[str, Any] = {"gallery_offset": int(other.ends[rank]), "query_ids": ids}
                try:
                    if step == "targets":
                        found = self._targets(queries, shard, relevant, **self._metric, **at)
                        targets = found if targets is None else np.fmax(targets, found)
                    else:
                        found = self._count(queries, shard, relevant, target_scores=targets, **at)
                        total = found if total is None else total + found
                except Exception as error:
                    failures.append(error)
        if failures or total is None:
            return None
        try:
            state: State = total.finish(rows=len(other.ids), deep=deep)
        except Exception as error:
            failures.append(error)
            return None
        return state


def _dealt(world: World, read: Read, how: str) -> tuple[_Side, _Side] | None:
    """Both sides; None where no rank has rows. how: what ranks must agree on."""
    sides: tuple[Rows, ...] = ()
    failure: BaseException | None = None
    entries = np.zeros(ROOM, _ENTRY)
    try:
        sides = tuple(map(as_tensor, read()))
        entries[:2] = [_entry(side) for side in sides]
    except Exception as error:  # told to the others first
        failure = error
    told = opened(world, (how,), "embeddings", failure, entries)[:, :2]
    if not told["rows"].any():
        return None
    _refuse_types(told)
    sizes = (2 * told["rows"].sum(axis=1)).tolist()
    named = np.concatenate([column for side in sides for column in side[1:]])
    parts = [
        np.split(part, np.cumsum(np.repeat(row, 2))[:-1])
        for part, row in zip(world.gather(named, sizes), told["rows"], strict=True)
    ]  # [ranks]: ids and labels of queries, then of the gallery
    width = int(told["width"].max())
    own_type = next((side.rows for side in sides if side.rows is not None), None)
    like = _like(told, own_type)
    query, gallery = (
        _side(world, side, [p[at] for p in parts], [p[at + 1] for p in parts], width, like)
        for side, at in zip(sides, (0, 2), strict=True)
    )
    return query, gallery


def _side(
    world: World, own: Rows, ids: list[Ints], labels: list[Ints], width: int, like: Any
) -> _Side:
    """Deal the rows of one side: each id once, of the first rank that has it."""
    known, first = np.unique(np.concatenate(ids), return_index=True)
    owner = np.repeat(np.arange(world.size), [len(part) for part in ids])[first]
    ends = np.array([len(known) * rank // world.size for rank in range(world.size + 1)])
    mine = np.flatnonzero(owner == world.rank)
    place = np.searchsorted(own.ids, known[mine])
    rows = like.new_zeros((0, width)) if own.rows is None else own.rows[place]
    sent = np.diff(np.searchsorted(mine, ends)).tolist()
    owners = owner[ends[world.rank] : ends[world.rank + 1]]
    got = np.bincount(owners, minlength=world.size).tolist()
    dealt = world.deal(rows, sent, got)
    back = np.argsort(np.argsort(owners, kind="stable"), kind="stable")
    return _Side(known, np.concatenate(labels)[first], ends, dealt[back.tolist()])


def _refuse_one_side(queries: int, rows: int) -> None:
    if not queries or not rows:
        raise InputError(f"RetrievalMeter: there are {queries} queries and {rows} gallery rows")


def _entry(side: Rows) -> tuple[int, int, bytes]:
    if side.rows is None:
        return 0, 0, b""
    name = str(side.rows.dtype).removeprefix("torch.")
    return len(side.ids), side.rows.shape[1], name.encode()


def _refuse_types(told: npt.NDArray[Any]) -> None:
    """Rows of all ranks and both sides have one width and type."""
    known = {
        (int(entry["width"]), entry["name"].decode()): rank
        for rank, row in reversed([*enumerate(told)])
        for entry in row
        if entry["rows"]
    }
    if len(known) > 1:
        (a, first), (b, second), *_ = known.items()
        raise SyncError(
            f"sync: embeddings of rank {first} are {a[1]} of width {a[0]}, those of rank {second} "
            f"{b[1]} of width {b[0]}; they must be alike on all ranks and both sides"
        )


def _like(told: npt.NDArray[Any], own: Any) -> Any:
    """A tensor of the type that the ranks with rows have."""
    if own is not None:
        return own
    import torch

    name = next(name for name in told["name"].reshape(-1).tolist() if name)
    return torch.zeros(0, dtype=getattr(torch, name.decode()))
