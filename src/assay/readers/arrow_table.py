"""Arrow files (IPC, also called Feather): their record batches, one after the other."""

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from assay.core.protocols import Batch
from assay.readers.columns import Columns, sliced
from assay.readers.files import File, readable

__all__ = ["read_arrow"]


def read_arrow(file: File, want: Columns) -> Iterator[Batch]:
    """The rows of a file that pyarrow's IPC file writer, pandas or polars wrote; only the columns
    that are wanted are decoded."""

    def where(before: int, row: int) -> str:
        return f"{file.name}: row {before + row + 1}"

    done, size = 0, file.size or 0
    with readable(file.name), file.seekable("Arrow") as handle:
        names = pa.ipc.open_file(handle).schema.names
        want = want.among(names, file.name)
        options = pa.ipc.IpcReadOptions(included_fields=sorted(map(names.index, want.unique)))
        source = pa.ipc.open_file(handle, options=options)
        for index in range(source.num_record_batches):
            rows = want.take(_sound(source.get_batch(index)), partial(where, done))
            consumed = size * (index + 1) // source.num_record_batches
            yield from sliced(rows, done, consumed, partial(where, done))
            done += rows.num_rows


def _sound(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same, if nothing in it leads out of what was read, as offsets of a damaged file do. Text
    that is not UTF-8 is left to those who know its row."""
    for column in rows.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if not (_is_text(column.type) and "UTF8" in str(error)):
                raise
    return rows


def _is_text(kind: pa.DataType) -> bool:
    """Whether these are texts or lists of them, whose offsets are looked at before their bytes."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
