"""Plain lines, and Kaldi `text` files.

A line ends with \\n or \\r\\n; the last one may lack it. Nothing else ends a line: not a lone \\r,
form feed or U+2028, which str.splitlines would cut at. An empty line is a row like any other, so
line i of one file stays the partner of line i of another.
"""

import struct
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import DataError
from assay.core.protocols import Batch
from assay.readers.blocks import blocks
from assay.readers.columns import Columns, sliced
from assay.readers.files import File
from assay.readers.texts import text_array

__all__ = ["read_kaldi", "read_lines", "text_lines"]

LINES_COLUMNS = ("text",)
KALDI_COLUMNS = ("id", "text")


def read_lines(file: File, want: Columns) -> Iterator[Batch]:
    """One row a line, in the column `text`."""
    want.require(LINES_COLUMNS, file.name)
    for text, first, consumed in _lines(file):
        rows = pa.RecordBatch.from_arrays([text], names=LINES_COLUMNS)
        place = _place(file, first)
        yield from sliced(want.take(rows, place), first - 1, consumed, place)


def read_kaldi(file: File, want: Columns) -> Iterator[Batch]:
    """`utt-id words …` a line: the columns `id` and `text`. One space or tab ends the id; what
    follows is the text as it stands, and nothing is an empty utterance."""
    want.require(KALDI_COLUMNS, file.name)
    for line, first, consumed in text_lines(file):
        place = _place(file, first)
        pieces = pc.split_pattern_regex(line, "[ \t]", max_splits=1)  # [id] or [id, text]
        key = pc.list_element(pieces, 0)
        text = pc.list_slice(pieces, 1, 2, return_fixed_size_list=True).flatten().fill_null("")
        if (row := pc.index(key, "").as_py()) >= 0:
            raise DataError(
                f"{place(row)}: no utterance id; a Kaldi line is 'utt-id words …', "
                "without leading space"
            )
        rows = pa.RecordBatch.from_arrays([key, text], names=KALDI_COLUMNS)
        yield from sliced(want.take(rows, place), first - 1, consumed, place)


def text_lines(file: File) -> Iterator[tuple[pa.Array, int, int]]:
    """(lines, number of the first one, bytes consumed); valid UTF-8, so that regular expressions
    may read them."""
    for lines, first, consumed in _lines(file):
        yield text_array(lines, "line", _place(file, first)), first, consumed


def _lines(file: File) -> Iterator[tuple[pa.Array, int, int]]:
    """(lines as unchecked strings, number of the first one, bytes consumed)."""
    for block in blocks(file):
        data = block.data.replace(b"\r\n", b"\n") if b"\r" in block.data else block.data
        ends = pa.py_buffer(struct.pack("=ii", 0, len(data) - data.endswith(b"\n")))
        whole = pa.Array.from_buffers(pa.binary(), 1, [None, ends, pa.py_buffer(data)])
        pieces = pc.split_pattern(whole, b"\n").flatten()
        yield pieces.view(pa.string()), block.line, block.consumed


def _place(file: File, first: int) -> Callable[[int], str]:
    return lambda row: f"{file.name}: line {first + row}"
