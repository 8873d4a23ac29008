"""Batches of columns on a device, kept until somebody reads what they amount to.

A call copies its columns, by one kernel, and returns. Adding two states appends their batches.
Many batches become one: where counts have a bounded size, as those of pairs of labels, they are
folded into a table of them, else they are joined. All of that is launched, nothing is waited for;
bad items are counted in a cell of their own, with the row and the values of the first one beside.
"""

import weakref
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Bad", "Columns", "Counter", "Held", "Spans", "bad_of", "first_bad", "places"]
__all__ += ["spans_of"]

Columns = tuple[Tensor, ...]
Spans = tuple[tuple[int, int], ...]

ITEMS = 1 << 18  # items, or
BATCHES = 256  # batches, after which they become one


class Bad(NamedTuple):
    """The first bad row, in the order in which batches were added, what stands there in each
    column [n], and how many rows are bad."""

    row: int
    values: tuple[Any, ...]
    rows: int


class Counter:
    """What is counted; equal ones count the same."""

    @property
    def folds(self) -> bool:
        """Whether batches become a table of bounded size."""
        return False

    def fold(self, columns: Columns) -> tuple[Tensor, Tensor]:
        """Of at least one item: int64 counts, the last one that of bad items, and first_bad()."""
        raise NotImplementedError(f"{type(self).__name__} joins batches")

    def found(self, held: "Held") -> Any:
        """What the items amount to, on the host."""
        raise NotImplementedError


class Folded(NamedTuple):
    table: Tensor
    notes: tuple[tuple[int, Tensor], ...]  # of each fold the row it begins at, and first_bad()
    n: int


