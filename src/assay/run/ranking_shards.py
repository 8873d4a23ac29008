"""Ranks in a gallery that is nowhere held: counts of its blocks, which add.

Two steps, as over the ranks of a training job: the scores of relevant rows, which are few, then
counts of better and equal rows of every block, by those scores. Counts are whole numbers and the
scores are canonical (the same wherever a block begins), so the sum is that of a gallery in one
piece. Blocks may be counted anywhere, in any order: `count_part` of parts of a gallery adds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from assay.core.errors import DataError, InputError
from assay.core.protocols import GalleryCount
from assay.core.ragged import Ragged

__all__ = ["Gallery", "Queries", "ahead", "best_of", "count_part", "rank", "scores_of_relevant"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
T = TypeVar("T")


class Gallery(Protocol):
    """Rows that are read block by block."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """(number of the first row, vectors [rows, d]) of all rows, in order."""
        ...

    def take(self, rows: Ints) -> Iterator[tuple[Ints, Any]]:
        """(numbers, vectors) of rows that are given upwards, each once."""
        ...


class Queries(NamedTuple):
    """Some queries: vectors [q, d], ids int64 [q], the gallery rows relevant to each, and the same
    as `count` takes it, with gains where there are some. exclude: see count_ranks."""

    vectors: Any
    ids: Ints
    rows: Ragged
    relevant: Any
    exclude: Any = None


def scores_of_relevant(
    count: GalleryCount, queries: Queries, gallery: Gallery, metric: str
) -> Floats:
    """The canonical score of each relevant pair, float64 [p]."""
    rows = queries.rows
    items = rows.values[rows.offsets[0] : rows.offsets[-1]].astype(np.int64)
    scores = np.full(len(items), np.nan)
    wanted = np.unique(items)
    if wanted.size and (wanted[0] < 0 or wanted[-1] >= len(gallery)):
        wrong = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise InputError(f"relevant: gallery rows must be in 0..{len(gallery) - 1}, got {wrong}")
    for numbers, vectors in gallery.take(wanted):
        place = np.searchsorted(numbers, items)
        place[~np.isin(items, numbers)] = len(numbers)  # in another block
        here = Ragged.from_lengths(place, rows.lengths)
        with _numbered(queries.ids, numbers):
            found = count.target_scores(
                queries.vectors, vectors, here, metric=metric, query_ids=queries.ids
            )
        scores = np.fmax(scores, found)
    return scores


def count_part(
    count: GalleryCount,
    queries: Queries,
    blocks: Iterable[tuple[int, Any]],
    scores: Floats,
    **options: Any,
) -> Any:
    """The counts of some blocks of a gallery; those of all blocks add, and finish() is their ranks.

    options: of count, such as metric and k.
    """
    total: Any = 0
    for first, vectors in ahead(blocks):
        with _numbered(queries.ids, range(first, first + len(vectors))):
            total = total + count(
                queries.vectors, vectors, queries.relevant, query_ids=queries.ids,
                exclude=queries.exclude, gallery_offset=first, target_scores=scores, **options,
            )  # fmt: skip
    return total


def rank(
    count: GalleryCount, queries: Queries, gallery: Gallery, *, metric: str, by: Any = None,
    **options: Any,
) -> Any:  # fmt: skip
    """The ranks of some queries in the whole gallery; `by` and options as of count."""
    scores = scores_of_relevant(count, queries, gallery, metric)
    part = count_part(count, queries, gallery.blocks(), scores, metric=metric, **options)
    return part.finish(rows=len(gallery), by=by)


def best_of(
    topk: Callable[[Any, int], tuple[Any, Any]], blocks: Iterable[tuple[int, Any]], k: int
) -> tuple[Floats, Ints]:
    """The k best rows of each query, from the best of each block.

    topk(vectors, k): (scores, rows) of a block of at least k rows, higher is better. Returns scores
    float64 and rows int64 [q, k], best first, ties to the lower row, whatever the order of blocks.
    """
    best: tuple[Any, Any] | None = None
    for first, vectors in ahead(blocks):
        scores, rows = topk(vectors, min(k, len(vectors)))
        both = [(scores, rows + first)] if best is None else [best, (scores, rows + first)]
        scores, rows = (np.concatenate(side, axis=1) for side in zip(*both, strict=True))
        order = np.lexsort((rows, -scores), axis=1)[:, :k]
        best = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    if best is None:
        raise InputError("best_of: the gallery is empty; there is nothing to rank")
    return best


@contextmanager
def _numbered(queries: Sequence[int] | Ints, gallery: Sequence[int] | Ints) -> Iterator[None]:
    """Errors about a row of what was given have its number in the whole."""
    numbers = {"query": queries, "gallery": gallery}
    try:
        yield
    except DataError:
        raise
    except InputError as error:
        told = re.sub(
            r"^(query|gallery)\[(\d+)\]",
            lambda found: f"{found[1]}[{numbers[found[1]][int(found[2])]}]",
            str(error),
        )
        raise InputError(told) from error


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, the next of which is made while one is looked at."""
    rest = iter(items)
    with ThreadPoolExecutor(1, "assay-ahead") as pool:
        coming = pool.submit(lambda: next(rest, None))
        while (item := coming.result()) is not None:
            coming = pool.submit(lambda: next(rest, None))
            yield item
