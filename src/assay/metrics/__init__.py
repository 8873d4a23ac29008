"""Metric definitions. METRICS names them all; nothing is imported here until asked for.

name -> where it is counted, its unit, the better direction, what it takes, where the definition
comes from, and the implementation that tests hold it equal to.
"""

from typing import NamedTuple

__all__ = ["METRICS", "Metric"]


class Metric(NamedTuple):
    where: str  # "module:function" whose State has this score
    unit: str
    better: str | None
    takes: str
    source: str
    oracle: str


_WORDS = "assay.metrics.words:count_words"
_CHARS = "assay.metrics.words:count_chars"
_TEXT = "reference and hypothesis texts"
_JIWER = "jiwer 4.0 on compiled rapidfuzz"
_MORRIS = "Morris, Maier and Green, Interspeech 2004"
_LEVENSHTEIN = "Levenshtein 1966; ties as rapidfuzz 3.14"

METRICS: dict[str, Metric] = {
    "wer": Metric(_WORDS, "fraction", "lower", _TEXT, _LEVENSHTEIN, _JIWER),
    "mer": Metric(_WORDS, "fraction", "lower", _TEXT, _MORRIS, _JIWER),
    "wil": Metric(_WORDS, "fraction", "lower", _TEXT, _MORRIS, _JIWER),
    "wip": Metric(_WORDS, "fraction", "higher", _TEXT, _MORRIS, _JIWER),
    "sentence_error_rate": Metric(
        _WORDS, "fraction", "lower", _TEXT, "pairs with any error over pairs", "assay.ops.reference"
    ),
    "cer": Metric(_CHARS, "fraction", "lower", _TEXT, _LEVENSHTEIN, _JIWER),
}
