"""What a case of the benchmark is, and a figure that it has to reach."""

from collections.abc import Callable
from dataclasses import dataclass

from gate import Work
from timing import StopRule

__all__ = ["BRISK", "RARE", "SLOW", "STEADY", "Case", "Goal"]

STEADY = StopRule()
BRISK = StopRule(min_rounds=3, budget_s=1.2, slice_s=0.05)


@dataclass(frozen=True)
class Goal:
    """A figure to reach. kind:

    faster       a peer's time over ours, at least `bound`
    over_floor   our time over the floor's, at most
    above_floor  our seconds less the floor's, at most
    seconds      ours, at most
    tail         ours, which one call in a thousand exceeds, at most
    memory       MiB at our peak, less than
    peak_over_floor  our peak over the floor's, both of processes, at most
    """

    kind: str
    bound: float
    aim: float | None = None
    peer: str | None = None


@dataclass(frozen=True)
class Case:
    """build(n) makes the work for n items: `size` in full, `quick` with --quick, `warm` before
    memory is measured. A goal that holds for the full size only is not judged with --quick. gpu:
    only run with --gpu."""

    name: str
    what: str
    build: Callable[[int], Work]
    floor: str
    goals: tuple[Goal, ...] = ()
    size: int = 20_000
    quick: int = 4_000
    warm: int = 64
    tolerance: float = 0.0
    rule: StopRule = STEADY
    quick_rule: StopRule = BRISK
    size_matters: bool = False
    gpu: bool = False


RARE = StopRule(min_rounds=2, max_rounds=3, budget_s=60.0)
SLOW = StopRule(min_rounds=3, max_rounds=9, budget_s=40.0)
