"""Word and character rates against jiwer on compiled rapidfuzz, and by hand."""

import math
import random
from itertools import pairwise
from typing import Any

import jiwer
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay import EditCounts, align, cer, count_chars, count_words, mer, wer, wil, wip
from assay.metrics import _pairs
from assay.ops import _word_kernels
from assay.ops._intrinsics import pointer
from oracle import four, opcodes, totals, units
from strategies import SPACES, WORDS, near_words, sentences, text_pairs, token_rows, tokens

COUNT = {"word": count_words, "char": count_chars}
both_units = pytest.mark.parametrize("unit", COUNT)

Corpus = list[tuple[str, str]]


def sides(corpus: Corpus) -> tuple[list[str], list[str]]:
    return [ref for ref, _ in corpus], [hyp for _, hyp in corpus]


def cut(corpus: Corpus, unit: str) -> list[tuple[list[str], list[str]]]:
    refs, hyps = sides(corpus)
    return list(zip(units(refs, unit), units(hyps, unit), strict=True)) if corpus else []


def exact(value: float) -> str:
    """A value with its type and all its digits."""
    return repr(value)


# -- counts and alignments equal the oracle ------------------------------------------------------


@both_units
@settings(max_examples=150)
@given(text_pairs())
def test_counts_equal_jiwer(unit: str, corpus: Corpus) -> None:
    state = COUNT[unit](*sides(corpus))
    pairs = cut(corpus, unit)
    assert four(state) == totals(pairs)
    assert state.pairs == len(corpus)
    assert state.wrong_pairs == sum(ref != hyp for ref, hyp in pairs)
    assert state.empty_references == sum(not ref for ref, _ in pairs)


@both_units
@settings(max_examples=150)
@given(text_pairs())
def test_alignments_equal_jiwer(unit: str, corpus: Corpus) -> None:
    found = align(*sides(corpus), unit=unit)
    assert len(found) == len(corpus)
    for row, (ref, hyp) in enumerate(cut(corpus, unit)):
        chunks = found[row]
        assert [
            (c.kind, c.ref_start, c.ref_end, c.hyp_start, c.hyp_end) for c in chunks
        ] == opcodes(ref, hyp)
        assert [t for c in chunks for t in c.reference] == ref
        assert [t for c in chunks for t in c.hypothesis] == hyp
        assert found.tokens(row) == (ref, hyp)


@settings(max_examples=100)
@given(text_pairs().filter(bool))
def test_rates_equal_jiwer_to_the_last_digit(corpus: Corpus) -> None:
    refs, hyps = sides(corpus)
    state, letters = count_words(refs, hyps), count_chars(refs, hyps)
    truth = jiwer.process_words(refs, hyps)
    for name in ("wer", "mer", "wip", "wil"):
        expected = exact(getattr(truth, name))
        assert exact(getattr(state, name)) == expected
        assert exact(state[name]) == expected
        assert exact(getattr(assay, name)(refs, hyps)) == expected
    expected = exact(jiwer.cer(refs, hyps))
    assert exact(letters.cer) == exact(letters["cer"]) == exact(cer(refs, hyps)) == expected


@both_units
@given(text_pairs())
def test_a_rate_alone_equals_the_rate_of_counts(unit: str, corpus: Corpus) -> None:
    rate = wer if unit == "word" else cer
    for empty in ("jiwer", "nan", "inf", "skip"):
        whole = COUNT[unit](*sides(corpus), empty=empty).error_rate
        assert exact(rate(*sides(corpus), empty=empty)) == exact(whole)


@settings(max_examples=100)
@given(st.lists(st.tuples(token_rows(), token_rows()), max_size=5))
def test_tokens_are_taken_as_they_are(corpus) -> None:
    refs, hyps = [ref for ref, _ in corpus], [hyp for _, hyp in corpus]
    state = count_words(refs, hyps, confusions=True)
    assert four(state) == totals(corpus)
    found = align(refs, hyps)
    for row, (ref, hyp) in enumerate(corpus):
        assert [(c.kind, c.ref_start, c.ref_end, c.hyp_start, c.hyp_end) for c in found[row]] == (
            opcodes(ref, hyp)
        )


