"""States of all ranks, added: by the kinds of their fields, without knowing a metric.

1. meet       ranks wait for each other, so that a missing one is named instead of waited for
2. opening    one gather of a fixed size: what each rank holds, of which schema and size. A rank
              without a state learns what the others have; ranks that disagree are named on all of
              them, and a rank that failed before says so here instead of leaving the others
3. summed     one reduction of all summed fields of all states
4. the rest   one gather of all other fields, padded to the largest rank's

Where the opening says that rows have ids, these are told next (repeats.py), and 2 comes again.
Every rank then makes the same sum in order of rank, so all have the same digits as one process.
Summed fields whose shapes differ between ranks (a number that nothing was added to, and an array)
are gathered too.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core import state_bytes
from assay.core.errors import MergeError, SyncError
from assay.core.state import State
from assay.run.world import World

__all__ = ["ROOM", "add_over_ranks", "opened"]

Array = npt.NDArray[Any]
States = Mapping[str, State | None]

ROOM = 64  # states an opening has room for; more take another round
VERSION = 1

_ENTRY = np.dtype(
    [("kind", "S24"), ("schema", "<i8"), ("shapes", "<i8"), ("summed", "<i8"), ("rest", "<i8"),
     ("ids", "<i8")]
)  # fmt: skip
_OPENING = np.dtype(
    [("version", "<i8"), ("names", "<i8"), ("failed", "<i8"), ("message", "S240"),
     ("asked", "S64"), ("entries", "u1", 64 * ROOM)]
)  # fmt: skip


class _Packed(NamedTuple):
    """A state on its way. rest: its bytes with the shapes of summed fields in place of them."""

    state: State | None
    summed: Array
    rest: bytes
    entry: tuple[Any, ...]

    @classmethod
    def of(cls, state: State | None) -> "_Packed":
        if state is None:
            return cls(None, np.zeros(0, np.int64), b"", (b"", 0, 0, 0, 0, 0))
        kind, schema, arrays = type(state).__name__, state.schema(), state.to_arrays()
        names = _summed_fields(type(state))
        summed = np.concatenate([np.zeros(0, np.int64), *(arrays[n].reshape(-1) for n in names)])
        shapes = {name: np.array(arrays[name].shape, "<i8") for name in names}
        rest = state_bytes.pack(kind, schema, {**arrays, **shapes})
        told = [shape.tolist() for shape in shapes.values()]
        entry = kind.encode(), digest(schema), digest(told), len(summed), len(rest), 0
        return cls(state, summed, rest, entry)


def add_over_ranks(
    world: World,
    prepare: Callable[[], States],
    what: str = "sync",
    ids: Callable[[], Mapping[str, int]] = dict,
    again: Callable[[], States] | None = None,
) -> States:
    """The states of all ranks added, under the same names and the same on every rank; None where
    no rank has one.

    prepare: the states of this rank, of the same names on all. What it raises, it raises here
    after the other ranks were told, who raise a SyncError. SyncError also where ranks hold other
    names or kinds; MergeError, on every rank, where definitions differ.
    ids: how many rows of each state have ids. If any rank has some, all ranks call again() for
    their states without repeated rows.
    """
    states, packs, told = _announced(world, prepare, what, ids)
    if again is not None and told["ids"].any():
        states, packs, told = _announced(world, again, what, dict)
    found: list[State | None] = []
    for start in range(0, len(packs), ROOM):
        rows = slice(start, start + ROOM)
        found += _added(world, list(states)[rows], packs[rows], told[:, rows])
    return dict(zip(states, found, strict=True))


def _announced(
    world: World, prepare: Callable[[], States], what: str, ids: Callable[[], Mapping[str, int]]
) -> tuple[States, list[_Packed], Array]:
    """This rank's states, packed, and the entries [ranks, states] of all ranks."""
    states: dict[str, State | None] = {}
    packs: list[_Packed] = []
    entries = np.zeros(0, _ENTRY)
    failure: BaseException | None = None
    try:
        states = dict(prepare())
        packs = [_Packed.of(state) for state in states.values()]
        entries = np.array([pack.entry for pack in packs], _ENTRY)
        numbers = ids()
        entries["ids"] = [numbers.get(name, 0) for name in states]
    except Exception as error:  # told to the others first
        failure = error
    told = []
    for start in range(0, max(len(entries), 1), ROOM):
        own = np.zeros(ROOM, _ENTRY)
        part = entries[start : start + ROOM]
        own[: len(part)] = part
        told.append(opened(world, tuple(states), what, failure, own)[:, : len(part)])
    return states, packs, np.concatenate(told, axis=1)


def opened(
    world: World, names: Sequence[str], what: str, failure: BaseException | None, entries: Array
) -> Array:
    """The opening exchange, of the same size whatever it is about: the entries [ROOM], of at most
    64 bytes, of each rank [ranks, ROOM]. Raises on all ranks if one failed or they disagree on what
    this is about."""
    own = np.zeros((), _OPENING)
    own["version"], own["names"], own["asked"] = VERSION, digest(names), what.encode()[:64]
    own["message"] = ", ".join(names).encode("utf-8", "replace")[:240]
    if failure is not None:
        own["failed"] = 1
        own["message"] = f"{type(failure).__name__}: {failure}".encode("utf-8", "replace")[:240]
    raw = entries.view(np.uint8)
    own["entries"][: len(raw)] = raw
    ranks = world.gather_fixed(own)
    if failure is not None:
        raise failure
    _refuse(np.flatnonzero(ranks["failed"] != 0), ranks)
    _same(ranks["version"], lambda r: f"format {ranks['version'][r]}", "speak different formats")
    _same(ranks["asked"], lambda r: _text(ranks["asked"][r]), "are at different places")
    _same(ranks["names"], lambda r: _text(ranks["message"][r]), "have other meters")
    kept: Array = np.ascontiguousarray(ranks["entries"][:, : len(raw)]).view(entries.dtype)
    return kept


