"""Embeddings ranked in parts: blocks of queries, each against a gallery that is read block by
block. With both directions, blocks of gallery rows against all queries follow."""

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from assay.cli.corpus import Scale, Task, add_up
from assay.cli.embeddings import Asked, check_rows, item_columns, judged, naming, write_run
from assay.core.errors import AssayError, DataError, InputError
from assay.core.protocols import Batch, GalleryCount, Part

if TYPE_CHECKING:
    from assay.run.jobs import Answer
    from assay.run.totals import Total

__all__ = ["Blocks", "Ranking", "count_block", "headline", "is_large", "score_parts"]
__all__ += ["Shown", "states_of"]

BLOCK = 4096  # queries that share one reading of the gallery
BLOCK_BYTES = 64 << 20
LEAST = 512  # below that, reading takes longer than ranking
PARTS = 64
PAIRS = 1 << 18  # relevant pairs of a block
HELD_BYTES = 256 << 20  # of vectors that are ranked in one piece

_TURN = Lock()


class GalleryError(AssayError):
    """What is ranked cannot be read. No query can be left out for that."""


class Ranking:
    """What is ranked, and how; it can be sent to another process, which reads what is relevant
    itself.

    options: of count_ranks. items: per-item rows are wanted. most: queries of a block, at most.
    """

    def __init__(
        self, asked: Asked, relevance: str, format: str | None, options: Any, items: bool, most: int
    ) -> None:
        self.asked, self.relevance, self.format = asked, relevance, format
        self.options, self.items, self.most = options, items, most

    def __getstate__(self) -> dict[str, Any]:
        return {name: own for name, own in self.__dict__.items() if name != "relevant"}

    @functools.cached_property
    def relevant(self) -> Sequence[Any]:
        """The gallery rows relevant to each query; with both directions, also the other way."""
        import numpy as np

        from assay.metrics.relevance import relevance

        asked, q = self.asked, np.arange(self.asked.query.size)
        with naming(asked, self.relevance):
            own = relevance(judged(asked, self.relevance, self.format), q, asked.gallery.size)
            return [own, own.turned(q, asked.gallery.size)[0]] if asked.both else [own]


class _Block(NamedTuple):
    """Rows start:stop of one side, ranked against the other; first: their number in all parts."""

    back: bool
    start: int
    stop: int
    first: int


class Blocks:
    """The queries in blocks, as a Source. A batch is the numbers of rows; whoever counts reads
    them, so that no more than one block is held."""

    def __init__(self, ranking: Ranking) -> None:
        self.ranking = ranking

    def __str__(self) -> str:
        return str(self.ranking.asked.query.path)

    @functools.cached_property
    def blocks(self) -> list[_Block]:
        """All blocks, in order."""
        import numpy as np

        found, first = [], 0
        for back, own in enumerate(self.ranking.relevant):
            ends, n, start = own.rows.offsets, len(own.rows), 0
            while start < n:
                fits = int(np.searchsorted(ends, ends[start] + PAIRS, "right")) - 1
                stop = min(n, start + self.ranking.most, max(start + 1, fits))
                found.append(_Block(bool(back), start, stop, first + start))
                start = stop
            first += n
        return found

    def parts(self) -> Sequence[Part]:
        """A part for each block; its size is what is read for it."""
        sides = self.ranking.asked.query, self.ranking.asked.gallery
        parts = []
        for index, block in enumerate(self.blocks):
            own, other = sides[::-1] if block.back else sides
            n = block.stop - block.start
            name = own.path if n == own.size else f"{own.path}[{block.start}:{block.stop}]"
            size = n * own.vectors.row_bytes + other.size * other.vectors.row_bytes
            parts.append(Part(index, name, n, size))
        return parts

    def batches(self, part: Part) -> Iterator[Batch]:
        """One batch: which block it is, once for each row."""
        import numpy as np
        import pyarrow as pa

        block = self.blocks[part.index]
        rows = pa.record_batch({"block": np.full(block.stop - block.start, part.index)})
        yield Batch(rows, 0, part.size or 0, lambda row: f"{part.name}: row {row}")


def count_block(blocks: Blocks, rows: Any) -> "Answer":
    """The ranks of a block."""
    block = blocks.blocks[rows.column(0)[0].as_py()]
    try:
        with _TURN, ThreadPoolExecutor(1, "assay-rank") as one:  # whose kernels have all threads
            return one.submit(_ranked, blocks, block).result()
    except InputError as error:  # it names the file and the row
        raise DataError(str(error)) from error


def _ranked(blocks: Blocks, block: _Block) -> "Answer":
    import numpy as np

    from assay.metrics.rank_counts import RankCounts
    from assay.metrics.ranks import count_ranks
    from assay.run.jobs import Answer
    from assay.run.ranking_shards import Queries, rank
    from assay.run.totals import Total, numbered

    ranking, count = blocks.ranking, cast(GalleryCount, count_ranks)
    asked = ranking.asked.turned() if block.back else ranking.asked
    own = ranking.relevant[block.back].of_queries(block.start, block.stop)
    ids = np.arange(block.start, block.stop)
    by = None
    if asked.by and not block.back:
        by = {name: column.slice(block.start, len(ids)) for name, column in asked.groups().items()}
    with naming(asked, ranking.relevance):
        vectors = _placed(asked.query.vectors.read(block.start, block.stop))
        queries = Queries(vectors, ids, own.rows, own, ids if asked.exclude_self else None)
        gallery = _Gallery(asked.gallery.vectors)
        with _gallery_named(gallery):
            state = rank(count, queries, gallery, metric=asked.metric, by=by, **ranking.options)
    written = None
    if ranking.items:
        places = state.per_item("id")
        columns = item_columns(state, ranking.asked, block.back)
        written = columns, places - block.start, len(ids)
    names = ("ranks", "back") if ranking.asked.both else ("ranks",)
    states = dict.fromkeys(names, RankCounts.zero())
    states[names[block.back]] = numbered(state, -block.start)
    return Answer(Total(len(ids), states), written)


