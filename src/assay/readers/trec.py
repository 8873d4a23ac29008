"""TREC runs (`query Q0 item rank score tag`) and judgements (`query iteration item gain`).

Fields stand between spaces and tabs, any number of them, as trec_eval reads them; blank lines are
skipped. Blocks are brought to one space between fields and decoded by pyarrow.csv.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from assay.core.errors import DataError
from assay.core.protocols import Batch
from assay.readers.blocks import Block, blocks
from assay.readers.columns import Columns, sliced
from assay.readers.files import File

__all__ = ["QRELS", "RUN", "read_trec"]

RUN = ("query", "iteration", "item", "rank", "score", "tag")
QRELS = ("query", "iteration", "item", "gain")

NUMBERS = {"rank": pa.int64(), "score": pa.float64(), "gain": pa.float64()}

BLANKS = b"\t\r\v\f"
_SPACES = bytes.maketrans(BLANKS, b" " * len(BLANKS))


def read_trec(file: File, want: Columns, *, names: Sequence[str]) -> Iterator[Batch]:
    """The rows of a file whose fields are `names`."""
    want.require(names, file.name)
    first_row = 0
    for block in blocks(file):
        where = partial(_where, file, block)
        rows = want.take(_decode(file, want, block, names), where)
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            if pa.types.is_floating(column.type) and pc.any(nan := pc.is_nan(column)).as_py():
                raise DataError(
                    f"{where(pc.index(nan, True).as_py())}: {name} is NaN, expected a number; "
                    "drop the line or give it one"
                )
        yield from sliced(rows, first_row, block.consumed, where)
        first_row += rows.num_rows


def _where(file: File, block: Block, row: int) -> str:
    lines = (number for number, line in enumerate(block.data.split(b"\n")) if line.strip())
    number = next((n for i, n in enumerate(lines) if i == row), 0)
    return f"{file.name}: line {block.line + number}"


def _single_spaced(data: bytearray) -> bytes | bytearray:
    """The same lines with one space between fields and none around them."""
    text: bytes | bytearray = data
    if any(blank in text for blank in BLANKS):
        text = text.translate(_SPACES)
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    for edge in (b" \n", b"\n "):
        if edge in text:
            text = text.replace(edge, b"\n")
    return text.strip(b" ")


def _decode(file: File, want: Columns, block: Block, names: Sequence[str]) -> pa.RecordBatch:
    data = _single_spaced(block.data)
    types = {name: pa.string() for name in want.unique}
    numbers = {name: NUMBERS[name] for name in want.unique if name in NUMBERS}
    numbers = {name: kind for name, kind in numbers.items() if name not in want.text}
    try:
        return _parse(data, names, types | numbers)
    except pa.ArrowInvalid as error:
        _refuse_bad_line(file, block, names, numbers, error)
    # What is left are numbers that only C's strtod reads: with a plus sign.
    rows = _parse(data, names, types)
    columns = []
    for name in want.unique:
        column = rows.column(name)
        columns.append(
            pc.utf8_ltrim(column, "+").cast(numbers[name]) if name in numbers else column
        )
    return pa.RecordBatch.from_arrays(columns, want.unique)


def _parse(
    data: bytes | bytearray, names: Sequence[str], types: dict[str, pa.DataType]
) -> pa.RecordBatch:
    if not data.strip():
        return pa.RecordBatch.from_pylist([], pa.schema(list(types.items())))
    table = pv.read_csv(
        pa.BufferReader(data),
        read_options=pv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=list(names)
        ),
        parse_options=pv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=pv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[],
            strings_can_be_null=False,
            check_utf8=False,  # Columns.take does, and names the line
        ),
    )
    return table.combine_chunks().to_batches()[0]


def _refuse_bad_line(
    file: File,
    block: Block,
    names: Sequence[str],
    numbers: dict[str, pa.DataType],
    error: pa.ArrowInvalid,
) -> None:
    """A DataError for the first line that is not what it should be, if there is one."""
    for number, line in enumerate(block.data.split(b"\n"), block.line):
        fields = line.split()
        if fields and len(fields) != len(names):
            shown = line[:60].decode("utf-8", "backslashreplace")
            raise DataError(
                f"{file.name}: line {number}: expected {len(names)} fields ({' '.join(names)}), "
                f"got {len(fields)}: {shown!r}"
            ) from error
        for name, kind in numbers.items() if fields else ():
            if not _is_number(fields[names.index(name)], kind):
                field = fields[names.index(name)].decode("utf-8", "backslashreplace")
                raise DataError(
                    f"{file.name}: line {number}: {name} is {field!r}, expected a number"
                ) from error


def _is_number(field: bytes | bytearray, kind: pa.DataType) -> bool:
    """In ASCII, as Arrow reads it; of integers one that fits."""
    try:
        if kind == pa.int64():
            return b"_" not in field and -(2**63) <= int(field) < 2**63
        float(field)
    except ValueError:
        return False
    return b"_" not in field
