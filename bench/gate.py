"""What a case runs, and the gate: a result that is not the truth's is not timed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Contender", "Took", "Work", "Wrong", "largest_error"]


class Took(NamedTuple):
    """What a contender returns that measures itself: one that is a process of its own."""

    seconds: float
    result: Any
    peak_bytes: int | None = None
    cpu_s: float | None = None


class Contender(NamedTuple):
    """run: what is timed. read: of its result, the numbers that are held against the truth."""

    run: Callable[[], Any]
    read: Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Work:
    """One case at one size. Contenders are made when asked for, so that a peer may be absent.

    floor: what no implementation can leave out, timed beside the others.
    """

    ours: Callable[[], Contender]
    truth: Callable[[], Mapping[str, Any]]
    floor: Callable[[], Any]
    peers: Mapping[str, Callable[[], Contender]] = field(default_factory=dict)


class Wrong(Exception):
    """A result that differs from the truth."""


def largest_error(found: Mapping[str, Any], truth: Mapping[str, Any], tolerance: float) -> float:
    """The largest absolute difference over the numbers that were found; Wrong above tolerance."""
    if not found or not found.keys() <= truth.keys():
        raise Wrong(f"gives {sorted(found)}, checked are {sorted(truth)}")
    worst = 0.0
    for name, value in found.items():
        got, want = np.atleast_1d(value), np.atleast_1d(truth[name])
        if got.shape != want.shape:
            raise Wrong(f"{name} has shape {got.shape}, not {want.shape}")
        if not got.size:
            continue
        with np.errstate(invalid="ignore"):  # infinities that are equal
            gap = np.abs(got.astype(np.float64) - want.astype(np.float64))
        differ = np.where(got == want, 0.0, np.where(np.isnan(gap), np.inf, gap))
        error = float(differ.max())
        if error > tolerance:
            at = int(np.argmax(differ))
            raise Wrong(
                f"{name} differs by {error:g} at {at}: {got.flat[at]!s}, not {want.flat[at]!s}"
            )
        worst = max(worst, error)
    return worst
