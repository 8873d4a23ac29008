"""Where phrases of one or more words occur in texts: every place, those that overlap too."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.ops._token_numbers import number_words
from assay.ops.tokens import settle_white_space

__all__ = ["Occurrences", "find_phrases"]

Ints = npt.NDArray[np.int64]

_NO_ITEMS = np.zeros(0, np.int64)


class Occurrences(NamedTuple):
    """Of each occurrence its row, its first word counted over all rows, how many words it has, and
    the number of its phrase: equal for phrases of the same words."""

    rows: Ints
    starts: Ints
    sizes: Ints
    phrases: Ints


def find_phrases(
    sides: Sequence[Ragged], phrases: Ragged
) -> tuple[list[Occurrences], list[Ints], Ints]:
    """The occurrences in each side, how many words its rows have, and the number of each phrase.

    Words are those of word_pairs(). A phrase without words has number 0 and occurs nowhere.
    """
    texts = [settle_white_space(text) for text in (*sides, phrases)]
    joined = np.concatenate([t.values[t.offsets[0] : t.offsets[-1]] for t in texts])
    joined = np.concatenate([joined, np.zeros(8, np.uint8)])  # read eight at a time
    joined.flags.writeable = False
    lengths = np.concatenate([t.lengths for t in texts])
    words, ends, places = number_words(
        joined, np.concatenate([[0], np.cumsum(lengths)]), False, _NO_ITEMS
    )
    size = len(places)
    bounds = np.cumsum([0, *map(len, texts)]).tolist()
    last = bounds[-2]
    trie: list[dict[int, int]] = []  # of each depth: node above * size + word -> node
    numbers = np.zeros(len(phrases), np.int64)
    for at in range(len(phrases)):
        node = 0
        for depth, word in enumerate(words[ends[last + at] : ends[last + at + 1]].tolist()):
            if depth == len(trie):
                trie.append({})
            node = trie[depth].setdefault(node * size + word, 1 + sum(map(len, trie)))
        numbers[at] = node
    whole = np.zeros(2 + sum(map(len, trie)), np.bool_)
    whole[numbers[numbers > 0]] = True
    levels = [
        tuple(np.array(column, np.int64) for column in zip(*sorted(level.items()), strict=True))
        for level in trie
    ]
    found, counts = [], []
    for first, stop in pairwise(bounds[:-1]):
        own = words[ends[first] : ends[stop]]
        row_ends = ends[first + 1 : stop + 1] - ends[first]
        counts.append(np.diff(row_ends, prepend=0))
        rows = np.repeat(np.arange(stop - first), counts[-1])
        starts, *others = _walk(own, row_ends[rows], levels, whole, size)
        found.append(Occurrences(rows[starts], starts, *others))
    return found, counts, numbers


def _walk(
    words: npt.NDArray[np.int32], stops: Ints, levels: list[tuple[Ints, ...]],
    whole: npt.NDArray[np.bool_], size: int,
) -> list[Ints]:  # fmt: skip
    """From every word down the trie, all at once. stops: where the row of each word ends."""
    starts = np.arange(len(words))
    nodes = np.zeros(len(words), np.int64)
    found: list[tuple[Ints, Ints, Ints]] = []
    for depth, (edges, below) in enumerate(levels):
        inside = starts + depth < stops[starts]
        starts, nodes = starts[inside], nodes[inside]
        keys = nodes * size + words[starts + depth]
        at = np.minimum(np.searchsorted(edges, keys), len(edges) - 1)
        known = edges[at] == keys
        starts, nodes = starts[known], below[at[known]]
        ends_here = whole[nodes]
        found.append(
            (starts[ends_here], np.full(int(ends_here.sum()), depth + 1), nodes[ends_here])
        )
    none = np.zeros(0, np.int64)
    columns = [np.concatenate([none, *column]) for column in zip(*found, strict=True)]
    return columns or [none] * 3
