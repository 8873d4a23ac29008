"""Reference and hypothesis in two tables, brought together by key."""

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part
from assay.readers.columns import Columns, listed
from assay.readers.source import Files, Rows

__all__ = ["Joined"]


class Joined(Rows):
    """Rows in the order of the reference, each with its hypothesis.

    Every key must stand exactly once on either side; otherwise one DataError lists the keys that
    are missing or repeated, and where. Keys are compared as text: 7 in a JSON file is "7" in a
    CSV file, and not "007".

    The first call reads the keys of both sides and holds the hypotheses, and 4 bytes for each row
    of the reference; the reference itself is then streamed, so only the hypothesis may be a pipe.
    """

    def __init__(self, reference: Files, hypothesis: Files, key: str, names: Sequence[str]) -> None:
        """reference: its first column is the text, the others go along. hypothesis: its only
        column is the text. names: what the columns are called in the answer."""
        if reference.once:
            raise InputError(
                f"{reference}: the reference of a join is read twice, a pipe cannot be; "
                "write it to a file"
            )
        self.reference, self.hypothesis = reference, hypothesis
        self.key, self.names = key, tuple(names)
        self._lock = Lock()
        self._text: Any = None  # the hypotheses
        self._index: Any = None  # [rows of the reference]: where the hypothesis of each stands
        self._first: list[int] = []  # [parts]: the row of the reference each begins with

    def __reduce__(self) -> Any:
        return type(self), (self.reference, self.hypothesis, self.key, self.names)

    def __str__(self) -> str:
        return f"{self.reference} and {self.hypothesis}"

    def parts(self) -> Sequence[Part]:
        with self._lock:
            if self._index is None:
                self._match()
        return self.reference.parts()

    def batches(self, part: Part) -> Iterator[Batch]:
        self.parts()
        for batch in self.reference.batches(part):
            rows = batch.rows
            first = self._first[part.index] + batch.first_row
            index = self._index.slice(first, rows.num_rows)
            if len(index) < rows.num_rows:
                raise DataError(f"{part.name}: the file grew while it was read")
            columns = [rows.column(0), self._text.take(index), *rows.columns[1:]]
            yield batch._replace(rows=pa.RecordBatch.from_arrays(columns, names=self.names))

    def _match(self) -> None:
        """Read both sides' keys, and say where the hypothesis of each reference stands."""
        keys = Files(self.reference.files, Columns((), (self.key,)))
        left, first, total = [], [], 0
        for part in keys.parts():
            first.append(total)
            for batch in keys.batches(part):
                left.append(_keys(batch, self.key))
                total += len(left[-1])
        side = Files(self.hypothesis.files, Columns(self.hypothesis.want.text, (self.key,)))
        right, text = [], []
        for part in side.parts():
            for batch in side.batches(part):
                right.append(_keys(batch, self.key))
                text.append(batch.rows.column(0).cast(pa.large_string()))
        self._index = self._checked(_whole(left), _whole(right))
        self._first, self._text = first, _whole(text)

    def _checked(self, left: pa.Array, right: pa.Array) -> pa.Array:
        """For each key of the left its place in the right, if every key stands once on both."""
        index = pc.index_in(left, value_set=right)
        # as many different places as there are keys on either side: one to one
        if pc.count_distinct(index).as_py() == len(left) == len(right):
            return index
        problems = [
            (left.filter(index.is_null()), f"in {self.reference} but not in {self.hypothesis}"),
            (
                right.filter(pc.invert(pc.is_in(right, value_set=left))),
                f"in {self.hypothesis} but not in {self.reference}",
            ),
            (_repeated(left), f"more than once in {self.reference}"),
            (_repeated(right), f"more than once in {self.hypothesis}"),
        ]
        told = "".join(
            f"\n  {len(found)} {where}: {listed(found.to_pylist())}"
            for found, where in ((keys.unique(), where) for keys, where in problems)
            if len(found)
        )
        raise DataError(
            f"cannot join by {self.key!r}: every key must stand once on either side; drop the rows "
            f"of these keys, or add what is missing:{told}"
        )


def _keys(batch: Batch, name: str) -> pa.Array:
    """The key column, the last of the batch, as text."""
    keys = batch.rows.columns[-1]
    kind = keys.type.value_type if pa.types.is_dictionary(keys.type) else keys.type
    if not (pa.types.is_integer(kind) or pa.types.is_null(kind) or _is_text(kind)):
        raise DataError(
            f"{batch.where(0)}: key {name!r} holds {kind}, expected text or integers; name "
            "another column, or write it as text"
        )
    if keys.null_count:
        row = keys.is_null().index(True).as_py()
        raise DataError(f"{batch.where(row)}: key {name!r} is null; give every row a key")
    return Columns((name,)).take(
        pa.RecordBatch.from_arrays([keys.cast(pa.large_string())], names=[name]),
        batch.where,
    )[0]


def _is_text(kind: pa.DataType) -> bool:
    return any(
        (pa.types.is_string(kind), pa.types.is_large_string(kind), pa.types.is_string_view(kind))
    )


def _whole(arrays: list[pa.Array]) -> pa.Array:
    return pa.concat_arrays(arrays) if arrays else pa.array([], pa.large_string())


def _repeated(keys: pa.Array) -> pa.Array:
    counts = pc.value_counts(keys)
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))
