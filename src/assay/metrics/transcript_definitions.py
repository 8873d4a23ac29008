"""What the rates in a per-item file of transcripts are of."""

from collections.abc import Iterable
from typing import Any

from assay.metrics.keywords import count_keywords
from assay.metrics.words import count_chars, count_words

__all__ = ["transcript_definitions"]


def transcript_definitions(
    units: Iterable[str], normalise: str, empty: str, policy: str, keywords: list[str] | None
) -> dict[str, Any]:
    """What a per-item file of transcripts has as the definitions of its rates and its counts: the
    signature, so that rates of two policies are not compared.

    >>> definitions = transcript_definitions(["word"], "none", "jiwer", "kaldi", None)
    >>> definitions["wer"]["signature"]
    'unit:word|split:spaces|normaliser:none|ties:kaldi|empty:jiwer'
    """
    own: dict[str, Any] = {"normalise": normalise, "policy": policy, "items": True}
    states: list[Any] = [
        count_words([], [], empty=empty, **own)
        if unit == "word"
        else count_chars([], [], unit=unit, empty=empty, **own)
        for unit in units
    ]
    if keywords:
        states.append(count_keywords([], [], keywords=keywords, **own))
    return {
        name: {"signature": state.signature}
        for state in states
        for name in (*(score.name for score in state.total_scores()), *state.item_columns())
    }
