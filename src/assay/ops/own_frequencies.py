"""In how many items each n-gram occurs, of the items at hand: no table, and nothing is looked up.

What NgramTable.frequencies() says of items that are the documents of the table. N-grams of
different first words never meet, so threads count them apart.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from assay.core.threads import parallel, thread_count
from assay.ops import _own_kernels as kernels
from assay.ops.ngram import ItemNgrams, Sentences

__all__ = ["own_frequencies"]

Ints = npt.NDArray[np.int64]


class _Block:
    """The n-grams of some items. base: how many there are in the blocks before."""

    def __init__(self, rows: Sentences, ngrams: ItemNgrams, ranks: Ints, base: int) -> None:
        self.above, self.symbols, self.ranks, self.base = ngrams[1], ngrams[2], ranks, base
        self.marked = kernels.in_references(ngrams.nodes, rows.offsets, rows.refs, ngrams.starts)
        nodes, ends = kernels.by_length(ngrams.lengths, ngrams.nodes.shape[1])
        self.by_length = [nodes[a:b] for a, b in pairwise(ends)]


def own_frequencies(blocks: Sequence[tuple[Sentences, ItemNgrams, list[bytes]]]) -> list[Ints]:
    """In how many items of all blocks a reference has each of their n-grams, 1 also where none has.

    blocks: rows, their n-grams, and their words. What begins as a single item's n-gram does is not
    counted, for no other item can have it.
    """
    number: dict[bytes, int] = {}
    ranks = [
        np.array([number.setdefault(word, len(number)) for word in words], np.int64)
        for _, _, words in blocks
    ]
    ends = np.cumsum([0, *(len(ngrams.symbols) for _, ngrams, _ in blocks)]).tolist()
    made = list(
        parallel(
            lambda at: _Block(*blocks[at][:2], ranks[at], ends[at]),
            range(len(blocks)),
        )
    )
    # of each n-gram a number where two items have it, and in how many a reference has it
    places, found = np.full(ends[-1], -1, np.int32), np.ones(ends[-1], np.int64)
    parts = thread_count()
    list(parallel(lambda part: _count(made, part, parts, places, found), range(parts)))
    return [found[a:b] for a, b in pairwise(ends)]


def _count(
    blocks: list[_Block], part: int, parts: int, places: npt.NDArray[np.int32], found: Ints
) -> None:
    """The n-grams of those first words whose number modulo `parts` is `part`."""
    for length in range(len(blocks[0].by_length)):
        room = sum(len(block.by_length[length]) for block in blocks)
        keys, marks, at = np.empty(room, np.int64), np.empty(room, np.uint32), 0
        for block in blocks:
            own = places[block.base : block.base + len(block.above)]
            at = kernels.keys_among(
                block.by_length[length], block.above, block.symbols, block.ranks, own, block.marked,
                block.base, length == 0, part, parts, keys, marks, at,
            )  # fmt: skip
        kernels.count_runs(keys[:at], marks[:at], part, parts, places, found)
