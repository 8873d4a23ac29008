"""What NIST's transcripts write beside words: alternations and optional words.

    { a / b c / @ }   one of several readings, of which @ is none; they may hold further ones
    (uh)              a word that may be left out: { uh / @ }
    @                 no word

A reference stands for the reading of it that has the fewest word errors against its hypothesis, of
equals the one written first; words that differ in case only are told apart last. What is marked
otherwise is refused: none of it is ever a word.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import DataError
from assay.readers.texts import Where

__all__ = ["nearest", "refuse_marks"]

Ints = npt.NDArray[np.int64]
Reading = list[Any]  # words, and lists of readings

SIGNS = r"[{}()@/]"  # without any of them a text is words
ERROR = 1 << 20  # one word error, beside which a difference in case is 1
DEEPEST = 16  # alternations within each other
MOST_CELLS = 1 << 26


def refuse_marks(texts: pa.Array, where: Where) -> pa.Array:
    """The texts, if they are nothing but words."""
    for row, text in _marked(texts):
        if any(isinstance(item, list) for item in _parsed(text, row, where)) or "@" in text.split():
            raise DataError(
                f"{where(row)}: an alternation, an optional word or @ stands in {text[:60]!r}, "
                "expected one reading; write the words that were said (those of a reference are "
                "read where its hypothesis is given too)"
            )
    return texts


def nearest(references: pa.Array, hypotheses: pa.Array, where: Where) -> pa.Array:
    """The references, each as the reading that is nearest to its hypothesis."""
    marked = _marked(references)
    read = {
        row: _reading(_parsed(text, row, where), hypotheses[row].as_py(), row, where)
        for row, text in marked
    }
    if not read:
        return references
    texts = references.to_pylist()
    for row, words in read.items():
        texts[row] = " ".join(words)
    return pa.array(texts, references.type)


def _marked(texts: pa.Array) -> list[tuple[int, str]]:
    """Rows that may be more than words."""
    rows = np.flatnonzero(pc.match_substring_regex(texts, SIGNS).to_numpy(zero_copy_only=False))
    return [(row, texts[row].as_py()) for row in rows.tolist()]


# -- what is written -------------------------------------------------------------------------------


def _parsed(text: str, row: int, where: Where) -> Reading:
    try:
        return _readings(iter(text.split()), 0)[0]
    except ValueError as error:
        raise DataError(f"{where(row)}: {error} in {text[:60]!r}") from None


def _readings(tokens: Iterator[str], depth: int) -> list[Reading]:
    """The readings up to the brace that closes, or of a whole text, which is one."""
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} alternations stand within each other")
    readings: list[Reading] = [[]]
    for token in tokens:
        if token == "{":
            readings[-1].append(_readings(tokens, depth + 1))
        elif token == "}":
            if not depth:
                raise ValueError("a } stands without its {")
            if len(readings) == 1 or not all(readings):
                raise ValueError("an alternation needs two readings, { a / b }, with @ for none,")
            return [[item for item in reading if item != "@"] for reading in readings]
        elif token == "/":
            if not depth:
                raise ValueError("a / stands outside of { }")
            readings.append([])
        elif "{" in token or "}" in token or (depth and "/" in token):
            raise ValueError(
                f"{token!r}: spaces must part the words of an alternation, {{ a / b }},"
            )
        elif token.startswith("(") and token.endswith(")") and not set(token[1:-1]) & set("()"):
            if token == "()":
                raise ValueError("an optional word is missing between ( )")
            readings[-1].append([[token[1:-1]], []])
        elif token.startswith("(") or (token.endswith(")") and "(" not in token):
            raise ValueError(f"{token!r}: an optional word must be one word in parentheses, (uh),")
        else:
            readings[-1].append(token)
    if depth:
        raise ValueError("a { is never closed")
    return [[item for item in readings[0] if item != "@"]]


# -- what is nearest -------------------------------------------------------------------------------


def _reading(parsed: Reading, hypothesis: str, row: int, where: Where) -> list[str]:
    heard = hypothesis.split()
    if _size(parsed) * (len(heard) + 1) > MOST_CELLS:
        raise DataError(
            f"{where(row)}: alternations of {_size(parsed)} words against {len(heard)} are too "
            "many to compare; cut the segment, or write one reading"
        )
    none = np.arange(len(heard), -1, -1, dtype=np.int64) * ERROR
    words: list[str] = []
    _Nearest(heard).walk(parsed, none[::-1], none, words)
    return words


def _size(item: Any) -> int:
    return 1 + sum(map(_size, item)) if isinstance(item, list) else 1


class _Nearest:
    """Costs of reading on, from or up to each place 0..m of the hypothesis."""

    def __init__(self, heard: Sequence[str]) -> None:
        self.steps = np.arange(len(heard) + 1, dtype=np.int64) * ERROR
        self.places: dict[str, list[int]] = {}  # of words as they are, and in one case
        self.folded: dict[str, list[int]] = {}
        for at, word in enumerate(heard):
            self.places.setdefault(word, []).append(at)
            self.folded.setdefault(word.casefold(), []).append(at)
        self.costs: dict[str, Ints] = {}

    def cost(self, word: str) -> Ints:
        """Of the word against each that was heard."""
        if word not in self.costs:
            cost = np.full(len(self.steps) - 1, ERROR, np.int64)
            cost[self.folded.get(word.casefold(), [])] = 1
            cost[self.places.get(word, [])] = 0
            self.costs[word] = cost
        return self.costs[word]

    def before(self, reading: Reading, after: Ints) -> Ints:
        """What reading on costs from each place, given what it costs after this reading."""
        for item in reversed(reading):
            after = self.before_one(item, after)
        return after

    def before_one(self, item: Any, after: Ints) -> Ints:
        """The same of one word, or the best of several readings."""
        if isinstance(item, list):
            return np.asarray(np.minimum.reduce([self.before(reading, after) for reading in item]))
        best = after + ERROR
        np.minimum(best[:-1], after[1:] + self.cost(item), out=best[:-1])
        onwards = np.minimum.accumulate((best + self.steps)[::-1])[::-1]
        return np.asarray(onwards - self.steps)

    def past(self, word: str, upto: Ints) -> Ints:
        """What reading up to each place costs with one word more."""
        best = upto + ERROR
        np.minimum(best[1:], upto[:-1] + self.cost(word), out=best[1:])
        return np.asarray(np.minimum.accumulate(best - self.steps) + self.steps)

    def walk(self, reading: Reading, upto: Ints, after: Ints, words: list[str]) -> Ints:
        """Append the words of the nearest reading; what reading up to each place costs then."""
        behind = []  # each fork's costs after it, the last one first
        for item in reversed(reading):
            if isinstance(item, list):
                behind.append(after)
            after = self.before_one(item, after)
        for item in reading:
            if not isinstance(item, list):
                words.append(item)
                upto = self.past(item, upto)
                continue
            rest = behind.pop()
            costs = [int((upto + self.before(own, rest)).min()) for own in item]
            upto = self.walk(item[costs.index(min(costs))], upto, rest, words)
        return upto
