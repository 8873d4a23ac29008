"""What came of a case: every contender's times, checked result and memory, and the goals."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from case import Case, Goal
from gate import Work, Wrong, largest_error
from memory import peak_of
from timing import StopRule, Times, interleave

__all__ = ["FLOOR", "MIB", "OURS", "Entry", "Outcome", "Verdict", "judge", "run_case"]

OURS, FLOOR = "assay", "floor"
MIB = 1 << 20


@dataclass
class Entry:
    """One contender of a case. status: ok, WRONG, absent, failed, unchecked; note: why not ok."""

    name: str
    status: str = "ok"
    note: str = ""
    error: float | None = None
    times: Times | None = None
    ratio: float | None = None  # its time over ours, median over rounds
    ratio_of_min: float | None = None  # of the fastest calls: what a quiet machine would give
    memory_bytes: int | None = None


@dataclass
class Outcome:
    case: Case
    size: int
    quick: bool
    entries: dict[str, Entry] = field(default_factory=dict)

    @property
    def ours(self) -> Entry:
        return self.entries[OURS]

    @property
    def peers(self) -> list[Entry]:
        return [entry for name, entry in self.entries.items() if name not in (OURS, FLOOR)]


def run_case(
    case: Case, *, quick: bool, fair: Callable[[Outcome], bool] = lambda outcome: True
) -> Outcome:
    """Gate, warm up, time, measure memory. Nothing is timed whose result was not right; what is not
    fair, as where the machine was busy with other things, is timed again, as long as in full."""
    outcome = Outcome(case, case.quick if quick else case.size, quick)
    try:
        work = case.build(outcome.size)
    except Exception as error:
        outcome.entries[OURS] = Entry(OURS, "failed", f"to build the case: {_in_words(error)}")
        return outcome
    runs = _gate(outcome, work)
    if OURS not in runs:
        return outcome
    try:
        work.floor()  # warms it up, as the gate did the others
        _time(outcome, runs, case.quick_rule if quick else case.rule)
        if not fair(outcome):
            _time(outcome, runs, case.rule)
    except Exception as error:  # the other cases go on
        outcome.entries = {OURS: Entry(OURS, "failed", f"while it was timed: {_in_words(error)}")}
        return outcome
    measured = [e for e in map(outcome.entries.get, runs) if e.memory_bytes is None]
    measured = [e for e in measured if e.name != FLOOR]
    with ThreadPoolExecutor() as pool:  # each in a process of its own; only time would suffer
        found = pool.map(lambda e: peak_of(case.name, e.name, outcome.size), measured)
        for entry, extra in zip(measured, found, strict=True):
            entry.memory_bytes = extra
    return outcome


def _gate(outcome: Outcome, work: Work) -> dict[str, Callable[[], Any]]:
    """Run everyone once, which also warms them up; those that may be timed come back."""
    runs: dict[str, Callable[[], Any]] = {}
    truth: Mapping[str, Any] | None = None
    why = ""
    try:
        truth = work.truth()
    except Exception as error:
        why = f"no truth to check against: {_in_words(error)}"
    for name, make in {OURS: work.ours, **work.peers}.items():
        entry = outcome.entries[name] = Entry(name)
        if truth is None:
            entry.status, entry.note = "unchecked", why
            continue
        try:
            contender = make()
            found = contender.read(contender.run())
            entry.error = largest_error(found, truth, outcome.case.tolerance)
            runs[name] = contender.run
        except Wrong as error:
            entry.status, entry.note = "WRONG", str(error)
        except ImportError as error:
            entry.status, entry.note = "absent", _in_words(error)
        except Exception as error:
            entry.status, entry.note = "failed", _in_words(error)
    if OURS in runs:
        runs[FLOOR] = work.floor
        outcome.entries[FLOOR] = Entry(FLOOR)
    return runs


def _time(outcome: Outcome, runs: Mapping[str, Callable[[], Any]], rule: StopRule) -> None:
    times = interleave(runs, rule)
    for name in runs:
        entry = outcome.entries[name]
        entry.times = times[name]
        entry.ratio = times[name].ratio_to(times[OURS])
        entry.ratio_of_min = times[name].min / times[OURS].min
        entry.memory_bytes = times[name].peak_bytes


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


@dataclass(frozen=True)
class Verdict:
    """A goal held against what was measured; met is None where it was not judged."""

    goal: Goal
    value: float | None
    met: bool | None = None
    aim_met: bool | None = None


def judge(outcome: Outcome) -> list[Verdict]:
    """The verdict on each goal of the case."""
    verdicts = []
    for goal in outcome.case.goals:
        value = _measured(goal, outcome.entries)
        if value is None or (outcome.quick and outcome.case.size_matters):
            verdicts.append(Verdict(goal, value))
            continue
        reached = float.__ge__ if goal.kind == "faster" else float.__le__
        aim_met = None if goal.aim is None else reached(value, float(goal.aim))
        verdicts.append(Verdict(goal, value, reached(value, float(goal.bound)), aim_met))
    return verdicts


def _measured(goal: Goal, entries: Mapping[str, Entry]) -> float | None:
    ours, floor = entries[OURS], entries.get(FLOOR)
    if ours.times is None or floor is None or floor.times is None:
        return None
    if goal.kind == "faster":
        return entries[goal.peer or ""].ratio
    if goal.kind == "memory":
        return None if ours.memory_bytes is None else ours.memory_bytes / MIB
    if goal.kind == "peak_over_floor":
        peaks = ours.memory_bytes, floor.memory_bytes
        return None if None in peaks else peaks[0] / peaks[1]
    if goal.kind == "seconds":
        return ours.times.median
    if goal.kind == "tail":
        return ours.times.quantile(0.999)
    if goal.kind == "over_floor":
        return ours.times.ratio_to(floor.times)
    if goal.kind == "above_floor":
        pairs = zip(ours.times.rounds, floor.times.rounds, strict=True)
        return median(a - b for a, b in pairs)
    raise ValueError(f"no such kind of goal: {goal.kind!r}")
