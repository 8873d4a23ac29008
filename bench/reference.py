"""Ratios of a quick run, held against those of one that was kept.

A case has lost when less than half of its ratio is left: that of a peer's time to ours, or where
no peer was timed in both runs that of the floor's. What slows ours down does so against every peer,
so the one against which ours lost least is asked: that another became faster is no loss of ours.
So it is with medians and with fastest calls, which a busy machine spoils in other ways. Seconds are
never compared.

Ours takes all cores, peers mostly one. So no more cores are used than the kept run had, and where
there are fewer, as much less is expected. Another processor has other instructions, which some
kernels are made of, and other pairs of threads; a quarter is enough there.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from outcomes import FLOOR, OURS, Outcome
from rows import cores, cpu

__all__ = ["Held", "as_many_cores", "held", "is_fair", "is_lost"]

LEFT, LEFT_ELSEWHERE = 0.5, 0.25  # of a ratio, at least: on that processor, and on another


class Held(NamedTuple):
    """A ratio that was found, the one that the kept run lets expect, and how much of it must be
    left."""

    contender: str
    ratio: float
    expected: float
    left: float


def held(outcome: Outcome, kept: Sequence[Mapping[str, str]]) -> Held | str:
    """The ratio of a case that lost least; or why none can be told."""
    known = {row["contender"]: row for row in kept if row["case"] == outcome.case.name}
    if OURS not in known:
        return "the case is not in it"
    if known[OURS]["n"] != str(outcome.size):
        return f"n is {known[OURS]['n']} there, {outcome.size} here"
    fewer = min(1.0, cores() / int(known[OURS]["cores"]))
    left = LEFT if known[OURS]["cpu"] == cpu() else LEFT_ELSEWHERE
    found = [
        Held(name, getattr(entry, ratio), fewer * float(known[name][ratio]), left)
        for name, entry in outcome.entries.items()
        for ratio in ("ratio", "ratio_of_min")
        if name != OURS and entry.ratio and name in known and known[name]["ratio"]
    ]
    peers = [one for one in found if one.contender != FLOOR]
    if not found:
        return "nobody was timed in both"
    return max(peers or found, key=lambda one: one.ratio / one.expected)


def is_lost(found: Held | str) -> bool:
    return isinstance(found, Held) and found.ratio < found.left * found.expected


def is_fair(outcome: Outcome, kept: Sequence[Mapping[str, str]]) -> bool:
    """Whether there is no need to look again."""
    return not is_lost(held(outcome, kept))


@contextmanager
def as_many_cores(kept: Sequence[Mapping[str, str]]) -> Iterator[None]:
    """Leave this process and those that it starts no more cores than the kept run had."""
    most = max((int(row["cores"]) for row in kept), default=cores())
    if most >= cores() or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:most])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
