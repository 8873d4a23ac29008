"""JSON Lines: one object a line, decoded by pyarrow.json.

Fields that nobody asked for are skipped unread, whatever they hold. Blank lines are no records.
A field asked for as text must be a string in every record; a further field has the type of its
values in the first records (1 and 2.5 make it double), and may be missing or null.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from assay.core.errors import DataError
from assay.core.protocols import Batch, Part
from assay.readers.blocks import Block, blocks
from assay.readers.columns import Columns, sliced
from assay.readers.files import File

__all__ = ["json_ranges"]

RANGE_BYTES = 32 << 20  # of a part of a file that is not compressed

SAMPLE = 1000  # records that decide the type of a field that is not text

OBJECT_OR_BLANK = re.compile(rb"\s*(\{|\Z)")

# what pyarrow says -> the fix
MENDS = {
    "surrogate pair": "; half a character is no text, write U+FFFD in its place",
    "specified twice": "; name each field once",
}

KINDS = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def json_ranges(file: File, want: Columns) -> Sequence[tuple[Part, Callable[[], Iterator[Batch]]]]:
    """A part for every 32 MiB of a file that is not compressed."""
    size = file.size or 0
    if file.once or file.codec or size < 2 * RANGE_BYTES:
        return [(Part(0, file.name, size=file.size), partial(read_jsonl, file, want))]
    starts = range(0, size - RANGE_BYTES, RANGE_BYTES)
    spans = list(zip(starts, [*starts[1:], size], strict=True))
    head = _Head(file, want)
    return [
        (
            Part(0, f"{file.name}, bytes {start} to {stop}", size=stop - start),
            partial(read_jsonl, replace(file, span=(start, stop)), want, head.columns),
        )
        for start, stop in spans
    ]


class _Head:
    """What the first records of a file say of its columns, for all its parts."""

    def __init__(self, file: File, want: Columns) -> None:
        self.file, self.want, self.lock = file, want, Lock()
        self.found: tuple[Columns, pa.Schema] | None = None

    def columns(self, block: Block) -> tuple[Columns, pa.Schema]:
        with self.lock:
            if self.found is None:
                first = block
                if self.want.lists or self.want.keep:
                    with closing(blocks(self.file)) as head:
                        first = next(head)
                self.found = _columns(self.file, self.want, first)
            return self.found


def _columns(file: File, want: Columns, block: Block) -> tuple[Columns, pa.Schema]:
    want = _numbered(file, want, block)
    return want, _schema(file, want, block)


def read_jsonl(
    file: File,
    want: Columns,
    columns: Callable[[Block], tuple[Columns, pa.Schema]] | None = None,
) -> Iterator[Batch]:
    """The records of the file in order. columns: what is known of them, from the first block."""
    first_row, schema = 0, None
    for block in blocks(file):
        if schema is None:
            want, schema = columns(block) if columns else _columns(file, want, block)
        where = partial(_where, file, block)
        rows = _decode(file, want, block, schema, where)
        yield from sliced(rows, first_row, block.consumed, where)
        first_row += rows.num_rows


def _where(file: File, block: Block, row: int) -> str:
    return file.line(_records(block)[row][0])


def _decode(
    file: File, want: Columns, block: Block, schema: pa.Schema, where: Callable[[int], str]
) -> pa.RecordBatch:
    try:
        rows = _parse(block.data, schema)
    except pa.ArrowInvalid:
        raise _first_bad(file, want, block, schema) from None
    # One object a line, or rows would not lead back to lines. Counting newlines is cheap, and
    # without blank lines it is enough.
    lines = block.newlines + (not block.data.endswith(b"\n"))
    if rows.num_rows != lines and rows.num_rows != len(_records(block)):
        raise _first_bad(file, want, block, schema)
    for name in want.text:
        if rows.column(name).null_count:
            row = rows.column(name).is_null().index(True).as_py()
            raise _complaint(file, want, schema, *_records(block)[row])
    return want.take(rows, where)


def _parse(data: bytes | bytearray, schema: pa.Schema) -> pa.RecordBatch:
    if not OBJECT_OR_BLANK.match(data):
        raise pa.ArrowInvalid("not an object")  # pyarrow crashes on a block that begins with null
    table = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    batches = table.to_batches()  # one block, so one batch; none if there are no rows
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema)


def _numbered(file: File, want: Columns, block: Block) -> Columns:
    """The columns as the first records have them, of which lists may be several fields; a record
    may lack some of those."""
    sample = _sample(block, SAMPLE) if want.lists else []
    present = list(dict.fromkeys(name for record in sample for name in record))
    if not present:
        return want
    others = [*want.text, *want.keep]
    return want.among([*present, *(name for name in others if name not in present)], file.name)


def _schema(file: File, want: Columns, block: Block, whole: bool = False) -> pa.Schema:
    """The types of the columns: text as asked, the others as the first records have them; where
    all of those are null, as the whole block has them."""
    others = [name for name in want.unique if name not in want.text]
    sample = _sample(block, None if whole else SAMPLE) if others else []
    types = {name: pa.string() for name in want.text}
    for name in [own for own in others if own not in want.keep]:  # lists, or texts of one
        first = next((record[name] for record in sample if record.get(name) is not None), "")
        types[name] = pa.list_(pa.string()) if isinstance(first, list) else pa.string()
    for name in [own for own in others if own in want.keep]:
        if sample and not any(name in record for record in sample):
            want.require(list(sample[0]), file.line(_records(block)[0][0]), [name])
        try:
            found = pa.array([record.get(name) for record in sample]).type
        except UnicodeEncodeError:
            found = pa.string()  # half a character: decoding will come across it and say so
        except (pa.ArrowException, OverflowError):
            raise DataError(
                f"{file.name}: field {name!r} holds values of several types; write one throughout"
            ) from None
        if pa.types.is_null(found) and not whole:
            return _schema(file, want, block, whole=True)
        types[name] = pa.string() if pa.types.is_null(found) else found
    return pa.schema([(name, types[name]) for name in want.unique])


def _sample(block: Block, size: int | None) -> list[dict[str, Any]]:
    """The first records, up to one that is broken: decoding will come across it and say so."""
    sample: list[dict[str, Any]] = []
    for _, line in _records(block)[:size]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        sample.append(record)
    return sample


def _records(block: Block) -> list[tuple[int, bytes]]:
    """(line number, line) of every line that is not blank."""
    lines = enumerate(bytes(block.data).split(b"\n"), block.line)
    return [(number, line) for number, line in lines if line.strip()]


def _first_bad(file: File, want: Columns, block: Block, schema: pa.Schema) -> DataError:
    """What is wrong in a block that pyarrow did not read as one object a line. pyarrow tells no
    line number, so the first bad line is found by bisection, with pyarrow as the judge."""
    records = _records(block)

    def good(count: int) -> bool:
        data = b"\n".join(line for _, line in records[:count])
        try:
            return bool(_parse(data, schema).num_rows == count)
        except pa.ArrowInvalid:
            return False

    low, high = 0, len(records)  # good(low), not good(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return _complaint(file, want, schema, *records[low])


def _complaint(file: File, want: Columns, schema: pa.Schema, number: int, line: bytes) -> DataError:
    """What is wrong with one line, and the fix."""
    where = file.line(number)
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return DataError(
            f"{where}: not UTF-8: byte 0x{line[error.start]:02x} at offset {error.start} of the "
            "line; convert the file with iconv -f ENCODING -t UTF-8"
        )
    except (ValueError, RecursionError) as error:
        return DataError(
            f"{where}: not one JSON object on one line ({error}); "
            "write each record on a line of its own"
        )
    if not isinstance(record, dict):
        return DataError(
            f"{where}: found {KINDS[type(record)]}, expected an object; write each record on a "
            "line of its own (jq -c '.[]' makes lines of an array)"
        )
    for name in want.text:
        if name not in record:
            try:
                want.require(list(record), where, [name], "name one of these, or write it in all")
            except DataError as error:
                return error
        value = record[name]
        if value is None:
            return DataError(
                f"{where}: field {name!r} is null, expected a string; "
                'write "" where nothing was said, or drop the record'
            )
        if not isinstance(value, str):
            return DataError(
                f"{where}: field {name!r} is {KINDS[type(value)]} ({json.dumps(value)[:40]}), "
                f"expected a string; {_mend(value)}"
            )
    message = _arrow_message(line, schema)
    mend = next((mend for sign, mend in MENDS.items() if sign in message), _told(want, schema))
    return DataError(f"{where}: {message}{mend}")


def _mend(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "join its words to one string, or name another field"
    return "put it in quotes"


def _arrow_message(line: bytes, schema: pa.Schema) -> str:
    try:
        _parse(line, schema)
    except pa.ArrowInvalid as error:
        return str(error).removesuffix(" in row 0").rstrip(".")
    return "cannot be read"


def _told(want: Columns, schema: pa.Schema) -> str:
    """Types that the first records set and this one may break."""
    types = ", ".join(
        f"{name!r} as {schema.field(name).type}" for name in schema.names if name not in want.text
    )
    return f"; here {types} was expected: write one type throughout" if types else ""