class _Gallery:
    """Rows to be ranked, on the GPU if there is one."""

    def __init__(self, vectors: Any) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """All blocks, in order."""
        with _stopping():
            yield from ((first, _placed(rows)) for first, rows in self.vectors.blocks())

    def take(self, rows: Any) -> Iterator[tuple[Any, Any]]:
        """Some rows."""
        with _stopping():
            yield from ((numbers, _placed(own)) for numbers, own in self.vectors.take(rows))


@contextmanager
def _stopping() -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise GalleryError(str(error)) from error


@contextmanager
def _gallery_named(gallery: _Gallery) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if found := re.match(r"gallery\[(\d+)\]", str(error)):
            where = gallery.vectors.where(int(found[1]))
            raise GalleryError(where + str(error)[found.end() :]) from error
        raise


def _placed(rows: Any) -> Any:
    """The rows as a tensor on the GPU, if there is one and ASSAY_BACKEND does not ask for the
    CPU."""
    if not _has_gpu():
        return rows
    import torch

    kind = rows.dtype.kind + str(rows.dtype.itemsize)
    if kind[0] != "f":
        rows = rows.astype("f8" if kind in ("i4", "u4") else "f4")
    return torch.from_numpy(rows).to("cuda")


@functools.cache
def _has_gpu() -> bool:
    asked = os.environ.get("ASSAY_BACKEND", "triton")
    if asked not in ("triton", "torch") or not os.path.exists("/dev/nvidiactl"):
        return False
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def headline(total: "Total") -> dict[str, tuple[int, int]]:
    """What the corpus value so far is a quotient of."""
    import numpy as np

    state: Any = total.states["ranks"]
    if not len(state.queries):
        return {}
    name = f"hit@{state.k[0]}"
    found = state.per_item(name)
    return {name: (int(np.nansum(found)), len(found))}


# -- the command -----------------------------------------------------------------------------------


def is_large(*paths: str) -> bool:
    """Whether vectors are in several files, or larger than what is worth holding."""
    from assay.readers.arrays import named_part
    from assay.readers.files import expand

    files = [file for path in paths for file in expand(named_part(path)[0])]
    return len(files) > len(paths) or sum(file.size or 0 for file in files) > HELD_BYTES


class Shown(NamedTuple):
    """What decides how ranks are printed. none: what is said where there are none; judged: of a
    run, how many queries have judgements."""

    directions: tuple[str, str] | None
    resamples: int
    none: str
    judged: int | None = None


def score_parts(
    scale: Scale, asked: Asked, inputs: Mapping[str, str | None], format: str | None,
    definition: Mapping[str, Any], per_item: str | None, run_out: str | None, depth: int,
    resamples: int,
) -> tuple[Any, Shown] | None:  # fmt: skip
    """What was ranked in parts, and what is shown of it; None where a state file was written.
    inputs: files as they were typed, by option."""
    from assay.readers.arrays import named_part

    check_rows(asked)
    if run_out and (scale.work_dir is not None or scale.shard is not None):
        raise InputError("--run-out goes with neither --work-dir nor --shard; write it of the "
                         "whole, by a command of its own")  # fmt: skip
    most = _most(asked.query.vectors, scale)
    relevance = inputs["--relevance"] or ""
    ranking = Ranking(asked, relevance, format, definition, per_item is not None, most)
    blocks = Blocks(ranking)
    typed = [path for path in inputs.values() if path not in (None, "diagonal")]
    task = Task(
        "rankings",
        list(dict.fromkeys(named_part(path or "")[0] for path in typed)),
        blocks,
        functools.partial(count_block, blocks),
        "queries",
        headline,
        {
            **inputs,
            "--metric": asked.metric,
            "--both": asked.both,
            "--exclude-self": asked.exclude_self,
            "--by": list(asked.by),
            "--format": format,
            **{f"--{name}": list(own) if name == "k" else own for name, own in definition.items()},
        },
        Shown(
            asked.directions if asked.both else None,
            resamples,
            "no query was ranked; look at what was left out",
        ),
        per_item,
        gpu=True,
    )

    def finish(done: Any) -> Any:
        states_of(done, task.shown)
        if run_out:
            write_run(run_out, asked, relevance, depth)
        return done

    done = add_up(scale, task, finish)
    return None if done is None else (done, task.shown)


def _most(queries: Any, scale: Scale) -> int:
    """How many queries a block has: so many that each shard and each worker has some, and that
    little is lost where a job is stopped."""
    fits = max(1, min(BLOCK, BLOCK_BYTES // queries.row_bytes))
    least, parts = LEAST, 1 if scale.work_dir is None and scale.engine == "local" else PARTS
    if scale.shard is not None:
        of = scale.shard.rpartition("/")[2]
        least, parts = 1, int(of) if of.isdecimal() else 1
    return int(min(fits, max(least, -(-len(queries) // max(1, parts)))))


def states_of(done: Any, shown: Shown) -> Any:
    """The ranks of all queries, with those of the other direction."""
    from assay.run.totals import numbered

    state = done.total.states.get("ranks")
    if state is None or not len(state.queries):
        raise DataError(shown.none)
    if shown.judged is not None:
        return replace(state, unranked_queries=shown.judged - len(state.queries))
    if not shown.directions:
        return state
    back = numbered(done.total.states["back"], -len(state.queries))
    if not len(back.queries):
        raise DataError(f"nothing was ranked {shown.directions[1]}; look at what was left out")
    return state.with_reverse(back, shown.directions)
