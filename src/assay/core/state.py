"""State: totals that add.

A state is a frozen dataclass whose fields say how they merge:

    kind      merge                        neutral   for
    summed    +                            0         int64 counts (a number or an array)
    keyed     union of keys, counts add    {}        confusions, document frequency, labels
    peak      max                          None      high-water marks
    listed    concatenate                  no rows   per-item rows, the first column an item id
    pooled    union of keys, concatenate   {}        values of items that need no id, as scores
    fixed     must be equal                None      the definition: unit, tokeniser, policy
    grouped   union of keys, states add    {}        the same state per group of a `by=` column
    tabled    its own +                    None      a table too large for a mapping: n-grams

Merging is associative and commutative, `zero()` is neutral, and every digit is the same under any
partition: counts are integers, and lists are put in order of item id before they are read.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from assay.core import state_bytes
from assay.core.errors import MergeError, StateFormatError
from assay.core.field_kinds import RULES, key_text
from assay.core.score import Score, flatten

__all__ = ["State", "fixed", "grouped", "keyed", "listed", "peak", "pooled", "summed"]
__all__ += ["tabled"]


def summed() -> Any:
    """An int64 number (or an array of one shape) that adds."""
    return dataclasses.field(default=0, metadata={"kind": "summed"})


def keyed() -> Any:
    """A mapping from key (string, int, or tuple of them) to int64; counts add."""
    return dataclasses.field(default_factory=dict, metadata={"kind": "keyed"})


def peak() -> Any:
    """A number that keeps its maximum."""
    return dataclasses.field(default=None, metadata={"kind": "peak"})


def listed(*columns: str) -> Any:
    """Rows of int64 columns, the first an item id.

    All rows of an item stand in one state: states with an item in common do not add.
    """
    none = np.zeros((0, len(columns)), np.int64)  # one for all states: nothing in it can change
    return dataclasses.field(
        default_factory=lambda: none,
        metadata={"kind": "listed", "columns": columns},
    )


def pooled() -> Any:
    """A mapping from key to an array of floats [n] or rows of them [n, c], in any order: what
    counts is which values there are, and how often. Of a sum it is a tuple of such arrays."""
    return dataclasses.field(default_factory=dict, metadata={"kind": "pooled"})


def fixed(before: Any = None) -> Any:
    """A part of the definition (plain values, or an int64 array); states that differ in it do not
    add.

    before: what it was when there was no such field. Bytes leave it out where it is that, so those
    of old states are read and stay the same.
    """
    later = {} if before is None else {"before": before}
    return dataclasses.field(default=None, metadata={"kind": "fixed", **later})


def grouped() -> Any:
    """The same state for each value of the `by=` columns, keyed by the tuple of their values."""
    return dataclasses.field(default_factory=dict, metadata={"kind": "grouped"})


def tabled(load: Callable[[Mapping[str, npt.NDArray[Any]]], Any]) -> Any:
    """A table with `+` and to_arrays(); equal ones give equal arrays. load: of those the table."""
    return dataclasses.field(default=None, metadata={"kind": "tabled", "load": load})


@functools.cache
def _merges(state: type["State"]) -> tuple[tuple[str, Callable[[Any, Any], Any]], ...]:
    """How each field of a state adds."""
    return tuple((f.name, RULES[f.metadata["kind"]].merge) for f in dataclasses.fields(state))


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """Base of all metric states; a subclass declares fields and says what scores they give.

    `a + b` and `sum(states)` merge. `state["wer"]` is one score's value. A state whose items can be
    drawn again, for intervals and comparisons, also says how: see resampling.py.
    """

    _kinds: ClassVar[dict[str, type["State"]]] = {}

    def __init_subclass__(cls) -> None:
        State._kinds[cls.__name__] = cls

    # -- what a subclass says ------------------------------------------------------------------

    def total_scores(self) -> list[Score]:
        """The scores of the totals, groups left aside."""
        raise NotImplementedError(f"{type(self).__name__} does not say what scores it gives")

    # -- adding --------------------------------------------------------------------------------

    @classmethod
    def zero(cls, **options: Any) -> Self:
        """The neutral element; `options` set fixed fields."""
        return cls(**options)

    def __add__(self, other: Any) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        merged = {}
        kind: Any = type(self)
        for name, merge in _merges(kind):
            try:
                merged[name] = merge(getattr(self, name), getattr(other, name))
            except MergeError as error:
                raise MergeError(f"{type(self).__name__}: {name} {error}") from None
        return kind(**merged)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> Self:
        return self if isinstance(other, int) and other == 0 else NotImplemented

    # -- reading -------------------------------------------------------------------------------

    def scores(self) -> list[Score]:
        """All scores: the totals first, then those of each group, tagged with its values."""
        scores = self.total_scores()
        for groups in self._of_kind("grouped"):
            names = getattr(self, "by", None) or ()
            for key, state in sorted(groups.items(), key=lambda item: key_text(item[0])):
                tags = dict(zip(names, map(str, key), strict=True))
                scores += [score.tagged(**tags) for score in state.total_scores()]
        return scores

    def __getitem__(self, name: str) -> float:
        if name not in self._values:
            known = list(self._values)
            raise KeyError(f"{type(self).__name__} has no score {name!r}; it has {known}")
        return self._values[name]

    @functools.cached_property
    def _values(self) -> dict[str, float]:
        """Values by name, computed once: a state does not change."""
        return {score.name: score.value for score in self.total_scores()}

    def as_dict(self, prefix: str = "") -> dict[str, float]:
        """All scores under flat names, for trackers and training frameworks."""
        return flatten(self.scores(), prefix)

    def to_pandas(self) -> Any:
        """All scores as a pandas DataFrame, one row each, tags as columns.

        A tag named as a part of a score (`name`, `n`, …) is the column `tag_name`.
        """
        import pandas as pd

        rows = []
        for score in self.scores():
            row = score.as_dict()
            tags = row.pop("tags")
            rows.append({**{f"tag_{k}" if k in row else k: v for k, v in tags.items()}, **row})
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        from html import escape

        cells = [
            f"<tr><td>{escape(s.key())}</td><td>{s.value:.6g}</td><td>{escape(s.unit)}</td></tr>"
            for s in self.scores()
        ]
        return f"<table><tr><th>score</th><th>value</th><th>unit</th></tr>{''.join(cells)}</table>"

    # -- travelling ----------------------------------------------------------------------------

    @classmethod
    def schema(cls) -> tuple[tuple[str, str], ...]:
        """(field, kind) pairs: equal schemas can be exchanged between processes."""
        return tuple((f.name, f.metadata["kind"]) for f in dataclasses.fields(cls))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The fields as plain arrays in canonical order: keys sorted, rows by item id."""
        return {
            name: array
            for field in dataclasses.fields(self)
            for name, array in RULES[field.metadata["kind"]]
            .pack(field.name, getattr(self, field.name))
            .items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Inverse of to_arrays()."""
        fields = dataclasses.fields(cls)
        try:
            values = {
                f.name: RULES[f.metadata["kind"]].unpack(f.name, arrays, f.metadata) for f in fields
            }
        except (KeyError, ValueError, TypeError) as error:
            raise StateFormatError(f"{cls.__name__}: not its arrays: {error!r}") from error
        return cls(**values)

    def to_bytes(self) -> bytes:
        """A self-describing, checksummed byte string; equal states give equal bytes."""
        later = self._later().items()
        left_out = {name for name, before in later if getattr(self, name) == before}
        schema = tuple(row for row in self.schema() if row[0] not in left_out)
        arrays = {k: array for k, array in self.to_arrays().items() if k not in left_out}
        return state_bytes.pack(type(self).__name__, schema, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what to_bytes() wrote. Damaged, truncated or newer bytes are a StateFormatError."""
        kind, schema, arrays = state_bytes.parse(bytes(memoryview(data)))
        state_type = cls.named(kind)
        names = {name for name, _ in schema}
        left_out = {name: old for name, old in state_type._later().items() if name not in names}
        for name, before in left_out.items():
            arrays |= RULES["fixed"].pack(name, before)
        if schema != tuple(row for row in state_type.schema() if row[0] not in left_out):
            raise StateFormatError(f"{kind}: written with other fields: {schema}")
        return state_type.from_arrays(arrays)

    @classmethod
    def named(cls, kind: str) -> type[Self]:
        """The state type of that name, this one or one below it."""
        found = State._kinds.get(kind)
        if found is None or not issubclass(found, cls):
            raise StateFormatError(f"{cls.__name__}.from_bytes: these bytes hold a {kind!r}")
        return found

    @classmethod
    def _later(cls) -> dict[str, Any]:
        """Fields that were added since the first version of the bytes, each with its old value."""
        fields = dataclasses.fields(cls)
        return {f.name: f.metadata["before"] for f in fields if "before" in f.metadata}

    def _of_kind(self, kind: str) -> list[Any]:
        return [
            getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata["kind"] == kind
        ]