@given(st.lists(st.tuples(token_rows(), token_rows()), max_size=5))
def test_totals_are_consistent(corpus) -> None:
    state = count_words([ref for ref, _ in corpus], [hyp for _, hyp in corpus])
    n, m = (sum(len(pair[side]) for pair in corpus) for side in (0, 1))
    assert state.reference_units == n == state.hits + state.substitutions + state.deletions
    assert state.hypothesis_units == m == state.hits + state.substitutions + state.insertions
    assert state.errors == state.substitutions + state.deletions + state.insertions


# -- text that is easy to get wrong --------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES, ids=lambda c: f"U+{ord(c):04X}")
def test_every_white_space_character(space: str) -> None:
    texts = [
        f"a{space}b",
        f"a{space}{space}b",
        f"a {space}b",
        f"a{space} b",
        f"{space}a b{space}",
        f"{space}{space}",
        f"{space} ",
        space,
        f"a {space} b",
        f"a{space}\u3000b",
        f"{space}x{space}y {space}z",
        f"é{space}{space}é",
    ]
    corpus = [(a, b) for a in texts for b in texts]
    for unit, count in COUNT.items():
        assert four(count(*sides(corpus))) == totals(cut(corpus, unit))
    assert [align([t], [t]).tokens(0)[0] for t in texts] == units(texts, "word")


@pytest.mark.parametrize(
    ("ref", "hyp"),
    [
        ("a x x", "a  x x x"),
        ("a  x x x", "a x x"),
        ("x  x", " x x   x"),
        ("x x  ", "x x x"),
        ("b  x x y", "b x x x y"),
        ("  a", "a a"),
        ("\t\ta a", "a  a a"),
        ("a\u3000\u3000a", "a a a"),
    ],
)
def test_gaps_of_other_lengths_move_no_tie(ref: str, hyp: str) -> None:
    # Once: words behind a wider gap were matched from the end before those at the beginning.
    (a,), (b,) = units([ref], "word"), units([hyp], "word")
    chunks = align([ref], [hyp])[0]
    assert [(c.kind, c.ref_start, c.ref_end, c.hyp_start, c.hyp_end) for c in chunks] == opcodes(
        a, b
    )


def test_blocks_follow_the_length_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_THREADS", "2")
    long = "word " * 40_000

    def blocks(texts: list[Any]) -> int:
        return len(list(_pairs.open_pairs(texts, texts, "word", "none", None, None).blocks()))

    assert blocks([]) == 0
    assert blocks(["a b c"] * 16) == 1  # a training step's worth stays in one thread
    assert blocks([long] * 4) == 4  # documents are spread over all
    assert blocks(["a b c"] * 100_000) == 6


def test_near_words_are_told_apart() -> None:
    words = sorted({*near_words(), *WORDS, *("x" + word for word in WORDS)})
    corpus = [(a, b) for a in words for b in words]
    state = count_words(*sides(corpus))
    assert state.hits == len(words)
    assert state.substitutions == len(words) * (len(words) - 1)
    # In the middle of a sentence too, where words are numbered by their keys.
    text = " ".join(words)
    assert count_words([f"x {text} y"], [f"y {text} x"]).hits == len(words)
    shuffled = random.Random(1).sample(words, len(words))
    corpus = [(text, " ".join(shuffled)), (" ".join(shuffled), text)]
    assert four(count_words(*sides(corpus))) == totals(cut(corpus, "word"))


def test_words_of_one_key_are_told_apart() -> None:
    # Long words whose hashes in the table are equal: only their sizes and characters differ.
    corpus = []
    for ref, hyp in colliding_words():
        assert hash_of(ref) == hash_of(hyp)
        corpus += [(f"{ref} x {hyp} y {ref}", f"{hyp} {ref} {ref} x {hyp}"), (ref, hyp)]
        corpus += [(f"x {ref} y", f"y {hyp} x"), (f"{ref} {hyp} z", f"{hyp} q {ref} {hyp}")]
    corpus += [(hyp, ref) for ref, hyp in corpus]
    assert four(count_words(*sides(corpus))) == totals(cut(corpus, "word"))


PRINTABLE = range(0x21, 0x7F)


