"""TER against sacrebleu, and by hand."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caption_oracle as oracle
from assay import State, compare, count_ter, interval, ter
from assay.core.errors import InputError, MergeError
from assay.ops.backend import BACKENDS
from strategies import captions, sentences, tokens

Items = list[tuple[list[str], str]]

LONGER = captions(sentences(tokens(3), max_size=30), max_items=3, most=10)
ASIAN = ["日本", "、", "ー", "ひら", "カタ", "㈱", "！", "a", "A", ".", ",", "'s", "-1", " ", "\n-"]
MIXED = captions(st.lists(st.sampled_from(ASIAN), max_size=12).map("".join), max_items=4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"case_sensitive": True},
        {"normalized": True},
        {"no_punct": True, "asian_support": True},
        {"normalized": True, "no_punct": True, "asian_support": True, "case_sensitive": True},
        {"asian_support": True},
    ],
    ids=str,
)
@settings(max_examples=40)
@given(st.one_of(captions(), LONGER, MIXED).filter(bool))
def test_ter_equals_sacrebleu(options: dict[str, Any], items: Items) -> None:
    refs, hyps = oracle.columns(items)
    state = count_ter(refs, hyps, items=True, **options)
    whole, single = oracle.ter(items, **options)
    oracle.same(state["ter"], whole)
    oracle.same(state.per_item("ter"), single)
    oracle.same(state["mean_ter"], math.fsum(single) / len(single))
    oracle.same(ter(refs[0], hyps[0], **options), single[0])


@pytest.mark.parametrize("count", [1, 3, 7, 17, 19, 23, 50])
def test_mean_lengths_of_any_number_of_references(count: int) -> None:
    items = [([f"a {'b ' * (k % 5)}" for k in range(n)], "a b") for n in (count, 1, count)]
    refs, hyps = oracle.columns(items)
    oracle.same(ter(refs, hyps), oracle.ter(items)[0])


@pytest.mark.parametrize("backend", BACKENDS["shifts"])
@settings(max_examples=15)
@given(captions(sentences(tokens(3)), max_items=4).filter(bool))
def test_every_backend_equals_sacrebleu(backend: str, items: Items) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_BACKEND", backend)
        oracle.same(ter(*oracle.columns(items)), oracle.ter(items)[0])


def test_ter_worked_by_hand() -> None:
    # One shift of three words, of six.
    assert math.isclose(ter("the cat sat on the mat", "on the mat the cat sat"), 100 / 6)
    # Two edits to the second reference, over the mean of 4 and 3 words.
    state = count_ter([["a b c d", "x y z"]], ["x z w"])
    assert math.isclose(state["ter"], 100 * 2 / 3.5)
    assert (state["ter_edits"], state.sums[0]) == (2, 7)
    assert ter("A B", "a b") == 0
    assert ter("A B", "a b", case_sensitive=True) == 100


def test_empty_texts() -> None:
    assert ter("", "") == 0
    assert ter("", "a b c") == 100
    assert ter("a b", "") == 100
    assert ter(["", ""], ["x", ""]) == 100
    assert ter(["", "a b"], ["x", "a b"]) == 50  # edits count, words that are not there do not
    assert math.isnan(ter([], []))
    assert count_ter([], [], items=True).per_item("ter").tolist() == []


@settings(max_examples=15)
@given(captions(), st.data())
def test_parts_add_up(items: Items, data: Any) -> None:
    refs, hyps = oracle.columns(items)
    cut = data.draw(st.integers(0, len(items)))
    ids = np.arange(len(items))
    parts = [
        count_ter(refs[s], hyps[s], items=True, ids=ids[s])
        for s in (slice(cut, None), slice(0, cut))
    ]
    whole = count_ter(refs, hyps, items=True)
    assert sum(parts).to_bytes() == whole.to_bytes()
    assert State.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()


def test_scores_have_intervals_and_are_compared() -> None:
    refs = [[f"a b c d {k % 7}", "a c"] for k in range(60)]
    good = [f"a b c d {k % 7 if k % 5 else 9}" for k in range(60)]
    poor = [f"d a {k % 3} b" for k in range(60)]
    a, b = (count_ter(refs, hyps, items=True) for hyps in (good, poor))
    for name in ("ter", "mean_ter"):
        ends = interval(a, name)
        assert ends.low < a[name] < ends.high
        assert compare(a, b, name).p_value < 0.05
        # The same items drawn once each give the score.
        items = a.resampling(name)
        found = a.value_of(name, items.columns.sum(axis=0)[None])[0]
        assert math.isclose(found, a[name], rel_tol=1e-6)


def test_refusals_and_signatures() -> None:
    with pytest.raises(InputError, match="normalized must be True or False, got 1"):
        count_ter(["a"], ["a"], normalized=1)
    with pytest.raises(InputError, match=r"reference\[0\] has no references"):
        count_ter([[]], ["a"])
    with pytest.raises(MergeError, match="TerCounts: case_sensitive differs"):
        count_ter(["a"], ["a"]) + count_ter(["a"], ["a"], case_sensitive=True)
    assert count_ter(["a"], ["a"]).total_scores()[0].signature == (
        "ter|case:lc|tok:tercom|norm:no|punct:yes|asian:no|reference:best|normaliser:none"
    )
    options = {"normalized": True, "no_punct": True, "asian_support": True, "case_sensitive": True}
    assert count_ter(["a"], ["a"], **options).signature == (
        "case:mixed|tok:tercom|norm:yes|punct:no|asian:yes|reference:best|normaliser:none"
    )
