"""The slow twins of n-gram ops, in plain loops over tuples of tokens. Arguments as the kernels'."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["consensus", "document_frequencies", "items_of", "matches", "ngrams", "subsequences"]

Row = list[int]


def items_of(tokens: Any, offsets: Any, refs: Any) -> list[tuple[Row, list[Row]]]:
    """Of each item the hypothesis and the references."""
    rows = [tokens[a:b].tolist() for a, b in pairwise(offsets)]
    heads = [i + int(ref) for i, ref in enumerate(refs)]
    return [(rows[a], rows[a + 1 : b]) for a, b in pairwise(heads)]


def _grams(row: Row, n: int) -> Counter[tuple[int, ...]]:
    """The n-grams of a row; a token below 0 is equal to none."""
    grams = (tuple(row[at : at + n]) for at in range(len(row) - n + 1))
    return Counter(gram for gram in grams if min(gram) >= 0)


def matches(tokens: Any, offsets: Any, refs: Any, order: int, together: bool) -> Any:
    """`ngram.matches` by counters."""
    out = []
    for own, others in items_of(tokens, offsets, refs):
        by_n = [[_grams(own, n) & _grams(ref, n) for n in range(1, order + 1)] for ref in others]
        if together:  # of each n-gram the most that any reference has
            merged = [Counter[tuple[int, ...]]() for _ in range(order)]
            for ref in by_n:
                merged = [most | found for most, found in zip(merged, ref, strict=True)]
            by_n = [merged]
        out += [[found.total() for found in ref] for ref in by_n]
    return np.array(out, np.int64).reshape(-1, order)


def subsequences(tokens: Any, offsets: Any, refs: Any, size: int) -> Any:
    """`ngram.common_subsequences` by a table."""
    return np.array(
        [_subsequence(own, ref) for own, refs in items_of(tokens, offsets, refs) for ref in refs],
        np.int64,
    )


def _subsequence(a: Row, b: Row) -> int:
    above = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(above[j] + 1 if x == y and x >= 0 else max(above[j + 1], row[j]))
        above = row
    return above[-1]


def ngrams(tokens: Any, offsets: Any, starts: Any, order: int) -> Any:
    """`ngram.item_ngrams` by a dictionary."""
    nodes = np.full((len(tokens), order), -1, np.int32)
    found: list[tuple[int, int, int]] = []  # the one above, the token, the length
    firsts = [0]
    for begin, end in pairwise(starts):
        number: dict[tuple[int, int], int] = {}
        for row in range(begin, end):
            for start in range(offsets[row], offsets[row + 1]):
                node = -1
                for at in range(start, min(offsets[row + 1], start + order)):
                    key = node, int(tokens[at])
                    if key not in number:
                        number[key] = len(found)
                        found.append((*key, at - start + 1))
                    node = nodes[start, at - start] = number[key]
        firsts.append(len(found))
    above, symbols, lengths = np.array(found, np.int32).reshape(-1, 3).T.copy()
    return nodes, above, symbols, lengths, np.array(firsts, np.int64)


def consensus(
    nodes: Any, offsets: Any, refs: Any, firsts: Any, lengths: Any, weights: Any, sigma: float
) -> Any:
    """`ngram.consensus` by dictionaries."""
    order = nodes.shape[1]

    def vectors(row: int) -> list[dict[int, float]]:
        used = nodes[offsets[row] : offsets[row + 1]]
        counted = [Counter(used[used[:, k] >= 0, k].tolist()) for k in range(order)]
        return [{gram: n * weights[gram] for gram, n in c.items()} for c in counted]

    out = []
    for i in range(len(refs) - 1):
        head = i + int(refs[i])
        own = vectors(head)
        total = 0.0
        for row in range(head + 1, i + 1 + int(refs[i + 1])):
            bigrams = [max(0, int(offsets[r + 1] - offsets[r]) - 1) for r in (head, row)]
            near = math.exp(-((bigrams[0] - bigrams[1]) ** 2) / (2 * sigma**2))
            for a, b in zip(own, vectors(row), strict=True):
                shared = sum(min(a[gram], b[gram]) * b[gram] for gram in a.keys() & b.keys())
                norms = [math.sqrt(sum(v * v for v in side.values())) for side in (a, b)]
                total += near * (shared / (norms[0] * norms[1]) if all(norms) else shared)
        out.append(10 * total / order / (refs[i + 1] - refs[i]))
    return np.array(out, np.float64)


def document_frequencies(documents: list[list[str]], order: int) -> dict[str, int]:
    """In how many documents (texts each) an n-gram occurs, n = 1..order.

    >>> document_frequencies([["a b", "b"], ["b"]], 2)
    {'a': 1, 'a b': 1, 'b': 2}
    """
    found: Counter[str] = Counter()
    for texts in documents:
        rows = [text.split() for text in texts]
        found.update(
            {
                " ".join(row[at : at + n])
                for row in rows
                for n in range(1, order + 1)
                for at in range(len(row) - n + 1)
            }
        )
    return dict(sorted(found.items()))
