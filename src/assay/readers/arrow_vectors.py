"""Vectors in a column of lists: Parquet, which is loaded, or an Arrow file, mapped into memory."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from assay.core.errors import DataError
from assay.readers.columns import listed
from assay.readers.files import readable

__all__ = ["READERS"]


def _of_parquet(name: str, path: str, key: str | None) -> npt.NDArray[Any]:
    with readable(name), pq.ParquetFile(path) as file:
        key = _chosen(name, file.schema_arrow, key)
        return _stacked(f"{name}:{key}", file.read([key]).column(0))


def _of_arrow(
    open_ipc: Callable[[Any], Any], name: str, path: str, key: str | None
) -> npt.NDArray[Any]:
    with readable(name), pa.memory_map(path) as source:
        file = open_ipc(source)
        key = _chosen(name, file.schema, key)
        return _stacked(f"{name}:{key}", file.read_all().column(key))


READERS: Mapping[str, Callable[[str, str, str | None], npt.NDArray[Any]]] = {
    ".parquet": _of_parquet,
    ".arrow": partial(_of_arrow, pa.ipc.open_file),
    ".arrows": partial(_of_arrow, pa.ipc.open_stream),
}


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _chosen(name: str, schema: pa.Schema, key: str | None) -> str:
    """The column that was named, or the only one of lists."""
    if key is not None and key not in schema.names:
        raise DataError(f"{name}: no column {key!r}; there: {listed(schema.names) or 'none'}")
    lists = [field.name for field in schema if _is_list(field.type)]
    if key is None and len(lists) != 1:
        what = "holds several columns of lists" if lists else "holds no column of lists"
        there = f"there: {listed(lists or schema.names) or 'none'}"
        mend = f"name one, as in {name}:{lists[0]}" if lists else "vectors are a list in each row"
        raise DataError(f"{name}: {what}; {there}; {mend}")
    key = lists[0] if key is None else key
    kind = schema.field(key).type
    if not _is_list(kind):
        raise DataError(f"{name}:{key}: holds {kind}, expected a list of numbers in each row")
    if not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise DataError(f"{name}:{key}: lists hold {kind.value_type}, expected numbers")
    return key


def _stacked(name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Rows of one width as [rows, width]; where they lie so already, a view."""
    pieces, width, first = [], None, 0
    for chunk in column.chunks:
        if chunk.null_count:
            raise _bad_row(name, first, np.asarray(chunk.is_null()), "is null")
        values = chunk.flatten()
        if pa.types.is_fixed_size_list(chunk.type):
            lengths = np.full(len(chunk), chunk.type.list_size)
        else:
            lengths = np.asarray(chunk.value_lengths())
        if width is None and len(lengths):
            width = int(lengths[0])
        if (lengths != width).any():
            odd = lengths != width
            raise _bad_row(
                name, first, odd, f"has {lengths[np.argmax(odd)]} numbers, the first has {width}"
            )
        if values.null_count:
            missing = np.asarray(values.is_null()).reshape(len(chunk), -1).any(axis=1)
            raise _bad_row(name, first, missing, "holds a null")
        if len(chunk):
            pieces.append(values.to_numpy(zero_copy_only=False).reshape(len(chunk), -1))
        first += len(chunk)
    if not pieces:
        return np.zeros((0, 0), np.float32)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _bad_row(name: str, first: int, wrong: Any, what: str) -> DataError:
    return DataError(f"{name}: row {first + int(np.argmax(wrong)) + 1} {what}; every row must be "
                     "one list of numbers, all as long")  # fmt: skip
