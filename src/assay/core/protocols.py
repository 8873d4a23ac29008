"""What rooms that may not see each other agree on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Batch", "Part", "Source"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a source that can be read on its own: a file, a Parquet row group.

    index: its place in the source. name: what a message calls it. rows: how many, if the format
    knows before reading. size: bytes to read, for progress, if known.
    """

    index: int
    name: str
    rows: int | None = None
    size: int | None = None


class Batch(NamedTuple):
    """Some rows of a part. first_row: row number of the first one, from 0 within the part.
    consumed: bytes of the part's `size` read so far, for progress. where(i): what a message calls
    row i of this batch: its file and line."""

    rows: "pa.RecordBatch"
    first_row: int
    consumed: int
    where: Callable[[int], str]


class Source(Protocol):
    """Rows of named columns, in parts that may be read at the same time by several threads."""

    def parts(self) -> Sequence[Part]:
        """The parts in the order of their rows."""
        ...

    def batches(self, part: Part) -> Iterator[Batch]:
        """The rows of one part in order, in batches bounded in bytes. Errors are DataErrors that
        name the file and the line or row."""
        ...