def colliding_words() -> list[tuple[str, str]]:
    """Pairs of printable words of one hash, which is of what follows the first eight bytes: they
    differ in two of the eight-byte lanes there, wherever these are, or in the first, which only
    chooses the slot, or one goes on where the other ends."""
    rng = random.Random(4)
    found = []
    for size in (2, 3, 4):
        for i in range(size):
            for j in range(i + 1, size):
                found += [collide(rng, size, i, j) for _ in range(3)]
    while len(found) < 40:
        word = bytes(rng.choices(PRINTABLE, k=16))
        more = (fold(word) ^ mix(fold(word))).to_bytes(8, "little")
        if all(c in PRINTABLE for c in more):
            found.append((word, word + more))
    heads = [bytes(rng.choices(PRINTABLE, k=8)) for _ in range(40)]
    tail = bytes(rng.choices(PRINTABLE, k=16))
    pairs = [(heads[0] + ref, heads[0] + hyp) for ref, hyp in found]
    pairs += [(one + tail, other + tail) for one, other in pairwise(heads)]
    return [(ref.decode(), hyp.decode()) for ref, hyp in pairs]


def collide(rng: random.Random, size: int, i: int, j: int) -> tuple[bytes, bytes]:
    while True:
        ref = bytes(rng.choices(PRINTABLE, k=8 * size))
        hyp = ref[: 8 * i] + bytes(rng.choices(PRINTABLE, k=8)) + ref[8 * i + 8 :]
        change = (mix(fold(ref[: 8 * j])) ^ mix(fold(hyp[: 8 * j]))).to_bytes(8, "little")
        choices = [[c for c in PRINTABLE if c ^ flip in PRINTABLE] for flip in change]
        if all(choices):
            lane = bytes(map(rng.choice, choices))
            other = bytes(c ^ flip for c, flip in zip(lane, change, strict=True))
            return tuple(
                word[: 8 * j] + chosen + word[8 * j + 8 :]
                for word, chosen in ((ref, lane), (hyp, other))
            )


def fold(lanes: bytes) -> int:
    key = 0
    for at in range(0, len(lanes), 8):
        key = mix(key) ^ int.from_bytes(lanes[at : at + 8], "little")
    return key


def mix(key: int) -> int:
    return (key ^ (key >> 29)) * 0x9E3779B97F4A7C15 % 2**64


@numba.njit
def key_of_bytes(text):  # the kernel's part has no Python entry of its own
    return _word_kernels.word_key(pointer(text, 0), len(text), 0, len(text))


def hash_of(word: str) -> int:
    """The hash that the kernel gives a word."""
    return int(key_of_bytes(np.frombuffer(word.encode(), np.uint8))[1])


def test_a_long_text_of_distinct_words() -> None:
    words = [f"{k:x}" for k in range(40_000)] + [f"{k:020d}" for k in range(40_000)]
    ref = random.Random(2).sample(words, len(words))
    hyp = [word if k % 8 else word + "'" for k, word in enumerate(ref)]
    assert four(count_words([" ".join(ref)], [" ".join(hyp)])) == (70_000, 10_000, 0, 0)


def test_strings_that_differ_in_white_space_only() -> None:
    corpus = [
        *(("a b", "a  b"), ("a b", " a b"), ("a b", "a\tb"), ("a\tb", "a\nb")),
        *(("ab", "a b"), (" a b ", "a b"), ("", " ")),
    ]
    assert four(count_words(*sides(corpus))) == totals(cut(corpus, "word"))
    assert four(count_chars(*sides(corpus))) == totals(cut(corpus, "char"))
    assert wer(*sides(corpus[:2])) == 0
    assert cer("a b", "a  b") == 1 / 3


@both_units
def test_long_texts_with_gaps_of_all_sorts(unit: str) -> None:
    rng = random.Random(3)

    def text(words: list[str]) -> str:
        gaps = [" ", "  ", "\t ", "\u3000\u3000", " \x85"]
        return "".join(word + rng.choice(gaps) for word in words)

    corpus = []
    for alphabet, size in ((2, 2300), (3, 4500), (40, 3000), (3, 60)):
        size = size if unit == "word" else size // 3
        words = [f"w{rng.randrange(alphabet)}" for _ in range(size)]
        other = [w if rng.random() < 0.8 else f"w{rng.randrange(alphabet)}" for w in words]
        corpus += [(text(words), text(other)), (text(words), text(other[7:] + other[:3]))]
    found = align(*sides(corpus), unit=unit)
    for row, (ref, hyp) in enumerate(cut(corpus, unit)):
        chunks = found[row]
        assert [
            (c.kind, c.ref_start, c.ref_end, c.hyp_start, c.hyp_end) for c in chunks
        ] == opcodes(ref, hyp)
    assert four(COUNT[unit](*sides(corpus))) == tuple(found.counts.sum(axis=0))


