"""How each kind of a state's fields merges, and becomes arrays and comes back."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import MergeError
from assay.core.waiting import plus_waiting

__all__ = ["RULES", "Rule", "joined", "key_text", "parts_of"]


class Rule(NamedTuple):
    """How a field kind merges, and how it becomes arrays and comes back."""

    merge: Callable[[Any, Any], Any]
    pack: Callable[[str, Any], dict[str, npt.NDArray[Any]]]
    unpack: Callable[[str, Mapping[str, npt.NDArray[Any]], Mapping[str, Any]], Any]


def _merge_summed(mine: Any, theirs: Any) -> Any:
    if type(mine) is int and type(theirs) is int:  # most are, in thousands of groups
        return mine + theirs
    if (waiting := plus_waiting(mine, theirs, _merge_summed)) is not None:
        return waiting
    shapes = [np.shape(value) for value in (mine, theirs)]
    if all(shapes) and shapes[0] != shapes[1]:
        raise MergeError(f"differs in shape: {shapes[0]} and {shapes[1]}")
    return mine + theirs


def _merge_keyed(mine: Mapping[Any, int], theirs: Mapping[Any, int]) -> Any:
    if type(theirs) is dict and not theirs and type(mine) is dict:
        return mine
    if (waiting := plus_waiting(mine, theirs, _merge_keyed)) is not None:
        return waiting
    merged = dict(mine)
    for key, count in theirs.items():
        merged[key] = merged.get(key, 0) + count
    return merged


def _merge_grouped(mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> dict[Any, Any]:
    merged = dict(mine)
    for key, state in theirs.items():
        if key not in merged:
            merged[key] = state
        elif type(merged[key]) is type(state):
            merged[key] = merged[key] + state
        else:
            kinds = f"{type(merged[key]).__name__} and {type(state).__name__}"
            raise MergeError(f"of {key} are {kinds}; such states do not add")
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
    if not len(mine) or not len(theirs):  # most are, in thousands of groups
        return mine if len(mine) else theirs
    return np.concatenate([mine, theirs])


def _in_order(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows in order of item id, those of one item in order of their other columns."""
    order = np.argsort(rows[:, 0], kind="stable")
    ids = rows[order, 0]
    if np.any(ids[1:] == ids[:-1]):
        order = np.lexsort(rows.T[::-1])
    return rows[order]


def joined(values: Any) -> npt.NDArray[Any]:
    """A pool as one array: it is one, or, once states were added, a tuple of them."""
    parts = parts_of(values)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def parts_of(values: Any) -> tuple[npt.NDArray[Any], ...]:
    """The arrays of a pool."""
    return values if isinstance(values, tuple) else (values,)


