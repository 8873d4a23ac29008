"""Arguments of the wrong kind, refused by one message each."""

import numbers
from collections.abc import Collection
from typing import Any

from assay.core.errors import InputError

__all__ = ["flag", "is_one_of", "name_of", "number", "one_of", "whole"]


def number(value: Any, what: str) -> float:
    """A real number as a float, NaN and infinities included; no bool, text or array.

    >>> number(3, "beta")
    3.0
    """
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{what} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{what} must fit into a float, got {value!r}") from None


def whole(value: Any, what: str, least: int = 1, most: int | None = None) -> int:
    """A whole number in a range; no bool, float, text or array.

    >>> whole(3, "bins")
    3
    """
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    right = isinstance(value, int) and not isinstance(value, bool)
    if not right or value < least or (most is not None and value > most):
        rule = f"of at least {least}" if most is None else f"in {least}..{most:,}"
        raise InputError(f"{what} must be a whole number {rule}, got {value!r}")
    return int(value)


def name_of(metric: Any) -> str:
    """A metric's name."""
    if not isinstance(metric, str):
        raise InputError(f"metric must be a name, as in 'macro_f1', got {metric!r}")
    return metric


def one_of(value: Any, what: str, known: Collection[str]) -> str:
    """One of some names.

    >>> one_of("macro", "average", ("macro", "micro"))
    'macro'
    """
    if not is_one_of(value, known):
        raise InputError(f"{what} must be one of {', '.join(known)}, got {value!r}")
    return str(value)


def is_one_of(value: Any, known: Collection[str]) -> bool:
    """Whether it is a name, and one of those; arrays and lists, which have no hash, are not."""
    return isinstance(value, str) and value in known


def flag(value: Any, what: str) -> bool:
    """True or False, nothing that stands for one."""
    if not isinstance(value, bool) and not type(value).__name__.startswith("bool"):
        raise InputError(f"{what} must be True or False, got {value!r}")
    return bool(value)
