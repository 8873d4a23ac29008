"""Transforms that the caller wrote: called as jiwer calls them, with what they return and raise."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiwer_kit import FUNCTIONS, STEPS, TEXT, both, jiwer, ours, outcome


def spying(module: Any, log: list[Any], tag: str, kind: str) -> Any:
    """A transform that notes its calls: by string, by list, as a function, with an error."""

    class OnStrings(module.AbstractTransform):
        def process_string(self, s: str) -> str:
            log.append((tag, "string", repr(s)))
            return s.replace("a", "bb")

    class OnLists(module.AbstractTransform):
        def process_list(self, inp: list[str]) -> list[str]:
            log.append((tag, "list", repr(inp)))
            inp.append("more")  # the list is the transform's to change
            return inp[::-1]

    def function(sentences: Any) -> Any:
        log.append((tag, "function", repr(sentences)))
        return [s.title() for s in sentences]

    def failing(sentences: Any) -> Any:
        log.append((tag, "failing", repr(sentences)))
        raise KeyError(tag)

    def to_string(sentences: Any) -> str:
        log.append((tag, "to_string", repr(sentences)))
        return " ".join(sentences)

    made = {"string": OnStrings, "list": OnLists}
    return made[kind]() if kind in made else locals()[kind]


KINDS = ("string", "list", "function", "failing", "to_string")
SPIED = st.lists(st.sampled_from([*STEPS, *(f"spy {kind}" for kind in KINDS)]), max_size=5)
SPIED_TAIL = st.sampled_from(
    ["ReduceToListOfListOfWords", "ReduceToListOfListOfChars", "spy function", "Strip"]
)


@given(
    ref=st.tuples(SPIED, SPIED_TAIL).map(lambda t: [*t[0], t[1]]),
    hyp=st.tuples(SPIED, SPIED_TAIL).map(lambda t: [*t[0], t[1]]),
    same=st.booleans(),
    name=st.sampled_from(["wer", "wil", "cer", "process_words"]),
    sentences=st.tuples(*[st.lists(TEXT | st.sampled_from(["a", None, 1]), max_size=4)] * 2),
)
@settings(deadline=None, max_examples=300)
def test_own_transforms_are_called_as_jiwer_calls_them(
    ref: list[str], hyp: list[str], same: bool, name: str, sentences: tuple[list[Any], list[Any]]
) -> None:
    results = []
    for module in (ours, jiwer):
        log: list[Any] = []

        def chain(names: list[str], tag: str, module: Any = module, log: list[Any] = log) -> Any:
            return module.Compose(
                [
                    spying(module, log, f"{tag}{i}", step.split()[1])
                    if step.startswith("spy")
                    else getattr(module, step)()
                    for i, step in enumerate(names)
                ]
            )

        first = chain(ref, "ref")
        second = first if same else chain(hyp, "hyp")
        given_lists = [[*side] for side in sentences]
        result = outcome(getattr(module, name), *given_lists, first, second)
        results.append((result, log, given_lists))
    assert results[0] == results[1]


def test_a_transform_may_change_a_list_that_both_sides_share() -> None:
    def emptied(sentences: list[str]) -> list[list[str]]:
        sentences[:] = ["changed"] * len(sentences)
        return [["a"]] * len(sentences)

    for first, second in ((None, emptied), (emptied, None)):
        shared = [["a b", "c"] for _ in range(2)]
        results = [
            outcome(m.process_words, s, s, first or m.wer_default, second or m.wer_default)
            for m, s in zip((ours, jiwer), shared, strict=True)
        ]
        assert results[0] == results[1]
        assert shared[0] == shared[1]


@pytest.mark.parametrize(
    "returned", [None, "a b", ["a"], [["a"], "b"], [["a", 1]], (("a",),), [], [[]]]
)
def test_what_a_transform_must_return(returned: Any) -> None:
    for name in FUNCTIONS:
        both(name, "a", "a", make=lambda module: (lambda _: returned,))
        both(name, "a", "a", make=lambda module: (lambda _: [["a"]], lambda _: returned))
        both(name, "a", "a", make=lambda module: (lambda _: returned, lambda _: returned))
