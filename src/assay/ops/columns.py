"""Columns that people hold, as NumPy arrays: lists, pandas, polars, Arrow, CPU tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["as_array", "as_floats", "is_arrow", "on_device", "refuse_missing", "same_length"]


def as_array(data: Any, what: str) -> npt.NDArray[Any]:
    """The data as an array, [n] or [n, c]; no copy where it is one already.

    A bfloat16 tensor becomes float32, which holds all its values. Errors: InputError for what is
    no column or rows of one width.
    """
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise InputError(f"{what} has masked values; drop those rows")
    if type(data) is np.ndarray:
        array = data
    else:
        array = _converted(data, what)
    if array.ndim not in (1, 2):
        raise InputError(f"{what} must be a column [n] or rows [n, c], got shape {array.shape}")
    return array


def on_device(data: Any) -> bool:
    """Whether the data is a tensor outside the host's memory: to look at it is to wait for it."""
    if type(data) is np.ndarray or not hasattr(data, "detach"):
        return False
    return bool(data.device.type != "cpu")


def is_arrow(data: Any) -> bool:
    """Whether the data is pyarrow's, which need not be imported to know."""
    return type(data).__module__.partition(".")[0] == "pyarrow"


def refuse_missing(column: npt.NDArray[Any], what: str) -> None:
    """An InputError with the first row of None, NaN or NA."""
    if column.dtype.kind == "f" and np.isnan(column).any():
        raise InputError(f"{what}[{int(np.argmax(np.isnan(column)))}] is missing; drop that row")
    if column.dtype != object:
        return
    for row, value in enumerate(column.tolist()):
        if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
            raise InputError(f"{what}[{row}] is missing; drop that row")


def as_floats(data: Any, what: str) -> npt.NDArray[Any]:
    """Numbers as float32 where every value is one, else as float64."""
    array = as_array(data, what)
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} must be numbers, got {array.dtype}")
    narrow = array.dtype.itemsize <= 2
    return array.astype(np.float32 if narrow else np.float64)


def same_length(**columns: Any) -> int:
    """n, the length of all columns that are given."""
    sizes = {}
    for name, column in columns.items():
        try:
            if column is not None:
                sizes[name] = len(column)
        except TypeError:
            raise InputError(f"{name} must be a column of values, got {column!r}") from None
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise InputError(f"columns must be of one length: {told}")
    return next(iter(sizes.values()))


def _converted(data: Any, what: str) -> npt.NDArray[Any]:
    if hasattr(data, "detach"):
        data = data.detach()
        data = data.float() if str(data.dtype) == "torch.bfloat16" else data
        return np.asarray(data.cpu().numpy())
    if isinstance(data, (str, bytes)) or not (
        hasattr(data, "__len__") or hasattr(data, "__array__")
    ):
        raise InputError(f"{what} must be a column of values, got {type(data).__name__}")
    if hasattr(data, "null_count") and _nulls(data):
        raise InputError(f"{what} holds {_nulls(data)} nulls; drop those rows")
    try:
        if is_arrow(data):
            return np.asarray(data.to_numpy() if hasattr(data, "chunks") else data.to_numpy(False))
        array = np.asarray(data)
    except ValueError as error:
        raise InputError(f"{what} must be a column or rows of one width: {error}") from None
    if array.dtype.kind == "U" and isinstance(data, (list, tuple)):
        _refuse_mixed(data, what)
    return array


def _refuse_mixed(data: Sequence[Any], what: str) -> None:
    """NumPy would write 1 as "1" and nan as "nan" where others are strings."""
    if all(issubclass(kind, (str, list, tuple, np.ndarray)) for kind in {*map(type, data)}):
        return
    row = next(i for i, value in enumerate(data) if not isinstance(value, str))
    raise InputError(
        f"{what} holds strings, but {data[row]!r} at [{row}]; write it as text, or drop that row"
    )


def _nulls(data: Any) -> int:
    count = data.null_count
    return int(count() if callable(count) else count)