def digest(value: Any) -> int:
    """An int64 that tells values apart by how they print."""
    found = hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "little", signed=True)


def _added(
    world: World, names: Sequence[str], own: list[_Packed], entries: Array
) -> Iterator[State | None]:
    for name, column in zip(names, entries.T, strict=False):
        _same_state(name, column)
    alike = [len({*column["shapes"][column["rest"] > 0].tolist()}) < 2 for column in entries.T]
    # [states]: the length of a state's summed fields where they are alike
    lengths = [int(c["summed"].max()) if a else 0 for c, a in zip(entries.T, alike, strict=True)]
    total = np.zeros(sum(lengths), np.int64)
    starts = np.cumsum([0, *lengths])
    for pack, start, length in zip(own, starts, lengths, strict=False):
        if length and pack.state is not None:
            total[start : start + length] = pack.summed
    if len(total):
        total = world.add(total)
    apart = [[0 if a else c["summed"][r] for c, a in zip(entries.T, alike, strict=True)]
             for r in range(world.size)]  # fmt: skip
    gathered = _gathered(world, [p.summed for p, a in zip(own, alike, strict=True) if not a], apart)
    rests = _gathered(world, [np.frombuffer(p.rest, np.uint8) for p in own], entries["rest"])
    for place, name in enumerate(names):
        parts: list[tuple[int, State]] = []
        for rank in np.flatnonzero(entries[:, place]["rest"]):
            summed: Array | None = gathered[rank][place]
            if alike[place]:  # the first one has the whole, 0 adds nothing
                summed = None if parts else total[starts[place] : starts[place + 1]]
            parts.append((int(rank), _state(rests[rank][place], summed)))
        yield _sum(name, parts)


def _same_state(name: str, column: Array) -> None:
    there = np.flatnonzero(column["rest"])
    what = f"hold different states of {name!r}"
    _same(column["kind"], lambda rank: _text(column["kind"][rank]), what, there)
    _same(column["schema"], lambda rank: "fields of its own", what, there)


def _gathered(world: World, own: list[Array], sizes: Any) -> list[list[Array]]:
    """[ranks][states]: arrays of one dtype; sizes [ranks][states] are known to all."""
    sizes = np.asarray(sizes, np.int64).reshape(world.size, -1)
    of_ranks = sizes.sum(axis=1)
    kind = own[0].dtype if own else np.int64
    joined = np.concatenate([np.zeros(0, kind), *own])
    parts = world.gather(joined, of_ranks.tolist()) if of_ranks.any() else [joined] * world.size
    return [np.split(part, np.cumsum(row)[:-1]) for part, row in zip(parts, sizes, strict=True)]


def _state(rest: Array, summed: Array | None) -> State:
    """A state from what crossed; without `summed` those fields are neutral."""
    kind, _, arrays = state_bytes.parse(rest.tobytes())
    state_type = State.named(kind)
    at = 0
    for name in _summed_fields(state_type):
        if summed is None:
            arrays[name] = np.zeros((), "<i8")
            continue
        shape = tuple(arrays[name].tolist())
        size = math.prod(shape)
        arrays[name] = summed[at : at + size].reshape(shape)
        at += size
    return state_type.from_arrays(arrays)


def _sum(name: str, parts: list[tuple[int, State]]) -> State | None:
    total: State | None = None
    for rank, state in parts:
        try:
            total = state if total is None else total + state
        except MergeError as error:
            before = ", ".join(str(r) for r, _ in parts if r < rank)
            raise MergeError(
                f"sync of {name!r}: the state of rank {rank} does not add to that of {before}: "
                f"{error}"
            ) from error
    return total


def _summed_fields(state_type: type[State]) -> list[str]:
    return [name for name, kind in state_type.schema() if kind == "summed"]


def _refuse(failed: Array, ranks: Array) -> None:
    if failed.size:
        told = "; ".join(f"rank {r}: {_text(ranks['message'][r])}" for r in failed)
        raise SyncError(f"sync: not done, since {failed.size} of {len(ranks)} ranks failed: {told}")


def _same(values: Array, tell: Callable[[int], str], what: str, among: Array | None = None) -> None:
    """A SyncError that names the ranks whose value is not that of most."""
    among = np.arange(len(values)) if among is None else among
    groups: dict[Any, list[int]] = {}
    for rank in among.tolist():
        groups.setdefault(values[rank].item(), []).append(rank)
    if len(groups) > 1:
        told = "; ".join(
            f"ranks {', '.join(map(str, own))}: {tell(own[0])}" for own in groups.values()
        )
        raise SyncError(
            f"sync: ranks {what} ({told}); all ranks must sync the same meters in the same order"
        )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
