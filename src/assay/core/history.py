"""The values of one metric as they come in, put in order when somebody asks for them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["History", "Point"]


class Point(NamedTuple):
    """A value of a metric. n: items it stands on, where it is known."""

    step: int
    time: float
    value: float
    n: int | None = None


class History:
    """Values by step; of equal steps the latest counts, of equal times the one behind."""

    __slots__ = ("_items", "_order", "_steps", "_times", "_values")

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._times: list[float] = []
        self._values: list[float] = []
        self._items: dict[int, int] = {}  # n of those that have one
        self._order: npt.NDArray[np.intp] | None = None

    def add(self, step: int, time: float, value: float, n: int | None) -> None:
        if n is not None:
            self._items[len(self._steps)] = n
        self._steps.append(step)
        self._times.append(time)
        self._values.append(value)
        self._order = None

    def points(self) -> list[Point]:
        return [
            Point(self._steps[i], self._times[i], self._values[i], self._items.get(i))
            for i in self._ordered().tolist()
        ]

    def series(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        order = self._ordered()
        return np.array(self._steps, np.int64)[order], np.array(self._values, np.float64)[order]

    def _ordered(self) -> npt.NDArray[np.intp]:
        """Where those that count stand, in order of steps."""
        if self._order is None:
            steps = np.array(self._steps, np.int64)
            order = np.lexsort((np.array(self._times), steps))  # stable: as they came in
            ordered = steps[order]
            self._order = order[np.append(ordered[1:] != ordered[:-1], True)[: len(order)]]
        return self._order
