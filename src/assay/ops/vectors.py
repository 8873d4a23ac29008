"""Rows of vectors, wherever they lie: read a block at a time, as float32 or float64."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.ops.columns import is_arrow

__all__ = ["Vectors", "vectors"]

Floats = npt.NDArray[Any]

# Every value of these is a float32; of the others, some only a float64.
_NARROW = ("float16", "float32", "bfloat16", "int8", "uint8", "int16", "uint16", "bool")
_WIDE = ("float64", "int32", "uint32")


class Vectors:
    """n rows of d numbers in one or more pieces [rows, d]: arrays, memory maps, CPU tensors.

    float: the type in which no value changes. Nothing is read until a block is asked for.
    """

    def __init__(self, pieces: Sequence[Any], what: str) -> None:
        self.what, self.pieces = what, [piece for piece in pieces if len(piece)] or pieces[:1]
        shapes = {tuple(piece.shape) for piece in self.pieces}
        widths = {shape[1:] for shape in shapes}
        if len(widths) != 1 or any(len(shape) != 2 for shape in shapes):
            raise InputError(
                f"{what} must have shape [rows, width], got {', '.join(map(str, shapes))}"
            )
        self.d = int(next(iter(widths))[0])
        if self.d == 0:
            raise InputError(f"{what}: vectors need at least one number, got width 0")
        kinds = {str(piece.dtype).removeprefix("torch.") for piece in self.pieces}
        if strange := sorted(kinds.difference(_NARROW, _WIDE)):
            raise InputError(
                f"{what}: vectors must be floats or integers of up to 32 bits, got {strange[0]}; "
                "make them float32"
            )
        self.float = np.dtype(np.float32 if kinds <= {*_NARROW} else np.float64)
        self.starts = np.concatenate([[0], np.cumsum([len(piece) for piece in self.pieces])])
        self.n = int(self.starts[-1])

    def block(self, start: int, stop: int, kind: npt.DTypeLike) -> Floats:
        """Rows start..stop, contiguous [rows, d]; a view where they lie so already."""
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        found, none = [], np.empty((0, self.d), kind)
        while start < stop:
            begin, end = self.starts[first], min(stop, self.starts[first + 1])
            found.append(_floats(self.pieces[first][start - begin : end - begin], kind))
            start, first = int(end), first + 1
        return _sealed(found[0] if len(found) == 1 else np.concatenate(found or [none]))

    def take(self, rows: npt.NDArray[np.int64], kind: npt.DTypeLike) -> Floats:
        """The rows with these numbers, contiguous [len(rows), d]."""
        if len(self.pieces) == 1:
            return _sealed(_floats(self.pieces[0][rows], kind))
        out = np.empty((len(rows), self.d), kind)
        home = np.searchsorted(self.starts, rows, "right") - 1
        for number in np.unique(home):
            here = np.flatnonzero(home == number)
            out[here] = _floats(self.pieces[number][rows[here] - self.starts[number]], kind)
        return _sealed(out)


def vectors(data: Any, what: str) -> Vectors:
    """Vectors of an array [n, d], a memory map, a CPU tensor, an Arrow column of fixed-size lists,
    a list of rows, or anything that already is Vectors."""
    if isinstance(data, Vectors):
        return data
    if hasattr(data, "detach"):
        return Vectors([data.detach()], what)
    if isinstance(data, np.ndarray):
        return Vectors([data], what)
    if is_arrow(data):
        chunks = getattr(data, "chunks", [data])
        return Vectors([_of_arrow(chunk, what) for chunk in chunks], what)
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise InputError(f"{what} must have shape [rows, width]: {error}") from None
    if array.dtype == np.int64 and not isinstance(data, np.ndarray):
        array = array.astype(np.float64)  # a list of whole numbers
    return Vectors([array], what)


def _of_arrow(chunk: Any, what: str) -> Floats:
    import pyarrow as pa

    if isinstance(chunk, (pa.Table, pa.RecordBatch)):
        raise InputError(f"{what} must be a column, got a table of {chunk.column_names}; take one")
    if not pa.types.is_fixed_size_list(chunk.type):
        raise InputError(f"{what} must be a column of fixed-size lists, got {chunk.type}")
    if chunk.null_count:
        raise InputError(f"{what}[{chunk.is_null().index(True).as_py()}] is null; drop that row")
    flat = chunk.flatten()
    if flat.null_count:
        row = flat.is_null().index(True).as_py() // chunk.type.list_size
        raise InputError(f"{what}[{row}] holds a null; vectors need every number")
    return flat.to_numpy(zero_copy_only=False).reshape(len(chunk), chunk.type.list_size)  # type: ignore[no-any-return]


def _sealed(rows: Floats) -> Floats:
    """The rows as what cannot be written to: one type of array, so one compiled kernel."""
    rows = rows.view()
    rows.flags.writeable = False
    return rows


def _floats(rows: Any, kind: npt.DTypeLike) -> Floats:
    if hasattr(rows, "detach"):  # bfloat16 has no NumPy type
        rows = rows.float() if rows.dtype.is_floating_point and rows.dtype.itemsize < 4 else rows
        rows = rows.cpu().numpy()
    return np.ascontiguousarray(rows, kind)
