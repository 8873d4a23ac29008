"""jiwer's process_words and process_characters, and the records they return.

Measures are computed at once. The token lists and the alignment, which cost far more, are built
when they are first looked at and are plain lists from then on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

from assay.compat.jiwer import transforms as tr
from assay.compat.jiwer._engine import count_or_align
from assay.compat.jiwer._prepare import Pairs, compare, split
from assay.compat.jiwer.transformations import cer_default, wer_default
from assay.metrics import words
from assay.metrics.alignment import Alignments
from assay.metrics.edit_counts import EditCounts

__all__ = [
    "AlignmentChunk",
    "CharacterOutput",
    "WordOutput",
    "process_characters",
    "process_words",
]

T = TypeVar("T", bound="_Filled")
Transform = tr.Compose | tr.AbstractTransform

_TYPES = ("equal", "substitute", "delete", "insert")  # by Alignments.kind


@dataclass
class AlignmentChunk:
    """A stretch of the reference and the stretch of the hypothesis it is aligned with.

    type: "equal", "substitute", "delete" or "insert" ("replace" is stored as "substitute").
    The indices are token positions, ends excluded. ValueError for another type or an end before
    its start.
    """

    type: str
    ref_start_idx: int
    ref_end_idx: int
    hyp_start_idx: int
    hyp_end_idx: int

    def __post_init__(self) -> None:
        if self.type not in ("replace", *_TYPES):
            raise ValueError("")  # jiwer's message
        if self.type == "replace":
            self.type = "substitute"
        for side in ("ref", "hyp"):
            start, end = f"{side}_start_idx", f"{side}_end_idx"
            if getattr(self, start) > getattr(self, end):
                raise ValueError(
                    f"{start}={getattr(self, start)} is larger than {end}={getattr(self, end)}"
                )


class _Lazy:
    """Fields that are computed when they are first read.

    `_later` holds a function per missing field. It is a slot, so that the instance dictionary
    holds exactly the fields; reading that dictionary (vars, copy, pickle) fills it first.
    """

    __slots__ = ("__dict__", "_later")

    _later: dict[str, Callable[[], Any]]

    def __getattr__(self, name: str) -> Any:
        if name != "_later":
            fields, later = _fields(self), getattr(self, "_later", {})
            if make := later.get(name):
                # Whoever stores first wins, so that two threads see one and the same list.
                fields.setdefault(name, make())
                later.pop(name, None)
            if name in fields:
                return fields[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


_fields: Callable[[_Lazy], dict[str, Any]] = _Lazy.__dict__["__dict__"].__get__


class _Filled(_Lazy):
    __slots__ = ()

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        fields = _fields(self)
        if getattr(self, "_later", None):
            for name in [*self._later]:
                getattr(self, name)
            for name in type(self).__annotations__:  # in jiwer's order, which vars() show
                if name in fields:
                    fields[name] = fields.pop(name)
        return fields

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__


@dataclass
class WordOutput(_Filled):
    """Measures, counts and alignment of pairs of sentences, by word.

    references and hypotheses: the transformed sentences. alignments: the chunks of each pair.
    """

    references: list[list[str]]
    hypotheses: list[list[str]]
    alignments: list[list[AlignmentChunk]]
    wer: float
    mer: float
    wil: float
    wip: float
    hits: int
    substitutions: int
    insertions: int
    deletions: int


@dataclass
class CharacterOutput(_Filled):
    """The error rate, counts and alignment of pairs of sentences, by character."""

    references: list[list[str]]
    hypotheses: list[list[str]]
    alignments: list[list[AlignmentChunk]]
    cer: float
    hits: int
    substitutions: int
    insertions: int
    deletions: int


def process_words(
    reference: str | list[str],
    hypothesis: str | list[str],
    reference_transform: Transform = wer_default,
    hypothesis_transform: Transform = wer_default,
) -> WordOutput:
    """All word measures of one or more pairs of sentences, with their alignment.

    Sums over all pairs, then rates. An empty reference side has wer = number of insertions, mer
    0 or 1, wip 1 or 0, as int. ValueError where the transforms do not end in lists of words or
    the sides differ in length; tie-breaks are those of compiled rapidfuzz.

    >>> out = process_words("the cat sat", "the bat sat")
    >>> out.substitutions, out.alignments[0][1].type
    (1, 'substitute')
    """
    return _output(
        WordOutput,
        "wer",
        ("mer", "wil", "wip"),
        compare(count_or_align, reference, hypothesis, reference_transform, hypothesis_transform),
    )


def process_characters(
    reference: str | list[str],
    hypothesis: str | list[str],
    reference_transform: Transform = cer_default,
    hypothesis_transform: Transform = cer_default,
) -> CharacterOutput:
    """As process_words by character; spaces between words are characters.

    >>> process_characters("abc", "abd").cer
    0.3333333333333333
    """
    return _output(
        CharacterOutput,
        "cer",
        (),
        compare(count_or_align, reference, hypothesis, reference_transform, hypothesis_transform),
    )


def _output(
    cls: type[T], rate: str, measures: tuple[str, ...], pairs: Pairs[EditCounts | Alignments]
) -> T:
    """`rate` names the error rate, which jiwer keeps under that name whatever the tokens are."""
    output = cls.__new__(cls)
    fields = _fields(output)
    result, unit = pairs.result, pairs.unit
    refs, hyps = [*pairs.references], [*pairs.hypotheses]  # the caller may change theirs
    output._later = {}
    if unit is None:
        fields |= {"references": pairs.references, "hypotheses": pairs.hypotheses}
    else:
        output._later["references"] = partial(split, refs, unit)
        output._later["hypotheses"] = partial(split, hyps, unit)
    totals: EditCounts
    if isinstance(result, Alignments):
        hits, substitutions, deletions, insertions = result.counts.sum(axis=0).tolist()
        totals = EditCounts(hits, substitutions, deletions, insertions, pairs=len(result))
        output._later["alignments"] = lambda: _chunks(result)[: len(refs)]
    else:
        totals = result
        output._later["alignments"] = lambda: _chunks(words.align(refs, hyps, unit or "word"))
    fields[rate] = totals.error_rate
    for name in (*measures, "hits", "substitutions", "insertions", "deletions"):
        fields[name] = getattr(totals, name)
    return output


def _chunks(alignments: Alignments) -> list[list[AlignmentChunk]]:
    """The plain objects, built without the checks that the engine's arrays cannot fail."""
    new = AlignmentChunk.__new__
    chunks = []
    columns = (
        alignments.kind,
        alignments.ref_start,
        alignments.ref_end,
        alignments.hyp_start,
        alignments.hyp_end,
    )
    for kind, i, j, k, m in zip(*(column.tolist() for column in columns), strict=True):
        chunk = new(AlignmentChunk)
        chunk.type = _TYPES[kind]
        chunk.ref_start_idx = i
        chunk.ref_end_idx = j
        chunk.hyp_start_idx = k
        chunk.hyp_end_idx = m
        chunks.append(chunk)
    ends = alignments.offsets.tolist()
    return [chunks[start:end] for start, end in pairwise(ends)]
