"""The per-item file: one row for each pair, in the order of the input.

Parquet, written batch by batch beside its final name and moved there when it is whole: a run that
fails leaves no file. Columns: `row` int64, the number of the pair in the input from 0; the `--by`
and key columns; then for each unit its counts and its rate. The file's metadata holds
`assay.items` = 1, the version of this layout.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from assay.core.errors import DataError

__all__ = ["ItemFile"]


class ItemFile:
    """Writes per-item columns; use `with ItemFile.maybe(path) as items`."""

    def __init__(self, temporary: str) -> None:
        self.temporary, self.rows = temporary, 0
        self.writer: Any = None

    @classmethod
    @contextmanager
    def maybe(cls, path: str | None) -> Iterator["ItemFile | None"]:
        """An ItemFile for the path, or None without one."""
        if path is None:
            yield None
            return
        folder = os.path.dirname(os.path.abspath(path))
        if os.path.isdir(path):
            raise DataError(f"{path}: is a directory; name a file to write")
        try:
            handle, temporary = tempfile.mkstemp(".partial", os.path.basename(path) + ".", folder)
        except OSError as error:
            raise DataError(f"{path}: cannot be written: {error.strerror}") from error
        os.close(handle)
        try:
            items = cls(temporary)
            yield items
            items.close()
            os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private
            os.replace(temporary, path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def write(self, columns: Mapping[str, Any]) -> None:
        """Append equally long columns (NumPy or Arrow); the first call fixes the schema."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        length = len(next(iter(columns.values())))
        numbers = np.arange(self.rows, self.rows + length)
        table = pa.table({"row": numbers, **columns})
        if self.writer is None:
            schema = table.schema.with_metadata({"assay.items": "1"})
            self.writer = pq.ParquetWriter(self.temporary, schema)
        self.writer.write_table(table.cast(self.writer.schema))
        self.rows += length

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
