"""How each kind of a state's fields merges, and becomes arrays and comes back."""

import json
from collections.abc import Callable, Mapping
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
    keys = [_key_of(key) for key in _unjson(arrays[f"{name}.keys"])]
    return {key: arrays[f"{name}.{i}"] for i, key in enumerate(keys)}


def _merge_fixed(mine: Any, theirs: Any) -> Any:
    if mine is None or theirs is None:
        return theirs if mine is None else mine
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
    keys = map(_key_of, _unjson(arrays[f"{name}.keys"]))
    return dict(zip(keys, arrays[f"{name}.counts"].tolist(), strict=True))


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
    states = {
        f"{name}.{i}": np.frombuffer(value[key].to_bytes(), np.uint8) for i, key in enumerate(keys)
    }
    return {f"{name}.keys": _json(keys), **states}


def _unpack_grouped(name: str, arrays: Mapping[str, Any], _: Mapping[str, Any]) -> Any:
    from assay.core.state import State

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


RULES: dict[str, Rule] = {
    "summed": Rule(
        _merge_summed,
        lambda name, value: {name: np.asarray(value, "<i8")},
        lambda name, arrays, _: _number(arrays[name]),
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
