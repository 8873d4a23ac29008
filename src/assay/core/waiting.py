"""Values of fields that a device has not finished: they add without waiting for it.

A count of tensors on a device returns at once; what it put into a field is a `Waiting`. Adding two
of them, or one and a plain value, starts at most more work there. Whoever reads the field waits.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

__all__ = ["Unread", "Waiting", "WaitingArray", "WaitingMapping", "plus_waiting"]

Merge = Callable[[Any, Any], Any]


class Unread(Protocol):
    """What is being counted. Several fields of a state may be read from one."""

    def plus(self, other: Any) -> Any:
        """Both as one, or None where they are not of one kind; the same object for the same two,
        so that fields which share sources go on sharing them."""
        ...


class Waiting:
    """The sum of a plain value, if any, and of what is read from sources."""

    def __init__(
        self, sources: tuple[Unread, ...], read: Callable[[Any], Any],
        plain: Any = None, merge: Merge | None = None,
    ) -> None:  # fmt: skip
        """read: the value of this field from one source; it may wait, and raise for bad items.
        merge adds plain values; one source alone needs none."""
        self._sources, self._read, self._plain, self._merge = sources, read, plain, merge

    def plus(self, other: Any, merge: Merge) -> Self:
        """The sum of this and of another value, waiting or plain; merge adds plain ones."""
        sources = list(self._sources)
        if isinstance(other, Waiting):
            for source in other._sources:
                _add(sources, source)
            other = other._plain
        elif isinstance(other, (int, Mapping)) and not other:  # of a neutral state
            other = None
        plain = self._plain if other is None else other
        if self._plain is not None and other is not None:
            plain = merge(self._plain, other)
        return type(self)(tuple(sources), self._read, plain, merge)

    @cached_property
    def value(self) -> Any:
        """The plain value; waits for the device."""
        values = [] if self._plain is None else [self._plain]
        values += map(self._read, self._sources)
        return values[0] if self._merge is None else functools.reduce(self._merge, values)


class WaitingMapping(Waiting, Mapping[Any, Any]):
    """A `keyed` or `pooled` value."""

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


class WaitingArray(Waiting):
    """A `summed` value: an array, or a number of no dimensions."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.value, dtype, copy=copy)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(np.any(self.value))


def plus_waiting(mine: Any, theirs: Any, merge: Merge) -> Any:
    """The sum of two values of which one waits; None where none does."""
    if isinstance(mine, Waiting):
        return mine.plus(theirs, merge)
    return theirs.plus(mine, merge) if isinstance(theirs, Waiting) else None


def _add(sources: list[Unread], source: Unread) -> None:
    for place, own in enumerate(sources):
        if (together := own.plus(source)) is not None:
            sources[place] = together
            return
    sources.append(source)
