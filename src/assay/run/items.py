"""The per-item file: one row for each pair, in the order of the input.

Parquet, written batch by batch beside its final name and moved there when it is whole: a run that
fails leaves no file, and one that was there before stays as it was. Columns: `row` int64, the
number of the pair in the input from 0; the `--by` and key columns; then for each unit its counts
and its rate. The file's metadata holds `assay.items` = 1, the version of this layout.
"""

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from assay.core.errors import DataError

__all__ = ["ItemFile"]


class ItemFile:
    """Writes per-item columns; use `with ItemFile.maybe(path) as items`."""

    def __init__(self, path: str, temporary: str) -> None:
        self.path, self.temporary, self.rows = path, temporary, 0
        self.writer: Any = None

    @classmethod
    @contextmanager
    def maybe(cls, path: str | None) -> Iterator["ItemFile | None"]:
        """An ItemFile for the path, or None without one."""
        if path is None:
            yield None
            return
        target = os.path.realpath(path)  # a link stays one, as with any other way to write
        items = cls(path, _beside(path, target))
        try:
            yield items
            with items._writing():
                items.close()
                os.chmod(items.temporary, 0o666 & ~_umask())  # mkstemp makes it private
                os.replace(items.temporary, target)
        finally:
            if os.path.exists(items.temporary):
                with suppress(Exception):  # a full disk fails again, a half-written table too
                    items.close()
                os.unlink(items.temporary)

    def write(self, columns: Mapping[str, Any], places: Any, total: int) -> None:
        """Append equally long columns (NumPy or Arrow); the first call fixes the schema.

        places: which of the next `total` rows of the input these are, from 0; the others were
        left out.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"row": self.rows + places, **columns})
        with self._writing():
            if self.writer is None:
                schema = table.schema.with_metadata({"assay.items": "1"})
                self.writer = pq.ParquetWriter(self.temporary, schema)
            self.writer.write_table(self._fitting(table))
        self.rows += total

    def _fitting(self, table: Any) -> Any:
        """The table with the types that the first one had."""
        import pyarrow as pa

        arrays = []
        for field in self.writer.schema:
            column = table.column(field.name)
            try:
                arrays.append(column.cast(field.type))
            except pa.ArrowException:
                raise DataError(
                    f"{self.path}: column {field.name!r} holds {field.type} up to row {self.rows} "
                    f"of the input, then {column.type}; write one type throughout"
                ) from None
        return pa.table(arrays, schema=self.writer.schema)

    def close(self) -> None:
        """Write what is left; only then is the file whole."""
        writer, self.writer = self.writer, None
        if writer is not None:
            with self._writing():
                writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _refused(self.path, error) from error


def _beside(path: str, target: str) -> str:
    """A new empty file in the folder of the target, if that is a place to write a file to."""
    folder, name = os.path.split(target)
    if not path or os.path.isdir(target):
        raise DataError(f"{path!r} is no file to write to; name one, as in items.parquet")
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        raise DataError(f"{path}: is no regular file; name one, as in items.parquet")
    if "://" in path:
        raise DataError(f"{path}: only a local file can be written; copy it there afterwards")
    if not os.path.isdir(folder):
        raise DataError(f"{path}: there is no folder {os.path.dirname(path)}; make it first")
    try:
        handle, temporary = tempfile.mkstemp(".partial", name + ".", folder)
    except OSError as error:
        raise _refused(path, error) from error
    os.close(handle)
    return temporary


def _refused(path: str, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written: {error.strerror or error}")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
