"""Caption metrics against sacrebleu, pycocoevalcap and nltk, and by hand."""

import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import caption_oracle as oracle
from assay import (
    State,
    bleu,
    chrf,
    cider,
    compare,
    count_bleu,
    count_chrf,
    count_cider,
    count_document_frequency,
    count_rouge_l,
    interval,
    rouge_l,
    spider,
)
from assay.core.errors import StateFormatError
from assay.ops.backend import BACKENDS
from strategies import captions, sentences, tokens

Items = list[tuple[list[str], str]]

SACREBLEU = [
    {"tokenize": tok, "smooth_method": smooth}
    for tok in ("13a", "intl", "char", "none")
    for smooth in ("exp", "floor", "add-k", "none")
]
LONGER = captions(sentences(tokens(3), max_size=30), max_items=4, most=10)
some = st.one_of(captions(), LONGER)


def names_of(options: dict[str, Any]) -> dict[str, Any]:
    """sacrebleu's options under our names."""
    ours = {
        "tokenize": "tokenizer", "smooth_method": "smoothing", "smooth_value": "smoothing_value",
        "max_ngram_order": "max_order",
    }  # fmt: skip
    renamed = {ours.get(name, name): value for name, value in options.items()}
    if renamed.pop("lowercase", False):
        renamed["normalise"] = str.lower
    return renamed


# -- BLEU ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", SACREBLEU, ids=lambda o: "-".join(o.values()))
@settings(max_examples=12)
@given(some.filter(bool))
def test_bleu_equals_sacrebleu(options: dict[str, Any], items: Items) -> None:
    check_sacrebleu(options, items)


@pytest.mark.parametrize(
    "options",
    [
        {"effective_order": True},
        {"effective_order": False, "smooth_method": "none"},
        {"max_ngram_order": 2, "effective_order": True},
        {"max_ngram_order": 6, "smooth_method": "add-k", "smooth_value": 0.3},
        {"smooth_method": "floor", "smooth_value": 0.0},
        {"lowercase": True},
    ],
    ids=str,
)
@settings(max_examples=15)
@given(some.filter(bool))
def test_options_of_bleu_equal_sacrebleu(options: dict[str, Any], items: Items) -> None:
    check_sacrebleu(options, items)


def check_sacrebleu(options: dict[str, Any], items: Items) -> None:
    refs, hyps = oracle.columns(items)
    state = count_bleu(refs, hyps, items=True, **names_of(options))
    whole, single = oracle.sacrebleu(items, **options)
    oracle.same(state["bleu"], whole)
    oracle.same(state.per_item("bleu"), single)
    oracle.same(state["mean_bleu"], math.fsum(single) / len(single))


@settings(max_examples=30)
@given(some.filter(bool), st.integers(1, 4))
def test_bleu_equals_pycocoevalcap(items: Items, order: int) -> None:
    refs, hyps = oracle.columns(items)
    state = count_bleu(refs, hyps, variant="coco", items=True, max_order=order)
    whole, single = oracle.coco_bleu(items, order)
    oracle.same([state[f"bleu_{n}"] for n in range(1, order + 1)], whole)
    oracle.same(state["bleu"], whole[-1])
    oracle.same(state.per_item("bleu"), single[-1])


@pytest.mark.parametrize("method", [f"method{k}" for k in range(8)])
@settings(max_examples=20)
@given(some.filter(bool), st.integers(3, 5))
def test_bleu_equals_nltk(method: str, items: Items, order: int) -> None:
    refs, hyps = oracle.columns(items)
    smoothing = "none" if method == "method0" else method
    options = {"variant": "nltk", "smoothing": smoothing, "max_order": order}
    state = count_bleu(refs, hyps, items=True, **options)
    whole, single = oracle.nltk(items, method, order)
    oracle.same(state.per_item("bleu"), single)
    if method < "method5":  # nltk takes the last item's for the corpus's
        oracle.same(state["bleu"], whole)
    oracle.same(bleu(refs[-1], hyps[-1], **options), single[-1])


