"""Parquet: each row group is a part, read column by column in bounded steps."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pyarrow.parquet as pq

from assay.core.errors import DataError
from assay.core.protocols import Batch, Part
from assay.readers.columns import MAX_BYTES, MAX_ROWS, Columns, sliced
from assay.readers.files import File, readable

__all__ = ["row_groups"]

# Pages are fetched through a buffer of this size; without one, and with pyarrow's pre_buffer, a
# whole column of a row group is held: a file of one row group would be read into memory.
BUFFER_BYTES = 1 << 20

PROBE_ROWS = 64


def row_groups(file: File, want: Columns) -> Sequence[tuple[Part, Callable[[], Iterator[Batch]]]]:
    """One part for each row group. Its size is that of the columns asked for."""
    with readable(file.name), file.seekable() as handle:
        metadata = pq.ParquetFile(handle).metadata
        want = want.among(metadata.schema.to_arrow_schema().names, file.name)
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        sizes = [_size(group, want) for group in groups]
    parts, first = [], 0
    for index, (group, size) in enumerate(zip(groups, sizes, strict=True)):
        name = file.name if metadata.num_row_groups == 1 else f"{file.name}, row group {index}"
        part = Part(index, name, group.num_rows, size)
        parts.append((part, partial(_read, file, want, metadata, part, first)))
        first += group.num_rows
    return parts


def _size(group: pq.RowGroupMetaData, want: Columns) -> int:
    """Bytes of the columns asked for."""
    columns = [group.column(i) for i in range(group.num_columns)]
    return sum(
        column.total_compressed_size
        for column in columns
        if column.path_in_schema.partition(".")[0] in want.unique
        or column.path_in_schema in want.unique
    )


def _read(
    file: File, want: Columns, metadata: pq.FileMetaData, part: Part, first: int
) -> Iterator[Batch]:
    """The rows of one row group; `first` rows of the file stand before it."""
    done, total, size = 0, part.rows or 0, part.size or 0

    def where(before: int, row: int) -> str:
        return f"{file.name}: row {first + before + row + 1}"

    if not total:
        return
    with readable(part.name), file.seekable() as handle:
        source = pq.ParquetFile(
            handle, metadata=metadata, buffer_size=BUFFER_BYTES, pre_buffer=False
        )
        read = partial(
            source.iter_batches, row_groups=[part.index], columns=want.unique, use_threads=False
        )
        # The footer tells encoded sizes: a value that repeats is written once and comes out
        # often. So the first rows say how many fit in a batch.
        rows = next(read(PROBE_ROWS), None)
        head = None if rows is None else want.take(rows, partial(where, 0))
        fits = 1 if head is None else MAX_BYTES * head.num_rows // max(head.nbytes, 1)
        for rows in read(max(1, min(MAX_ROWS, fits))):
            place = partial(where, done)
            rows = want.take(rows, place)
            upto = done + rows.num_rows
            yield from sliced(rows, done, size * upto // total, place)
            done = upto
    if done != total:
        raise DataError(
            f"{part.name}: has {done:,} rows and tells of {total:,}; copy or make it again"
        )
