"""Tally: what one process has counted with one count function, batch by batch."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError, MergeError
from assay.core.field_kinds import RULES
from assay.core.state import State
from assay.run.batches import Batch, all_ids, counted, new_rows, wants_ids
from assay.run.counting import function_of
from assay.run.repeats import RowIds

__all__ = ["Tally"]

Ints = npt.NDArray[np.int64]

TEXT = 1 << 20  # bytes of text that is counted at once
HELD = 16 << 20  # bytes of batches with ids that can still be left out
NONE = np.zeros(0, np.int64)
NAMELESS = "update: rows of items need names; give ids= with each batch"


class _Sum:
    """States added in pairs of about equal size, so that n updates copy each row log n times."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, State]] = []
        self._type: type[State] | None = None
        self._definition: dict[str, Any] = {}

    def add(self, state: State) -> None:
        self._check(state)
        size = 1
        while self._parts and self._parts[-1][0] <= size:
            more, before = self._parts[-1]
            state, size = before + state, size + more
            self._parts.pop()
        self._parts.append((size, state))

    def total(self) -> State | None:
        while len(self._parts) > 1:
            (n, a), (m, b) = self._parts[-2:]
            self._parts[-2:] = [(n + m, a + b)]
        return self._parts[0][1] if self._parts else None

    def _check(self, state: State) -> None:
        """A MergeError for what does not add at once, not when two states happen to be added."""
        kind = type(state)
        if self._type is not None and self._type is not kind:
            raise MergeError(
                f"Meter: this batch gives {kind.__name__}, those before {self._type.__name__}"
            )
        merged = {}
        for name, of in kind.schema():
            if of == "fixed":
                try:
                    known = self._definition.get(name)
                    merged[name] = RULES[of].merge(known, getattr(state, name))
                except MergeError as error:
                    raise MergeError(f"{kind.__name__}: {name} {error}") from None
        self._type, self._definition = kind, merged