def test_bleu_worked_by_hand() -> None:
    # Papineni et al., example 2: seven times "the", clipped at two.
    state = count_bleu([["the cat is on the mat", "there is a cat on the mat"]], ["the " * 7])
    assert state.sums.tolist() == [13, 7, 7, 2, 0, 0, 0, 7, 6, 5, 4, 0, 0, 0, 0]
    # Precisions 5/6, 3/5, 2/4, 1/3; no brevity penalty.
    wanted = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert math.isclose(bleu("the cat sat on the mat", "the cat sat on a mat"), wanted)
    # One reference is three words long, so of a two-word hypothesis exp(1 - 3/2).
    found = bleu("a b c", "a b", max_order=2, tokenizer="none")
    assert math.isclose(found, 100 * math.exp(1 - 3 / 2))


# -- chrF ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"word_order": 2},
        {"word_order": 1, "char_order": 3, "beta": 3},
        {"whitespace": True},
        {"eps_smoothing": True, "word_order": 2},
        {"lowercase": True, "beta": 1},
    ],
    ids=str,
)
@settings(max_examples=20)
@given(some.filter(bool))
def test_chrf_equals_sacrebleu(options: dict[str, Any], items: Items) -> None:
    refs, hyps = oracle.columns(items)
    state = count_chrf(refs, hyps, items=True, **names_of(options))
    whole, single = oracle.chrf(items, **options)
    oracle.same(state[state.name], whole)
    oracle.same(state.per_item(state.name), single)
    assert state.name == "chrf" + "+" * options.get("word_order", 0)


def test_chrf_worked_by_hand() -> None:
    # "ab" and "ac": one of two characters, no pair of them.
    assert math.isclose(chrf("ab", "ac", char_order=2), 25.0)
    # The second reference fits better, the third as well as the second.
    state = count_chrf([["xyz", "ab", "a b"]], ["ab"], char_order=1)
    assert state.sums.tolist() == [7, 2, 2, 2]


# -- ROUGE-L and CIDEr-D -------------------------------------------------------------------------


@settings(max_examples=40)
@given(some.filter(bool))
def test_rouge_l_equals_pycocoevalcap(items: Items) -> None:
    refs, hyps = oracle.columns(items)
    state = count_rouge_l(refs, hyps, items=True)
    whole, single = oracle.rouge_l(items)
    oracle.same(state["rouge_l"], whole)
    oracle.same(state.per_item("rouge_l"), single)


def test_rouge_l_worked_by_hand() -> None:
    # P = 2/2 of the first reference, R = 1/1 of the second, taken apart.
    assert rouge_l(["a x b", "a"], "a b") == 1.0
    precision, recall = 2 / 4, 2 / 3
    wanted = 2.44 * precision * recall / (recall + 1.44 * precision)
    assert math.isclose(rouge_l("a b c", "a x y c"), wanted)


