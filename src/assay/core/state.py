"""State: totals that add.

A state is a frozen dataclass whose fields say how they merge:

    kind      merge                        neutral   for
    summed    +                            0         int64 counts (a number or an array)
    keyed     union of keys, counts add    {}        confusions, document frequency, labels
    peak      max                          None      high-water marks
    listed    concatenate                  no rows   per-item rows, the first column an item id
    fixed     must be equal                None      the definition: unit, tokeniser, policy
    grouped   union of keys, states add    {}        the same state per group of a `by=` column

Merging is associative and commutative, `zero()` is neutral, and every digit is the same under any
partition: counts are integers, and lists are put in order of item id before they are read.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from assay.core import state_bytes
from assay.core.errors import MergeError, StateFormatError
from assay.core.score import Score, flatten

__all__ = ["State", "fixed", "grouped", "keyed", "listed", "peak", "summed"]


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
    return dataclasses.field(
        default_factory=lambda: np.zeros((0, len(columns)), np.int64),
        metadata={"kind": "listed", "columns": columns},
    )


def fixed() -> Any:
    """A part of the definition (plain values, or an int64 array); states that differ in it do not
    add."""
    return dataclasses.field(default=None, metadata={"kind": "fixed"})


def grouped() -> Any:
    """The same state for each value of the `by=` columns, keyed by the tuple of their values."""
    return dataclasses.field(default_factory=dict, metadata={"kind": "grouped"})


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """Base of all metric states; a subclass declares fields and says what scores they give.

    `a + b` and `sum(states)` merge. `state["wer"]` is one score's value.
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
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            try:
                merged[field.name] = _RULES[field.metadata["kind"]].merge(mine, theirs)
            except MergeError as error:
                raise MergeError(f"{type(self).__name__}: {field.name} {error}") from None
        return type(self)(**merged)

    def __radd__(self, other: Any) -> Self:
        return self if isinstance(other, int) and other == 0 else NotImplemented

    # -- reading -------------------------------------------------------------------------------

    def scores(self) -> list[Score]:
        """All scores: the totals first, then those of each group, tagged with its values."""
        scores = self.total_scores()
        for groups in self._of_kind("grouped"):
            names = getattr(self, "by", None) or ()
            for key, state in sorted(groups.items(), key=lambda item: _key_text(item[0])):
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
            for name, array in _RULES[field.metadata["kind"]]
            .pack(field.name, getattr(self, field.name))
            .items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Inverse of to_arrays()."""
        fields = dataclasses.fields(cls)
        try:
            values = {
                f.name: _RULES[f.metadata["kind"]].unpack(f.name, arrays, f.metadata)
                for f in fields
            }
        except (KeyError, ValueError, TypeError) as error:
            raise StateFormatError(f"{cls.__name__}: not its arrays: {error!r}") from error
        return cls(**values)

    def to_bytes(self) -> bytes:
        """A self-describing, checksummed byte string; equal states give equal bytes."""
        return state_bytes.pack(type(self).__name__, self.schema(), self.to_arrays())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what to_bytes() wrote. Damaged, truncated or newer bytes are a StateFormatError."""
        kind, schema, arrays = state_bytes.parse(bytes(memoryview(data)))
        state_type = State._kinds.get(kind)
        if state_type is None or not issubclass(state_type, cls):
            raise StateFormatError(f"{cls.__name__}.from_bytes: these bytes hold a {kind!r}")
        if schema != state_type.schema():
            raise StateFormatError(f"{kind}: written with other fields: {schema}")
        return state_type.from_arrays(arrays)

    def _of_kind(self, kind: str) -> list[Any]:
        return [
            getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata["kind"] == kind
        ]


# -- one rule per field kind -------------------------------------------------------------------


class _Rule(NamedTuple):
    """How a field kind merges, and how it becomes arrays and comes back."""

    merge: Callable[[Any, Any], Any]
    pack: Callable[[str, Any], dict[str, npt.NDArray[Any]]]
    unpack: Callable[[str, Mapping[str, npt.NDArray[Any]], Mapping[str, Any]], Any]


def _merge_keyed(mine: Mapping[Any, int], theirs: Mapping[Any, int]) -> dict[Any, int]:
    merged = dict(mine)
    for key, count in theirs.items():
        merged[key] = merged.get(key, 0) + count
    return merged


def _merge_grouped(mine: Mapping[Any, State], theirs: Mapping[Any, State]) -> dict[Any, State]:
    merged = dict(mine)
    for key, state in theirs.items():
        merged[key] = merged[key] + state if key in merged else state
    return merged


