"""The per-item file: one row for each pair or query, in the order of the input.

Parquet, written batch by batch. Columns: `row` int64, the number of the pair or query in the input
from 0; the `--by` and key columns; then what was counted and its values. The file's metadata holds
`assay.items` = 1, the version of this layout, and in `assay.definitions` as JSON what metrics need
beside their columns. A file of one shard numbers its rows from 0 and has `assay.shard` = 7/64 and
`assay.rows`, how many rows of the input it stands for; `assay.left_out` = 1 says that rows are
missing that could not be read.
"""

import glob
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from assay.core.errors import DataError
from assay.core.output import whole_file, writing

__all__ = ["ItemFile", "definitions_of", "read_items"]

VERSION = 1


class ItemFile:
    """Writes per-item columns; use `with ItemFile.maybe(path) as items`."""

    def __init__(self, path: str, temporary: str) -> None:
        self.path, self.temporary, self.rows = path, temporary, 0
        self.definitions: Mapping[str, Any] = {}  # of metrics, by name
        self.writer: Any = None

    @classmethod
    @contextmanager
    def maybe(cls, path: str | None) -> Iterator["ItemFile | None"]:
        """An ItemFile for the path, or None without one."""
        if path is None:
            yield None
            return
        with whole_file(path, "items.parquet") as temporary:
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

        table = pa.table({"row": self.rows + places, **columns})
        with writing(self.path):
            if self.writer is None:
                self._open(table.schema)
            self.writer.write_table(self._fitting(table))
        self.rows += total

    def _open(self, schema: Any) -> None:
        import pyarrow.parquet as pq

        facts = {"assay.items": str(VERSION)}
        if self.definitions:
            facts["assay.definitions"] = json.dumps(self.definitions)
        self.writer = pq.ParquetWriter(self.temporary, schema.with_metadata(facts))

    def end(self, shard: str | None, left_out: bool) -> None:
        """Say of which shard these rows are, as in 7/64, and whether some are missing."""
        import pyarrow as pa

        facts = {"assay.shard": shard, "assay.rows": str(self.rows)} if shard else {}
        if left_out:
            facts["assay.left_out"] = "1"
        if not facts:
            return
        with writing(self.path):
            if self.writer is None:
                self._open(pa.schema([("row", pa.int64())]))
            self.writer.add_key_value_metadata(facts)

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
    """The rows of a per-item file, as an Arrow table; a DataError of anything else.

    Of a folder, or a glob: of the files of all shards, whose rows are numbered on.
    """
    import pyarrow as pa

    names = _names(path)
    tables = [_read(name) for name in names]
    if len(tables) == 1 and not os.path.isdir(path):
        return tables[0]
    facts = [table.schema.metadata for table in tables]
    order = _in_order(path, [own.get(b"assay.shard", b"").decode() for own in facts], names)
    if len({own.get(b"assay.definitions") for own in facts}) > 1:
        raise DataError(f"{path}: its files were scored by several definitions; score all alike")
    shards, first = [], 0
    for at in order:
        if len(tables[at]):
            rows = pa.array(tables[at].column("row").to_numpy() + first)
            shards.append(tables[at].set_column(0, "row", rows).replace_schema_metadata(None))
        first += int(facts[at][b"assay.rows"])
    shards = shards or [tables[0]]
    try:
        table = pa.concat_tables(shards)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: its files have different columns ({error}); score all shards alike"
        ) from None
    kept = {name: value for own in facts for name, value in own.items() if name != b"assay.shard"}
    return table.replace_schema_metadata(kept)


def _names(path: str) -> list[str]:
    """The files of a folder or a glob; else the path itself."""
    if os.path.isdir(path):
        found = sorted(glob.glob(os.path.join(glob.escape(path), "*.parquet")))
        if not found:
            raise DataError(f"{path}: no *.parquet file in there; was it written with --per-item?")
        return found
    return [path] if os.path.exists(path) else sorted(glob.glob(path)) or [path]


def _in_order(path: str, shards: Sequence[str], names: Sequence[str]) -> list[int]:
    """The places of the shards in order; each must be there, once."""
    pairs = zip(names, shards, strict=True)
    if alone := [name for name, shard in pairs if not re.fullmatch(r"[0-9]+/[0-9]+", shard)]:
        raise DataError(f"{path}: {alone[0]} is no file of a shard; name it alone")
    numbers = [tuple(map(int, shard.split("/"))) for shard in shards]
    of = numbers[0][1]
    wanted = [(number, of) for number in range(1, of + 1)]
    found = dict(zip(numbers, range(len(numbers)), strict=True))
    if len(found) < len(numbers) or [*sorted(found)] != wanted:
        missing = [f"{a}/{b}" for a, b in wanted if (a, b) not in found]
        told = f"{', '.join(missing[:10])} of its shards missing" if missing else "one twice"
        raise DataError(f"{path}: has {told}; name a folder with the files of one run")
    return [found[number] for number in wanted]


def _read(path: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        facts = dict(pq.read_metadata(path).metadata or {})  # also what was said at the end
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; write it with assay score … --per-item") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from error
    version = (table.schema.metadata or {}).get(b"assay.items", b"").decode()
    if not version.isdecimal():
        raise DataError(f"{path}: is no per-item file; write one with assay score … --per-item")
    if int(version) > VERSION:
        raise DataError(
            f"{path}: has per-item format {version}, this assay reads {VERSION}; upgrade assay"
        )
    facts.pop(b"ARROW:schema", None)
    return table.replace_schema_metadata(facts)


def definitions_of(table: Any, path: str) -> dict[str, Any]:
    """What a table that was read says its metrics need beside their columns, by name."""
    text = (table.schema.metadata or {}).get(b"assay.definitions", b"{}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(own, dict) for own in found.values()):
        raise DataError(f"{path}: its definitions of metrics are damaged; write the file again")
    return found
