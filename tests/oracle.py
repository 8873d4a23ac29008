"""The outside truth: compiled rapidfuzz, and jiwer on top of it. Nothing of assay is used here."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import jiwer
from rapidfuzz.distance import Levenshtein

Opcode = tuple[str, int, int, int, int]  # kind, reference start and end, hypothesis start and end

KINDS = {"equal": "equal", "replace": "substitute", "delete": "delete", "insert": "insert"}


class Truth(NamedTuple):
    """Hits, substitutions, deletions, insertions."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def errors(self) -> int:
        return sum(self[1:])


def four(state: Any) -> Truth:
    """The counts of a state, to compare with the truth."""
    return Truth(state.hits, state.substitutions, state.deletions, state.insertions)


def numbered(*rows: Iterable[Hashable]) -> list[list[int]]:
    """Rows of anything as rows of small numbers, as jiwer does; rapidfuzz would compare hashes."""
    numbers: dict[Hashable, int] = {}
    return [[numbers.setdefault(symbol, len(numbers)) for symbol in row] for row in rows]


def opcodes(ref: Sequence[Hashable], hyp: Sequence[Hashable]) -> list[Opcode]:
    """The alignment of rapidfuzz."""
    found = Levenshtein.opcodes(*numbered(ref, hyp))
    return [(KINDS[op.tag], op.src_start, op.src_end, op.dest_start, op.dest_end) for op in found]


def distance(ref: Sequence[Hashable], hyp: Sequence[Hashable]) -> int:
    return Levenshtein.distance(*numbered(ref, hyp))


def counts(ops: Iterable[Opcode]) -> Truth:
    found: Counter[str] = Counter()
    for kind, a, b, c, d in ops:
        found[kind] += max(b - a, d - c)
    return Truth(found["equal"], found["substitute"], found["delete"], found["insert"])


def words(texts: list[str]) -> list[list[str]]:
    """Words as jiwer's default transform cuts them."""
    return jiwer.wer_default(texts) if texts else []  # jiwer makes [[]] of no texts


def characters(texts: list[str]) -> list[list[str]]:
    """Characters as jiwer's default transform cuts them."""
    return jiwer.cer_default(texts) if texts else []


def units(texts: list[str], unit: str) -> list[list[str]]:
    return words(texts) if unit == "word" else characters(texts)


def totals(pairs: Iterable[tuple[Sequence[Hashable], Sequence[Hashable]]]) -> Truth:
    """Sums over pairs of sequences."""
    rows = [counts(opcodes(ref, hyp)) for ref, hyp in pairs]
    return (
        Truth(*(sum(column) for column in zip(*rows, strict=True))) if rows else Truth(0, 0, 0, 0)
    )


def confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Counter:
    """How often which token was taken for which, in plain Python."""
    found: Counter[tuple[str | None, str | None]] = Counter()
    for ref, hyp in pairs:
        for kind, a, b, c, d in opcodes(ref, hyp):
            if kind == "substitute":
                found.update(zip(ref[a:b], hyp[c:d], strict=True))
            elif kind == "delete":
                found.update((token, None) for token in ref[a:b])
            elif kind == "insert":
                found.update((None, token) for token in hyp[c:d])
    return found
