"""CSV and TSV, decoded by pyarrow.csv. Every cell is text, exactly as written: nothing is taken
for a number, a date or a null, so "007", "NA" and the empty cell stay what they are.

Quoting is RFC 4180's, for TSV too: a cell that begins with a quote runs to its closing quote,
commas and newlines included, and "" inside is one quote. Most readers take `"so" it goes` for
`so it goes`, and let a stray quote swallow lines up to the next one; here text after a closing
quote is an error. `tsv-raw` has no quoting at all: a quote is a character.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from assay.core.errors import DataError
from assay.core.protocols import Batch
from assay.readers.blocks import Block, Cut, Fail, blocks, last_line_end
from assay.readers.columns import Columns, sliced
from assay.readers.files import File

__all__ = ["read_delimited"]

RAW = "a TSV file whose quotes are plain characters is --format tsv-raw"

BAD_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)

QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')

# The cells of a row as far as they are well quoted. (No group may stand in here: CPython 3.11 gets
# the span of a group inside a possessive repeat wrong.)
CELLS = rb"""(?:
    [^"\n]++
  | (?<![^END]) "[^"]*+(?:""[^"]*+)*+" (?=[END])   # a quoted cell
  | (?<=[^END]) "                                  # a quote inside an unquoted cell
)*+"""


def read_delimited(file: File, want: Columns, *, delimiter: str, quoting: bool) -> Iterator[Batch]:
    """The rows below the header. Blank lines are skipped."""
    first_row, header = 0, None
    for block in blocks(file, _cut_outside_quotes(delimiter) if quoting else last_line_end):
        if header is None and not block.data.strip():
            continue  # blank lines above the header
        table = _Table(file, want, delimiter, quoting, block, first_row, header)
        if header is None:
            header = table.read_header()
            want = want.among(header, f"{file.name}: header")
            table = replace(table, want=want)
        rows = table.rows()
        yield from sliced(rows, first_row, block.consumed, table.where)
        first_row += rows.num_rows
    if header is None:
        raise DataError(f"{file.name}: no header; the first row must name the columns")


@dataclass(frozen=True)
class _Table:
    """One block of a file. first_row: rows before it. header: None in the first one, which
    begins with it."""

    file: File
    want: Columns
    delimiter: str
    quoting: bool
    block: Block
    first_row: int
    header: list[str] | None

    def read_header(self) -> list[str]:
        """The names in the first row."""
        header: list[str] = next(filter(None, self._python_rows()), [])
        try:
            "".join(header).encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{self.file.name}: header: not UTF-8; "
                "convert the file with iconv -f ENCODING -t UTF-8"
            ) from None
        return header

    def _python_rows(self) -> Any:
        """The block through Python's slow reader, which knows line numbers."""
        text = io.TextIOWrapper(
            io.BytesIO(self.block.data), "utf-8", errors="surrogateescape", newline=""
        )
        if self.quoting:
            return csv.reader(text, delimiter=self.delimiter)
        return csv.reader(text, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)

    def where(self, row: int) -> str:
        """What a message calls row `row` of this block: its line, where that can be found."""
        reader, start = self._python_rows(), self.block.line
        seen = -1 if self.header is None else 0
        try:
            for cells in reader:
                if cells and seen == row:
                    return f"{self.file.name}: line {start}"
                seen += bool(cells)
                start = self.block.line + reader.line_num
        except csv.Error:  # a cell too long for it
            pass
        return f"{self.file.name}: row {self.first_row + row + 1} below the header"

    def rows(self) -> pa.RecordBatch:
        data = self.block.data
        if not data.endswith(b"\n"):
            data = data + b"\n"  # pyarrow takes a lone header without one for an empty file
        try:
            table = pc.read_csv(
                pa.BufferReader(data),
                read_options=pc.ReadOptions(
                    use_threads=False,
                    block_size=len(data) + 1,
                    column_names=self.header,
                ),
                parse_options=pc.ParseOptions(
                    delimiter=self.delimiter,
                    quote_char='"' if self.quoting else False,
                    newlines_in_values=self.quoting,
                ),
                convert_options=pc.ConvertOptions(
                    column_types={name: pa.string() for name in self.want.unique},
                    include_columns=self.want.unique,
                    strings_can_be_null=False,
                    check_utf8=False,  # Columns.take does, and names the line
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._complaint(str(error)) from None
        batches = table.to_batches()  # one block, so one batch; none if there are no rows
        rows = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
        return self.want.take(rows, self.where)

    def _complaint(self, message: str) -> DataError:
        # pyarrow's own hook for bad rows loses those that are not UTF-8, its message does not
        found = BAD_ROW.search(message)
        if not found:
            return DataError(f"{self.where(0)}: {message}")
        row = int(found[1]) - 1 - (self.header is None)
        return DataError(
            f"{self.where(row)}: expected {found[2]} cells as in the header, got {found[3]}: "
            f"{found[4][:60]!r}; put a cell that holds the delimiter in quotes"
        )


def _cut_outside_quotes(delimiter: str) -> Cut:
    """Cut after the last newline that is not inside a quoted cell."""
    cells = CELLS.replace(b"END", re.escape(delimiter.encode()) + rb"\r\n")
    row = re.compile(cells, re.VERBOSE)
    rows = re.compile(rb"(?:%b\n)*+" % cells, re.VERBOSE)

    def cut(data: bytearray, end: bool, fail: Fail) -> int:
        if b'"' not in data:
            return last_line_end(data, end, fail)
        whole = _end(rows, data, 0)
        at = _end(row, data, whole)
        if at < len(data):  # at a quote that opens a cell, but does not close well
            stop = _end(QUOTED, data, at)
            if at < stop < len(data):
                fail(stop, f'text follows a closing quote; write "" for a quote; {RAW}')
            if at == stop and end:
                fail(at, f"a quote opens a cell here and never closes; {RAW}")
        return len(data) if end else whole

    return cut


def _end(pattern: re.Pattern[bytes], data: bytearray, start: int) -> int:
    """Where the match that begins at `start` ends; `start` if there is none."""
    found = pattern.match(data, start)
    return found.end() if found else start
