"""From what people hold to packed rows and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import Ragged
from assay.ops import _token_kernels as kernels
from assay.ops import tokens
from assay.ops.reference import split_words
from oracle import characters, words
from strategies import SPACES, any_text, sentences, token_rows
from strategies import tokens as word_strategy

TEXTS = st.lists(st.one_of(any_text(), sentences(word_strategy())), max_size=6)


@given(TEXTS)
def test_packed_text_comes_back(texts: list[str]) -> None:
    packed = tokens.pack(texts)
    assert tokens.strings(packed) == texts
    assert packed.lengths.tolist() == [len(t.encode("utf-8", "surrogatepass")) for t in texts]
    assert packed.values.size >= 8  # kernels read eight bytes at a time
    assert not packed.values.flags.writeable


@given(TEXTS, st.data())
def test_rows_of_a_packed_column(texts: list[str], data) -> None:
    start = data.draw(st.integers(0, len(texts)))
    stop = data.draw(st.integers(start, len(texts)))
    for column in (texts, tokens.pack(texts)):
        part = tokens.rows(column, start, stop, "texts")
        assert tokens.strings(part) == texts[start:stop]
        assert tokens.words(part) == words(texts)[start:stop]
        assert tokens.characters(part) == characters(texts)[start:stop]
        assert part.values.size >= 8


@given(TEXTS)
def test_words_and_characters_equal_jiwers(texts: list[str]) -> None:
    packed = tokens.pack(texts)
    before = packed.values.copy()
    assert tokens.words(packed) == words(texts) == [split_words(text) for text in texts]
    assert tokens.characters(packed) == characters(texts)
    np.testing.assert_array_equal(packed.values, before)


ASCII = st.text(st.characters(max_codepoint=127), max_size=90)


@given(st.lists(st.tuples(st.one_of(ASCII, any_text()), ASCII), max_size=6))
def test_characters_of_lists_are_those_of_their_strings(pairs) -> None:
    sides = [list(side) for side in zip(*pairs, strict=True)] or [[], []]
    listed = tokens.listed_char_pairs(*sides, 0)
    for texts, symbols, starts, ends in (
        (sides[0], listed.ref, listed.ref_starts, listed.ref_ends),
        (sides[1], listed.hyp, listed.hyp_starts, listed.hyp_ends),
    ):
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        found = [list(map(chr, symbols[a:b].tolist())) for a, b in bounds]
        assert found == characters(texts)


def test_white_space_is_what_python_says() -> None:
    assert len(SPACES) == 29
    points = np.arange(0x110000, dtype=np.int32)
    starts, ends = kernels.strip_rows(points, np.arange(0x110001))
    assert [chr(point) for point in np.flatnonzero(starts == ends)] == SPACES
    texts = [f"a{chr(point)}" for point in range(0x3100)]
    assert tokens.words(tokens.pack(texts)) == words(texts)


def test_every_code_point_survives() -> None:
    rows = ["".join(map(chr, range(start, start + 4096))) for start in range(0, 0x110000, 4096)]
    packed = tokens.pack(rows)
    assert tokens.strings(packed) == rows
    points, offsets = kernels.decode(packed.values, packed.offsets)
    np.testing.assert_array_equal(points, np.arange(0x110000))
    np.testing.assert_array_equal(offsets, np.arange(0, 0x110001, 4096))


def test_bytes_that_are_no_utf8_do_no_harm() -> None:
    # An Arrow column may hold them: no crash, no read behind the row, and equal stays equal.
    rng = np.random.default_rng(1)
    for size in (1, 3, 9, 200):
        values = rng.integers(0, 256, size + 8).astype(np.uint8)
        values.flags.writeable = False
        text = Ragged(values, np.array([0, size // 2, size]))
        for pairs in (tokens.word_pairs(text, text), tokens.char_pairs(text, text)):
            for r in (0, 1):
                ref = pairs.ref[pairs.ref_starts[r] : pairs.ref_ends[r]]
                hyp = pairs.hyp[pairs.hyp_starts[r] : pairs.hyp_ends[r]]
                assert ref.tolist() == hyp.tolist()


@given(st.lists(st.tuples(token_rows(), token_rows()), max_size=5))
def test_token_rows_as_numbers(rows) -> None:
    refs, hyps = [ref for ref, _ in rows], [hyp for _, hyp in rows]
    pairs = tokens.token_pairs(refs, hyps)
    for r, (ref, hyp) in enumerate(rows):
        a = pairs.ref[pairs.ref_starts[r] : pairs.ref_ends[r]].tolist()
        b = pairs.hyp[pairs.hyp_starts[r] : pairs.hyp_ends[r]].tolist()
        before, after = pairs.same[r] if len(pairs.same) else (0, 0)
        assert len(a) + before + after == len(ref)
        assert len(b) + before + after == len(hyp)
        assert ref[:before] == hyp[:before]
        assert ref[len(ref) - after :] == hyp[len(hyp) - after :]
        inner_ref, inner_hyp = ref[before : len(ref) - after], hyp[before : len(hyp) - after]
        assert [[x == y for y in b] for x in a] == [[x == y for y in inner_hyp] for x in inner_ref]
        assert max([*a, *b], default=0) < pairs.size


@given(st.lists(st.tuples(any_text(), any_text()), max_size=5))
def test_symbols_stay_within_their_size(rows) -> None:
    ref, hyp = (tokens.pack([row[side] for row in rows]) for side in (0, 1))
    for pairs in (tokens.word_pairs(ref, hyp), tokens.char_pairs(ref, hyp)):
        for side, starts, ends in (
            (pairs.ref, pairs.ref_starts, pairs.ref_ends),
            (pairs.hyp, pairs.hyp_starts, pairs.hyp_ends),
        ):
            used = [x for a, b in zip(starts, ends, strict=True) for x in side[a:b].tolist()]
            assert max(used, default=0) < pairs.size
            assert min(used, default=0) >= 0


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ([], "empty"),
        ((), "empty"),
        (["a"], "text"),
        ([None, ["a"]], "text"),
        pytest.param(iter(["a"]), "text", id="iterator"),
        (np.array(["a"]), "text"),
        (np.array([1.5]), "text"),
        ([["a"]], "tokens"),
        ([[], ["a"]], "tokens"),
        ([(), ()], "rows"),
        ([[1]], "ids"),
        ([[], np.array([1])], "ids"),
        (np.zeros((1, 1), np.uint8), "ids"),
        (Ragged(np.zeros(0, int), np.zeros(1, int)), "ids"),
    ],
    ids=str,
)
def test_kinds_of_data(data, kind: str) -> None:
    assert tokens.kind_of(data) == kind
