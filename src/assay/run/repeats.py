"""Rows that several ranks counted, found by their ids.

A sampler that deals a data set to ranks repeats rows so that all ranks have as many. Ranks tell
each other the ids of their rows; each repeated row stays with one rank: the one that cannot leave
it out any more, else the first.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import SyncError
from assay.run.sync import ROOM, opened
from assay.run.world import World

__all__ = ["RowIds", "repeated"]

Ints = npt.NDArray[np.int64]

_ENTRY = np.dtype([("counted", "<i8"), ("held", "<i8"), ("like", "<i8")])


class RowIds(NamedTuple):
    """Ids of the rows of one meter, each once. counted: of rows that were added up and can no
    longer be left out; held: of those that can. like: a meter before it that has the same rows."""

    counted: Ints
    held: Ints
    like: str | None = None


def repeated(world: World, prepare: Callable[[], Mapping[str, RowIds]]) -> dict[str, Ints]:
    """The ids, sorted, of the held rows of each meter that another rank keeps.

    SyncError, on all ranks, where two ranks have counted the same row and neither can leave it out,
    and where ranks have other meters; what prepare raises is told to the others.
    """
    rows: dict[str, RowIds] = {}
    failure: BaseException | None = None
    try:
        rows = dict(prepare())
    except Exception as error:  # told to the others first
        failure = error
    names, drops = list(rows), dict[str, Ints]()
    for start in range(0, max(len(names), 1), ROOM):
        part = names[start : start + ROOM]
        entries = np.zeros(ROOM, _ENTRY)
        entries[: len(part)] = [_entry(rows[name], part) for name in part]
        told = opened(world, names, "ids", failure, entries)[:, : len(part)]
        drops |= _of_round(world, {name: rows[name] for name in part}, told)
    return drops


def _entry(own: RowIds, names: list[str]) -> tuple[int, int, int]:
    like = names.index(own.like) if own.like in names else -1
    return len(own.counted), len(own.held), like


def _of_round(world: World, rows: Mapping[str, RowIds], told: npt.NDArray[Any]) -> dict[str, Ints]:
    # Rows are told once for meters that have the same ones on every rank.
    like = [int(c["like"][0]) if len({*c["like"].tolist()}) == 1 else -1 for c in told.T]
    own = [name for name, place in zip(rows, like, strict=True) if place < 0]
    sizes = told[:, np.array(like, np.int64) < 0]
    sizes = np.stack([sizes["counted"], sizes["held"]], axis=2).reshape(world.size, -1)
    drops: dict[str, Ints] = {}
    none = np.zeros(0, np.int64)
    if sizes.any():
        mine = np.concatenate([none, *(ids for name in own for ids in rows[name][:2])])
        parts = [
            np.split(ids, np.cumsum(row)[:-1])
            for ids, row in zip(world.gather(mine, sizes.sum(axis=1).tolist()), sizes, strict=True)
        ]
        for place, name in enumerate(own):
            of_ranks = [RowIds(part[2 * place], part[2 * place + 1]) for part in parts]
            drops[name] = _dropped(name, of_ranks, world.rank)
    names = list(rows)
    for name, place in zip(names, like, strict=True):
        drops[name] = drops.get(name if place < 0 else names[place], none)
    return drops


def _dropped(name: str, of_ranks: list[RowIds], rank: int) -> Ints:
    ids = np.concatenate([part for own in of_ranks for part in own[:2]])
    several, counts = np.unique(ids, return_counts=True)
    several = several[counts > 1]
    if not len(several):
        return several
    keeper = np.full(len(several), -1)
    for kind in ("counted", "held"):
        for place, own in enumerate(of_ranks):
            there = np.isin(several, getattr(own, kind))
            if kind == "counted" and (twice := several[there & (keeper >= 0)]).size:
                first = int(keeper[np.searchsorted(several, twice[0])])
                raise SyncError(
                    f"sync of {name!r}: the row with id {twice[0]} was counted on ranks {first} "
                    f"and {place} ({twice.size} such rows), and both added it up long ago; give "
                    "each row to one rank (samplers repeat rows at their end only)"
                )
            keeper[there & (keeper < 0)] = place
    return np.asarray(several[keeper != rank])