@settings(max_examples=40)
@given(some.filter(bool))
def test_cider_equals_pycocoevalcap(items: Items) -> None:
    refs, hyps = oracle.columns(items)
    assume(any(ref.split() for own in refs for ref in own))  # it needs an n-gram
    df = count_document_frequency(refs)
    state = count_cider(refs, hyps, df=df, items=True)
    whole, single = oracle.cider(items)
    np.testing.assert_allclose(state.per_item("cider"), single, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(state["cider"], whole, rtol=1e-9, atol=1e-14)
    assert cider(refs, hyps) == state["cider"]


def test_cider_worked_by_hand() -> None:
    # Two items without a word in common: every weight is log 2, so cosines are of counts. Of one
    # word there is one n-gram in four lengths: 1 / 4 times 10.
    assert math.isclose(cider([["a"], ["b"]], ["a", "b"]), 2.5)
    # One bigram fewer: times exp(-1 / 72); a word of two: cosine 1 / sqrt 2.
    found = count_cider([["a b"]], ["a"], df=count_document_frequency([["a b"], ["c"]]))["cider"]
    assert math.isclose(found, 10 / 4 / math.sqrt(2) * math.exp(-1 / 72))
    # A word that every item has weighs nothing.
    assert cider([["a"], ["a"]], ["a", "a"]) == 0.0


def test_spider_is_the_mean_of_both() -> None:
    assert spider([1.0, 3.0], np.array([0.5, 0.5])) == 1.25
    assert math.isnan(spider([], []))


@pytest.mark.parametrize("backend", BACKENDS["matches"])
@settings(max_examples=15)
@given(captions(sentences(tokens(3)), max_items=4).filter(bool))
def test_every_backend_equals_the_oracles(backend: str, items: Items) -> None:
    refs, hyps = oracle.columns(items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_BACKEND", backend)
        oracle.same(bleu(refs, hyps), oracle.sacrebleu(items)[0])
        oracle.same(chrf(refs, hyps, word_order=2), oracle.chrf(items, word_order=2)[0])
        oracle.same(rouge_l(refs, hyps), oracle.rouge_l(items)[0])
        if any(ref.split() for own in refs for ref in own):
            wanted = oracle.cider(items)[0]
            np.testing.assert_allclose(cider(refs, hyps), wanted, rtol=1e-9, atol=1e-14)


# -- adding ----------------------------------------------------------------------------------------

COUNTS = {
    "nltk": functools.partial(count_bleu, variant="nltk", smoothing="method5"),
    "coco": functools.partial(count_bleu, variant="coco", max_order=3),
    "intl": functools.partial(count_bleu, tokenizer="intl", smoothing="floor", items=True),
    "chrf++": functools.partial(count_chrf, word_order=2, items=True),
    "chrf": functools.partial(count_chrf, eps_smoothing=True, whitespace=True),
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
@settings(max_examples=15)
@given(some, st.data())
def test_parts_add_up(count: Any, items: Items, data: Any) -> None:
    refs, hyps = oracle.columns(items)
    cut = data.draw(st.integers(0, len(items)))
    kept = count.keywords.get("items", False)
    ids = np.arange(len(items)) if kept else None
    parts = [
        count(refs[s], hyps[s], ids=None if ids is None else ids[s])
        for s in (slice(cut, None), slice(0, cut))
    ]
    whole = count(refs, hyps)
    assert sum(parts).to_bytes() == whole.to_bytes()
    assert State.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()
    if kept:
        assert whole.totals().to_bytes() == count(refs, hyps, items=False).to_bytes()


@settings(max_examples=20)
@given(some, st.data())
def test_document_frequencies_travel_through_shards(items: Items, data: Any) -> None:
    refs, hyps = oracle.columns(items)
    cut = data.draw(st.integers(0, len(items)))
    shards = [(refs[:cut], hyps[:cut]), (refs[cut:], hyps[cut:])]
    parts = [count_document_frequency(own).to_bytes() for own, _ in shards]
    df = sum(map(State.from_bytes, reversed(parts)))
    whole = count_document_frequency(refs)
    assert df.to_bytes() == whole.to_bytes()
    assert df.digest == whole.digest
    assert (whole + type(whole).zero()).to_bytes() == whole.to_bytes()
    if items:
        scored = sum(count_cider(*shard, df=df) for shard in shards)
        assert scored.to_bytes() == count_cider(refs, hyps, df=whole).to_bytes()


# -- intervals -------------------------------------------------------------------------------------


def test_scores_have_intervals_and_are_compared() -> None:
    refs = [[f"a b c d {k % 7}", "a c"] for k in range(60)]
    good = [f"a b c d {k % 7 if k % 5 else 9}" for k in range(60)]
    poor = [f"a b {k % 3} d" for k in range(60)]
    df = count_document_frequency(refs)
    counts = {
        "bleu": count_bleu, "mean_bleu": count_bleu, "chrf": count_chrf, "mean_chrf": count_chrf,
        "rouge_l": count_rouge_l, "cider": functools.partial(count_cider, df=df),
    }  # fmt: skip
    for name, count in counts.items():
        a, b = (count(refs, hyps, items=True) for hyps in (good, poor))
        found = interval(a, name)
        assert found.low < a[name] < found.high
        assert compare(a, b, name).p_value < 0.05
        # The same items drawn once each give the score.
        items = a.resampling(name)
        np.testing.assert_allclose(
            a.value_of(name, items.columns.sum(axis=0)[None])[0], a[name], rtol=1e-6
        )


def test_a_table_that_is_not_whole_is_refused() -> None:
    df = count_document_frequency(["a b c"])
    arrays = df.to_arrays()
    assert type(df).from_arrays(arrays).to_bytes() == df.to_bytes()
    del arrays["table.keys2"]
    with pytest.raises(StateFormatError, match="DocumentFrequency: not its arrays"):
        type(df).from_arrays(arrays)
