"""The per-item file: one row for each pair or query, in the order of the input.

Parquet, written batch by batch. Columns: `row` int64, the number of the pair or query in the input
from 0; the `--by` and key columns; then what was counted and its values. The file's metadata holds
`assay.items` = 1, the version of this layout.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from assay.core.errors import DataError
from assay.core.output import whole, writing

__all__ = ["ItemFile", "read_items"]

VERSION = 1


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
        with whole(path, "items.parquet") as temporary:
            items = cls(path, temporary)
            try:
                yield items
                items.close()
            finally:
                with suppress(Exception):  # a full disk fails again, a half-written table too
                    items.close()

    def write(self, columns: Mapping[str, Any], places: Any, total: int) -> None:
        """Append equally long columns (NumPy or Arrow); the first call fixes the schema.

        places: which of the next `total` rows of the input these are, from 0; the others were
        left out.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"row": self.rows + places, **columns})
        with writing(self.path):
            if self.writer is None:
                schema = table.schema.with_metadata({"assay.items": str(VERSION)})
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
            with writing(self.path):
                writer.close()


def read_items(path: str) -> Any:
    """The rows of a per-item file, as an Arrow table; a DataError of anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from error
    version = (table.schema.metadata or {}).get(b"assay.items", b"").decode()
    if not version.isdecimal():
        raise DataError(f"{path}: is no per-item file; write one with assay score … --per-item")
    if int(version) > VERSION:
        raise DataError(
            f"{path}: has per-item format {version}, this assay reads {VERSION}; upgrade assay"
        )
    return table
