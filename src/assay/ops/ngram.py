"""N-grams of hypotheses and their references: matches, common subsequences, consensus.

N-grams are numbered, not hashed: within an item each is a node below that of its first words, so
two are equal where their tokens are, and the numbers mean nothing outside the item. What has to
travel between workers is the words themselves: see ngram_table.py. The slow twins are in
reference_ngram.py.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.ops import _token_kernels
from assay.ops._token_numbers import number_words
from assay.ops.backend import choose

__all__ = ["ItemNgrams", "Sentences", "character_rows", "closest_lengths", "common_subsequences"]
__all__ += ["consensus", "item_ngrams", "item_rows", "matches", "shortest_lengths", "word_rows"]

Ints = npt.NDArray[np.int64]

_NO_ITEMS = np.zeros(0, np.int64)


class Sentences(NamedTuple):
    """Rows of numbered tokens: item by item a hypothesis and its references.

    tokens int32, below size; offsets int64 [rows + 1]; refs int64 [n + 1], from 0: those of item i
    are refs[i]:refs[i + 1] of all references. Where there are no hypotheses, rows are references.
    """

    tokens: npt.NDArray[np.int32]
    offsets: Ints
    refs: Ints
    size: int

    @property
    def starts(self) -> Ints:
        """The first row of each item, and the number of rows."""
        n = len(self.refs) - 1
        alone = len(self.offsets) - 1 == self.refs[-1]
        return self.refs if alone else self.refs + np.arange(n + 1)

    @property
    def lengths(self) -> tuple[Ints, Ints]:
        """Tokens of each hypothesis and of each reference."""
        lengths = np.diff(self.offsets)
        heads = self.starts[:-1]
        return lengths[heads], np.delete(lengths, heads)


def word_rows(text: Ragged, refs: Ints) -> tuple[Sentences, Ints]:
    """Words of text parted by U+0020, and where in the text each lies, int64 [words, 2]."""
    numbers, offsets, places = number_words(text.values, text.offsets, False, _NO_ITEMS)
    return Sentences(numbers, offsets, refs, len(places)), places


def item_rows(text: Ragged, refs: Ints, every: bool = False) -> Sentences:
    """The same with numbers that hold within an item only; a word of a reference that the
    hypothesis lacks is -1. Faster, and enough where they are compared with each other.

    every: each single U+0020 parts two words, of which some may be empty.
    """
    numbers, offsets, _ = number_words(text.values, text.offsets, every, refs)
    return Sentences(numbers, offsets, refs, int(numbers.max(initial=-1)) + 1)


def character_rows(text: Ragged, refs: Ints) -> Sentences:
    """Code points of text."""
    if _token_kernels.has_high_bytes(text.values):
        points, offsets = _token_kernels.decode(text.values, text.offsets)
        return Sentences(points, offsets, refs, 0x110000)
    return Sentences(text.values.astype(np.int32), text.offsets, refs, 256)


def closest_lengths(rows: Sentences) -> Ints:
    """The length of the reference closest to each hypothesis in length, of equals the shorter."""
    own, others = rows.lengths
    if not len(own):
        return own
    far = int(own.max()) + int(others.max()) + 1
    item = np.repeat(np.arange(len(own)), np.diff(rows.refs))
    gap = np.abs(others - own[item]) * far + others
    closest: Ints = np.minimum.reduceat(gap, rows.refs[:-1]) % far
    return closest


def shortest_lengths(rows: Sentences) -> Ints:
    """The length of the shortest reference of each hypothesis."""
    own, others = rows.lengths
    return np.asarray(np.minimum.reduceat(others, rows.refs[:-1])) if len(own) else own


def matches(rows: Sentences, order: int, together: bool) -> Ints:
    """How many n-grams of each hypothesis its references have too, n = 1..order.

    together: clipped by the reference that has the n-gram most often, int64 [n, order]; if not, of
    each reference apart, int64 [references, order].
    """
    found: Ints = choose("matches")(rows.tokens, rows.offsets, rows.refs, order, together)
    return found


def common_subsequences(rows: Sentences) -> Ints:
    """Length of the longest common subsequence of each reference and its hypothesis."""
    found: Ints = choose("subsequences")(*rows)
    return found


class ItemNgrams(NamedTuple):
    """The distinct n-grams of items, numbered over all of them; see the kernel."""

    nodes: npt.NDArray[np.int32]
    above: npt.NDArray[np.int32]
    symbols: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    starts: Ints


def item_ngrams(rows: Sentences, order: int) -> ItemNgrams:
    """The distinct n-grams of each item."""
    return ItemNgrams(*choose("ngrams")(rows.tokens, rows.offsets, rows.starts, order))


def consensus(
    rows: Sentences, ngrams: ItemNgrams, weights: npt.NDArray[np.float64], sigma: float
) -> npt.NDArray[np.float64]:
    """CIDEr-D of each item; weights: of each of its n-grams."""
    found: npt.NDArray[np.float64] = choose("consensus")(
        ngrams.nodes, rows.offsets, rows.refs, ngrams.starts, ngrams.lengths, weights, sigma
    )
    return found