class Held:
    """Items on one device, as columns of fixed types; see Unread in core/waiting.py."""

    def __init__(
        self, counter: Counter, kind: Any, n: int, batches: tuple[Columns, ...] = (),
        folded: Folded | None = None, joined: int = 0,
    ) -> None:  # fmt: skip
        """kind: device, and types and widths of the columns. n: items. joined: how many of the
        batches, the first ones, are several joined."""
        self.counter, self.kind, self.n, self.joined = counter, kind, n, joined
        self._parts = batches, folded
        self._sum: tuple[Any, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: weak references are of this process."""
        return {**self.__dict__, "_sum": None}

    @classmethod
    def of(cls, counter: Counter, *columns: Tensor) -> Self:
        """One batch; what is given may change afterwards."""
        columns = tuple(column.detach() for column in columns)
        kinds = tuple((column.dtype, column.shape[1:]) for column in columns)
        kind, n = (columns[0].device, kinds), len(columns[0])
        if not n:
            return cls(counter, kind, 0)
        if counter.folds and n > ITEMS:
            return cls(counter, kind, n, folded=_folded(counter, columns))
        return cls(counter, kind, n, (_copied(columns),))

    def plus(self, other: Any) -> "Held | None":
        """See Unread."""
        if not isinstance(other, Held):
            return None
        if self._sum is not None and self._sum[0]() is other:
            known: Held | None = self._sum[1]()
            if known is not None:
                return known
        if other.kind != self.kind or other.counter != self.counter:
            return None
        (batches, folded), (more, table) = self._parts, other._parts
        joined = self.joined if batches else other.joined
        if table is not None:  # rows go on from those before
            (batches, folded) = self.settled()._parts
            folded = table if folded is None else _added(folded, table)
        n = self.n + other.n
        found = Held(self.counter, self.kind, n, batches + more, folded, joined)._shortened()
        # Weak: a batch that somebody keeps must not keep the sum of all that came after it.
        self._sum = weakref.ref(other), weakref.ref(found)
        return found

    def _shortened(self) -> "Held":
        batches, folded = self._parts
        many = len(batches) - self.joined > BATCHES
        if self.counter.folds:
            full = self.n - (folded.n if folded else 0) > ITEMS
            return self.settled() if many or full else self
        if not many:
            return self
        ready, rest = batches[: self.joined], batches[self.joined :]
        joined = (*ready, _joined(rest))
        return Held(self.counter, self.kind, self.n, joined, joined=self.joined + 1)

    def settled(self) -> "Held":
        """The same with all batches folded."""
        batches, folded = self._parts
        if batches:
            own = _folded(self.counter, _joined(batches))
            self._parts = (), own if folded is None else _added(folded, own)
        return self

    def columns(self) -> Columns:
        """All items, where batches are not folded."""
        device, kinds = self.kind
        none = tuple(torch.empty((0, *w), dtype=dtype, device=device) for dtype, w in kinds)
        return _joined(self._parts[0] or (none,))

    def totals(self) -> tuple[npt.NDArray[np.int64] | None, Bad | None]:
        """The folded table on the host, None without items, and bad items if there are any: one
        transfer."""
        folded = self.settled()._parts[1]
        if folded is None:
            return None, None
        size = len(folded.table)
        host = torch.cat([folded.table, *(note for _, note in folded.notes)]).cpu().numpy()
        table, notes = host[:size], host[size:].reshape(len(folded.notes), -1)
        bad = next(
            (bad_of(note, self.kind, start, int(table[-1]))
             for (start, _), note in zip(folded.notes, notes, strict=True) if note[0]), None,
        )  # fmt: skip
        return table, bad

    @cached_property
    def found(self) -> Any:
        """What the items amount to, on the host; waits for the device."""
        return self.counter.found(self)


def first_bad(bad: Tensor, columns: Columns) -> Tensor:
    """int64: whether any row is bad, the first such row, and what the columns [n] hold there,
    floats as the bits of a float64."""
    found, row = bad.view(torch.uint8).max(0)
    row = row.reshape(1)
    there = [column.index_select(0, row) for column in columns if column.dim() == 1]
    bits = [v.double().view(torch.int64) if v.is_floating_point() else v.long() for v in there]
    return torch.cat([found.reshape(1).long(), row, *bits])


def bad_of(note: npt.NDArray[np.int64], kind: Any, start: int, rows: int) -> Bad:
    """What first_bad() noted of the rows from `start` on; kind as of Held."""
    types = [dtype for dtype, width in kind[1] if not width]
    values = tuple(
        value.view(np.float64).item() if dtype.is_floating_point else
        bool(value) if dtype == torch.bool else value.item()
        for value, dtype in zip(note[2:], types, strict=True)
    )  # fmt: skip
    return Bad(start + int(note[1]), values, rows)


def spans_of(labels: Sequence[int]) -> Spans:
    """Labels as spans (first, last) in which each is one more than that before."""
    if isinstance(labels, range):  # of step 1
        return ((labels.start, labels.stop - 1),) if labels else ()
    spans: list[tuple[int, int]] = []
    for label in labels:
        if spans and label == spans[-1][1] + 1:
            spans[-1] = spans[-1][0], label
        else:
            spans.append((label, label))
    return tuple(spans)


def places(values: Tensor, spans: Spans) -> tuple[Tensor, Tensor]:
    """Which of the labels each value [n] is, and where it is none of them."""
    # Made there, for a copy from the host would wait.
    made = [torch.arange(a, b + 1, device=values.device) for a, b in spans]
    labels = made[0] if len(made) == 1 else torch.cat(made)
    order = None
    if any(a[1] > b[0] for a, b in pairwise(spans)):
        labels, order = labels.sort()
    values = values.long().contiguous()
    found = torch.searchsorted(labels, values).clamp_(max=len(labels) - 1)
    other = labels[found] != values
    return (found if order is None else order[found]), other


def _folded(counter: Counter, columns: Columns) -> Folded:
    table, note = counter.fold(columns)
    return Folded(table, ((0, note),), len(columns[0]))


def _added(a: Folded, b: Folded) -> Folded:
    notes = (*a.notes, *((a.n + start, note) for start, note in b.notes))
    return Folded(a.table + b.table, notes, a.n + b.n)


def _joined(batches: tuple[Columns, ...]) -> Columns:
    if len(batches) == 1:
        return batches[0]
    return tuple(torch.cat(parts) for parts in zip(*batches, strict=True))


def _copied(columns: Columns) -> Columns:
    """The columns as parts of one buffer, which one kernel fills with their bytes."""
    if len({column.dtype for column in columns}) == 1 and all(c.dim() == 1 for c in columns):
        return torch.stack(columns).unbind()
    order = sorted(range(len(columns)), key=lambda i: -columns[i].element_size())
    whole = [columns[i].contiguous() for i in order]
    # A column of one item may have any stride, and view() of another type asks for 1.
    flat = [part.as_strided((part.numel(),), (1,)).view(torch.uint8) for part in whole]
    parts = torch.split(torch.cat(flat), [len(part) for part in flat])
    copies = {i: part.view(columns[i].dtype).view(columns[i].shape)
              for i, part in zip(order, parts, strict=True)}  # fmt: skip
    return tuple(copies[i] for i in range(len(columns)))
