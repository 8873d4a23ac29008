"""Vectors in a column of lists: Parquet, which is loaded, or an Arrow file, mapped into memory."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from assay.core.errors import DataError
from assay.readers.columns import MAX_BYTES, listed
from assay.readers.files import readable
from assay.readers.parquet import BUFFER_BYTES

__all__ = ["READERS", "ParquetVectors"]


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
        column = file.read_all().column(key)
        column.validate(full=True)  # of a damaged file, offsets lead out of what was read
        return _stacked(f"{name}:{key}", column)


READERS: Mapping[str, Callable[[str, str, str | None], npt.NDArray[Any]]] = {
    ".parquet": _of_parquet,
    ".arrow": partial(_of_arrow, pa.ipc.open_file),
    ".arrows": partial(_of_arrow, pa.ipc.open_stream),
}


class ParquetVectors:
    """A column of lists, decoded row group by row group in steps of bounded memory."""

    def __init__(self, name: str, path: str, key: str | None) -> None:
        self.path = path
        with readable(name), pq.ParquetFile(path) as file:
            key = _chosen(name, file.schema_arrow, key)
            self.name, self.key, self.metadata = f"{name}:{key}", key, file.metadata
        sizes = [self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))])
        self.rows = int(self.starts[-1])
        self.near = int(max(sizes, default=1))  # to find a row, those of its group are decoded
        self.step, self.width = 1, 0
        head = next(self.blocks(0, 1, 1), np.zeros((0, 0), np.float32))
        self.width, self.dtype = head.shape[1], head.dtype
        self.step = max(1, MAX_BYTES // max(1, self.width * self.dtype.itemsize))

    def blocks(self, start: int, stop: int, most: int) -> Iterator[npt.NDArray[Any]]:
        """Rows start..stop in arrays of at most `most` rows."""
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        for group in range(first, len(self.starts) - 1):
            before = int(self.starts[group])
            if before >= stop:
                return
            # opened for each group: between two blocks nothing is held but the decoder's page
            with (
                readable(f"{self.name}, row group {group}"),
                pq.ParquetFile(
                    self.path, metadata=self.metadata, buffer_size=BUFFER_BYTES, pre_buffer=False
                ) as file,
            ):
                read = partial(file.iter_batches, row_groups=[group], columns=[self.key])
                for batch in read(min(most, self.step), use_threads=False):
                    ends = before + batch.num_rows
                    if ends > start and before < stop:
                        own = slice(max(start - before, 0), stop - before)
                        column = pa.chunked_array([batch.column(0)])
                        yield _stacked(self.name, column, before, self.width)[own]
                    before = ends
                    if before >= stop:
                        return


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


def _stacked(
    name: str, column: pa.ChunkedArray, first: int = 0, width: int = 0
) -> npt.NDArray[Any]:
    """Rows of one width as [rows, width]; where they lie so already, a view. first: the number of
    the first one in the file; width: that of the rows before, if there are some."""
    pieces = []
    for chunk in column.chunks:
        if chunk.null_count:
            raise _bad_row(name, first, np.asarray(chunk.is_null()), "is null")
        values = chunk.flatten()
        if pa.types.is_fixed_size_list(chunk.type):
            lengths = np.full(len(chunk), chunk.type.list_size)
        else:
            lengths = np.asarray(chunk.value_lengths())
        if not width and len(lengths):
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
