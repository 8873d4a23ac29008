"""Sources: what a metric is counted over, wherever the rows come from.

Files is one table in one or many files. Aligned puts line-aligned files side by side, Joined
brings the two sides of a table together by key, Table is a table in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import pyarrow as pa

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part
from assay.readers.columns import MAX_ROWS, Columns, sliced
from assay.readers.files import File
from assay.readers.texts import list_array, numbered_array

__all__ = ["Aligned", "Files", "Rows", "Split", "Table"]

Read = Callable[[], Iterator[Batch]]
Split = Callable[[File, Columns], Sequence[tuple[Part, Read]]]  # a format: the parts of a file


class Rows:
    """A Source is also an iterable of its record batches, one thread's way to read them all, and
    its str() is what a message calls it. once: it can be read a single time."""

    once = False

    def parts(self) -> Sequence[Part]:
        raise NotImplementedError

    def batches(self, part: Part) -> Iterator[Batch]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for part in self.parts():
            for batch in self.batches(part):
                yield batch.rows


class Files(Rows):
    """The rows of one table in files, in the order of the files."""

    def __init__(
        self, files: Sequence[tuple[File, Split]], want: Columns, patient: bool = False
    ) -> None:
        self.files, self.want, self.patient = tuple(files), want, patient
        self.once = any(file.once for file, _ in files)
        self._lock = Lock()
        self._parts: list[Part] | None = None
        self._reads: list[Read] = []
        self._begun: set[int] = set()

    def __reduce__(self) -> Any:  # a worker process opens the files itself
        return Files, (self.files, self.want, self.patient)

    def deferring(self) -> "Files":
        """The same, where a file that cannot be opened is a part whose batches raise the error."""
        return Files(self.files, self.want, patient=True)

    def __str__(self) -> str:
        first, more = self.files[0][0].name, len(self.files) - 1
        return f"{first} and {more} more" if more else first

    def parts(self) -> Sequence[Part]:
        with self._lock:
            if self._parts is None:
                found = [pair for file, split in self.files for pair in self._split(file, split)]
                self._reads = [read for _, read in found]
                self._parts = [replace(part, index=i) for i, (part, _) in enumerate(found)]
            return self._parts

    def _split(self, file: File, split: Split) -> Sequence[tuple[Part, Read]]:
        try:
            return split(file, self.want)
        except DataError as error:
            if not self.patient:
                raise
            return [(Part(0, file.name, size=file.size), partial(_raise, error))]

    def batches(self, part: Part) -> Iterator[Batch]:
        self.parts()
        if self.once:
            with self._lock:
                if part.index in self._begun:
                    raise InputError(f"{self}: a pipe can only be read once; write it to a file")
                self._begun.add(part.index)
        return self._reads[part.index]()


def _raise(error: DataError) -> Iterator[Batch]:
    raise error


class Table(Rows):
    """A table in memory: anything with an Arrow stream (pyarrow, pandas, polars). A
    RecordBatchReader can be read once."""

    def __init__(self, data: Any, want: Columns) -> None:
        self.data, self.want = data, want
        self._begun = False

    def __str__(self) -> str:
        return "table"

    def parts(self) -> Sequence[Part]:
        rows = len(self.data) if hasattr(self.data, "__len__") else None
        return [Part(0, "table", rows)]

    def batches(self, part: Part) -> Iterator[Batch]:
        if self._begun and isinstance(self.data, pa.RecordBatchReader):
            raise InputError("read: a RecordBatchReader can only be read once; make it a table")
        self._begun = True
        done = 0
        if isinstance(self.data, pa.Table):  # not through C: pyarrow 18 crashes there on views
            stream = self.data.to_reader()
        else:
            stream = pa.RecordBatchReader.from_stream(self.data)
        want = self.want.among(stream.schema.names, "table")
        for rows in stream:
            for start in range(0, rows.num_rows, MAX_ROWS):
                where = partial(_index, done + start)
                part_of = want.take(rows.slice(start, MAX_ROWS), where)
                yield from sliced(part_of, done + start, 0, where)
            done += rows.num_rows


def _index(first: int, row: int) -> str:
    return f"table: index {first + row}"


def _line(name: str, first: int, row: int) -> str:
    return f"{name}: line {first + row + 1}"


class Aligned(Rows):
    """Row i of each source side by side, as one part. Different lengths are a DataError.

    together: how many of the first ones are one column of lists.
    """

    def __init__(self, sides: Sequence[Files], names: Sequence[str], together: int = 0) -> None:
        self.sides, self.names, self.together = tuple(sides), tuple(names), together
        self.once = any(side.once for side in self.sides)

    def __str__(self) -> str:
        return " and ".join(map(str, self.sides))

    def parts(self) -> Sequence[Part]:
        sizes = [part.size for side in self.sides for part in side.parts()]
        size = None if None in sizes else sum(filter(None, sizes))
        return [Part(0, str(self), size=size)]

    def batches(self, part: Part) -> Iterator[Batch]:
        sides = [_Cursor(side) for side in self.sides]
        done = 0
        while rows := min(len(side.column) for side in sides):
            columns = [side.column.slice(0, rows) for side in sides]
            consumed = sum(side.consumed for side in sides)
            where = partial(_line, str(self), done)
            if self.together:
                columns = [self._list(columns[: self.together], where), *columns[self.together :]]
            both = pa.RecordBatch.from_arrays(columns, names=self.names)
            yield Batch(both, done, consumed, where)
            done += rows
            for side in sides:
                side.skip(rows)
        if any(len(side.column) for side in sides):
            counts = ", ".join(f"{side.source} has {done + side.remaining()}" for side in sides)
            raise DataError(
                f"line-aligned files need equal numbers of lines: {counts}; "
                "write an empty line where there is no text, or join by key"
            )

    def _list(self, columns: Sequence[Any], where: Callable[[int], str]) -> Any:
        if self.together == 1:
            return list_array(columns[0], self.names[0], where)
        names = [str(side) for side in self.sides[: self.together]]
        return numbered_array(names, columns, where)


class _Cursor:
    """Where the reading of one side stands. column: what is read of its only column and not yet
    used; empty at the end. consumed: bytes read, over all its parts."""

    def __init__(self, source: Files) -> None:
        self.source = source
        self.column, self.consumed = pa.array([], pa.string()), 0
        self._rest = self._read()
        self.skip(0)

    def _read(self) -> Iterator[tuple[Any, int]]:
        before = 0
        for part in self.source.parts():
            for batch in self.source.batches(part):
                yield batch.rows.column(0), before + batch.consumed
            before += part.size or 0

    def skip(self, rows: int) -> None:
        """Leave `rows` rows behind."""
        self.column = self.column.slice(rows)
        while not len(self.column) and (following := next(self._rest, None)):
            self.column, self.consumed = following

    def remaining(self) -> int:
        """How many rows are left; they are used up."""
        return len(self.column) + sum(len(column) for column, _ in self._rest)
