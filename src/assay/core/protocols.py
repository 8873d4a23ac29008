"""What rooms that may not see each other agree on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from assay.core.record import Entry, File, RunRecord

__all__ = ["DIRECTIONS", "Batch", "GalleryCount", "Part", "Source", "Tracker"]

DIRECTIONS = ("query_to_gallery", "gallery_to_query")  # what the two ways to rank are called


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


class GalleryCount(Protocol):
    """A count function of queries against a gallery that may come in shards: `count_ranks`.

    count(query, gallery, relevant, *, query_ids, both_directions, directions, gallery_ids) counts a
    whole gallery. Of a shard, which begins with row gallery_offset, target_scores(query, gallery,
    relevant, *, gallery_offset) gives what np.fmax puts together over shards; with all of these as
    target_scores= the count of the shard adds to those of other shards, and finish(rows=, deep=) of
    the sum is the count of the whole. `relevant` is a Ragged of rows of the whole gallery.
    """

    target_scores: Callable[..., Any]

    def __call__(self, query: Any, gallery: Any, relevant: Any, **options: Any) -> Any: ...


@runtime_checkable
class Tracker(Protocol):
    """Where what a run tells is sent, from one thread of a process of its own.

    `start` imports what it needs; nothing before may. Any method but spec may raise: Refused where
    another attempt cannot help, anything else where it may; the call is then made again.
    """

    def spec(self) -> dict[str, Any]:
        """`tracker`, its name in TRACKERS, and the arguments it is made of, as plain JSON. It goes
        into the journal, so nothing secret is among them."""
        ...

    def start(self, record: "RunRecord") -> bool:
        """Open the run, or the one that was opened for this record before. True where it is
        written anew, so that everything must be told again. The record grows as entries come."""
        ...

    def log(self, entries: "Sequence[Entry]") -> None:
        """Take points, parameters and histograms, in the order of the journal. After an error the
        same entries come again, alone or with others."""
        ...

    def artifact(self, file: "File") -> None:
        """Take a file of the run."""
        ...

    def finish(self, status: str) -> str:
        """Close the run: finished, failed, or killed. Returns how to look at it, in a line."""
        ...
