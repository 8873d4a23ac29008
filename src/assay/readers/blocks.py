"""Text files in blocks of whole records.

pyarrow's JSON and CSV readers cut a file into blocks themselves, but fail on a record longer than
a block and cannot say on which line of the file an error stands. So the file is cut here, only at
line ends, and each block is decoded by pyarrow in one piece; a long record makes its block grow.
"""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, NoReturn

from assay.core.errors import DataError
from assay.readers.files import File

__all__ = ["Block", "Cut", "blocks", "last_line_end"]

BLOCK_BYTES = 8 << 20
RECORD_BYTES = 512 << 20  # one record; Arrow's own offsets end at 2 GiB

# how files that are no text begin, what they are, and the fix
PACKED = (
    (b"\x1f\x8b", "gzip data", "name it .gz, or pipe it through gunzip"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "name it .zst, or pipe it through zstdcat"),
    (b"BZh", "bzip2 data", "name it .bz2, or pipe it through bunzip2"),
    (b"PAR1", "Parquet", "say --format parquet"),
)


class Block(NamedTuple):
    """Bytes of whole records, not to be changed: decoded columns may point into them. line: number
    of the first line, from 1. newlines: how many there are. consumed: bytes of the file read up
    to the end of this block."""

    data: bytearray
    line: int
    newlines: int
    consumed: int


Fail = Callable[[int, str], NoReturn]  # (offset in the data, what is wrong there)
Cut = Callable[[bytearray, bool, Fail], int]  # (data, is this the end of the file, fail) -> size


def last_line_end(data: bytearray, end: bool, fail: Fail) -> int:
    """Cut after the last newline: right where a newline always ends a record."""
    return len(data) if end else data.rfind(b"\n") + 1


def blocks(file: File, cut: Cut = last_line_end) -> Generator[Block, None, None]:
    """The file from front to end. Its byte order mark, if any, is left out.

    Errors: DataError for an empty file, one in UTF-16, a record over 512 MiB, and whatever `cut`
    finds.
    """
    with file.stream() as (stream, tell):
        line, total, rest, end = 1, 0, b"", False

        def fail(offset: int, message: str) -> NoReturn:
            number = line + data.count(b"\n", 0, offset)
            raise DataError(f"{file.line(number)}: {message}")

        while not end:
            # at least as much again as is held already: a long record costs linear time
            data, end = _read(stream, rest, max(BLOCK_BYTES, len(rest)))
            if not total and not (file.span and file.span[0]):
                _check_start(file, data)
            total += len(data) - len(rest)
            size = cut(data, end, fail)
            rest = bytes(data[size:])
            if len(rest) > RECORD_BYTES:
                fail(size, f"no record ends within {RECORD_BYTES >> 20} MiB; is a quote left open?")
            del data[size:]
            if data:
                newlines = data.count(b"\n")
                yield Block(data, line, newlines, tell() if tell else total)
                line += newlines


def _read(stream: Any, rest: bytes, size: int) -> tuple[bytearray, bool]:
    """(rest and up to `size` bytes more, whether the end was reached). Read in place: at these
    sizes a copy costs a third of what parsing does."""
    data, filled = bytearray(len(rest) + size), len(rest)
    data[:filled] = rest
    with memoryview(data) as view:
        while filled < len(view) and (count := stream.readinto(view[filled:])):
            filled += count
        end = filled < len(view)
    del data[filled:]
    return data, end


def _check_start(file: File, data: bytearray) -> None:
    """Refuse what is no text, and drop the mark that some text begins with."""
    if not data:
        raise DataError(f"{file.name}: the file is empty; was it written?")
    for magic, what, mend in PACKED:
        if data.startswith(magic):
            raise DataError(f"{file.name}: the file is {what}, expected text; {mend}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{file.name}: the file is UTF-16, expected UTF-8; "
            "convert it with iconv -f UTF-16 -t UTF-8"
        )
    if data.startswith(b"\xef\xbb\xbf"):
        del data[:3]
