"""Warnings and errors as scikit-learn raises them, and what a parameter may be."""

import functools
import math
import sys
import warnings
from collections.abc import Callable
from numbers import Real
from types import FrameType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

__all__ = ["ARRAY", "ARRAYS", "AVERAGE", "BOOL", "DIVISION", "InvalidParameterError"]
__all__ += ["LABEL", "OPTIONAL", "Rule", "UndefinedMetricWarning", "among", "checked"]
__all__ += ["number", "warn", "warn_undefined"]

P = ParamSpec("P")
T = TypeVar("T")


class UndefinedMetricWarning(UserWarning):
    """A metric is not defined on this input, and a value is put in its place."""


class InvalidParameterError(ValueError, TypeError):
    """A parameter is none of what it may be."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning that shows the line which called us."""
    depth = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(__package__ or "-"):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


def warn_undefined(message: str) -> None:
    """An UndefinedMetricWarning: ours, and scikit-learn's where that is loaded."""
    theirs = sys.modules.get("sklearn.exceptions")
    other = getattr(theirs, "UndefinedMetricWarning", None)
    warn(message, UndefinedMetricWarning if other is None else _both(other))


@functools.cache
def _both(other: type[Warning]) -> type[Warning]:
    bases = (UndefinedMetricWarning, other)
    return type("UndefinedMetricWarning", bases, {"__module__": __name__})


class Rule(NamedTuple):
    """What a parameter may be: a test of values, and its words."""

    holds: Callable[[Any], bool]
    words: str


def checked(**rules: Rule) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Parameters that are given must keep their rules; defaults do."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for name, value in [*zip(names, args, strict=False), *kwargs.items()]:
                rule = rules.get(name)
                if rule is not None and not rule.holds(value):
                    raise InvalidParameterError(
                        f"The {name!r} parameter of {function.__name__} must be {rule.words}. "
                        f"Got {value!r} instead."
                    )
            return function(*args, **kwargs)

        return call

    return decorate


def _is_array(value: Any) -> bool:
    if type(value) is np.ndarray:
        return True
    held = hasattr(value, "__len__") or hasattr(value, "shape") or hasattr(value, "__array__")
    return held and not np.isscalar(value) and not hasattr(value, "tocsr")


def among(*options: Any) -> Rule:
    """One of some strings, or None where that is one of them."""
    texts = [option for option in options if option is not None]
    words = f"a str among {{{', '.join(map(repr, texts))}}}"
    words += " or None" if None in options else ""
    return Rule(lambda v: (v is None or isinstance(v, str)) and v in options, words)


def number(kind: Any, low: float, high: float, words: str, *also: Any) -> Rule:
    """A number in low..high, or one of some other values."""

    def holds(value: Any) -> bool:
        if isinstance(value, kind) and low <= value <= high:
            return True
        return any(value is other or (value != value and other != other) for other in also)

    return Rule(holds, words)


def _is_division(value: Any) -> bool:
    if isinstance(value, str):
        return value == "warn"
    return isinstance(value, Real) and (value in (0, 1) or math.isnan(value))


ARRAY = Rule(_is_array, "an array-like")
ARRAYS = Rule(lambda v: _is_array(v) or hasattr(v, "tocsr"), "an array-like or a sparse matrix")
OPTIONAL = Rule(lambda v: v is None or _is_array(v), "an array-like or None")
BOOL = Rule(
    lambda v: isinstance(v, (bool, np.bool_)),
    "an instance of 'bool' or an instance of 'numpy.bool'",
)
LABEL = Rule(
    lambda v: v is None or isinstance(v, (Real, str, bool, np.bool_)),
    "an instance of 'float', an instance of 'str', an instance of 'bool' or None",
)
AVERAGE = among("micro", "macro", "samples", "weighted", "binary", None)
DIVISION = Rule(_is_division, "a float among {0.0, 1.0}, nan or a str among {'warn'}")