def _merge_pooled(mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> Any:
    if (waiting := plus_waiting(mine, theirs, _merge_pooled)) is not None:
        return waiting
    # Arrays are not copied: a loop that adds its batches would copy all of them each time.
    merged = dict(mine)
    for key, values in theirs.items():
        own, more = parts_of(merged.get(key, ())), parts_of(values)
        shapes = {part.shape[1:] for part in own + more if len(part)}
        if len(shapes) > 1:
            raise MergeError(f"differs in shape: rows of {' and '.join(map(str, shapes))}")
        merged[key] = tuple(part for part in own + more if len(part)) or more[:1]
    return merged


def _pack_pooled(name: str, value: Mapping[Any, Any]) -> dict[str, npt.NDArray[Any]]:
    keys = sorted(value, key=key_text)
    pools = {f"{name}.{i}": _sorted_values(joined(value[key])) for i, key in enumerate(keys)}
    return {f"{name}.keys": _json(keys), **pools}


def _sorted_values(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    kind = "<f4" if values.dtype == np.float32 else "<f8"
    values = values.astype(kind, copy=False)
    # -0.0 equals 0.0 but has other bytes
    values = values + np.zeros((), kind)
    return np.sort(values) if values.ndim == 1 else values[np.lexsort(values.T[::-1])]


def _unpack_pooled(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    pools = [arrays[f"{name}.{i}"] for i in range(len(_unjson(arrays[f"{name}.keys"])))]
    if any(pool.dtype.kind != "f" or pool.ndim not in (1, 2) for pool in pools):
        raise ValueError(f"{name} has values that are no floats [n] or [n, c]")
    return _keyed(name, arrays, pools)


def _merge_fixed(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    if type(mine) is str and mine == theirs:
        return mine
    if isinstance(mine, np.ndarray) or isinstance(theirs, np.ndarray):
        if not np.array_equal(mine, theirs):
            raise MergeError("differs; such states do not add")
    elif mine != theirs:
        raise MergeError(f"differs: {mine!r} and {theirs!r}; such states do not add")
    return mine


def key_text(key: Any) -> str:
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
    keys = sorted(value, key=key_text)
    counts = np.array([value[key] for key in keys], "<i8")
    return {f"{name}.keys": _json(keys), f"{name}.counts": counts}


def _unpack_keyed(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return _keyed(name, arrays, _integers(f"{name}.counts", arrays, (-1,)).tolist())


def _keyed(name: str, arrays: Mapping[str, Any], values: Iterable[Any]) -> dict[Any, Any]:
    """Values by their keys, which differ."""
    keys = [_key_of(key) for key in _unjson(arrays[f"{name}.keys"])]
    found = dict(zip(keys, values, strict=True))
    if len(found) != len(keys):
        raise ValueError(f"{name} has a key twice")
    return found


def _integers(
    name: str, arrays: Mapping[str, npt.NDArray[Any]], shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Integers of that shape, in which -1 is any number."""
    array = arrays[name]
    right = array.ndim == len(shape) and all(
        n in (-1, own) for n, own in zip(shape, array.shape, strict=True)
    )
    if not right or array.dtype != np.int64:
        wanted = ", ".join("n" if n == -1 else str(n) for n in shape)
        raise ValueError(f"{name} has {array.dtype} of shape {array.shape}, not int64 [{wanted}]")
    return array


def _unpack_summed(name: str, arrays: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    return _number(_of_shape(name, arrays, metadata))


def _of_shape(
    name: str, arrays: Mapping[str, Any], metadata: Mapping[str, Any], rows: int = 0
) -> npt.NDArray[Any]:
    """A sum (rows: 1 for a column of them), of the shape it is declared with or still 0."""
    there = arrays[name].shape
    declared = there[:rows] + (metadata.get("shape") or there[rows:])
    return _integers(name, arrays, declared if len(there) > rows else there)


def _merge_tabled(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
    return mine + theirs


def _pack_tabled(name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}.{k}": a for k, a in (value.to_arrays() if value is not None else {}).items()}


def _unpack_tabled(name: str, arrays: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    own = {k.removeprefix(f"{name}."): a for k, a in arrays.items() if k.startswith(f"{name}.")}
    return metadata["load"](own) if own else None


def _pack_grouped(name: str, value: Mapping[Any, Any]) -> dict[str, npt.NDArray[Any]]:
    keys = sorted(value, key=key_text)
    states = [value[key] for key in keys]
    named = {f"{name}.keys": _json(keys)}
    if (columns := _columns(states)) is not None:
        return named | {f"{name}.{part}": array for part, array in columns.items()}
    blobs = (np.frombuffer(state.to_bytes(), np.uint8) for state in states)
    return named | {f"{name}.{i}": blob for i, blob in enumerate(blobs)}


def _columns(states: list[Any]) -> dict[str, npt.NDArray[Any]] | None:
    """The states as one array for each field, where all but their sums is the same: thousands of
    groups are. None where it is not."""
    kinds = {type(state) for state in states}
    if len(states) < 2 or len(kinds) > 1:
        return None
    arrays = {"kind": _json(next(iter(kinds)).__name__)}
    for name, kind in states[0].schema():
        values = [getattr(state, name) for state in states]
        if kind == "summed":
            if len({np.shape(value) for value in values}) > 1:
                return None
            arrays[f"each.{name}"] = np.asarray(values, "<i8")
        elif all(_alike(kind, value, values[0]) for value in values):
            arrays |= RULES[kind].pack(f"all.{name}", values[0])
        else:
            return None
    return arrays


def _alike(kind: str, value: Any, other: Any) -> bool:
    if kind == "fixed":
        if value is other or isinstance(value, np.ndarray):
            return value is other
        return type(value) is type(other) and bool(value == other)
    return kind in ("keyed", "listed", "grouped") and not len(value) and not len(other)


def _unpack_grouped(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    from assay.core.state import State

    if f"{name}.kind" not in arrays:
        blobs = (arrays[f"{name}.{i}"] for i in range(len(_unjson(arrays[f"{name}.keys"]))))
        return _keyed(name, arrays, [State.from_bytes(blob.tobytes()) for blob in blobs])
    kind: Any = State.named(_unjson(arrays[f"{name}.kind"]))
    each, common = {}, {}
    for field in dataclasses.fields(kind):
        if field.metadata["kind"] == "summed":
            column = _of_shape(f"{name}.each.{field.name}", arrays, field.metadata, rows=1)
            each[field.name] = column.tolist() if column.ndim == 1 else [*column]
        else:
            own = {
                f"{field.name}{part[len(prefix) :]}": array
                for prefix in [f"{name}.all.{field.name}"]
                for part, array in arrays.items()
                if part == prefix or part.startswith(f"{prefix}.")
            }
            rule = RULES[field.metadata["kind"]]
            common[field.name] = rule.unpack(field.name, own, field.metadata)
    rows = zip(*each.values(), strict=True)
    states = [kind(**common, **dict(zip(each, row, strict=True))) for row in rows]
    for state in states[:1]:  # the others differ in values of sums, at which no check looks
        state.refuse_misfits()
    return _keyed(name, arrays, states)


def _number(array: npt.NDArray[Any]) -> Any:
    return array.item() if array.ndim == 0 else array


def _pack_fixed(name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    if isinstance(value, np.ndarray):
        return {f"{name}.array": value.astype("<i8", copy=False)}
    return {name: _json(value)}


def _unpack_fixed(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    if f"{name}.array" not in arrays:
        return _key_of(_unjson(arrays[name]))
    return _integers(f"{name}.array", arrays, arrays[f"{name}.array"].shape)


def _pack_peak(name: str, value: Any) -> dict[str, npt.NDArray[Any]]:
    dtype = "<i8" if isinstance(value, int) else "<f8"
    return {name: np.asarray([] if value is None else value, dtype)}


def _unpack_peak(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    return _number(arrays[name]) if arrays[name].ndim == 0 else None


def _unpack_listed(name: str, arrays: Mapping[str, Any], metadata: Mapping[str, Any]) -> Any:
    return _integers(name, arrays, (-1, len(metadata["columns"])))


RULES: dict[str, Rule] = {
    "summed": Rule(
        _merge_summed,
        lambda name, value: {name: np.asarray(value, "<i8")},
        _unpack_summed,
    ),
    "keyed": Rule(_merge_keyed, _pack_keyed, _unpack_keyed),
    "peak": Rule(_merge_peak, _pack_peak, _unpack_peak),
    "listed": Rule(
        _merge_listed,
        lambda name, rows: {name: _in_order(rows).astype("<i8", copy=False)},
        _unpack_listed,
    ),
    "fixed": Rule(_merge_fixed, _pack_fixed, _unpack_fixed),
    "pooled": Rule(_merge_pooled, _pack_pooled, _unpack_pooled),
    "grouped": Rule(_merge_grouped, _pack_grouped, _unpack_grouped),
    "tabled": Rule(_merge_tabled, _pack_tabled, _unpack_tabled),
}
