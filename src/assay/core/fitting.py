"""Whether values are what annotations say: bytes from elsewhere may hold anything."""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

import numpy as np

__all__ = ["fitted", "misfit"]

Fits = Callable[[Any], bool]
Made = typing.TypeVar("Made")

_NUMBERS = {int: (int,), float: (int, float), bool: (bool,), str: (str,), types.NoneType: ()}


def misfit(value: Any) -> str:
    """The first field of a dataclass or named tuple that is not what its annotation says, as a part
    of a message; empty where all are. An annotation that cannot be read here says nothing.

    >>> from typing import NamedTuple
    >>> class Pair(NamedTuple):
    ...     key: tuple[str, int] | None
    ...     n: float
    >>> misfit(Pair(("a", 1), 2)), misfit(Pair(("a", "b"), 2.5))
    ('', "key is ('a', 'b'), not tuple[str, int] | None")
    """
    kind: Any = type(value)
    for name, fits, hint in _fields(kind):
        own = getattr(value, name)
        if not fits(own):
            return f"{name} is {own!r:.60}, not {inspect.formatannotation(hint)}"
    return ""


def fitted(kind: type[Made], value: Any) -> Made:
    """The named tuple that became these values in JSON, as a mapping or as a list, and named tuples
    in it; a TypeError where they are not what its annotations say.

    >>> from typing import NamedTuple
    >>> class Pair(NamedTuple):
    ...     key: tuple[str, int] | None
    ...     n: float
    >>> fitted(Pair, {"key": ["a", 1], "n": 2})
    Pair(key=('a', 1), n=2)
    """
    own_kind: Any = kind
    hints = typing.get_type_hints(kind)
    given = value if isinstance(value, Mapping) else zip(own_kind._fields, value, strict=False)
    fields = {}
    for name, own in dict(given).items():
        within = hasattr(hints.get(name), "_fields")
        fields[name] = fitted(hints[name], own) if within else _in_tuples(own)
    made = kind(**fields)
    if told := misfit(made):
        raise TypeError(told)
    return made


def _in_tuples(value: Any) -> Any:
    return tuple(map(_in_tuples, value)) if isinstance(value, list) else value


@functools.cache
def _fields(kind: type) -> list[tuple[str, Fits, Any]]:
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    else:
        names = list(getattr(kind, "_fields", ()))
    try:
        hints = typing.get_type_hints(kind)
    except (NameError, AttributeError, TypeError):  # a class of a function, or imported for types
        return []
    return [(name, _fits(hints[name]), hints[name]) for name in names]


@functools.cache
def _fits(hint: Any) -> Fits:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint in _NUMBERS or hint is None:
        return _is_one(hint)
    if origin in (Union, types.UnionType):
        kinds = [_fits(part) for part in parts]
        return lambda value: any(fits(value) for fits in kinds)
    if origin is typing.Literal:
        return lambda value: type(value) in map(type, parts) and value in parts
    if origin is tuple:
        return _is_tuple(parts)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, own = map(_fits, parts)
        return lambda value: (
            isinstance(value, Mapping) and (all(map(key, value)) and all(map(own, value.values())))
        )
    if isinstance(origin, type) and issubclass(origin, Sequence):
        item = _fits(parts[0])
        return lambda value: isinstance(value, (list, tuple)) and all(map(item, value))
    kind = np.ndarray if origin is np.ndarray else hint
    if isinstance(kind, type) and kind is not Any:
        return lambda value: isinstance(value, kind)
    return lambda value: True


def _is_one(hint: Any) -> Fits:
    if hint is None or hint is types.NoneType:
        return lambda value: value is None
    kinds = _NUMBERS[hint]
    return lambda value: type(value) in kinds


def _is_tuple(parts: tuple[Any, ...]) -> Fits:
    if parts[1:] == (...,):
        item = _fits(parts[0])
        return lambda value: type(value) is tuple and all(map(item, value))
    items = [_fits(part) for part in parts]
    return lambda value: (
        type(value) is tuple
        and len(value) == len(items)
        and all(fits(own) for fits, own in zip(items, value, strict=True))
    )
