"""A gallery in a file, ranked block by block, against the same rows in memory, in one piece."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gate import Contender, Work
from tracking import folder

__all__ = ["over_blocks"]

QUERIES, WIDTH = 2000, 64


@cache
def data(n: int) -> tuple[Any, Path, Any]:
    """Queries, the file of n gallery rows, and the row relevant to each query."""
    rng = np.random.default_rng(4)
    path = folder() / f"gallery-{n}.npy"
    np.save(path, rng.standard_normal((n, WIDTH), dtype=np.float32))
    return (
        rng.standard_normal((QUERIES, WIDTH), dtype=np.float32),
        path,
        rng.integers(0, n, QUERIES),
    )


def in_blocks(n: int) -> Any:
    from assay import count_ranks
    from assay.core.ragged import Ragged
    from assay.readers.vector_files import VectorFiles
    from assay.run.ranking_shards import Queries, rank

    query, path, rows = data(n)
    relevant = Ragged.from_lengths(rows, np.ones(QUERIES, np.int64))
    queries = Queries(query, np.arange(QUERIES), relevant, relevant)
    return rank(count_ranks, queries, VectorFiles(str(path)), metric="cosine")


def in_one_piece(n: int, gallery: Any, precision: str | None = None) -> Any:
    from assay import count_ranks

    query, _, rows = data(n)
    return count_ranks(query, gallery, rows, precision=precision)


def values(state: Any) -> Mapping[str, Any]:
    return {name: state[name] for name in ("recall@10", "map", "mean_rank")}


def over_blocks(n: int) -> Work:
    gallery = np.load(data(n)[1])
    return Work(
        ours=lambda: Contender(lambda: in_blocks(n), values),
        truth=lambda: values(in_one_piece(n, gallery, "exact")),
        floor=gallery.sum,
        peers={"in one piece": lambda: Contender(lambda: in_one_piece(n, gallery), values)},
    )
