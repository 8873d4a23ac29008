"""What was counted of a stretch of rows, and sums of it.

Stretches add in the order of their rows: what is told apart by the number of an item (bags, rows of
single items) is numbered on from the items before it. That is associative, and the sum of all
stretches has the same bytes wherever they were cut and in whichever order they were counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from assay.core.errors import InputError, MergeError
from assay.core.state import State

__all__ = ["LISTED", "Adder", "Total"]

GROUPS = 100_000
RATIO = 4  # of sizes that are added at once
LISTED = 500_000  # rows of single items in a field; of more there are none


@dataclass(frozen=True)
class Total:
    """items: how many were counted. states: what of, by name. `a + b`: b stands right behind a."""

    items: int = 0
    states: Mapping[str, State] = field(default_factory=dict)

    def __add__(self, later: "Total") -> "Total":
        if not self.states or not later.states:
            return later if not self.states else self
        kinds = [{name: type(own) for name, own in side.states.items()} for side in (self, later)]
        if kinds[0] != kinds[1]:
            told = (", ".join(f"{n}: {kind.__name__}" for n, kind in own.items()) for own in kinds)
            raise MergeError(f"counts of {' and of '.join(told)} do not add")
        both = {}
        for name, state in self.states.items():
            # bags number what is in them, which may leave some items out
            first = getattr(state, "items", 0) if hasattr(state, "shifted") else self.items
            both[name] = state + numbered(later.states[name], first)
            if len(getattr(both[name], "groups", ())) > GROUPS:
                raise InputError(
                    f"more than {GROUPS:,} groups; are these ids? group by a column of fewer values"
                )
        whole = Total(self.items + later.items, both)
        return whole.without_rows() if self._differs(later) else whole.bounded()

    def bounded(self) -> "Total":
        """The same without rows of single items where there are too many."""
        return self.without_rows() if any(n > LISTED for n in self._rows()) else self

    def without_rows(self) -> "Total":
        """The same without rows of single items."""
        return Total(self.items, {name: _without_rows(own) for name, own in self.states.items()})

    def _rows(self) -> list[int]:
        """How many rows of single items each field has."""
        return [len(rows) for own in self.states.values() for rows in _listed(own).values()]

    def _differs(self, other: "Total") -> bool:
        """Whether one of the two has left out its rows of single items, and the other has some."""
        kept = [any(one._rows()) for one in (self, other) if one.items]
        return any(kept) and not all(kept)


def numbered(state: Any, first: int) -> Any:
    """The state with its items numbered from `first`, unless their numbers stand for names."""
    if not first or getattr(state, "numbers_are_names", False):
        return state
    if hasattr(state, "shifted"):
        return state.shifted(first)
    moved = {}
    for name, rows in _listed(state).items():
        if len(rows):
            moved[name] = rows.copy()
            moved[name][:, 0] += first
    return _with(state, moved, lambda own: numbered(own, first))


def _listed(state: State) -> dict[str, Any]:
    return {f.name: getattr(state, f.name) for f in fields(state) if f.metadata["kind"] == "listed"}


def _without_rows(state: State) -> Any:
    if getattr(state, "made_of_rows", False):
        return state
    none = {name: rows[:0] for name, rows in _listed(state).items()}
    return _with(state, none, _without_rows)


def _with(state: Any, changed: Mapping[str, Any], of_groups: Any) -> Any:
    """The state with other fields, and its groups likewise."""
    if not changed:
        return state
    groups = getattr(state, "groups", None)
    if groups:
        changed = {**changed, "groups": {key: of_groups(own) for key, own in groups.items()}}
    return replace(state, **changed)


class Adder:
    """Totals added as they come, those of about one size first, or what was read so far would be
    copied for every batch. Few are held at once: states of many groups are large."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Total]] = []

    def add(self, total: Total) -> None:
        size, total = 1, total.bounded()
        while self.parts and self.parts[-1][0] <= RATIO * size:
            before, whole = self.parts.pop()
            size, total = size + before, whole + total
        self.parts.append((size, total))

    def total(self) -> Total:
        """All of them."""
        while len(self.parts) > 1:
            size, total = self.parts.pop()
            before, whole = self.parts.pop()
            self.parts.append((size + before, whole + total))
        return self.parts[0][1] if self.parts else Total()
