"""Transcripts made by rule, the same for a seed on every machine.

A vocabulary of 9,000 words, the commonest of English and words built from syllables, the longer
the rarer; frequencies follow Zipf's law with exponent 1. References are drawn from it; hypotheses
are references with word errors. Errors fall on every word alike, so few pairs are free of them:
pairs that are equal would be compared faster.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 9000
ERROR_RATE = 0.11
# of all errors: a word taken for one that looks alike, for any other, left out, put in
ERROR_KINDS = {"near": 0.40, "other": 0.30, "deleted": 0.15, "inserted": 0.15}

_COMMON = (
    "the of and to a in is it you that he was for on are with as his they be at one have this from"
    " or had by but not what all were we when your can said there use an each which she do how"
    " their if will up"
)
_ONSETS = "b c ch d f fl g gr h j k l m n p pl pr qu r s sh sl st t th tr v w"
_VOWELS = "a a a e e e e i i o o u ea ee ou ai"
_CODAS = "n r s t l d m ck nd st ng ll"  # half of the syllables have one
_ENDINGS = "s ed ing er ly"  # half of the longer words
# words of 1, 2, 3, 4 syllables among the types; the rest of their length is chance
_SYLLABLES = [0.15, 0.50, 0.28, 0.07]


@dataclass(frozen=True)
class Corpus:
    """n reference-hypothesis pairs as word numbers; row r is ids[offsets[r]:offsets[r + 1]]."""

    ref_ids: np.ndarray
    ref_offsets: np.ndarray
    hyp_ids: np.ndarray
    hyp_offsets: np.ndarray

    def columns(self, table: list[str] | None = None) -> tuple[Any, Any]:
        """References and hypotheses as Arrow string arrays, words joined by a space."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = pa.array(table or word_table())
        return tuple(
            pc.binary_join(
                pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words.take(pa.array(ids))),
                " ",
            )
            for ids, offsets in (
                (self.ref_ids, self.ref_offsets),
                (self.hyp_ids, self.hyp_offsets),
            )
        )

    def lists(self, table: list[str] | None = None) -> tuple[list[str], list[str]]:
        """The same as lists of str."""
        ref, hyp = self.columns(table)
        return ref.to_pylist(), hyp.to_pylist()


@cache
def word_table() -> list[str]:
    """The vocabulary by falling frequency; word WORDS + i looks like word i."""
    rng = np.random.default_rng(20)

    def pick(parts: str, chance: float = 1.0) -> str:
        words = parts.split()
        return words[rng.integers(len(words))] if rng.random() < chance else ""

    common = _COMMON.split()
    found = {word: float(rank - len(common) - 9) for rank, word in enumerate(common)}
    while len(found) < WORDS:
        syllables = 1 + int(rng.choice(4, p=_SYLLABLES))
        parts = [pick(_ONSETS) + pick(_VOWELS) + pick(_CODAS, 0.5) for _ in range(syllables)]
        word = "".join(parts)[rng.integers(2) :] + pick(_ENDINGS, 0.5 * (syllables > 1))
        # The longer the rarer, with exceptions.
        found.setdefault(word, len(word) + rng.normal(0.0, 2.6))
    words = sorted(found, key=found.__getitem__)
    return words + [_misheard(word, rng) for word in words]


def _misheard(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(word)))
    letter = "aeioustrnld"[rng.integers(11)]
    if letter == word[at]:
        letter = "y"
    keep = at + int(rng.integers(2))  # replace a letter or put one in
    return word[:at] + letter + word[keep:] if keep > at else word[:at] + letter + word[at:]


def corpus(n: int, seed: int = 0, mean_words: float = 22.0) -> Corpus:
    """n pairs of about mean_words words, ERROR_RATE of them wrong."""
    rng = np.random.default_rng([seed, n])
    lengths = np.rint(np.clip(rng.gamma(4.0, mean_words / 4.0, n), 1, 4 * mean_words))
    return _with_errors(lengths.astype(np.int64), rng)


def document(words: int, seed: int = 0) -> Corpus:
    """One pair of `words` words."""
    return _with_errors(np.array([words]), np.random.default_rng([seed, words]))


def _with_errors(lengths: np.ndarray, rng: np.random.Generator) -> Corpus:
    total = int(lengths.sum())
    ref = _draw(total, rng)
    steps = np.cumsum(list(ERROR_KINDS.values())) * ERROR_RATE
    kind = np.searchsorted(steps, rng.random(total), side="right")  # 4: no error
    hyp = np.where(kind == 0, ref + WORDS, ref)
    hyp = np.where(kind == 1, _draw(total, rng), hyp)
    # A deleted word is written 0 times, one followed by an insertion twice.
    copies = np.where(kind == 2, 0, np.where(kind == 3, 2, 1))
    ends = np.cumsum(copies)
    written = np.repeat(hyp, copies)
    inserted = ends[kind == 3] - 1
    written[inserted] = _draw(len(inserted), rng)
    ref_offsets = np.concatenate([[0], np.cumsum(lengths)])
    hyp_offsets = np.concatenate([[0], ends])[ref_offsets]
    return Corpus(ref.astype(np.int32), ref_offsets, written.astype(np.int32), hyp_offsets)


def _draw(count: int, rng: np.random.Generator) -> np.ndarray:
    weights = np.cumsum(1.0 / np.arange(1, WORDS + 1))
    return np.searchsorted(weights, rng.random(count) * weights[-1], side="right")


def written_text(texts: list[str], seed: int = 0, accents: bool = True) -> list[str]:
    """Spoken words as people write them: capitals, punctuation and, with accents, typographic
    apostrophes, dashes and letters outside ASCII."""
    rng = np.random.default_rng([seed, len(texts)])
    apostrophe, dash = ("\u2019", " \u2014 ") if accents else ("'", " - ")
    letters = {"e": "é", "a": "à", "u": "ü"} if accents else {}
    marks = np.array([" ", ", ", dash, "; ", f"{apostrophe}s ", ". "], object)
    out = []
    for text in texts:
        words = text.split(" ")
        if letters and rng.random() < 0.3:
            at = int(rng.integers(len(words)))
            words[at] = "".join(letters.get(letter, letter) for letter in words[at])
        gaps = marks[rng.choice(6, len(words), p=[0.86, 0.06, 0.01, 0.01, 0.03, 0.03])]
        gaps[-1] = "."
        out.append("".join(w + gap for w, gap in zip(words, gaps, strict=True)).capitalize())
    return out


def parquet(n: int, folder: Path, rows_per_part: int = 100_000) -> Path:
    """A Parquet file of n pairs, columns text and pred; written once, then found again.

    The name holds a digest of this file: other rules make another file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rules = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    path = folder / f"pairs-{n}-{rules}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    schema = pa.schema([("id", pa.int64()), ("text", pa.string()), ("pred", pa.string())])
    with pq.ParquetWriter(unfinished, schema) as writer:
        for start in range(0, n, rows_per_part):
            size = min(rows_per_part, n - start)
            ids = pa.array(np.arange(start, start + size))
            columns = corpus(size, seed=start).columns()
            writer.write_table(pa.table([ids, *columns], schema=schema))
    unfinished.rename(path)
    return path
