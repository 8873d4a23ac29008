"""RetrievalMeter: embeddings of a loop, ranked when all of them are there.

Ranks of a batch are no ranks in the gallery, so embeddings are kept. Over several ranks of
torch.distributed:

1. ids and labels are told to all, so that a row that several ranks have counts once
2. every rank is dealt a stretch of the queries and of the gallery, both in order of id, so that
   ties, which go to the lower row, do not depend on who had which row
3. shards of the gallery go around a ring, twice: for the scores of relevant rows, and to be ranked
   against; a rank holds its own shard, the one it ranks against, and the next one
4. the ranks of all queries are added
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError, SyncError
from assay.core.protocols import GalleryCount
from assay.core.ragged import Ragged
from assay.core.score import Score, flatten
from assay.core.state import State
from assay.run.sync import ROOM, add_over_ranks, digest, opened
from assay.run.tally import function_of
from assay.run.vectors import STORES, Rows, Vectors, relevant_rows
from assay.run.world import TIMEOUT_S, World

__all__ = ["RetrievalMeter"]

Ints = npt.NDArray[np.int64]

DIRECTIONS = ("query_to_gallery", "gallery_to_query")
SIDES = ("query", "gallery")

_ENTRY = np.dtype([("rows", "<i8"), ("width", "<i8"), ("type", "<i8"), ("name", "S24")])


class RetrievalMeter:
    """Keeps the embeddings of a loop and ranks all of them in compute(), over all ranks.

    count: count_ranks, or a functools.partial with its metric, k, convention, ….
    store: "host", host memory in the type they came in, or "bfloat16", rounded, on the device they
        came on: half the memory, and ranks of the rounded ones.
    both_directions, directions: as count_ranks. prefix, tags, sync, group, timeout_s: as Meter.

    A gallery row is relevant to the queries of its label. Labels are ids by default, so pairs need
    neither: row i of the query batch belongs to row i of the gallery batch.

    Ranks and scores have the same digits on any number of processes. The whole gallery is on no
    rank; of memory, a rank needs its share of both sides and two shards more.

    >>> import assay
    >>> meter = RetrievalMeter(assay.count_ranks, prefix="val_")
    >>> meter.update(np.eye(3), np.array([[1, 0.2, 0], [0, 0.1, 1], [0.1, 0.9, 0.2]]))
    >>> round(meter.compute()["val_recall_at_1"], 4)
    0.3333
    """

    def __init__(
        self,
        count: GalleryCount | Callable[..., Any],
        *,
        store: str = "host",
        both_directions: bool = False,
        directions: tuple[str, str] = DIRECTIONS,
        prefix: str = "",
        tags: Mapping[str, str] | None = None,
        sync: bool = True,
        group: Any = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._count: Any = count
        function, options = function_of(count)
        if not hasattr(function, "target_scores"):
            raise InputError(
                f"RetrievalMeter: count must rank a gallery, as count_ranks does, got {count!r}; "
                "for counts of batches there is Meter"
            )
        if own := sorted({"both_directions", "directions", "query_ids", "gallery_ids", "by",
                          "exclude"} & options.keys()):  # fmt: skip
            raise InputError(
                f"RetrievalMeter: {own[0]} of a partial is not of all rows; give both_directions "
                "and directions to RetrievalMeter, and ids to update()"
            )
        self._targets = function.target_scores
        self._metric = {name: options[name] for name in ("metric",) if name in options}
        self._store = one_of(store, "store", STORES)
        self._both, self._directions = both_directions, directions
        self.prefix, self.tags = prefix, dict(tags or {})
        self._sync, self._group, self._timeout_s = sync, group, timeout_s
        self.reset()

    def reset(self) -> None:
        """Forget all embeddings."""
        self._query, self._gallery = (Vectors(side, self._store) for side in SIDES)

    def update(
        self,
        query: Any = None,
        gallery: Any = None,
        *,
        ids: Any = None,
        query_ids: Any = None,
        gallery_ids: Any = None,
        query_labels: Any = None,
        gallery_labels: Any = None,
    ) -> None:
        """Keep a batch of query [n, d], of gallery [m, d], or of both.

        ids: integers [n], of both sides where they are pairs; else query_ids and gallery_ids. A row
        counts once for its id, however often it comes and on whatever rank; without ids rows are
        numbered, on one process only. query_labels, gallery_labels: integers; by default the ids.
        Five captions a clip: update(captions, clips, query_ids=caption_ids, gallery_ids=clip_ids,
        query_labels=clip_ids).
        """
        if query is None and gallery is None:
            raise InputError("update: give query, gallery or both")
        if query is not None:
            own = ids if query_ids is None else query_ids
            self._query.add(query, own, query_labels)
        if gallery is not None:
            own = ids if gallery_ids is None else gallery_ids
            self._gallery.add(gallery, own, gallery_labels)

    def synced(self) -> State | None:
        """The ranks of all queries in the whole gallery; None without any rows."""
        world = World.of(self._group, self._timeout_s) if self._sync else None
        if world is None:
            return self._alone(self._query.read(), self._gallery.read())
        world.meet()
        return _Ranking(world, self._count, self._targets, self._metric).state(
            self._read, self._both, self._directions
        )

    def _read(self) -> tuple[Rows, Rows]:
        if self._query.numbered or self._gallery.numbered:
            raise InputError(
                "RetrievalMeter: with several ranks rows need ids, the same for a row wherever it "
                "is; give ids= in update()"
            )
        return self._query.read(), self._gallery.read()

    def _alone(self, query: Rows, gallery: Rows) -> State | None:
        if query.rows is None and gallery.rows is None:
            return None
        _refuse_one_side(len(query.ids), len(gallery.ids))
        relevant = Ragged.from_lengths(*relevant_rows(query.labels, gallery.labels))
        both: dict[str, Any] = {}
        if self._both:
            both = {"both_directions": True, "directions": self._directions,
                    "gallery_ids": gallery.ids}  # fmt: skip
        state: State = self._count(query.rows, gallery.rows, relevant, query_ids=query.ids, **both)
        return state

    def scores(self) -> list[Score]:
        """The scores of synced(), with the meter's tags."""
        state = self.synced()
        return [] if state is None else [score.tagged(**self.tags) for score in state.scores()]

    def compute(self) -> dict[str, float]:
        """The scores of synced() under flat names; empty without any rows."""
        return flatten(self.scores(), self.prefix)


