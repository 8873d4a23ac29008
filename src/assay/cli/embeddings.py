"""Embeddings to rank: what is asked of them, their ranks, and what is written of them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from assay.cli.shared import as_options, check_own_columns, status
from assay.core.errors import DataError, InputError

__all__ = [
    "CUTS",
    "Asked",
    "Side",
    "check_rows",
    "fitting_cuts",
    "fitting_depth",
    "item_columns",
    "judged",
    "naming",
    "score_embeddings",
    "side",
    "write_run",
]

CUTS = (1, 5, 10)
DEPTH = 100
CHUNK = 1 << 22  # places of a run ranked at once


class Side(NamedTuple):
    """Vectors, and what their rows are called."""

    path: str
    vectors: Any
    ids: str | None  # the file of names
    names: Any  # a table with a column id, or None

    @property
    def size(self) -> int:
        return len(self.vectors)

    def labels(self) -> list[str]:
        """The names of all rows; without names, their numbers."""
        ids = None if self.names is None else self.names.column("id").to_pylist()
        return ids or list(map(str, range(self.size)))


class Asked(NamedTuple):
    """What is ranked, and how."""

    query: Side
    gallery: Side
    metric: str
    exclude_self: bool
    both: bool
    directions: tuple[str, str]
    by: Sequence[str]

    def turned(self) -> "Asked":
        """The other direction."""
        return self._replace(query=self.gallery, gallery=self.query, by=())

    def groups(self) -> dict[str, Any]:
        """Columns that group the queries."""
        return {name: self.query.names.column(name) for name in self.by}


def side(path: str, ids: str | None, keep: Sequence[str], streamed: bool = False) -> Side:
    """Vectors with their names. streamed: they are read in blocks when they are needed."""
    from assay.readers.arrays import read_vectors
    from assay.readers.rankings import read_ids
    from assay.readers.vector_files import VectorFiles

    vectors = VectorFiles(path) if streamed else read_vectors(path)
    names = read_ids(ids, keep) if ids else None
    if names is not None and len(names) != len(vectors):
        raise DataError(f"{ids} has {len(names)} ids, {path} has {len(vectors)} rows")
    return Side(path, vectors, ids, names)


def fitting_cuts(cuts: tuple[int, ...], asked: Asked) -> tuple[int, ...]:
    """The cuts, none of them beyond what is ranked; by default those of 1, 5 and 10 that fit."""
    sides = [asked.gallery, asked.query] if asked.both else [asked.gallery]
    least = min(sides, key=lambda side: side.size)
    if cuts and max(cuts) > least.size:
        raise InputError(f"--k: {max(cuts)} is more than the {least.size} rows of {least.path}")
    return cuts or tuple(cut for cut in CUTS if cut <= least.size)


def fitting_depth(depth: int | None, asked: Asked) -> int:
    from assay.ops.similarity import MAX_K

    most = asked.gallery.size - asked.exclude_self
    if most < 1:
        raise InputError("--exclude-self: one row has no others to rank")
    if depth is not None and depth > most:
        raise InputError(f"--depth: {depth} is more than the {most} rows ranked")
    if (depth or 0) > MAX_K - asked.exclude_self:
        raise InputError(f"--depth: {depth} is more than the {MAX_K - asked.exclude_self:,} that "
                         "can be written of a query")  # fmt: skip
    return depth or min(DEPTH, most)


def check_rows(asked: Asked) -> None:
    """Refuse sides that do not fit together."""
    q, g = asked.query.size, asked.gallery.size
    if asked.exclude_self and q != g:
        raise InputError(
            f"--exclude-self: {asked.query.path} has {q} rows, {asked.gallery.path} has {g}; it "
            "needs the same rows on both sides"
        )


def score_embeddings(
    asked: Asked,
    relevance: str,
    format: str | None,
    definition: dict[str, Any],
    per_item: str | None,
    run_out: str | None,
    depth: int,
) -> Any:
    import numpy as np

    from assay.metrics.ranks import count_ranks
    from assay.run.items import ItemFile
    from assay.run.trec import RunFile

    check_rows(asked)
    q, g = asked.query.size, asked.gallery.size
    with ItemFile.maybe(per_item) as items, RunFile.maybe(run_out) as run:
        if run is not None:
            _check_ids(asked)
        relevant = judged(asked, relevance, format)
        with status(f"ranking {q:,} queries against {g:,} rows") as tell, naming(asked, relevance):
            state = count_ranks(
                asked.query.vectors,
                asked.gallery.vectors,
                relevant,
                metric=asked.metric,
                both_directions=asked.both,
                directions=asked.directions,
                exclude=np.arange(q) if asked.exclude_self else None,
                by=asked.groups() or None,
                **definition,
            )
            if items is not None:
                _write_items(items, state, asked)
            if run is not None:
                for done in _run_lines(run, asked, depth):
                    tell(f"writing the best {depth:,}: {done:,} of {q:,} queries")
    return state


def judged(asked: Asked, relevance: str, format: str | None) -> Any:
    """What is relevant, as count_ranks takes it."""
    import numpy as np

    from assay.core.ragged import Ragged
    from assay.readers.rankings import Rows, read_judgements

    q, g = asked.query.size, asked.gallery.size
    if relevance == "diagonal":
        if asked.exclude_self:
            raise InputError("--relevance diagonal: --exclude-self leaves out what is relevant")
        if q > g:
            raise InputError(
                f"--relevance diagonal: {asked.query.path} has {q} rows, {asked.gallery.path} only "
                f"{g}; every query needs its row"
            )
        return np.arange(q)
    sides = [
        Rows(side.path, side.size)
        if side.names is None
        else Rows(side.ids or "", side.size, side.names.column("id").combine_chunks())
        for side in (asked.query, asked.gallery)
    ]
    table = read_judgements(relevance, format, queries=sides[0], items=sides[1])
    if "gain" in table.column_names:
        return table
    query, item = (table.column(name).to_numpy() for name in ("query", "item"))
    order = np.argsort(query, kind="stable")
    return Ragged.from_lengths(item[order], np.bincount(query, minlength=q))


@contextmanager
def naming(asked: Asked, relevance: str) -> Iterator[None]:
    """Errors about an argument become errors about its file."""
    paths = {"query": asked.query.path, "gallery": asked.gallery.path}
    try:
        yield
    except DataError:
        raise
    except InputError as error:
        told = str(error)
        row = re.match(r"query\[(\d+)\]", told)
        if row and hasattr(asked.query.vectors, "where"):
            told = asked.query.vectors.where(int(row[1])) + told[row.end() :]
        told = re.sub(
            r"^(query)( and )(gallery)\b|^(query|gallery)(?=\[|:| is)",
            lambda found: "".join(paths.get(part, part) for part in found.groups() if part),
            told,
        )
        told = re.sub(r"^relevant(?=\[|:)", lambda _: relevance, told)
        if re.match(r"query \S+ has no relevant item", told):
            told = f"{relevance}: {told}"
        raise InputError(as_options(told)) from error


# -- files -----------------------------------------------------------------------------------------


def _write_items(items: Any, state: Any, asked: Asked) -> None:
    """The queries that count; with both directions, then the gallery rows that do."""
    for back, own in enumerate([state, state.reverse][: 1 + asked.both]):
        items.write(item_columns(own, asked, bool(back)), own.per_item("id"), 0)


def item_columns(own: Any, asked: Asked, back: bool) -> dict[str, Any]:
    """Columns of the per-item file. own: ranks of queries, or of gallery rows (back), whose ids are
    the numbers of rows."""
    import pyarrow as pa

    side = asked.gallery if back else asked.query
    places = own.per_item("id")
    values: dict[str, Any] = own.item_columns()
    if side.names is not None:
        values["query"] = side.names.column("id").take(pa.array(places))
    first = {"direction": pa.array([asked.directions[back]] * len(places))} if asked.both else {}
    check_own_columns(asked.by, {"row", *first, *values})
    for name, column in asked.groups().items():
        first[name] = pa.nulls(len(places), column.type) if back else column.take(pa.array(places))
    if asked.both and side.names is None and asked.query.names is not asked.gallery.names:
        values["query"] = pa.array(values["query"]).cast(pa.string())
    return first | values


def _check_ids(asked: Asked) -> None:
    """Refuse ids that a line of a TREC run cannot hold."""
    for side in (asked.query, asked.gallery):
        for name in side.labels() if side.names is not None else ():
            if len(name.encode().split()) != 1:
                raise InputError(
                    f"--run-out: the id {name!r} is empty or has white space, which a TREC run "
                    "cannot hold"
                )


def write_run(path: str, asked: Asked, relevance: str, depth: int) -> None:
    """Write the best of every query to a TREC run, of sides that are read in blocks."""
    from assay.run.trec import RunFile

    q = asked.query.size
    told = f"writing the best {depth:,}"
    _check_ids(asked)
    with RunFile.maybe(path) as run, status(told) as tell, naming(asked, relevance):
        for done in _run_lines(run, asked, depth):
            tell(f"{told}: {done:,} of {q:,} queries")


def _run_lines(run: Any, asked: Asked, depth: int) -> Iterator[int]:
    """Write the best of every query; how many queries are done."""
    import numpy as np

    queries, items = asked.query.labels(), asked.gallery.labels()
    k = depth + asked.exclude_self
    step = max(1, CHUNK // k)
    for start in range(0, len(queries), step):
        stop = min(start + step, len(queries))
        scores, index = _best(asked, start, stop, k)
        for query, own, rows in zip(range(start, start + step), scores, index, strict=False):
            if asked.exclude_self:
                others = np.flatnonzero(rows != query)[:depth]
                own, rows = own[others], rows[others]
            run.write(queries[query], [items[row] for row in rows.tolist()], own.tolist())
        yield stop


def _best(asked: Asked, start: int, stop: int, k: int) -> tuple[Any, Any]:
    """Scores, higher is better, and rows of the k best of queries start..stop."""
    from assay.ops.similarity import topk
    from assay.run.ranking_shards import best_of

    query, gallery = asked.query.vectors, asked.gallery.vectors

    def best(own: Any, rows: Any, k: int) -> tuple[Any, Any]:
        scores, index = topk(own, rows, k, metric=asked.metric)
        return (0.0 - scores if asked.metric == "l2" else scores), index

    if not hasattr(gallery, "blocks"):
        return best(query[start:stop], gallery, k)
    return best_of(partial(best, query.read(start, stop)), gallery.blocks(), k)
