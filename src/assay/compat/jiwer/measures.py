"""jiwer's measures: one number for one or more pairs of sentences.

Each takes (reference, hypothesis, reference_transform, hypothesis_transform): two strings or two
lists of strings, and a transform per side. Values are sums over all pairs, then a rate. For several
measures of the same sentences, call process_words once.
"""

from assay.compat.jiwer import transforms as tr
from assay.compat.jiwer._engine import counts, error_rate
from assay.compat.jiwer.process import process_characters, process_words  # noqa: F401  as jiwer
from assay.compat.jiwer.transformations import cer_default, wer_default

__all__ = ["cer", "mer", "wer", "wil", "wip"]

Sentences = str | list[str] | None  # None is jiwer's default, and refused as jiwer refuses it
Transform = tr.Compose | tr.AbstractTransform


def wer(
    reference: Sentences = None,
    hypothesis: Sentences = None,
    reference_transform: Transform = wer_default,
    hypothesis_transform: Transform = wer_default,
) -> float:
    """Word error rate: edits per reference word, lower is better, may exceed 1.

    Without reference words: the number of insertions, an int.

    >>> wer(["the cat sat", "on the mat"], ["the bat sat", "on a mat"])
    0.3333333333333333
    """
    return error_rate(reference, hypothesis, reference_transform, hypothesis_transform)


def mer(
    reference: Sentences = None,
    hypothesis: Sentences = None,
    reference_transform: Transform = wer_default,
    hypothesis_transform: Transform = wer_default,
) -> float:
    """Match error rate: edits per aligned position, in 0..1, lower is better.

    >>> mer("the cat sat", "the cat sat down")
    0.25
    """
    return counts(reference, hypothesis, reference_transform, hypothesis_transform).mer


def wip(
    reference: Sentences = None,
    hypothesis: Sentences = None,
    reference_transform: Transform = wer_default,
    hypothesis_transform: Transform = wer_default,
) -> float:
    """Word information preserved: share of words right on either side, multiplied; in 0..1.

    >>> wip("the cat sat", "the cat sat down")
    0.75
    """
    return counts(reference, hypothesis, reference_transform, hypothesis_transform).wip


def wil(
    reference: Sentences = None,
    hypothesis: Sentences = None,
    reference_transform: Transform = wer_default,
    hypothesis_transform: Transform = wer_default,
) -> float:
    """Word information lost: 1 - wip.

    >>> wil("the cat sat", "the cat sat down")
    0.25
    """
    return counts(reference, hypothesis, reference_transform, hypothesis_transform).wil


def cer(
    reference: Sentences = None,
    hypothesis: Sentences = None,
    reference_transform: Transform = cer_default,
    hypothesis_transform: Transform = cer_default,
) -> float:
    """Character error rate: edits per reference code point, inner spaces included.

    >>> cer("good", "goad")
    0.25
    """
    return error_rate(reference, hypothesis, reference_transform, hypothesis_transform)