def _refuse_one_side(queries: int, rows: int) -> None:
    if not queries or not rows:
        raise InputError(f"RetrievalMeter: there are {queries} queries and {rows} gallery rows")


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


class _Ranking:
    """Both sides of all ranks, dealt and ranked."""

    def __init__(
        self, world: World, count: Any, targets: Any, metric: Mapping[str, Any]
    ) -> None:  # fmt: skip
        self._world, self._count, self._targets, self._metric = world, count, targets, metric

    def state(
        self, read: Callable[[], tuple[Rows, Rows]], both: bool, directions: tuple[str, str]
    ) -> State | None:
        """The ranks of all queries, and those of the other direction."""
        sides = self._dealt(read)
        if sides is None:
            return None
        query, gallery = sides
        _refuse_one_side(len(query.ids), len(gallery.ids))
        ways = {"there": (query, gallery)} | ({"back": (gallery, query)} if both else {})
        found: dict[str, State | None] = {}
        failures: list[Exception] = []
        for name, (own, other) in ways.items():
            found[name] = self._around(own, other, failures, deep=name == "back")

        def prepare() -> dict[str, State | None]:
            if failures:
                raise failures[0]
            return found

        added = add_over_ranks(self._world, prepare, "ranks")
        state: Any = added["there"]
        return state.with_reverse(added["back"], directions) if both else state  # type: ignore[no-any-return]

    def _dealt(self, read: Callable[[], tuple[Rows, Rows]]) -> tuple[_Side, _Side] | None:
        """Both sides; None where no rank has rows."""
        world = self._world
        sides: tuple[Rows, ...] = ()
        failure: BaseException | None = None
        entries = np.zeros(ROOM, _ENTRY)
        try:
            sides = tuple(map(_as_tensor, read()))
            entries[:2] = [_entry(side) for side in sides]
        except Exception as error:  # told to the others first
            failure = error
        told = opened(world, SIDES, "embeddings", failure, entries)[:, :2]
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
            self._side(sides[i], [part[2 * i] for part in parts],
                       [part[2 * i + 1] for part in parts], width, like)
            for i in range(2)
        )  # fmt: skip
        return query, gallery

    def _side(
        self, own: Rows, ids: list[Ints], labels: list[Ints], width: int, like: Any
    ) -> _Side:  # fmt: skip
        """Deal the rows of one side: each id once, of the first rank that has it."""
        world = self._world
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

    def _around(
        self, own: _Side, other: _Side, failures: list[Exception], *, deep: bool
    ) -> State | None:
        """The ranks of this rank's stretch of `own` in all of `other`. After a failure the shards
        still go around, since other ranks wait for them."""
        world = self._world
        mine = own.stretch(world.rank)
        queries, ids = own.own, own.ids[mine]
        relevant = Ragged.from_lengths(*relevant_rows(own.labels[mine], other.labels))
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


def _as_tensor(side: Rows) -> Rows:
    if not isinstance(side.rows, np.ndarray):
        return side
    import torch

    return side._replace(rows=torch.from_numpy(np.ascontiguousarray(side.rows)))


def _entry(side: Rows) -> tuple[int, int, int, bytes]:
    if side.rows is None:
        return 0, 0, 0, b""
    name = str(side.rows.dtype).removeprefix("torch.")
    return len(side.ids), side.rows.shape[1], digest(name), name.encode()


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
