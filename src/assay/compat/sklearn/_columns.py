"""What people pass as labels, scores and weights, as arrays, and what kind of target it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["array_of", "column", "finite", "is_sparse", "kind_of", "length_of", "numbers"]
__all__ += ["same_lengths", "weights_of"]

Array = npt.NDArray[Any]

LEGACY = (
    "You appear to be using a legacy multi-label data representation. Sequence of sequences are no "
    "longer supported; use a binary array or sparse matrix instead - the MultiLabelBinarizer "
    "transformer can convert to this format."
)


def is_sparse(data: Any) -> bool:
    return hasattr(data, "tocsr")


def length_of(data: Any) -> int:
    """How many rows there are."""
    if type(data) is np.ndarray and data.ndim:
        return len(data)
    shape = getattr(data, "shape", None)
    if shape is not None:
        if len(shape) == 0:
            raise TypeError(
                "Input should have at least 1 dimension i.e. satisfy `len(x.shape) > 0`, got "
                f"scalar `{data!r}` instead."
            )
        return int(shape[0])
    try:
        return len(data)
    except TypeError:
        raise TypeError(f"Expected sequence or array-like, got {type(data)}") from None


def same_lengths(*columns: Any) -> None:
    lengths = [length_of(column) for column in columns if column is not None]
    if len(set(lengths)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {lengths!r}")


def array_of(data: Any) -> Array:
    """Labels or numbers as an array of any shape; ragged rows as an array of objects."""
    if type(data) is np.ndarray:
        return data
    if isinstance(data, np.matrix):
        raise TypeError(
            "np.matrix is not supported. Please convert to a numpy array with np.asarray."
        )
    if hasattr(data, "detach"):  # a tensor
        data = data.detach().cpu()
    kind = getattr(data, "dtype", None)
    if hasattr(data, "iloc") and not isinstance(kind, np.dtype) and _is_nullable(kind):
        return np.asarray(data.to_numpy(dtype=np.float64, na_value=np.nan))
    try:
        return np.asarray(data)
    except ValueError:
        return np.asarray(data, dtype=object)


def _is_nullable(kind: Any) -> bool:
    """Whether numbers or booleans of pandas' own."""
    return getattr(kind, "kind", "O") in "biuf" and not hasattr(kind, "categories")


def kind_of(data: Any, name: str = "") -> tuple[str, Any]:
    """The kind of a target, and its array (sparse as it is).

    "labels" [n] or [n, 1] are binary or multiclass: whoever has to know counts them. The others
    are scikit-learn's: multilabel-indicator, continuous, …-multioutput, unknown.
    """
    if is_sparse(data):
        rows = data.tocsr()
        if rows.ndim == 2 and rows.shape[1] > 1:
            two = len({*np.unique(rows.data).tolist(), 0}) <= 2 and _is_whole(rows.data)
            return ("multilabel-indicator" if two else "multiclass-multioutput"), rows
        return "labels", data
    if isinstance(data, str) or not (isinstance(data, Sequence) or hasattr(data, "__array__")):
        raise ValueError(f"Expected array-like (array or non-string sequence), got {data!r}")
    if type(data).__name__ in ("SparseSeries", "SparseArray"):
        raise ValueError("y cannot be class 'SparseSeries' or 'SparseArray'")
    y = array_of(data)
    if y.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{y}\n")
    wide = y.ndim == 2 and y.shape[1] > 1
    if wide and len(y) and y.dtype.kind in "biuf" and _has_two(y):
        return "multilabel-indicator", y
    if y.ndim and len(y):
        first = y[0]
        if isinstance(first, bytes):
            raise TypeError(
                "Support for labels represented as bytes is not supported. Convert the labels to a "
                "string or integer format."
            )
        if isinstance(first, Sequence) and not isinstance(first, str):
            raise ValueError(LEGACY)
    if y.ndim not in (1, 2) or (y.ndim == 2 and not y.size):
        return "unknown", y
    if y.dtype == object and y.size and not isinstance(y.flat[0], str):
        return "unknown", y
    if y.dtype.kind == "f" and not _is_whole(y):
        finite(y, name)
        return ("continuous-multioutput" if wide else "continuous"), y
    return ("multiclass-multioutput" if wide else "labels"), y


def _is_whole(y: Array) -> bool:
    """Whether all are whole numbers, of whatever type."""
    if y.dtype.kind in "biu":
        return True
    if y.dtype.kind != "f":
        return False
    with np.errstate(invalid="ignore"):
        return bool((y.astype(np.int64) == y).all())


def _has_two(y: Array) -> bool:
    """Whether there are at most two values, whole ones."""
    low, high = y.min(), y.max()
    return bool(((y == low) | (y == high)).all()) and _is_whole(y)


def finite(y: Array, name: str = "") -> None:
    """Refuses NaN and infinity."""
    if y.dtype.kind == "f":
        if np.isfinite(y).all():
            return
        nan = bool(np.isnan(y).any())
    elif y.dtype == object and bool(np.any(y != y)):
        raise ValueError("Input contains NaN")
    else:
        return
    what = "NaN" if nan else f"infinity or a value too large for {y.dtype!r}"
    raise ValueError(f"Input {name + ' ' if name else ''}contains {what}.")


def column(data: Any) -> Array:
    """[n] of [n] or [n, 1]."""
    if is_sparse(data):
        raise TypeError(
            "Sparse data was passed, but dense data is required. Use '.toarray()' to convert to a "
            "dense numpy array."
        )
    y = array_of(data)
    if y.ndim == 1:
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y.reshape(-1)
    if y.ndim > 2:
        raise ValueError(f"Found array with dim {y.ndim}, while dim <= 2 is required.")
    raise ValueError(f"y should be a 1d array, got an array of shape {y.shape} instead.")


def numbers(data: Any, *, rows: bool = False) -> Array:
    """Finite numbers [n] or [n, c], at least one; rows: [n, c] alone."""
    y = array_of(data)
    if y.dtype == object:
        y = y.astype(np.float64)
    if y.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{y}\n")
    if y.dtype.kind in "USV":
        raise ValueError(
            "dtype='numeric' is not compatible with arrays of bytes/strings.Convert your data to "
            "numeric values explicitly instead."
        )
    if rows and y.ndim < 2:
        raise ValueError(
            f"Expected 2D array, got {'1D' if y.ndim else 'scalar'} array instead:\narray={y}.\n"
            "Reshape your data either using array.reshape(-1, 1) if your data has a single feature "
            "or array.reshape(1, -1) if it contains a single sample."
        )
    if y.ndim > 2:
        raise ValueError(f"Found array with dim {y.ndim}, while dim <= 2 is required.")
    finite(y)
    some(y)
    return y


def some(y: Array) -> None:
    """Refuses an array without rows or columns."""
    for size, what in zip(y.shape, ("sample", "feature"), strict=False):
        if not size:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={y.shape}) while a minimum of 1 is required."
            )


def weights_of(weights: Any, n: int) -> Array:
    """Finite numbers [n], not all of them 0."""
    array = array_of(weights)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{array}\n")
    if array.dtype == object:
        array = array.astype(np.float64)
    finite(array, "sample_weight")
    if array.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {array.ndim}D array. Expected either "
            f"a scalar value or a 1D array of length {n}."
        )
    if array.shape != (n,):
        raise ValueError(f"sample_weight.shape == {array.shape}, expected {(n,)}!")
    if not array.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return array
