"""Latency by batch size."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped
from assay.metrics.latency import MeasurementWarning, latency
from assay.metrics.latency_state import Latency

__all__ = ["LatencySweep", "latency_sweep"]


@dataclass(frozen=True, eq=False)
class LatencySweep(State):
    """A Latency for each batch size; its scores carry the size as the tag `batch`.

    out_of_memory: the batch sizes that did not fit.
    """

    groups: Mapping[tuple[int], Latency] = grouped()
    by: tuple[str, ...] | None = fixed()
    out_of_memory: tuple[int, ...] | None = fixed()

    def at(self, batch: int) -> Latency:
        """The latency of one batch size."""
        if (batch,) not in self.groups:
            known = [size for (size,) in self.groups]
            raise InputError(f"at: no batch size {batch!r}; there are {known}")
        return self.groups[batch,]

    @property
    def best(self) -> int | None:
        """The batch size of highest throughput, the smallest of equals; None without any."""
        sizes = sorted(size for (size,) in self.groups)
        return max(sizes, key=lambda size: self.groups[size,].throughput, default=None)

    def total_scores(self) -> list[Score]:
        """The highest throughput, and its batch size."""
        best = self.best
        runs = sum(state.runs for state in self.groups.values())
        throughput = math.nan if best is None else self.at(best).throughput
        sizes = ",".join(str(size) for (size,) in sorted(self.groups))
        values: tuple[tuple[str, float, str, Better], ...] = (
            ("best_throughput", throughput, "items/s", "higher"),
            ("best_batch", math.nan if best is None else best, "items", None),
        )
        return [
            Score(name, value, unit, better, runs, {}, f"{name}|batches:{sizes}", provenance())
            for name, value, unit, better in values
        ]


def latency_sweep(
    fn: Callable[..., Any],
    make_input: Callable[[int], Any],
    batch_sizes: Sequence[int] = (1, 2, 4, 8, 16, 32),
    **options: Any,
) -> LatencySweep:
    """Time fn for several batch sizes.

    make_input(n): the input of n items, made before the clock starts; a tuple is several arguments.
    batch_sizes: whole numbers >= 1, each once. options: those of latency() but items, which is n;
    max_time_s is of each size. A size that runs out of memory ends the sweep with a warning, and
    stands in `out_of_memory` with those after it; any other error passes, with a note of the size.

    >>> s = latency_sweep(sum, lambda n: list(range(n)), (10_000, 20_000), precision=0.9)
    >>> s.at(20_000)["latency_ms/p50"] > 0, s["best_throughput"] > 0
    (True, True)
    """
    sizes = [whole(size, "latency_sweep: each of batch_sizes") for size in batch_sizes]
    if not sizes or len(set(sizes)) < len(sizes):
        raise InputError(f"latency_sweep: batch_sizes must be some, each once, got {batch_sizes!r}")
    if not callable(make_input):
        raise InputError(
            "latency_sweep: make_input must be a function of the batch size, "
            f"got {type(make_input).__name__}"
        )
    if "items" in options:
        raise InputError("latency_sweep: items is the batch size, and not an option")
    groups: dict[tuple[int], Latency] = {}
    for i, size in enumerate(sizes):
        try:
            given = make_input(size)
            args = given if isinstance(given, tuple) else (given,)
            groups[size,] = latency(fn, *args, items=size, **options)
        except Exception as error:
            if not groups or not _is_out_of_memory(error):
                error.add_note(f"assay: with batch size {size}")
                raise
            warnings.warn(
                f"latency_sweep: batch size {size} is out of memory; the sweep ends there",
                MeasurementWarning,
                stacklevel=2,
            )
            return LatencySweep(groups, ("batch",), tuple(sizes[i:]))
    return LatencySweep(groups, ("batch",), ())


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
