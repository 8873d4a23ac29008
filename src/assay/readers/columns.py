"""The columns a caller asked for, and the checks every batch passes before anyone sees it.

Text is what metrics count on, so it is never null, never another type quietly turned into text,
and always valid UTF-8 (Arrow's Parquet and JSON readers do not look). Everything else is kept as
the file has it.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from assay.core.errors import DataError
from assay.core.protocols import Batch

__all__ = ["MAX_BYTES", "MAX_ROWS", "Columns", "MissingColumn", "listed", "sliced"]

MAX_ROWS = 1 << 16  # rows of one batch, and
MAX_BYTES = 8 << 20  # about as many bytes, whichever comes first


def listed(names: Iterable[object], limit: int = 10) -> str:
    """'a', 'b' and 3 more: the names in a message that must stay readable."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more


class MissingColumn(DataError):
    """A column that was asked for is not there; name it is, present are those there."""

    def __init__(self, message: str, name: str, present: Sequence[str]) -> None:
        super().__init__(message)
        self.name, self.present = name, present


@dataclass(frozen=True)
class Columns:
    """text: names of text columns. keep: names of further columns, in their own type (a
    string_view becomes a large_string)."""

    text: tuple[str, ...]
    keep: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of the answer; one may be asked for twice."""
        return self.text + self.keep

    @property
    def unique(self) -> list[str]:
        """Each name once, as pyarrow's readers want them."""
        return list(dict.fromkeys(self.names))

    def require(
        self,
        present: Sequence[str],
        where: str,
        names: Sequence[str] = (),
        mend: str = "name one of these",
    ) -> None:
        """A DataError unless each of `names` (or all that were asked for) stands once in
        `present`. mend: the fix, where none of those is close."""
        for name in names or self.names:
            if present.count(name) > 1:
                raise DataError(
                    f"{where}: {present.count(name)} columns are named {name!r}; rename all but one"
                )
            if name not in present:
                close = difflib.get_close_matches(name, present, n=1)
                hint = f"did you mean {close[0]!r}?" if close else mend
                raise MissingColumn(
                    f"{where}: no column {name!r}; there: {listed(present, 20) or 'none'}; {hint}",
                    name,
                    present,
                )

    def take(self, rows: pa.RecordBatch, where: Callable[[int], str]) -> pa.RecordBatch:
        """The columns asked for, in the order asked, checked. where(i): what a message calls row
        i of this batch."""
        arrays = [_text(rows.column(name), name, where) for name in self.text]
        arrays += [_valid(rows.column(name), name, where) for name in self.keep]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.names))


def _text(values: pa.Array, name: str, where: Callable[[int], str]) -> pa.Array:
    """The values as a string or large_string array without nulls, or a DataError."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    if pa.types.is_null(kind):
        kind = pa.string()
    if len(values) and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"{where(0)}: column {name!r} holds {kind}, expected text; store it as strings"
        )
    if values.null_count:
        row = values.is_null().index(True).as_py()
        raise DataError(
            f"{where(row)}: column {name!r} is null, expected text; "
            "write '' where nothing was said, or drop the row"
        )
    return _valid(values, name, where, kind if len(values) else pa.string())


def _valid(
    values: pa.Array, name: str, where: Callable[[int], str], kind: pa.DataType | None = None
) -> pa.Array:
    """The values, as `kind`, if they are what their type says: valid UTF-8, offsets in order."""
    if kind is None and pa.types.is_string_view(values.type):
        kind = pa.large_string()  # pyarrow itself cannot do much with views yet
    try:
        cast = values if kind is None else values.cast(kind)
        cast.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _damaged(values, name, where, error) from None
    return cast


def _damaged(
    values: pa.Array, name: str, where: Callable[[int], str], problem: pa.ArrowInvalid
) -> DataError:
    """Which value is not UTF-8, and at which byte; or what else is wrong."""
    for row, value in enumerate(values):
        try:
            value.as_py()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            return DataError(
                f"{where(row)}: column {name!r} is not UTF-8: byte 0x{byte:02x} at offset "
                f"{error.start} of the value; convert the file with iconv -f ENCODING -t UTF-8"
            )
        except pa.ArrowException:
            break
    return DataError(f"{where(0)}: column {name!r} cannot be used: {problem}")


def sliced(
    rows: pa.RecordBatch, first_row: int, consumed: int, where: Callable[[int], str]
) -> Iterator[Batch]:
    """The rows in batches bounded in rows and, by their average, in bytes; nothing is copied."""
    step = MAX_ROWS
    if rows.nbytes > MAX_BYTES:
        step = max(1, min(step, MAX_BYTES * rows.num_rows // rows.nbytes))
    for start in range(0, rows.num_rows, step):
        place = where if start == 0 else partial(_further, where, start)
        yield Batch(rows.slice(start, step), first_row + start, consumed, place)


def _further(where: Callable[[int], str], start: int, row: int) -> str:
    return where(start + row)
