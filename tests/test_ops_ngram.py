"""N-grams of captions: the kernels against their slow twins, and tables that add."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops import ngram, ngram_table, reference_ngram, tokens
from assay.ops.backend import BACKENDS, choose
from assay.ops.cutting import cut_none
from assay.ops.references import Captions
from strategies import captions, sentences
from strategies import tokens as token

OPS = ("matches", "subsequences", "ngrams", "consensus")


@st.composite
def rows(draw: Any, lowest: int = 0, longest: int = 12) -> ngram.Sentences:
    """Items of small numbers; below 0 stand tokens that no hypothesis has."""
    size = draw(st.sampled_from([1, 2, 5]))
    row = st.lists(st.integers(0, size - 1), max_size=longest)
    other = st.lists(st.integers(lowest, size - 1), max_size=longest)
    items = draw(st.lists(st.tuples(row, st.lists(other, min_size=1, max_size=4)), max_size=5))
    return packed([(own, *refs) for own, refs in items], size)


def packed(items: list[tuple[list[int], ...]], size: int) -> ngram.Sentences:
    flat = [row for item in items for row in item]
    values = np.array([number for row in flat for number in row], np.int32)
    offsets = np.cumsum([0, *map(len, flat)])
    return ngram.Sentences(values, offsets, np.cumsum([0, *(len(i) - 1 for i in items)]), size)


@given(rows(lowest=-1), st.integers(1, 6), st.booleans())
def test_matches_equal_the_twin(data: ngram.Sentences, order: int, together: bool) -> None:
    found = ngram.matches(data, order, together)
    wanted = reference_ngram.matches(data.tokens, data.offsets, data.refs, order, together)
    assert found.tolist() == wanted.tolist()


def test_matches_worked_by_hand() -> None:
    # the the the | the cat the · the the a
    data = packed([([0, 0, 0], [0, 1, 0], [0, 0, 2])], 3)
    assert ngram.matches(data, 3, True).tolist() == [[2, 1, 0]]
    assert ngram.matches(data, 3, False).tolist() == [[2, 0, 0], [2, 1, 0]]


@given(rows(lowest=-1))
def test_subsequences_equal_the_twin(data: ngram.Sentences) -> None:
    found = ngram.common_subsequences(data)
    assert found.tolist() == reference_ngram.subsequences(*data).tolist()


@pytest.mark.parametrize("longest", [63, 64, 65, 127, 128, 129, 300])
def test_subsequences_longer_than_a_word(longest: int) -> None:
    rng = random.Random(longest)
    items = [
        tuple(rng.choices(range(size), k=rng.choice([longest, longest - 1, 70])) for _ in range(3))
        for size in (1, 2, 5, 50)
    ]
    data = packed(items, 50)
    assert ngram.common_subsequences(data).tolist() == reference_ngram.subsequences(*data).tolist()


def test_a_carry_runs_through_a_word_without_a_match() -> None:
    data = packed([([*range(200)], [150, 10], [150, 10, 199, 11], [10, 74, 138, 199])], 200)
    assert ngram.common_subsequences(data).tolist() == [1, 2, 4]


@given(rows(), st.integers(1, 4))
def test_items_have_the_ngrams_of_the_twin(data: ngram.Sentences, order: int) -> None:
    found = ngram.item_ngrams(data, order)
    wanted = reference_ngram.ngrams(data.tokens, data.offsets, data.starts, order)
    for got, want in zip(found, wanted, strict=True):
        assert got.tolist() == want.tolist()


@given(rows(), st.randoms(use_true_random=False))
def test_consensus_equals_the_twin(data: ngram.Sentences, rng: random.Random) -> None:
    grams = ngram.item_ngrams(data, 4)
    weights = np.array([rng.choice([0.0, 0.5, 1.7, 3.0]) for _ in grams.symbols])
    found = ngram.consensus(data, grams, weights, 6.0)
    wanted = reference_ngram.consensus(
        grams.nodes, data.offsets, data.refs, grams.starts, grams.lengths, weights, 6.0
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


@given(rows())
def test_the_closest_length(data: ngram.Sentences) -> None:
    own, others = data.lengths
    refs = data.refs
    wanted = [
        min(others[a:b].tolist(), key=lambda length, own=n: (abs(length - own), length))
        for n, a, b in zip(own.tolist(), refs[:-1], refs[1:], strict=True)
    ]
    assert ngram.closest_lengths(data).tolist() == wanted


def test_every_op_has_a_slow_twin(monkeypatch) -> None:
    for op in OPS:
        assert {*BACKENDS[op]} == {"numba", "reference"}
    monkeypatch.setenv("ASSAY_BACKEND", "reference")
    for op in OPS:
        assert choose(op).__module__ == "assay.ops.reference_ngram"


# -- tables ----------------------------------------------------------------------------------------

documents = st.lists(
    st.lists(st.one_of(sentences(token(3)), sentences(token())), min_size=1, max_size=3), max_size=8
)


def table(texts: list[list[str]], order: int = 4) -> ngram_table.NgramTable:
    def block(text: Any, refs: Any) -> Any:
        text = cut_none(text)
        found, places = ngram.word_rows(text, refs)
        return found, ngram_table.word_list(text, places)

    return ngram_table.count_ngrams(Captions(texts, None, "none").map(block), order)


def arrays(found: ngram_table.NgramTable) -> dict[str, list[Any]]:
    return {name: array.tolist() for name, array in found.to_arrays().items()}


@given(documents)
def test_tables_count_documents(texts: list[list[str]]) -> None:
    found = table(texts)
    assert dict(found.items()) == reference_ngram.document_frequencies(texts, 4)
    assert len(found) == len(dict(found.items()))
    again = ngram_table.NgramTable.from_arrays(found.to_arrays())
    assert arrays(again) == arrays(found)


@given(documents, st.data())
def test_tables_add(texts: list[list[str]], data: Any) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    whole = table(texts)
    assert arrays(table(texts[:cut]) + table(texts[cut:])) == arrays(whole)
    assert arrays(table(texts[cut:]) + table(texts[:cut])) == arrays(whole)
    # Words that no n-gram has any more would make equal tables differ.
    assert {b" ".join(w.encode("utf-8", "surrogatepass").split()) for w, _ in whole.items()} >= {
        *whole.words
    }


@settings(max_examples=30)
@given(documents.filter(bool), documents.filter(bool))
def test_frequencies_of_other_texts(texts: list[list[str]], others: list[list[str]]) -> None:
    known = reference_ngram.document_frequencies(texts, 4)
    text = cut_none(tokens.pack([line for own in others for line in own]))
    data, places = ngram.word_rows(text, np.cumsum([0, *map(len, others)]))
    words = ngram_table.word_list(text, places)
    grams = ngram.item_ngrams(data, 4)
    found = table(texts).frequencies(grams, words)
    names: list[str] = []
    for above, symbol in zip(grams.above.tolist(), grams.symbols.tolist(), strict=True):
        word = words[symbol].decode("utf-8", "surrogatepass")
        names.append(f"{names[above]} {word}" if above >= 0 else word)
    assert found.tolist() == [known.get(name, 1) for name in names]


def test_large_tables_equal_the_twin(monkeypatch) -> None:
    rng = random.Random(7)
    texts = [
        [" ".join(f"w{int(rng.paretovariate(0.7))}" for _ in range(12)) for _ in range(3)]
        for _ in range(600)
    ]
    wanted = reference_ngram.document_frequencies(texts, 4)
    for threads in ("1", "3"):  # several blocks
        monkeypatch.setenv("ASSAY_THREADS", threads)
        assert dict(table(texts).items()) == wanted


# -- references in any number ----------------------------------------------------------------------


@given(captions())
def test_blocks_hold_items_in_order(items: list[tuple[list[str], str]]) -> None:
    refs, hyps = [own for own, _ in items], [hyp for _, hyp in items]
    found = Captions(refs, hyps, "none").map(lambda text, ends: (tokens.strings(text), ends))
    lines = [line for own, _ in found for line in own]
    assert lines == [line for own, hyp in items for line in (hyp, *own)]


def test_the_twins_give_the_same_scores(monkeypatch) -> None:
    from assay import bleu, chrf, cider, rouge_l

    items = [["a b c d e", "a b x"], ["c d", "d c b a"]], ["a b c d", "d c b"]
    found = [metric(*items) for metric in (bleu, chrf, cider, rouge_l)]
    monkeypatch.setenv("ASSAY_BACKEND", "reference")
    slow = [metric(*items) for metric in (bleu, chrf, cider, rouge_l)]
    np.testing.assert_allclose(found, slow, rtol=1e-12)
    monkeypatch.setenv("ASSAY_BACKEND", "triton")
    with pytest.raises(InputError, match="ASSAY_BACKEND must be one of numba, reference"):
        bleu(*items)
