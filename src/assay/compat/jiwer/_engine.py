"""What assay's engine is asked for: the distance, the counts, or the alignment."""

from typing import Any

from assay.compat.jiwer._prepare import Unit, compare
from assay.metrics import words
from assay.metrics.alignment import Alignments
from assay.metrics.edit_counts import EditCounts

__all__ = ["count_or_align", "counts", "error_rate"]


def error_rate(
    reference: Any, hypothesis: Any, reference_transform: Any, hypothesis_transform: Any
) -> float:
    """The wer (or cer) of process_words, from the distance alone."""
    return compare(
        _distance, reference, hypothesis, reference_transform, hypothesis_transform
    ).result


def counts(
    reference: Any, hypothesis: Any, reference_transform: Any, hypothesis_transform: Any
) -> EditCounts:
    """The counts of process_words, with no alignment to follow."""
    return compare(count, reference, hypothesis, reference_transform, hypothesis_transform).result


def _distance(refs: list[Any], hyps: list[Any], unit: Unit | None) -> float:
    return words.cer(refs, hyps) if unit == "char" else words.wer(refs, hyps)


def count(refs: list[Any], hyps: list[Any], unit: Unit | None) -> EditCounts:
    return words.count_chars(refs, hyps) if unit == "char" else words.count_words(refs, hyps)


def count_or_align(refs: list[Any], hyps: list[Any], unit: Unit | None) -> EditCounts | Alignments:
    # Lists of tokens are the caller's own, who may change them before the alignment is looked at,
    # so they are aligned now.
    return words.align(refs, hyps) if unit is None else count(refs, hyps, unit)
