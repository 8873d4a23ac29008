"""From sentences and transforms to what the engine compares.

A side whose chain ends in a way the engine's own tokeniser equals is handed over as sentences; any
other, or one that holds anything but strings, is transformed in full, which raises jiwer's errors,
and handed over as lists of tokens.
"""

from collections.abc import Callable, Sequence
from operator import countOf
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from assay.compat.jiwer import _chain, _lines
from assay.compat.jiwer import transforms as tr

__all__ = ["Pairs", "Unit", "compare", "split"]

T = TypeVar("T")
Unit = Literal["word", "char"]
Step = Callable[[Any], Any]

# What the engine does to sentences that it is given as they are.
_SPLIT: dict[Unit, list[Step]] = {
    "word": [tr.RemoveMultipleSpaces(), tr.Strip(), tr.ReduceToListOfListOfWords()],
    "char": [tr.Strip(), tr.ReduceToListOfListOfChars()],
}


class _End(NamedTuple):
    """The last steps of a chain, as far as the engine can do them."""

    start: int  # the index of the first of them
    unit: Unit | None  # None: there are none
    exact: bool  # the same tokens on any text; otherwise only where `_splits_alike`


class _Side(NamedTuple):
    value: Any  # what the steps before the tail gave
    tail: Sequence[Step]
    unit: Unit | None  # None: the engine would not split `value` as the tail does


class Pairs(NamedTuple, Generic[T]):
    """What an engine function returned, and what it was given: strings and their unit, or lists
    of tokens and None."""

    result: T
    references: list[Any]
    hypotheses: list[Any]
    unit: Unit | None


def compare(
    engine: Callable[[list[Any], list[Any], Unit | None], T],
    reference: Any,
    hypothesis: Any,
    reference_transform: Step,
    hypothesis_transform: Step,
) -> Pairs[T]:
    """`engine(references, hypotheses, unit)` on the transformed sentences.

    The caller's own transforms run once, the reference's first.
    """
    ref_steps, hyp_steps = map(_chain.steps_of, (reference_transform, hypothesis_transform))
    ref_end, hyp_end = _end(ref_steps), _end(hyp_steps)
    ref = _side(reference, ref_steps, ref_end)
    if ref.unit and not all(map(_chain.is_plain, hyp_steps[: hyp_end.start])):
        ref = ref._replace(value=[*ref.value])  # the caller's transform may change its own list
    if ref.unit is None:
        ref = _Side(_tokens(ref, "reference"), (), None)
    hyp = _side(hypothesis, hyp_steps, hyp_end)
    if ref.unit is not None and ref.unit == hyp.unit and len(ref.value) == len(hyp.value):
        result = engine(ref.value, hyp.value, ref.unit)
        return Pairs(result, ref.value, hyp.value, ref.unit)

    references = ref.value if not ref.tail else _tokens(ref, "reference")
    hypotheses = _tokens(hyp, "hypothesis")
    if len(references) != len(hypotheses):
        raise ValueError(
            "After applying the transforms on the reference and hypothesis sentences, their "
            f"lengths must match. Instead got {len(references)} reference and "
            f"{len(hypotheses)} hypothesis sentences."
        )
    # No pairs at all: jiwer's measures are those of one empty pair.
    result = engine(references or [[]], hypotheses or [[]], None)
    return Pairs(result, references, hypotheses, None)


def split(sentences: list[str], unit: Unit) -> list[list[str]]:
    """The tokens that the engine compares when it is given sentences."""
    tokens: list[list[str]] = _chain.run(_SPLIT[unit], sentences)
    return tokens


def _side(sentences: Any, steps: list[Step], end: _End) -> _Side:
    if isinstance(sentences, str):
        sentences = [sentences]
    value = _chain.run(steps[: end.start], sentences)
    alike = (
        end.unit is not None
        and isinstance(value, list)
        and value != []
        and _all_strings(value)
        and (end.exact or _splits_alike(value, end.unit))
    )
    return _Side(value, steps[end.start :], end.unit if alike else None)


def _end(steps: list[Any]) -> _End:
    at = len(steps) - 1
    if at < 0 or not _chain.is_plain(steps[at]):
        return _End(len(steps), None, False)
    last = steps[at]
    if type(last) is tr.ReduceToListOfListOfWords and last.word_delimiter == " ":
        while at and _is(steps[at - 1], tr.Strip, tr.RemoveMultipleSpaces):
            at -= 1
        kinds = {type(step) for step in steps[at:-1]}
        return _End(at, "word", kinds == {tr.Strip, tr.RemoveMultipleSpaces})
    if type(last) is tr.ReduceToListOfListOfChars:
        while at and _is(steps[at - 1], tr.Strip):
            at -= 1
        return _End(at, "char", at < len(steps) - 1)
    return _End(len(steps), None, False)


def _is(step: Any, *classes: type) -> bool:
    return type(step) in classes and _chain.is_plain(step)


def _splits_alike(sentences: list[str], unit: Unit) -> bool:
    """Whether stripping and collapsing white space makes no difference to the tokens."""
    if unit == "word":
        return _lines.only_plain_spaces(sentences)
    return [s.strip() for s in sentences] == sentences


def _all_strings(sentences: list[Any]) -> bool:
    if countOf(map(type, sentences), str) == len(sentences):  # three times as fast
        return True
    return all(isinstance(s, str) for s in sentences)


def _tokens(side: _Side, role: str) -> list[list[str]]:
    tokens = _chain.run(side.tail, side.value)
    if not _is_list_of_list_of_strings(tokens):
        raise ValueError(
            f"After applying the transformation, each {role} should be a list of strings, "
            "with each string being a single word or character."
            "Please ensure the given transformation reduces the input to a list of list strings."
        )
    result: list[list[str]] = tokens
    return result


def _is_list_of_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(sentence, list) and _all_strings(sentence) for sentence in value
    )