def _merge_peak(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return max(mine, theirs)


def _merge_listed(mine: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if mine.size and theirs.size:
        a, b = mine[:, 0], theirs[:, 0]
        if a.min() <= b.max() and b.min() <= a.max():
            common = np.intersect1d(a, b)
            if common.size:
                raise MergeError(
                    f"have item ids in common ({common.size}, first {common[0]}); "
                    "give each item an id of its own with ids="
                )
    return np.concatenate([mine, theirs])


def _in_order(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows in order of item id, those of one item in order of their other columns."""
    order = np.argsort(rows[:, 0], kind="stable")
    ids = rows[order, 0]
    if np.any(ids[1:] == ids[:-1]):
        order = np.lexsort(rows.T[::-1])
    return rows[order]


def _merge_fixed(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    if isinstance(mine, np.ndarray) or isinstance(theirs, np.ndarray):
        if not np.array_equal(mine, theirs):
            raise MergeError("differs; such states do not add")
    elif mine != theirs:
        raise MergeError(f"differs: {mine!r} and {theirs!r}; such states do not add")
    return mine


def _key_text(key: Any) -> str:
    return json.dumps(key, ensure_ascii=False)


def _key_of(text: Any) -> Any:
    return tuple(text) if isinstance(text, list) else text


def _json(value: Any) -> npt.NDArray[Any]:
    # Escapes would join two lone surrogates into one character when read.
    text = json.dumps(value, ensure_ascii=False)
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


def _unjson(array: npt.NDArray[Any]) -> Any:
    return json.loads(array.tobytes().decode("utf-8", "surrogatepass"))


def _pack_keyed(name: str, value: Mapping[Any, int]) -> dict[str, npt.NDArray[Any]]:
    keys = sorted(value, key=_key_text)
    counts = np.array([value[key] for key in keys], "<i8")
    return {f"{name}.keys": _json(keys), f"{name}.counts": counts}


def _unpack_keyed(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    keys = map(_key_of, _unjson(arrays[f"{name}.keys"]))
    return dict(zip(keys, arrays[f"{name}.counts"].tolist(), strict=True))


def _pack_grouped(name: str, value: Mapping[Any, State]) -> dict[str, npt.NDArray[Any]]:
    keys = sorted(value, key=_key_text)
    states = {
        f"{name}.{i}": np.frombuffer(value[key].to_bytes(), np.uint8) for i, key in enumerate(keys)
    }
    return {f"{name}.keys": _json(keys), **states}


def _unpack_grouped(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    keys = [_key_of(key) for key in _unjson(arrays[f"{name}.keys"])]
    return {k: State.from_bytes(arrays[f"{name}.{i}"].tobytes()) for i, k in enumerate(keys)}


def _number(array: npt.NDArray[Any]) -> Any:
    return array.item() if array.ndim == 0 else array


def _pack_fixed(name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    if isinstance(value, np.ndarray):
        return {f"{name}.array": value.astype("<i8", copy=False)}
    return {name: _json(value)}


def _unpack_fixed(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    array = arrays.get(f"{name}.array")
    return _key_of(_unjson(arrays[name])) if array is None else array


def _pack_peak(name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    dtype = "<i8" if isinstance(value, int) else "<f8"
    return {name: np.asarray([] if value is None else value, dtype)}


def _unpack_peak(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return _number(arrays[name]) if arrays[name].ndim == 0 else None


def _unpack_listed(name: str, arrays: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    width = len(metadata["columns"])
    if arrays[name].shape[1:] != (width,):
        raise ValueError(f"{name} has shape {arrays[name].shape}, not [rows, {width}]")
    return arrays[name]


_RULES: dict[str, _Rule] = {
    "summed": _Rule(
        lambda mine, theirs: mine + theirs,
        lambda name, value: {name: np.asarray(value, "<i8")},
        lambda name, arrays, _: _number(arrays[name]),
    ),
    "keyed": _Rule(_merge_keyed, _pack_keyed, _unpack_keyed),
    "peak": _Rule(_merge_peak, _pack_peak, _unpack_peak),
    "listed": _Rule(
        _merge_listed,
        lambda name, rows: {name: _in_order(rows).astype("<i8", copy=False)},
        _unpack_listed,
    ),
    "fixed": _Rule(_merge_fixed, _pack_fixed, _unpack_fixed),
    "grouped": _Rule(_merge_grouped, _pack_grouped, _unpack_grouped),
}
