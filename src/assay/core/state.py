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
from contextlib import suppress
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from assay.core import state_bytes
from assay.core.errors import AssayError, MergeError, StateFormatError
from assay.core.field_kinds import RULES, key_text
from assay.core.fitting import misfit
from assay.core.optional import require
from assay.core.score import Score, flatten

__all__ = ["State", "fixed", "grouped", "keyed", "listed", "peak", "pooled", "summed"]
__all__ += ["tabled"]


def summed(*shape: int) -> Any:
    """An int64 number (or an array of one shape) that adds. shape: of the array, where it is always
    the same; bytes with another one are refused."""
    return dataclasses.field(default=0, metadata={"kind": "summed", "shape": shape})


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


DEEPEST = 8  # states within states
_MISFIT = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)


@functools.cache
def _merges(state: type["State"]) -> tuple[tuple[str, bool, Callable[[Any, Any], Any]], ...]:
    """Of each field: whether it is fixed, and how it adds."""
    kinds = ((f.name, f.metadata["kind"]) for f in dataclasses.fields(state))
    return tuple((name, kind == "fixed", RULES[kind].merge) for name, kind in kinds)


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

    def check(self) -> None:
        """Refuse, by an error, fields that no count gives: states come from files and from other
        processes. That they are what their annotations say is known here.

        Here they must tell their scores. A state of which that takes long, or that hands its arrays
        to kernels, looks at these in its own way.
        """
        with suppress(AssayError), np.errstate(all="ignore"):
            self.total_scores()

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
        ours, theirs = self.__dict__, other.__dict__
        try:
            for name, is_fixed, merge in _merges(kind):
                mine, own = ours[name], theirs[name]
                merged[name] = mine if is_fixed and mine is own else merge(mine, own)
        except MergeError as error:
            raise MergeError(f"{kind.__name__}: {name} {error}") from None
        added: Self = kind(**merged)
        return added

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

    def pick(self, *names: str) -> list[Score]:
        """The scores of these names, of all directions and groups, to log no others; KeyError for
        a name that there is none of.

        >>> from assay import count_words
        >>> [score.key() for score in count_words(["a b"], ["a c"]).pick("wer", "hits")]
        ['wer', 'hits']
        """
        scores = self.scores()
        known = dict.fromkeys(score.name for score in scores)
        for name in names:
            self._refuse_unknown(name, known)
        return [score for score in scores if score.name in names]

    def __getitem__(self, name: str) -> float:
        self._refuse_unknown(name, self._values)
        return self._values[name]

    def _refuse_unknown(self, name: str, known: Mapping[str, Any]) -> None:
        if name not in known:
            raise KeyError(f"{type(self).__name__} has no score {name!r}; it has {[*known]}")

    @functools.cached_property
    def _values(self) -> dict[str, float]:
        """Values by name, computed once: a state does not change."""
        return {score.name: score.value for score in self.total_scores()}

    def as_dict(self, prefix: str = "") -> dict[str, float]:
        """All scores under flat names, for trackers and training frameworks."""
        return flatten(self.scores(), prefix)

    def to_pandas(self) -> Any:
        """All scores as a pandas DataFrame, one row each, tags as columns.

        A tag named as a part of a score (`name`, `n`, …) is the column `tag_name`. What UTF-8 has
        no bytes for is written as an escape.
        """
        pd = require("pandas")

        rows = []
        for score in self.scores():
            row = score.as_dict()
            tags = row.pop("tags")
            row = {**{f"tag_{k}" if k in row else k: v for k, v in tags.items()}, **row}
            rows.append({_utf8(k): _utf8(v) for k, v in row.items()})
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
        found: dict[str, npt.NDArray[Any]] = {}
        for field in dataclasses.fields(self):
            try:
                pack = RULES[field.metadata["kind"]].pack
                found |= pack(field.name, getattr(self, field.name))
            except OverflowError as error:
                raise MergeError(f"{type(self).__name__}: {field.name} is beyond int64") from error
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Inverse of to_arrays()."""
        fields = dataclasses.fields(cls)
        try:
            state = cls(**{
                f.name: RULES[f.metadata["kind"]].unpack(f.name, arrays, f.metadata) for f in fields
            })  # fmt: skip
            state.refuse_misfits()
        except _MISFIT as error:
            raise StateFormatError(f"{cls.__name__}: not its arrays: {error!r}") from error
        return state

    def refuse_misfits(self) -> None:
        """An error where a field is not what its annotation says, or check() refuses it."""
        if told := misfit(self):
            raise TypeError(told)
        if (depth := self._depth()) > DEEPEST:
            raise ValueError(f"groups within groups, {depth} deep")
        names = getattr(self, "by", None) or ()
        groups = self._of_kind("grouped") if hasattr(self, "by") else []
        keys = (key for own in groups for key in own if type(key) is tuple)
        if any(len(key) != len(names) for key in keys):
            raise ValueError(f"keys of groups are not of {len(names)} columns")
        self.check()

    def _depth(self) -> int:
        inner = (state._depth() for groups in self._of_kind("grouped") for state in groups.values())
        return 1 + max(inner, default=0)

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


def _utf8(value: Any) -> Any:
    """Text without code points that UTF-8 cannot hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
