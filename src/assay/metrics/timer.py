"""Timer: where the time of a loop goes, at a cost that the loop does not feel."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any, NamedTuple

from assay.core.errors import InputError
from assay.metrics.timings import ScopeTimes, Timings
from assay.ops.probe import ScopeTimer, device_index, stream_source

__all__ = ["Epoch", "Timer"]


class Epoch(NamedTuple):
    """Seconds of one epoch, and how many of them in evaluation."""

    time_s: float
    evaluation_s: float

    @property
    def train_time_s(self) -> float:
        """Outside evaluation."""
        return self.time_s - self.evaluation_s


class Timer(ScopeTimer):
    """Named scopes of a loop, its epochs, and its whole.

    `with timer("forward"):` times a scope; nested ones are known by their path, "step/forward". A
    scope that an exception leaves is counted as failed, and its time left out; the exception goes
    on. A scope ends on the thread it began on; threads add up. One that ends before a scope in it,
    as that of a generator which is closed, closes that one too: it is counted as unclosed, untimed,
    and its own end does nothing. So coroutines that take turns on one thread cannot be told apart:
    time what they wait for from outside.

    device: "cuda", "cuda:1", a number or torch's device, to time scopes there too, by event pairs
    on torch's current stream, or on stream: a handle, or who gives the handle for a device's
    number. Nothing ever waits for the device; what it has not finished is `pending`, what a failed
    call cost is `lost` (`device_error` says which), what fell into a stream capture `skipped`.
    Without a device, scopes around asynchronous work time its launch. None or "cpu": the clock
    alone.

    InputError for a device of another kind, a name with "/", a scope that ends and never began;
    DeviceError where the device's driver cannot be used, MissingDependency where the compiled
    module is not there, without which scopes are timed in Python, with the same results.

    >>> timer = Timer()
    >>> for _ in range(3):
    ...     with timer("step"), timer("forward"):
    ...         pass
    >>> timer.state.scope("step/forward")["count"]
    3
    """

    def __init__(self, device: Any = None, *, stream: Any = None) -> None:
        index = device_index(device)
        if index is None and stream is not None:
            raise InputError(f"stream={stream!r} is of a device; name it with device=")
        super().__init__(index, stream_source() if stream is None else stream)
        self._evaluating = False
        self._clear()

    def _clear(self) -> None:
        self._begun = perf_counter_ns()
        self._epochs: list[tuple[int, int]] = []
        self._evaluations: list[int] = []
        self._evaluated: int | None = None  # nanoseconds, in the epoch that is open

    # -- epochs --------------------------------------------------------------------------------

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """One pass over the training data. One that an exception ends is not counted.

        >>> timer = Timer()
        >>> with timer.epoch():
        ...     with timer("step"):
        ...         pass
        ...     with timer.evaluation():
        ...         pass
        >>> timer.state["epoch_train_time_s"] < timer.state["epoch_time_s"]
        True
        """
        if self._evaluated is not None:
            raise InputError("an epoch is open already; epochs do not nest")
        begin, self._evaluated = perf_counter_ns(), 0
        try:
            yield
            self._epochs.append((perf_counter_ns() - begin, self._evaluated))
        finally:
            self._evaluated = None

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """An evaluation, in an epoch or outside; one within another is part of that."""
        if self._evaluating:
            yield
            return
        begin, self._evaluating = perf_counter_ns(), True
        try:
            yield
        finally:
            spent, self._evaluating = perf_counter_ns() - begin, False
            self._evaluations.append(spent)
            if self._evaluated is not None:
                self._evaluated += spent

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """The epochs so far, in order."""
        return tuple(Epoch(ns / 1e9, evaluation / 1e9) for ns, evaluation in self._epochs)

    # -- reading -------------------------------------------------------------------------------

    @property
    def total_time_s(self) -> float:
        """Seconds since the timer was made or reset."""
        return (perf_counter_ns() - self._begun) / 1e9

    @property
    def epoch_time_s(self) -> float:
        """Mean seconds of an epoch, evaluation included; nan without epochs."""
        return self.state.epoch_time_s

    @property
    def epoch_train_time_s(self) -> float:
        """Mean seconds of an epoch outside evaluation; nan without epochs."""
        return self.state.epoch_train_time_s

    @property
    def state(self) -> Timings:
        """Everything so far. Add the states of ranks or runs, not two of one timer: the later
        holds the earlier."""
        return Timings(
            scopes={(row[0],): ScopeTimes.of(row) for row in self.read()},
            total_ns=perf_counter_ns() - self._begun,
            epochs=len(self._epochs),
            epoch_ns=sum(ns for ns, _ in self._epochs),
            epoch_evaluation_ns=sum(evaluation for _, evaluation in self._epochs),
            evaluations=len(self._evaluations),
            evaluation_ns=sum(self._evaluations),
            lost=self.lost,
            skipped=self.skipped,
        )

    def reset(self) -> None:
        """Forget it all and begin anew; a scope or an epoch that is open counts whole."""
        evaluated = self._evaluated
        super().reset()
        self._clear()
        self._evaluated = evaluated
