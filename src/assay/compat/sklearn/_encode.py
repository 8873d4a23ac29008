"""Labels of any type as numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.ops.labels import binary_cells
from assay.ops.labels import distinct as all_of

__all__ = ["distinct", "encoded", "is_text", "kind_among", "label_type", "span_of"]

Array = npt.NDArray[Any]

SPAN = 1 << 12  # whole numbers this close together have places in a table


def kind_among(labels: Sequence[Any] | Array) -> str:
    """The kind of a target with these labels."""
    return "multiclass" if len(labels) > 2 else "binary"


def is_text(y: Array) -> bool:
    return y.dtype.kind in "UT" or (y.dtype == object and y.size > 0 and isinstance(y.flat[0], str))


def distinct(y: Array) -> Array:
    """The labels of a column, in order."""
    return encoded(y)[0] if y.ndim == 1 else np.unique(y)


def encoded(*columns: Array) -> tuple[Array, list[Array]]:
    """The labels of all columns, in order, and each column as places among them."""
    if all(is_text(y) for y in columns):
        return _texts(columns)
    if all(y.dtype.kind in "iub" or (y.dtype.kind == "f" and _fits(y)) for y in columns):
        whole = [y if y.dtype.kind in "iub" else y.astype(np.int64) for y in columns]
        if all(y.dtype != np.uint64 or not y.size or y.max() < 1 << 63 for y in whole):
            return _whole(columns, whole)
    both = np.concatenate(columns)
    labels, places = np.unique(both, return_inverse=True)
    return labels, np.split(places.reshape(-1), np.cumsum([len(y) for y in columns])[:-1])


def span_of(*columns: Array) -> tuple[int, int]:
    """The least of all whole numbers, and how many there are from it to the greatest."""
    ends = [(int(y.min()), int(y.max())) for y in columns if y.size]
    low = min((low for low, _ in ends), default=0)
    return low, max((high for _, high in ends), default=-1) - low + 1


def label_type(columns: Sequence[Array], first: int, labels: int) -> Any:
    """The type of the labels: that of the first column, if it has them all."""
    return columns[0].dtype if first == labels else np.result_type(*columns)


def _whole(columns: Sequence[Array], whole: Sequence[Array]) -> tuple[Array, list[Array]]:
    cells = binary_cells(whole[0], whole[-1]) if len(whole) < 3 else None
    if cells is not None:
        rows = [(cells[0] + cells[1]) > 0, (cells[2] + cells[3]) > 0]
        some = [rows[0] or cells[2] > 0, rows[1] or cells[1] > 0]
        names = np.flatnonzero(some)
        codes = [y.astype(np.int64, copy=False) for y in whole]
        codes = codes if len(names) != 1 or not names[0] else [code - 1 for code in codes]
        return names.astype(label_type(columns, sum(rows), len(names))), codes
    low, span = span_of(*whole)
    if span > SPAN:
        labels = np.array(all_of(*whole))
        codes = [np.searchsorted(labels, y) for y in whole]
        first = len(labels) if len(whole) == 1 else len(all_of(whole[0]))
        return labels.astype(label_type(columns, first, len(labels))), codes
    codes = [y.astype(np.int64, copy=False) - low for y in whole]
    there = [np.bincount(code, minlength=span) > 0 for code in codes]
    names = np.flatnonzero(np.any(there, axis=0))
    kind = label_type(columns, int(there[0].sum()), len(names))
    if len(names) < span:
        place = np.zeros(span, np.int64)
        place[names] = np.arange(len(names))
        codes = [place[code] for code in codes]
    return (names + low).astype(kind), codes


def _fits(y: Array) -> bool:
    """Whether floats are whole numbers that int64 holds."""
    with np.errstate(invalid="ignore"):
        return bool((y.astype(np.int64) == y).all())


def _texts(columns: Sequence[Array]) -> tuple[Array, list[Array]]:
    import pyarrow as pa

    codes: list[Array] = []
    found: list[list[str]] = []
    for y in columns:
        if not all(isinstance(value, str) for value in y[:1]) or y.dtype == object:
            strange = next((value for value in y if not isinstance(value, str)), None)
            if strange is not None:
                raise TypeError(
                    f"'<' not supported between instances of {type(strange).__name__!r} and 'str'"
                )
        texts = pa.array(y.tolist() if y.dtype == object else y, pa.string()).dictionary_encode()
        codes.append(np.asarray(texts.indices))
        found.append(texts.dictionary.to_pylist())
    labels = sorted({text for texts in found for text in texts})
    place = {label: i for i, label in enumerate(labels)}
    places = [np.array([place[text] for text in texts], np.int64) for texts in found]
    return np.array(labels), [p[c] if len(c) else c for p, c in zip(places, codes, strict=True)]
