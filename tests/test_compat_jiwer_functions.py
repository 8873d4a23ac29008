"""jiwer's functions: values, types and errors, of any sentences and by any chain of transforms."""

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jiwer_kit import (
    FUNCTIONS,
    MEASURES,
    PAIRS,
    PRESETS,
    STEPS,
    TEXT,
    both,
    composed,
    jiwer,
    ours,
    outcome,
)


@given(pairs=PAIRS)
@settings(deadline=None, max_examples=200)
def test_functions_on_lists(pairs: list[tuple[str, str]]) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs]
    for name in FUNCTIONS:
        both(name, refs, hyps)
        both(name, refs, hyps[:-1])


@given(reference=TEXT, hypothesis=TEXT)
@settings(deadline=None, max_examples=100)
def test_functions_on_strings(reference: str, hypothesis: str) -> None:
    for name in FUNCTIONS:
        both(name, reference, hypothesis)
        both(name, reference, [hypothesis])
        both(name, [reference], hypothesis)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(ref=st.sampled_from(PRESETS), hyp=st.sampled_from(PRESETS), pairs=PAIRS, cut=st.booleans())
@settings(deadline=None, max_examples=100)
def test_presets_in_any_pair(
    name: str, ref: str, hyp: str, pairs: list[tuple[str, str]], cut: bool
) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs][cut:]
    both(name, refs, hyps, make=lambda module: (getattr(module, ref), getattr(module, hyp)))


CHAIN = st.tuples(
    st.lists(st.sampled_from(STEPS), max_size=4),
    st.sampled_from(["ReduceToListOfListOfWords", "ReduceToListOfListOfChars", "Strip"]),
).map(lambda parts: [*parts[0], parts[1]])


@given(ref=CHAIN, hyp=CHAIN, same=st.booleans(), pairs=PAIRS)
@settings(deadline=None, max_examples=300)
def test_composed_chains(
    ref: list[str], hyp: list[str], same: bool, pairs: list[tuple[str, str]]
) -> None:
    refs, hyps = [r for r, _ in pairs], [h for _, h in pairs]
    for name in ("wer", "process_words"):
        both(
            name,
            refs,
            hyps,
            make=lambda module: (composed(module, ref), composed(module, ref if same else hyp)),
        )


BAD: list[Any] = [
    None,
    ("a", "b"),
    b"bytes",
    5,
    1.5,
    {"a"},
    {"a": "b"},
    np.array(["a", "b"]),
    pd.Series(["a", "b"]),
    [1],
    [None],
    [float("nan")],
    [b"a b"],
    [["a", "b"]],
    [[]],
    [["a"], "b"],
    ["a", 1],
    ["a", None],
    ["a", ["b"]],
    ["a", b"b"],
    ["a", np.nan],
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_input(name: str, bad: Any) -> None:
    good = ["a", "b"][: len(bad) if isinstance(bad, list) else 2]
    for args in ((bad, good), (good, bad), (bad, bad), (bad, None), (bad, "a"), ("a", bad)):
        both(name, *args)
        for preset in PRESETS:
            both(name, *args, make=lambda module, p=preset: (getattr(module, p),) * 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_missing_arguments(name: str) -> None:
    both(name)
    both(name, "a")
    assert outcome(getattr(ours, name), ["a"], ["a", "b"])[0] is ValueError


def test_strings_of_a_subclass_are_strings() -> None:
    refs, hyps = [np.str_("a b"), np.str_("c")], [np.str_("a"), np.str_("c d")]
    for name in FUNCTIONS:
        both(name, refs, hyps)


@pytest.mark.parametrize(
    ("reference", "hypothesis"),
    [("", ""), ("", "a b"), ("a b", ""), ([], []), (["", ""], ["", "x"]), (["", "a"], ["x", ""])],
)
def test_empty_sides_and_their_types(reference: Any, hypothesis: Any) -> None:
    for name in MEASURES:
        our, their = (getattr(m, name)(reference, hypothesis) for m in (ours, jiwer))
        assert (type(our), our) == (type(their), their)
    our, their = (m.process_words(reference, hypothesis) for m in (ours, jiwer))
    assert {k: type(v) for k, v in vars(our).items()} == {
        k: type(v) for k, v in vars(their).items()
    }


def test_many_pairs() -> None:
    rng = random.Random(3)
    vocabulary = [f"w{i}" for i in range(300)] + ["It's", "don't,", "<unk>", "é", "\ta", ""]

    def sentence() -> str:
        return " ".join(rng.choices(vocabulary, k=rng.randrange(30)))

    refs = [sentence() for _ in range(2500)]
    hyps = [" ".join(w for w in r.split(" ") if rng.random() > 0.1) + " end" for r in refs]
    for name in FUNCTIONS:
        both(name, refs, hyps)
    for preset in ("wer_standardize", "wer_contiguous"):
        both("process_words", refs, hyps, make=lambda m, p=preset: (getattr(m, p),) * 2)


def test_a_pair_that_rapidfuzz_divides() -> None:
    rng = random.Random(5)
    ref = " ".join(rng.choices("abcde", k=2300))
    hyp = " ".join(rng.choices("abcde", k=2200))
    both("process_words", ref, hyp)
    both("process_words", ref, hyp, make=lambda m: (m.ReduceToListOfListOfWords("\n"),) * 2)
    both("process_words", ref, hyp, make=lambda m: (lambda x: [x[0].split()],) * 2)
