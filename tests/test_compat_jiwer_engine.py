"""What the engine is asked for: standard chains go to it as strings, changed ones as lists."""

import types
from collections.abc import Callable
from typing import Any

import pytest

from assay.compat.jiwer import _engine, process
from assay.metrics import words
from jiwer_kit import FUNCTIONS, Make, both, composed, jiwer, ours


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, type, int]]:
    """What the engine was asked: function, type of the first item, number of items."""
    seen: list[tuple[str, type, int]] = []

    def spied(name: str) -> Callable[..., Any]:
        def call(refs: Any, hyps: Any, *options: Any) -> Any:
            seen.append((name, type(refs[0]) if refs else object, len(refs)))
            return getattr(words, name)(refs, hyps, *options)

        return call

    names = ("wer", "cer", "count_words", "count_chars", "align")
    engine = types.SimpleNamespace(**{n: spied(n) for n in names})
    for module in (_engine, process):
        monkeypatch.setattr(module, "words", engine)
    return seen


def of(*names: str) -> Make:
    return lambda module: composed(module, names)


rebuilt_default = of("RemoveMultipleSpaces", "Strip", "ReduceToListOfListOfWords")


def nested_default(module: Any) -> Any:
    inner = composed(module, ["Strip", "RemoveMultipleSpaces"])
    return module.Compose([inner, module.ReduceToListOfListOfWords()])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("wer", lambda m: m.wer_default),
        ("wer", rebuilt_default),
        ("wer", nested_default),
        ("wer", lambda m: m.wer_standardize),
        ("wer", of("ToLowerCase", "RemovePunctuation", "ReduceToListOfListOfWords")),
        ("wer", lambda m: m.ReduceToListOfListOfWords()),
        ("cer", lambda m: m.cer_default),
        ("cer", of("RemoveWhiteSpace", "ReduceToListOfListOfChars")),
        ("cer", of("ToLowerCase", "Strip", "Strip", "ReduceToListOfListOfChars")),
    ],
)
def test_standard_chains_leave_the_splitting_to_the_kernel(
    name: str, make: Make, calls: Any
) -> None:
    refs, hyps = ["It's so, a  TEST. "] * 3, ["its a test"] * 3
    value, expected = (
        getattr(module, name)(refs, hyps, make(module), make(module)) for module in (ours, jiwer)
    )
    assert calls == [(name, str, 3)]
    assert value == expected


def test_outputs_align_only_when_looked_at(calls: Any) -> None:
    out = ours.process_words(["a b"] * 3, ["a"] * 3)
    assert out.wer == 0.5
    assert calls == [("count_words", str, 3)]
    assert len(out.alignments) == 3
    assert calls[1:] == [("align", str, 3)]


def delimiter(module: Any) -> Any:
    return module.Compose([module.Strip(), module.ReduceToListOfListOfWords("-")])


def changed_later(module: Any) -> Any:
    chain = rebuilt_default(module)
    chain.transforms[-1].word_delimiter = "a"
    return chain


def patched_instance(module: Any) -> Any:
    chain = rebuilt_default(module)
    chain.transforms[1].process_string = str.upper
    return chain


def subclassed(module: Any) -> Any:
    class Words(module.ReduceToListOfListOfWords):
        def process_string(self, s: str) -> list[list[str]]:
            return [[*super().process_string(s)[0], "end"]]

    return module.Compose([module.RemoveMultipleSpaces(), module.Strip(), Words()])


def own_call(module: Any) -> Any:
    class Chain(module.Compose):
        def __call__(self, text: Any) -> Any:
            return [[*words, "end"] for words in super().__call__(text)]

    return Chain(rebuilt_default(module).transforms)


@pytest.mark.parametrize("make", [delimiter, changed_later, patched_instance, subclassed, own_call])
def test_changed_chains_are_split_as_they_say(make: Make, calls: Any) -> None:
    refs, hyps = ["b-a xa b", "a\tb  a"], ["b-ab", "xa b"]
    for name in FUNCTIONS:
        both(name, refs, hyps, make=lambda module: (make(module), make(module)))
        both(name, refs, hyps, make=lambda module: (make(module),))
    assert calls
    assert {kind for _, kind, _ in calls} == {list}


def test_a_changed_preset_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (ours, jiwer):
        steps = [module.ToLowerCase(), *module.wer_default.transforms]
        monkeypatch.setattr(module.wer_default, "transforms", steps)
    assert ours.wer("A b", "a b") == jiwer.wer("A b", "a b") == 0
