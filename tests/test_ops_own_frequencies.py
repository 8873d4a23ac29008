"""Document frequencies of the items at hand equal those of a table that is looked up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import cider, count_cider, count_document_frequency
from assay.core.threads import parallel
from assay.ops.cutting import cut_none
from assay.ops.ngram import item_ngrams, word_rows
from assay.ops.ngram_table import word_list
from assay.ops.own_frequencies import own_frequencies
from assay.ops.references import Captions
from strategies import captions


def numbered(text, refs):
    text = cut_none(text)
    rows, places = word_rows(text, refs)
    return rows, item_ngrams(rows, 4), word_list(text, places)


def blocks_of(refs, hyps, size):
    """Blocks of `size` items."""
    return [
        numbered(*Captions(refs[k : k + size], hyps[k : k + size], "none").whole())
        for k in range(0, len(hyps), size)
    ]


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@given(items=captions(max_items=8).filter(len), size=st.integers(1, 8))
def test_they_are_those_of_the_table(threads: str, items, size: int) -> None:
    refs, hyps = map(list, zip(*items, strict=True))
    table = count_document_frequency(refs).table
    blocks = blocks_of(refs, hyps, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_THREADS", threads)
        found = own_frequencies(blocks)
    for (_, ngrams, words), own in zip(blocks, found, strict=True):
        assert own.tolist() == table.frequencies(ngrams, words).tolist()


@given(captions(max_items=8).filter(len))
def test_cider_without_frequencies_counts_its_own(items) -> None:
    refs, hyps = map(list, zip(*items, strict=True))
    whole = count_cider(refs, hyps, df=count_document_frequency(refs))
    assert cider(refs, hyps) == whole["cider"]
    assert cider(refs, hyps, normalise=str.upper) == pytest.approx(
        cider([[r.upper() for r in ([own] if isinstance(own, str) else own)] for own in refs],
              [hyp.upper() for hyp in hyps])
    )  # fmt: skip


def test_words_of_a_hypothesis_alone_are_counted_in_no_item() -> None:
    refs, hyps = [["a b"], ["a c"], ["c"]], ["x y a", "x y", "y c"]
    rows, ngrams, words = numbered(*Captions(refs, hyps, "none").whole())
    (found,) = own_frequencies([(rows, ngrams, words)])
    singles = ngrams.lengths == 1
    by_word = {
        (words[symbol], count)
        for symbol, count in zip(ngrams.symbols[singles], found[singles].tolist(), strict=True)
    }
    assert by_word == {(b"x", 1), (b"y", 1), (b"a", 2), (b"b", 1), (b"c", 2)}
    assert found.dtype == np.int64


def test_a_thread_of_the_pool_counts_too() -> None:
    refs, hyps = [["a b", "b"], ["a"]] * 30, ["a b c", "b"] * 30
    alone = cider(refs, hyps)
    assert list(parallel(lambda _: cider(refs, hyps), range(3))) == [alone] * 3
