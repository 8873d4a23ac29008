"""NgramTable: in how many items each n-gram occurs, as sorted arrays that add.

Words are kept as they are written, n-grams as the number of their first n - 1 words beside that of
their last: 64 bits that say all. So tables of different workers add without a hash being trusted,
and equal tables are equal arrays.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.core.threads import parallel
from assay.ops import _gram_table_kernels as kernels
from assay.ops.ngram import ItemNgrams, Sentences, item_ngrams

__all__ = ["NgramTable", "count_ngrams", "word_list"]

Ints = npt.NDArray[np.int64]

_WORD = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class NgramTable:
    """words: distinct, sorted, UTF-8. keys[k], counts[k] int64: the n-grams of k + 1 words in
    order, each as number of its first k words * 2^32 + number of its last word, and how many items
    have it. Every beginning of an n-gram is an n-gram of the table.
    """

    words: Sequence[bytes]
    keys: tuple[Ints, ...]
    counts: tuple[Ints, ...]

    def __len__(self) -> int:
        """Distinct n-grams of all lengths."""
        return sum(map(len, self.keys))

    def __add__(self, other: "NgramTable") -> "NgramTable":
        words, tables = self.words, (self, other)
        if self.words is not other.words:
            words = sorted({*self.words, *other.words})
            number = {word: at for at, word in enumerate(words)}
            maps = [np.array([number[word] for word in t.words], np.int32) for t in tables]
        else:
            maps = [np.arange(len(words), dtype=np.int32)] * 2
        above = [np.zeros(1, np.int32)] * 2  # a single word stands below nothing
        keys, counts = [], []
        for k in range(len(self.keys)):
            sides = [
                (t.keys[k], t.counts[k], a, m) for t, a, m in zip(tables, above, maps, strict=True)
            ]
            merged, times, *above = kernels.merge_tables(*sides[0], *sides[1])
            keys.append(merged)
            counts.append(times)
        return NgramTable(words, tuple(keys), tuple(counts))

    def frequencies(self, ngrams: ItemNgrams, words: Sequence[bytes]) -> Ints:
        """In how many items of the table each n-gram occurs, of tokens that are these words; 1 also
        where that is 0. What begins as a single item's n-gram does is not looked for.
        """
        ranks = np.fromiter(map(self._number.get, words, repeat(-1)), np.int64, len(words))
        places = np.full(len(ngrams.symbols), -1, np.int32)
        out = np.ones(len(ngrams.symbols), np.int64)
        for k, (table, counts) in enumerate(zip(self.keys, self.counts, strict=True)):
            chosen, keys = kernels.keys_of(*ngrams[1:4], ranks, k + 1, places)
            distinct, _, numbers = kernels.count_keys(keys)
            found = kernels.find_keys(table, distinct)
            kernels.put_counts(chosen, numbers, found, counts, places, out)
        return out

    @functools.cached_property
    def _number(self) -> Mapping[bytes, int]:
        return {word: at for at, word in enumerate(self.words)}

    def items(self) -> Iterator[tuple[str, int]]:
        """Each n-gram, its words joined by spaces, and its count."""
        texts: list[str] = [""]
        words = [word.decode("utf-8", "surrogatepass") for word in self.words]
        for k, (keys, counts) in enumerate(zip(self.keys, self.counts, strict=True)):
            texts = [
                f"{texts[key >> 32]} {words[key & _WORD]}" if k else words[key]
                for key in keys.tolist()
            ]
            yield from zip(texts, counts.tolist(), strict=True)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The table as plain arrays."""
        lengths = np.array([*map(len, self.words)], "<i8")
        arrays = {"words": np.frombuffer(b"".join(self.words), np.uint8), "lengths": lengths}
        for k, (keys, counts) in enumerate(zip(self.keys, self.counts, strict=True)):
            arrays |= {f"keys{k}": keys.astype("<i8"), f"counts{k}": counts.astype("<i8")}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "NgramTable":
        """Inverse of to_arrays(). ValueError of arrays that no table gives: kernels go by them."""
        orders = range(len(arrays) // 2 - 1)
        lengths, data = arrays["lengths"], arrays["words"].tobytes()
        if lengths.ndim != 1 or np.any((lengths < 0) | (lengths > len(data))):
            raise ValueError("lengths of words are none")
        ends = np.concatenate([[0], np.cumsum(lengths)]).tolist()
        words = [data[a:b] for a, b in pairwise(ends)]
        if ends[-1] != len(data) or any(a >= b for a, b in pairwise(words)):
            raise ValueError("words are not in order")
        for word in words:
            word.decode("utf-8", "surrogatepass")
        sides = [
            [np.array(arrays[f"{s}{k}"], np.int64) for k in orders] for s in ("keys", "counts")
        ]
        above = 1
        for keys, counts in zip(*sides, strict=True):
            if keys.ndim != 1 or keys.shape != counts.shape or np.any(counts < 1):
                raise ValueError("n-grams without a count")
            if np.any(np.diff(keys) <= 0) or np.any((keys < 0) | (keys >> 32 >= above)):
                raise ValueError("n-grams are not in order, or begin as none does")
            if np.any(keys & _WORD >= len(words)):
                raise ValueError("n-grams of words that are not there")
            above = len(keys)
        return cls(words, *map(tuple, sides))


def word_list(text: Ragged, places: Ints) -> list[bytes]:
    """Words of a text that lie at places int64 [words, 2]."""
    data = text.values.tobytes()
    ends = places.sum(axis=1).tolist()
    return [data[begin:end] for begin, end in zip(places[:, 0].tolist(), ends, strict=True)]


def count_ngrams(blocks: Sequence[tuple[Sentences, list[bytes]]], order: int) -> NgramTable:
    """The table of blocks of rows and of their words; every item counts an n-gram once."""
    words = sorted({word for _, own in blocks for word in own})
    number = {word: at for at, word in enumerate(words)}

    def of_block(block: tuple[Sentences, list[bytes]]) -> NgramTable:
        rows, own = block
        ranks = np.fromiter(map(number.__getitem__, own), np.int64, len(own))
        return _of_items(item_ngrams(rows, order), ranks, words, order)

    tables = list(parallel(of_block, blocks))
    while len(tables) > 1:
        pairs = list(zip(tables[::2], tables[1::2], strict=False))
        left = tables[len(pairs) * 2 :]
        tables = [*parallel(lambda pair: pair[0] + pair[1], pairs), *left]
    none = np.zeros(0, np.int64)
    return tables[0] if tables else NgramTable(words, (none,) * order, (none,) * order)


def _of_items(ngrams: ItemNgrams, ranks: Ints, words: list[bytes], order: int) -> NgramTable:
    places = np.zeros(len(ngrams.symbols), np.int32)
    keys, counts = [], []
    for k in range(order):
        chosen, whole = kernels.keys_of(*ngrams[1:4], ranks, k + 1, places)
        distinct, times, places[chosen] = kernels.count_keys(whole)
        keys.append(distinct)
        counts.append(times)
    return NgramTable(words, tuple(keys), tuple(counts))