class Tally:
    """Batches of one count function, counted when they come or some later, and added."""

    def __init__(self, count: Callable[..., Any]) -> None:
        function, options = function_of(count)
        self._count, self._items = count, wants_ids(options)
        self._on_host = getattr(function, "on_host", False)
        self._sum = _Sum()
        self._texts: list[list[str]] = []  # columns of several batches
        self._ends: list[int] = []  # where each of them ends
        self._text_size = 0
        self._arriving: list[Batch] = []  # on their way to the host
        self._held: list[tuple[Batch, State | None]] = []  # with its state, if it was counted
        self._held_size = 0
        self._seen = NONE

    @classmethod
    def loaded(cls, count: Callable[..., Any], state: State | None, seen: Ints) -> "Tally":
        """One that goes on from a state, and ids that stand in it."""
        tally = cls(count)
        tally._seen = np.sort(seen)
        if state is not None:
            tally._sum.add(state)
        return tally

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles have: events of a GPU stay here."""
        self._arrive(wait=True)
        held = [(batch.arrived()._replace(event=None), state) for batch, state in self._held]
        return {**self.__dict__, "_held": held}

    def take_text(self, columns: tuple[Any, ...], size: int) -> None:
        """Keep columns of text, without ids and options, until it is worth to count them."""
        if self._items:
            raise InputError(NAMELESS)
        if len(self._texts) != len(columns):
            self._settle_texts()
            self._texts = [[] for _ in columns]
        for own, column in zip(self._texts, columns, strict=True):
            own.extend(column)
        self._ends.append(len(self._texts[0]))
        self._text_size += size
        if self._text_size > TEXT:
            self._settle_texts()

    def take(self, batch: Batch) -> None:
        """Count a batch, or keep it."""
        if batch.ids is None and (self._items or wants_ids(batch.options)):
            raise InputError(NAMELESS)
        if self._arriving:
            self._arrive(wait=False)
        if batch.ids is not None:
            sent = self._on_host and batch.on_gpu
            batch = batch.to_host() if sent else batch
            late = batch.text or sent
            self._hold(batch, None if late else counted(self._count, [batch], self._items)[0])
        elif self._on_host and batch.on_gpu:
            self._arriving.append(batch.to_host())
            if sum(one.size for one in self._arriving) > HELD:
                self._arriving[0].arrived()
        else:
            self._sum.add(counted(self._count, [batch], self._items)[0])

    def _hold(self, batch: Batch, state: State | None) -> None:
        self._held.append((batch, state))
        self._held_size += batch.size
        if self._held_size <= HELD:
            return
        cut = 0
        while cut < len(self._held) - 1 and self._held_size > HELD // 2:
            self._held_size -= self._held[cut][0].size
            cut += 1
        self._settle_held(cut)

    def _arrive(self, wait: bool) -> None:
        """Count what has come to the host, or wait for all of it."""
        while self._arriving and (wait or self._arriving[0].event.query()):
            self._add([self._arriving.pop(0).arrived()])

    def _settle_texts(self) -> None:
        columns, ends = self._texts, self._ends
        self._texts, self._ends, self._text_size = [], [], 0
        if not ends:
            return
        try:
            self._sum.add(self._count(*columns))
        except Exception:
            cuts = pairwise([0, *ends])
            parts = [tuple(column[a:b] for column in columns) for a, b in cuts]
            self._add([Batch(part, {}, None, True, 0) for part in parts])

    def _settle_held(self, cut: int) -> None:
        """Add up the first batches with ids; their rows can no longer be left out."""
        old, self._held = self._held[:cut], self._held[cut:]
        done, new = self._new_of(old, NONE)
        self._seen = np.union1d(self._seen, all_ids(batch for batch, _ in old))
        for state in done:
            self._sum.add(state)
        self._add(new)

    def _new_of(
        self, held: list[tuple[Batch, State | None]], without: Ints
    ) -> tuple[list[State], list[Batch]]:
        """States of batches without repeated rows that are counted, and what is to be counted."""
        rows = new_rows(self._seen, [batch for batch, _ in held], without)
        done, new = [], []
        for (batch, state), own in zip(held, rows, strict=True):
            if own is not batch and not len(own.columns[0]):
                continue  # options of no rows may have lost their type
            if state is not None and own is batch:
                done.append(state)
            else:
                new.append(own)
        return done, new

    def _add(self, batches: list[Batch]) -> None:
        """Count batches that were not counted when they came; if that fails, as if update() had
        raised for the bad ones alone."""
        try:
            states = counted(self._count, batches, self._items)
        except Exception:
            failed: Exception | None = None
            states = []
            for place, batch in enumerate(batches):
                try:
                    states += counted(self._count, [batch], self._items)
                except Exception as error:
                    error.add_note(f"in batch {place + 1} of the {len(batches)} counted last")
                    failed = failed or error
            for state in states:
                self._sum.add(state)
            if failed is not None:
                raise failed from None
            return
        for state in states:
            self._sum.add(state)

    # -- reading -------------------------------------------------------------------------------

    def total(self, without: Ints = NONE) -> State | None:
        """The state, less rows with some ids (sorted); None before the first batch."""
        self._arrive(wait=True)
        self._settle_texts()
        total = self._sum.total()
        done, new = self._new_of(self._held, without)
        for state in [*done, *counted(self._count, new, self._items)]:
            total = state if total is None else total + state
        return total

    @property
    def ids(self) -> int:
        """How many ids are known; one that came twice lately may count twice."""
        return len(self._seen) + sum(len(batch.ids) for batch, _ in self._held)

    def rows(self) -> RowIds:
        """The ids of what was counted."""
        held = np.unique(all_ids(batch for batch, _ in self._held))
        return RowIds(self._seen, held[~np.isin(held, self._seen)])

    def had_rows_of(self, other: "Tally") -> bool:
        """Whether both had the same updates with ids."""
        pairs = zip(self._held, other._held, strict=False)
        alike = len(self._held) == len(other._held) and all(
            a.ids is b.ids for (a, _), (b, _) in pairs
        )
        return alike and np.array_equal(self._seen, other._seen)

    def settled(self) -> tuple[State | None, Ints]:
        """The state, and the ids of the rows in it, none of which can be left out from now on."""
        self._arrive(wait=True)
        self._settle_texts()
        self._settle_held(len(self._held))
        self._held_size = 0
        return self._sum.total(), self._seen
