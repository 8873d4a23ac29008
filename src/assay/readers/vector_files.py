"""Vectors in files of any number and size, read a block of rows at a time.

Blocks are read, not mapped: a map of a gallery that was gone through counts as memory of the
process, whatever is looked at next.
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import DataError
from assay.readers.arrays import BROKEN, check_table, damaged, kind_of, named_part, read_vectors
from assay.readers.arrow_vectors import ParquetVectors
from assay.readers.files import expand, readable

__all__ = ["VectorFiles"]

Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

BLOCK_BYTES = 16 << 20
NEAR_BYTES = 64 << 10  # rows as near as this are read with what lies between them


class _Npy:
    """A .npy, of which the header is read."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path
        try:
            with readable(name), open(path, "rb") as file:
                version = np.lib.format.read_magic(file)
                if version == (1, 0):
                    shape, self.by_column, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, self.by_column, dtype = np.lib.format.read_array_header_2_0(file)
                self.offset = file.tell()
        except DataError:
            raise
        except BROKEN as error:
            raise damaged(name, error) from error
        if dtype.hasobject:
            raise damaged(name, ValueError("Object arrays"))
        check_table(name, dtype, shape)
        self.dtype, (self.rows, self.width) = dtype, shape
        self.near = 1 + NEAR_BYTES // max(1, self.width * dtype.itemsize)

    def blocks(self, start: int, stop: int, most: int) -> Iterator[Array]:
        for at in range(start, stop, most):
            yield self._read(at, min(stop, at + most))

    def _read(self, start: int, stop: int) -> Array:
        size = self.width * self.dtype.itemsize
        there = (os.path.getsize(self.path) - self.offset) // size
        if (self.by_column and there < self.rows) or there < stop:
            raise DataError(
                f"{self.name}: the file is cut short or damaged; copy or make it again "
                f"(its header says {self.rows} rows, {there} are there)"
            )
        with readable(self.name):
            if self.by_column:
                return np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[start:stop])
            count, offset = (stop - start) * self.width, self.offset + start * size
            found = np.fromfile(self.path, self.dtype, count, offset=offset)
        return found.reshape(stop - start, self.width)


class _Whole:
    """An array of a .npz, or an Arrow column, which is loaded or mapped."""

    near = 1

    def __init__(self, path: str) -> None:
        self.name, self.array = path, read_vectors(path)
        self.rows, self.width, self.dtype = *self.array.shape, self.array.dtype

    def blocks(self, start: int, stop: int, most: int) -> Iterator[Array]:
        for at in range(start, stop, most):
            yield self.array[at : min(stop, at + most)]


class VectorFiles:
    """Rows of vectors [rows, width] in one or more files: .npy, .npz ('file.npz:name'), or a column
    of lists of Parquet or Arrow files ('file.parquet:column'); a glob stands for all that match, in
    order of their names.

    Values of all files come in one type, in which none changes. Errors: DataError of what is no
    table of numbers, or of widths that differ, with the files; of rows that cannot be read, when
    they are.

    size: bytes of all rows; dtype: their type.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        name, key = named_part(path)
        found = expand(name)
        self.files = [self._opened(file, key) for file in found]
        first = self.files[0]
        for file in self.files:
            if file.width != first.width:
                raise DataError(
                    f"{file.name}: vectors have width {file.width}, those of {first.name} "
                    f"{first.width}; all files must have one width"
                )
        self.starts = np.concatenate([[0], np.cumsum([file.rows for file in self.files])])
        self.rows, self.width = int(self.starts[-1]), int(first.width)
        common = np.result_type(*(file.dtype for file in self.files))
        self.dtype = common.newbyteorder("=")
        self.row_bytes = self.width * self.dtype.itemsize

    def __reduce__(self) -> Any:  # another process opens the files itself
        return VectorFiles, (self.path,)

    def __len__(self) -> int:
        return self.rows

    @staticmethod
    def _opened(file: Any, key: str | None) -> Any:
        kind = kind_of(file.name, file)
        if kind == ".npy" and key is not None:
            raise DataError(f"{file.name}: a .npy has no array {key!r}; leave :{key} away")
        if kind == ".npy":
            return _Npy(file.name, file.path)
        if kind != ".parquet":
            return _Whole(file.name if key is None else f"{file.name}:{key}")
        own = ParquetVectors(file.name, file.path, key)
        check_table(own.name, own.dtype, (own.rows, own.width))
        return own

    def where(self, row: int) -> str:
        """What a message calls a row: its file, and its number there from 0."""
        at = int(np.searchsorted(self.starts, row, "right")) - 1
        return f"{self.files[at].name}[{row - self.starts[at]}]"

    def blocks(
        self, start: int = 0, stop: int | None = None, size: int = BLOCK_BYTES
    ) -> Iterator[tuple[int, Array]]:
        """(number of the first row, rows) of rows start..stop, in blocks of about `size` bytes."""
        stop = self.rows if stop is None else stop
        most = max(1, size // self.row_bytes)
        held: list[Array] = []
        n, first = 0, start
        for piece in self._pieces(start, stop, most):
            while len(piece):
                held.append(piece[: most - n])
                n += len(held[-1])
                piece = piece[len(held[-1]) :]
                if n == most:
                    yield first, self._joined(held)
                    held, n, first = [], 0, first + n
        if n:
            yield first, self._joined(held)

    def read(self, start: int, stop: int) -> Array:
        """Rows start..stop."""
        size = (stop - start) * self.row_bytes
        return next(rows for _, rows in self.blocks(start, stop, size))

    def take(self, rows: Ints) -> Iterator[tuple[Ints, Array]]:
        """(numbers, vectors) of some rows, upwards, each once, in blocks of bounded bytes. Of rows
        near each other, what lies between is read as well."""
        near = max(file.near for file in self.files)
        ends = np.append(np.flatnonzero(np.diff(rows) > near) + 1, len(rows))
        begin, numbers, held, n = 0, [], [], 0
        for end in ends[: len(rows)].tolist():
            for first, block in self.blocks(int(rows[begin]), int(rows[end - 1]) + 1):
                chosen = slice(*np.searchsorted(rows, [first, first + len(block)]))
                numbers.append(rows[chosen])
                held.append(block[rows[chosen] - first])
                n += len(held[-1]) * self.row_bytes
                if n >= BLOCK_BYTES:
                    yield np.concatenate(numbers), np.concatenate(held)
                    numbers, held, n = [], [], 0
            begin = end
        if held:
            yield np.concatenate(numbers), np.concatenate(held)

    def _pieces(self, start: int, stop: int, most: int) -> Iterator[Array]:
        """Rows start..stop as the files have them, at most `most` at once."""
        first = int(np.searchsorted(self.starts, start, "right")) - 1
        for at in range(first, len(self.files)):
            begin, end = int(self.starts[at]), int(self.starts[at + 1])
            if begin >= stop:
                return
            file = self.files[at]
            yield from file.blocks(max(start, begin) - begin, min(stop, end) - begin, most)

    def _joined(self, held: list[Array]) -> Array:
        rows = held[0] if len(held) == 1 else np.concatenate(held)
        return rows.astype(self.dtype, copy=False)
