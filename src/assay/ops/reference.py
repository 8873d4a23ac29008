"""The slow twin of every op, in plain loops: the oracle of the tests, and readable definitions.

Nothing here shares code with the kernels.
"""

import math
import operator
import unicodedata
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

__all__ = ["align", "compare", "normalise_basic", "split_words"]

Op = tuple[str, int, int]  # operation, place in the reference, place in the hypothesis

# policy -> cost of a substitution, of a deletion or insertion, and when a symbol against a symbol
# wins against the better of those two; a deletion wins only where it costs less
COSTS = {"kaldi": (1, 1, operator.lt), "sclite": (4, 3, operator.le)}


def split_words(text: str) -> list[str]:
    """Words as jiwer's defaults cut them: runs of two or more white-space characters, and single
    U+0020, separate; white space at the ends is left out.

    >>> split_words(" a  b\\tc ")
    ['a', 'b\\tc']
    """
    words, word, run = [], "", ""
    for character in text.strip() + "  ":
        if character.isspace():
            run += character
            continue
        if len(run) > 1 or run == " ":
            words.append(word)
            word = ""
        else:
            word += run
        word += character
        run = ""
    return [w for w in [*words, word] if w]


def distances(a: Sequence[Any], b: Sequence[Any]) -> list[list[int]]:
    """table[i][j]: edit distance of the first i of a and the first j of b."""
    table = [[i + j for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
            )
    return table


def align(a: Sequence[Any], b: Sequence[Any], policy: str = "jiwer") -> list[Op]:
    """The canonical alignment: one operation a step, matches included.

    As compiled rapidfuzz: what both begin and then what both end with is matched; pairs whose
    table would fill 1 MiB at two bits a cell are split in the middle of b. policy: or as the
    programs kaldi and sclite.

    >>> align("ab", "b")
    [('delete', 0, 0), ('equal', 1, 0)]
    >>> align("aa", "a"), align("aa", "a", "sclite")
    ([('equal', 0, 0), ('delete', 1, 1)], [('delete', 0, 0), ('equal', 1, 0)])
    """
    if policy == "jiwer":
        return _align(list(a), list(b), 0, 0, None)
    return _align_by_cost(a, b, *COSTS[policy])


def _align_by_cost(
    a: Sequence[Any], b: Sequence[Any], substitution: int, gap: int, wins: Callable[..., Any]
) -> list[Op]:
    cost: dict[tuple[int, int], float] = {(-1, -1): 0}
    came: dict[tuple[int, int], tuple[str, int, int]] = {}  # operation, and the cell before
    far = math.inf
    for i in range(-1, len(a)):
        for j in range(-1, len(b)):
            if (i, j) == (-1, -1):
                continue
            deleted = cost.get((i - 1, j), far) + gap
            inserted = cost.get((i, j - 1), far) + gap
            both = i >= 0 and j >= 0
            same = both and a[i] == b[j]
            straight = cost.get((i - 1, j - 1), far) + (0 if same else substitution)
            if both and wins(straight, min(deleted, inserted)):
                cost[i, j] = straight
                came[i, j] = ("equal" if same else "substitute", i - 1, j - 1)
            elif deleted < inserted:
                cost[i, j], came[i, j] = deleted, ("delete", i - 1, j)
            else:
                cost[i, j], came[i, j] = inserted, ("insert", i, j - 1)
    path: list[Op] = []
    cell = len(a) - 1, len(b) - 1
    while cell != (-1, -1):
        operation, i, j = came[cell]
        path.append((operation, i + 1, j + 1))
        cell = i, j
    return path[::-1]


def _align(a: list[Any], b: list[Any], i0: int, j0: int, cap: int | None) -> list[Op]:
    head: list[Op] = []
    while a and b and a[0] == b[0]:
        head.append(("equal", i0, j0))
        a, b, i0, j0 = a[1:], b[1:], i0 + 1, j0 + 1
    tail: list[Op] = []
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
        tail.insert(0, ("equal", i0 + len(a), j0 + len(b)))
    n, m = len(a), len(b)
    cap = max(n, m) if cap is None else min(cap, max(n, m))
    if 2 * min(n, 2 * cap + 1) * m // 8 < 1 << 20 or n < 65 or m < 10:
        return head + _walk(a, b, i0, j0) + tail
    half = m // 2
    first = [row[-1] for row in distances(a, b[:half])]
    second = [row[-1] for row in distances(a[::-1], b[half:][::-1])][::-1]
    total = [x + y for x, y in zip(first, second, strict=True)]
    cut = total.index(min(total))
    return (
        head
        + _align(a[:cut], b[:half], i0, j0, first[cut])
        + _align(a[cut:], b[half:], i0 + cut, j0 + half, second[cut])
        + tail
    )


def _walk(a: list[Any], b: list[Any], i0: int, j0: int) -> list[Op]:
    table = distances(a, b)
    i, j = len(a), len(b)
    path: list[Op] = []
    while i or j:
        if i and (j == 0 or table[i][j] == table[i - 1][j] + 1):
            i -= 1
            path.append(("delete", i0 + i, j0 + j))
        elif j and (i == 0 or table[i][j - 1] + 1 == table[i - 1][j - 1]):
            j -= 1
            path.append(("insert", i0 + i, j0 + j))
        else:
            i, j = i - 1, j - 1
            path.append(("equal" if a[i] == b[j] else "substitute", i0 + i, j0 + j))
    return path[::-1]


def compare(pairs: Any, depth: int, policy: str = "jiwer") -> Any:
    """`edit.compare` by `align`, at full depth whatever is asked: a backend, and a baseline."""
    import numpy as np

    from assay.ops.edit import DELETE, EQUAL, INSERT, SUBSTITUTE, Edits

    codes = {"equal": EQUAL, "substitute": SUBSTITUTE, "delete": DELETE, "insert": INSERT}
    lengths, distances_, insertions, kinds, spans, offsets = [], [], [], [], [], [0]
    for r in range(len(pairs.ref_starts)):
        a = pairs.ref[pairs.ref_starts[r] : pairs.ref_ends[r]].tolist()
        b = pairs.hyp[pairs.hyp_starts[r] : pairs.hyp_ends[r]].tolist()
        before, after = pairs.same[r].tolist() if len(pairs.same) else (0, 0)
        names = ["equal"] * before + [op for op, _, _ in align(a, b, policy)] + ["equal"] * after
        lengths.append((before + len(a) + after, before + len(b) + after))
        distances_.append(len(names) - names.count("equal"))
        insertions.append(names.count("insert"))
        i = j = 0
        for name, run in groupby(names):
            size = len(list(run))
            start = (i, j)
            i, j = i + size * (name != "insert"), j + size * (name != "delete")
            kinds.append(codes[name])
            spans.append((start[0], i, start[1], j))
        offsets.append(len(kinds))
    return Edits(
        np.array(lengths, np.int64).reshape(-1, 2),
        np.array(distances_, np.int64),
        np.array(insertions, np.int64),
        np.array(kinds, np.uint8),
        np.array(spans, np.int32).reshape(-1, 4),
        np.array(offsets, np.int64),
    )


def normalise_basic(text: str) -> str:
    """The normaliser `basic` for one string.

    >>> normalise_basic("Don't  STOP!")
    "don't stop"
    """
    characters = unicodedata.normalize("NFKC", text.replace("\n", " ")).lower()
    characters = characters.replace("\u2019", "'")

    def stays(c: str) -> bool:
        return not (c.isspace() or unicodedata.category(c)[0] in "PS")

    out = []
    for k, c in enumerate(characters):
        between = 0 < k < len(characters) - 1
        if c == "'" and between and stays(characters[k - 1]) and stays(characters[k + 1]):
            out.append(c)
        else:
            out.append(c if stays(c) else " ")
    return " ".join("".join(out).split())