@settings(max_examples=40)
@given(st.lists(sentences(tokens(3), max_size=40), min_size=1, max_size=4), st.data())
def test_pairs_do_not_touch_each_other(texts: list[str], data) -> None:
    # A corpus gives what its pairs give one at a time, wherever they stand.
    corpus = data.draw(st.lists(st.tuples(*[st.sampled_from(texts)] * 2), max_size=8))
    rows = count_words(*sides(corpus), items=True).rows
    for row, (ref, hyp) in zip(rows.tolist(), corpus, strict=True):
        assert tuple(row[1:]) == four(count_words([ref], [hyp]))


# -- by hand ---------------------------------------------------------------------------------------

HAND = [
    # reference, hypothesis, (hits, substitutions, deletions, insertions)
    ("the cat sat", "the cat sat", (3, 0, 0, 0)),
    ("the cat sat", "the dog sat down", (2, 1, 0, 1)),
    ("a b c d", "b c d e", (3, 0, 1, 1)),
    ("a b", "b", (1, 0, 1, 0)),
    ("", "x y", (0, 0, 0, 2)),
    ("x y", "", (0, 0, 2, 0)),
    ("", "", (0, 0, 0, 0)),
    ("a a", "a a a", (2, 0, 0, 1)),
    ("A a", "a a", (1, 1, 0, 0)),
]


@pytest.mark.parametrize(("ref", "hyp", "expected"), HAND)
def test_by_hand(ref: str, hyp: str, expected: tuple[int, int, int, int]) -> None:
    assert four(count_words([ref], [hyp])) == expected


def test_rates_by_hand() -> None:
    state = count_words(["a b c d"], ["b c d e"])
    assert (state.wer, state.mer, state.wip, state.wil) == (0.5, 0.4, 0.5625, 0.4375)
    assert wer("a b", "a") == 0.5
    assert mer("a b", ["a"]) == 0.5
    assert wip(["a b"], "a") == wil(["a b"], "a") == 0.5
    assert cer("ab", "a") == 0.5
    assert state.sentence_error_rate == 1.0
    assert count_words(["a", "b", "c"], ["a", "b", "x"]).sentence_error_rate == 1 / 3


def test_a_corpus_value_is_no_mean_of_values() -> None:
    state = count_words(["a b c d", "e"], ["a b c d", "x"], items=True)
    assert state["wer"] == 0.2
    assert state["mean_wer"] == 0.5
    assert count_chars(["abcd", "e"], ["abcd", "x"], items=True)["mean_cer"] == 0.5


def test_totals_go_beyond_32_bits() -> None:
    for start in (2**24, 2**31, 2**52):
        options = {"unit": "word", "normaliser": "none", "empty": "jiwer", "detail": (), "by": ()}
        big = EditCounts(hits=start, substitutions=1, pairs=start, **options)
        total = big + count_words(["a b"], ["a c"])
        assert (total.hits, total.substitutions, total.pairs) == (start + 1, 2, start + 1)
        assert total.wer == 2 / (start + 3)
        again = assay.State.from_bytes(total.to_bytes())
        assert (again.hits, again.pairs) == (start + 1, start + 1)
    ids = np.zeros((1, 2**16), np.int64)
    assert sum([count_words(ids, ids)] * 3).hits == 3 * 2**16


@pytest.mark.parametrize("text", ["", " ", "a", "a b"])
def test_a_string_alone_stands_for_a_list_of_one(text: str) -> None:
    for one_line in (wer, cer, mer, wil, wip):
        assert exact(one_line(text, "a")) == exact(one_line([text], ["a"]))
    assert len(align(text, "a")) == 1


def test_no_pairs() -> None:
    for state in (count_words([], []), count_chars([], []), EditCounts.zero(unit="word")):
        assert math.isnan(state.error_rate)
        assert math.isnan(state.mer)
        assert math.isnan(state.wip)
        assert math.isnan(state.wil)
        assert math.isnan(state.sentence_error_rate)
    assert math.isnan(wer([], []))
    assert math.isnan(cer([], []))
    assert len(align([], [])) == 0
    assert count_words([], [], items=True, confusions=True, by={"v": []}).groups == {}
