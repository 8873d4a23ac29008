"""Count functions as meters are given them: what they are, and what to call them."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from assay.core.errors import StateFormatError

__all__ = ["definition", "function_of", "same_count"]


def function_of(count: Any) -> tuple[Any, dict[str, Any]]:
    """A count function and the options that functools.partial gave it."""
    options: dict[str, Any] = {}
    while isinstance(count, functools.partial):
        count, options = count.func, {**count.keywords, **options}
    return count, options


def definition(count: Callable[..., Any]) -> str:
    """A count function and its options as text, `count_words(empty="nan")`; options that JSON does
    not have by their names. Without a module: that of a script is __main__, and modules move."""
    function, options = function_of(count)
    told = (f"{name}={_text(options[name])}" for name in sorted(options))
    return f"{_name(function)}({', '.join(told)})"


def same_count(meter: str, saved: Mapping[str, Any], count: Callable[..., Any]) -> None:
    """A StateFormatError where a checkpoint was counted otherwise."""
    if saved["count"] != (own := definition(count)):
        raise StateFormatError(
            f"{meter}.load_state_dict: the checkpoint was counted by {saved['count']:.200}, and "
            f"this meter counts by {own:.200}; load it into a meter of the same"
        )


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)
    except TypeError:  # keys that JSON does not have
        return _name(value)


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return value.tolist() if hasattr(value, "tolist") else _name(value)


def _name(value: Any) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)
