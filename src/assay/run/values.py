"""What people log, as numbers, and tensors on a device without waiting for it."""

import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from assay.core.errors import InputError
from assay.core.score import Score
from assay.core.state import State
from assay.core.waiting import Waiting

__all__ = [
    "LATE",
    "as_params",
    "as_scores",
    "as_text",
    "fetched",
    "histogram",
    "number",
    "texts",
    "waits",
    "whole_step",
]

LATE = object()  # a number that a device has not finished

BINS = 64  # of a histogram


def number(name: Any, value: Any) -> Any:
    """A value as an int or a float, or LATE."""
    kind = type(value)
    if kind is float:
        return value
    if hasattr(value, "item") and getattr(value, "size", None) is not None:
        device = getattr(value, "device", None)
        if _elements(value) != 1:
            raise InputError(
                f"run.log: {name!r} must be one number, got {_elements(value):,} of them; "
                "log its mean, or run.histogram(values, name)"
            )
        if getattr(device, "type", "cpu") != "cpu":
            return LATE
        value = value.item()
    if isinstance(value, numbers.Real):
        try:
            as_float = float(value)
        except OverflowError:
            raise InputError(
                f"run.log: {name!r} must fit into a float, got {value!r:.40}…"
            ) from None
        return int(value) if isinstance(value, numbers.Integral) else as_float
    raise InputError(
        f"run.log: {name!r} must be a number, got {value!r}; "
        "text belongs into params= or tags= of the run"
    )


def as_text(value: float) -> str:
    """A number as the journal has it."""
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def as_scores(values: Any) -> list[Score]:
    """Scores of a State, one Score, or several of them."""
    if isinstance(values, State):
        return values.scores()
    if isinstance(values, Score):
        return [values]
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes)):
        scores = list(values)
        if all(isinstance(score, Score) for score in scores):
            return scores
    raise InputError(
        "run.log: values must be a dictionary of numbers, a State or Scores, "
        f"got {type(values).__name__}"
    )


def waits(values: Any) -> bool:
    """Is this a State that a device has not finished?"""
    if not isinstance(values, State):
        return False
    found = (getattr(values, field.name) for field in fields(values))
    return any(
        isinstance(value, Waiting)
        or getattr(getattr(value, "device", None), "type", "cpu") != "cpu"
        for value in found
    )


def fetched(values: Sequence[Any]) -> Callable[[], list[float]]:
    """Numbers that a device has not finished, as they are now: the copy is started at once, and
    whoever calls what is returned waits for it."""
    import torch

    cuda: Any = torch.cuda
    found = [value.detach().reshape(()) for value in values]
    if not all(value.is_cuda for value in found):
        kept = [value.clone() for value in found]  # may be added to in place by then
        return lambda: [value.item() for value in kept]
    with torch.cuda.device(found[0].device):
        # One copy to pinned memory: to any other the driver would wait.
        together = torch.stack([value.to(found[0].device).double() for value in found])
        host = torch.empty(len(found), dtype=torch.float64, pin_memory=True)
        host.copy_(together, non_blocking=True)
        done = cuda.Event(blocking=True)
        done.record()

    def read() -> list[float]:
        done.synchronize()  # gives the interpreter away
        return [float(value) for value in host.tolist()]

    return read


def histogram(values: Any, name: str) -> tuple[list[float], list[int]]:
    """Edges [65] and counts [64] of all finite values, in bins of equal width."""
    if hasattr(values, "detach"):
        values = values.detach().to("cpu").float().numpy()
    try:
        array = np.asarray(values, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise InputError(f"run.histogram: {name!r} must hold numbers: {error}") from error
    array = array[np.isfinite(array)]
    if not array.size:
        raise InputError(f"run.histogram: {name!r} must hold a finite value, got none")
    low, high = float(array.min()), float(array.max())
    if high - low == float("inf"):
        raise InputError(
            f"run.histogram: {name!r} must span less than the largest float, got {low:g} … {high:g}"
        )
    margin = BINS * float(np.spacing(max(abs(low), abs(high))))
    if high - low < margin:  # too close together for so many bins
        margin = max(margin, 0.5) if low == high else margin
        low, high = low - margin, high + margin
    counts, edges = np.histogram(array, BINS, (low, high))
    return edges.tolist(), counts.tolist()


def as_params(params: Any, what: str = "params") -> dict[str, Any]:
    """Parameters under flat names (`optimizer.lr`), as plain JSON; what JSON has not is text."""
    if not isinstance(params, Mapping):
        raise InputError(
            f"Run: {what} must be a mapping, as vars(args) is one, got {type(params).__name__}"
        )
    return dict(_entries("", params, (), what))


def _entries(
    prefix: str, params: Mapping[Any, Any], around: tuple[Any, ...], what: str
) -> Iterator[tuple[str, Any]]:
    """Flat names and values; around: the mappings that these lie in."""
    for own, value in params.items():
        name, within = f"{prefix}{own}", (*around, params)
        if isinstance(value, Mapping) and value:
            _check_ends(name, value, within, what)
            yield from _entries(f"{name}.", value, within, what)
        else:
            yield name, _plain(name, value, within, what)


def _check_ends(name: str, value: Any, around: tuple[Any, ...], what: str) -> None:
    if any(value is outer for outer in around):
        raise InputError(
            f"Run: {what} must not contain themselves, and {name!r} is what it lies in; leave it "
            "out, or give its str()"
        )


def texts(tags: Mapping[str, Any]) -> dict[str, str]:
    """Tags as the journal has them; one that is None is none."""
    return {tag: str(value) for tag, value in tags.items() if value is not None}


def whole_step(step: Any) -> int:
    """A step as an int."""
    if hasattr(step, "__index__") and not isinstance(step, bool):
        if int(step).bit_length() < 64:
            return int(step)
        # No tracker takes it, ever, nor what is logged after it.
        raise InputError(f"run: step must fit into 64 bits, got {step!r:.40}")
    raise InputError(f"run: step must be a whole number, got {step!r}")


def _plain(name: str, value: Any, around: tuple[Any, ...], what: str) -> Any:
    if hasattr(value, "item") and _elements(value) == 1:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        _check_ends(name, value, around, what)
        return [_plain(name, one, (*around, value), what) for one in value]
    return str(value)


def _elements(value: Any) -> int:
    count = value.numel() if hasattr(value, "numel") else getattr(value, "size", 0)
    return int(count)
