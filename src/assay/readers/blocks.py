"""Text files in blocks of whole records.

pyarrow's JSON and CSV readers cut a file into blocks themselves, but fail on a record longer than
a block and cannot say on which line of the file an error stands. So the file is cut here, only at
line ends, and each block is decoded by pyarrow in one piece; a long record makes its block grow.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn

from assay.core.errors import DataError
from assay.readers.files import File

__all__ = ["Block", "Cut", "blocks", "last_line_end"]

BLOCK_BYTES = 8 << 20
RECORD_BYTES = 512 << 20  # one record; Arrow's own offsets end at 2 GiB

MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Block(NamedTuple):
    """Bytes of whole records. line: number of the first line, from 1. newlines: how many there
    are. consumed: bytes of the file read up to the end of this block."""

    data: bytes
    line: int
    newlines: int
    consumed: int


Fail = Callable[[int, str], NoReturn]  # (offset in the bytes, what is wrong there)
Cut = Callable[[bytes, bool, Fail], int]  # (bytes, is this the end of the file, fail) -> how many


def last_line_end(data: bytes, end: bool, fail: Fail) -> int:
    """Cut after the last newline: right where a newline always ends a record."""
    return len(data) if end else data.rfind(b"\n") + 1


def blocks(file: File, cut: Cut = last_line_end) -> Iterator[Block]:
    """The file from front to end. Its byte order mark, if any, is left out.

    Errors: DataError for an empty file, one in UTF-16, a record over 512 MiB, and whatever `cut`
    finds.
    """
    with file.stream() as (stream, tell):
        line, total, rest, end = 1, 0, b"", False

        def fail(offset: int, message: str) -> NoReturn:
            number = line + rest.count(b"\n", 0, offset)
            raise DataError(f"{file.name}: line {number}: {message}")

        while not end:
            # at least as much again as is already held: a long record costs linear time
            fresh, end = _read(stream, max(BLOCK_BYTES, len(rest)))
            if total == 0:
                _check_start(file, fresh)
                fresh = fresh.removeprefix(b"\xef\xbb\xbf")
            total += len(fresh)
            rest += fresh
            size = cut(rest, end, fail)
            if size:
                newlines = rest.count(b"\n", 0, size)
                yield Block(rest[:size], line, newlines, tell() if tell else total)
                line += newlines
                rest = rest[size:]
            if len(rest) > RECORD_BYTES:
                fail(0, f"no record ends within {RECORD_BYTES >> 20} MiB; is a quote left open?")


def _read(stream: object, size: int) -> tuple[bytes, bool]:
    """(bytes, whether the end was reached): a stream may give fewer than it was asked for."""
    pieces, missing = [], size
    while missing > 0 and (piece := stream.read(missing)):  # type: ignore[attr-defined]
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces), missing > 0


def _check_start(file: File, data: bytes) -> None:
    if not data:
        raise DataError(f"{file.name}: the file is empty; was it written?")
    if encoding := MARKS.get(data[:2]):
        raise DataError(
            f"{file.name}: the file is {encoding}, expected UTF-8; "
            f"convert it with iconv -f {encoding} -t UTF-8"
        )
