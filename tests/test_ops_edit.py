"""Distances, counts and alignments of packed pairs equal compiled rapidfuzz on every input."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.ragged import Ragged
from assay.metrics.alignment import KINDS
from assay.ops import edit
from assay.ops._edit_kernels import PENDING
from assay.ops.tokens import Pairs, char_pairs, id_pairs, pack, token_pairs, word_pairs
from oracle import Opcode, counts, opcodes
from strategies import (
    ALPHABETS,
    IntPair,
    doubled,
    edited,
    related,
    seeded_pairs,
    sequence_pairs,
    symbols,
)


def as_ids(corpus: list[IntPair]) -> Pairs:
    def packed(rows: list[list[int]]) -> Ragged:
        flat = np.array([x for row in rows for x in row], np.int64)
        return Ragged.from_lengths(flat, [len(row) for row in rows])

    return id_pairs(packed([a for a, _ in corpus]), packed([b for _, b in corpus]))


def as_words(corpus: list[IntPair]) -> Pairs:
    def text(row: list[int]) -> str:
        return " ".join("wxyz"[x % 4] * (1 + x // 4) for x in row)

    return word_pairs(*(pack([text(pair[side]) for pair in corpus]) for side in (0, 1)))


def as_characters(corpus: list[IntPair], base: int) -> Pairs:
    return char_pairs(
        *(pack(["".join(chr(base + x) for x in pair[side]) for pair in corpus]) for side in (0, 1))
    )


def as_tokens(corpus: list[IntPair]) -> Pairs:
    return token_pairs(*([[f"t{x}" for x in pair[side]] for pair in corpus] for side in (0, 1)))


PACKINGS = {
    "ids": as_ids,
    "words": as_words,
    "tokens": as_tokens,
    "ascii": lambda corpus: as_characters(corpus, ord("A")),
    "code-points": lambda corpus: as_characters(corpus, 0x4E00),
}
packings = pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)


def chunks(edits: edit.Edits, row: int) -> list[Opcode]:
    chosen = slice(int(edits.offsets[row]), int(edits.offsets[row + 1]))
    kinds = [KINDS[kind] for kind in edits.kinds[chosen].tolist()]
    return [(k, *span) for k, span in zip(kinds, edits.spans[chosen].tolist(), strict=True)]


def middle(alphabet: int, ref: list[int], hyp: list[int]) -> IntPair:
    """The pair with ends of the hypothesis that the reference lacks: nothing is taken off."""
    hyp = list(hyp)
    hyp[0] = hyp[-1] = alphabet
    return ref, hyp


def check(pairs: Pairs, corpus: list[IntPair]) -> None:
    """All three depths against rapidfuzz."""
    truth = [opcodes(*pair) for pair in corpus]
    full, some, least = (
        edit.compare(pairs, depth) for depth in (edit.CHUNKS, edit.COUNTS, edit.DISTANCE)
    )
    for row, (pair, ops) in enumerate(zip(corpus, truth, strict=True)):
        assert chunks(full, row) == ops
        assert tuple(full.counts[row]) == tuple(some.counts[row]) == counts(ops)
        assert least.distance[row] == counts(ops).errors
        for edits in (full, some, least):
            assert tuple(edits.lengths[row]) == (len(pair[0]), len(pair[1]))


@packings
@settings(max_examples=30)
@given(st.lists(sequence_pairs(), max_size=5))
def test_small_pairs(packing, corpus: list[IntPair]) -> None:
    check(packing(corpus), corpus)


@packings
@settings(max_examples=12)
@given(seeded_pairs())
def test_pairs_up_to_400(packing, corpus: list[IntPair]) -> None:
    check(packing(corpus), corpus)


@packings
def test_every_size_around_one_and_two_words(packing) -> None:
    rng = random.Random(1)
    corpus = [
        (symbols(rng, alphabet, n), symbols(rng, alphabet, m))
        for alphabet in (2, 3)
        for n in (0, 1, 2, 62, 63, 64, 65, 66, 127, 128, 129)
        for m in (0, 1, 9, 10, 64, 65, 130)
    ]
    check(packing(corpus), corpus)


@packings
def test_every_number_of_rows_up_to_two_words(packing) -> None:
    rng = random.Random(21)
    corpus = []
    for n in range(1, 131):
        for alphabet, m in ((2, n), (3, 9), (4, n + 20), (20, 40)):
            # ends that differ, so that exactly n rows remain
            corpus.append(middle(alphabet, symbols(rng, alphabet, n), symbols(rng, alphabet, m)))
    check(packing(corpus), corpus)


@packings
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_shared_ends_are_taken_off_prefix_first(packing, alphabet: int) -> None:
    rng = random.Random(2)
    corpus = []
    for _ in range(60):
        head, tail = (symbols(rng, alphabet, rng.randrange(70)) for _ in range(2))
        middle = [symbols(rng, alphabet, rng.randrange(4)) for _ in range(2)]
        corpus.append((head + middle[0] + tail, head + middle[1] + tail))
    check(packing(corpus), corpus)


@packings
@pytest.mark.parametrize("alphabet", ALPHABETS[1:])
def test_distances_around_the_band(packing, alphabet: int) -> None:
    # From 65 rows on, distances up to 62 are found in a band of 64 diagonals, which lies around
    # half the difference of the lengths.
    rng = random.Random(alphabet)
    corpus = []
    for errors in (1, 15, 31, *range(58, 67)):
        for size in (65, 66, 96, 127, 128, 200, 400):
            ref = symbols(rng, alphabet, size)
            hyp = list(ref)
            for _ in range(errors):  # of one kind, or of all
                at, kind = rng.randrange(len(hyp)), (errors + size) % 4 or rng.randrange(1, 4)
                hyp[at : at + (kind != 1)] = [rng.randrange(alphabet)] * (kind != 2)
            corpus += [(ref, hyp), (hyp, ref)]
            noise = symbols(rng, alphabet, errors)
            corpus += [(ref, noise + ref), (ref, ref[errors:]), (ref, ref[errors:] + noise)]
            corpus += [(noise + ref, ref + noise[::-1]), (ref, ref[: size // 2] + noise + ref[40:])]
    check(packing(corpus), corpus)


@pytest.mark.parametrize("rare", [1, 2, 5])
def test_paths_at_the_edge_of_the_band(rare: int) -> None:
    # Rows that are nearly all one symbol, shifted: paths a little outside the band cost little
    # more or less than those inside it.
    rng = random.Random(rare)
    corpus = []
    for _ in range(1500):
        ref = [
            rng.randrange(1, 4) if rng.random() < rare / 100 else 0
            for _ in range(rng.randrange(65, 200))
        ]
        shift = rng.randrange(20, 68)
        back = max(0, 62 - shift + rng.randrange(-6, 7))
        hyp = rng.choices([0, 4], [1, rng.randrange(2, 9)], k=shift) + ref[: len(ref) - back]
        corpus += [(ref, hyp), (hyp, ref), (ref[::-1], hyp[::-1])]
    check(as_ids(corpus), corpus)


@given(st.lists(sequence_pairs(), max_size=5))
def test_chunks_tile_both_sequences(corpus: list[IntPair]) -> None:
    edits = edit.compare(as_ids(corpus), edit.CHUNKS)
    assert edits.offsets[0] == 0
    assert edits.offsets[-1] == len(edits.kinds) == len(edits.spans)
    for row, (ref, hyp) in enumerate(corpus):
        at = [0, 0]
        last = None
        for kind, a, b, c, d in chunks(edits, row):
            assert [a, c] == at
            at = [b, d]
            assert {"equal": b - a == d - c > 0, "substitute": b - a == d - c > 0,
                    "delete": b > a and c == d, "insert": a == b and d > c}[kind]  # fmt: skip
            assert kind != last
            assert kind != "equal" or ref[a:b] == hyp[c:d]
            last = kind
        assert at == [len(ref), len(hyp)]


@given(sequence_pairs(), sequence_pairs())
def test_distance_is_a_metric(first: IntPair, second: IntPair) -> None:
    a, b, c = first[0], first[1], second[0]
    corpus = [(a, b), (b, a), (b, c), (a, c), (a, a)]
    ab, ba, bc, ac, aa = edit.compare(as_ids(corpus), edit.DISTANCE).distance
    assert ab == ba
    assert ac <= ab + bc
    assert aa == 0
    assert (ab == 0) == (a == b)


def test_blocks_are_put_together_in_order() -> None:
    rng = random.Random(3)
    corpus = [related(rng, 3, rng.randrange(40), 0.3) for _ in range(60)]
    corpus[7] = corpus[31] = related(rng, 3, 4500, 0.1)  # long pairs among short ones
    parts = [corpus[:1], corpus[1:8], corpus[8:9], corpus[9:50], corpus[50:]]
    for depth in (edit.DISTANCE, edit.COUNTS, edit.CHUNKS):
        whole = edit.compare(as_ids(corpus), depth)
        put = edit.compare_blocks([lambda part=part: as_ids(part) for part in parts], depth)
        for name in edit.Edits._fields:
            if (depth, name) != (edit.DISTANCE, "insertions"):
                np.testing.assert_array_equal(getattr(put, name), getattr(whole, name))


def test_no_pairs() -> None:
    for depth in (edit.DISTANCE, edit.COUNTS, edit.CHUNKS):
        edits = edit.compare_blocks([], depth)
        assert edits.counts.shape == (0, 4)
        assert edits.offsets.tolist() == [0]


# -- large pairs -----------------------------------------------------------------------------------

LARGE = [
    # notes/text.md §9
    *((2050, 2050), (70, 61_000), (66, 70_000), (5000, 900)),
    # around the limits of the short kernel and of the split: 64 rows, 4096 rows, 2^22 cells
    *((64, 70_000), (65, 64_527), (65, 64_528), (4096, 1023), (4096, 1024), (4097, 1023)),
    *((2047, 2049), (2048, 2048), (2049, 2047), (4097, 9), (9000, 9), (9000, 10), (4097, 1)),
]


@pytest.mark.parametrize(("n", "m"), LARGE, ids=str)
@pytest.mark.parametrize("alphabet", ALPHABETS[1:])
def test_large_pairs(n: int, m: int, alphabet: int) -> None:
    rng = random.Random(n * m + alphabet)
    ref = symbols(rng, alphabet, n)
    unrelated = symbols(rng, alphabet, m)
    copy = (edited(rng, ref, alphabet, 0.2) + unrelated)[:m]
    corpus = [middle(alphabet, ref, unrelated), middle(alphabet, ref, copy), (ref, copy)]
    check(as_ids(corpus), corpus)


@pytest.mark.parametrize("packing", ["words", "ascii", "code-points"])
def test_large_pairs_of_text(packing: str) -> None:
    rng = random.Random(11)
    corpus = [related(rng, 20, 5000, 0.1), related(rng, 3, 2300, 0.3), ([1, 2], [2])]
    check(PACKINGS[packing](corpus), corpus)


@pytest.mark.parametrize(("n", "m"), [(466_000, 9), (466_100, 9), (419_430, 10), (419_431, 10)])
def test_nine_columns_are_never_split_ten_are(n: int, m: int) -> None:
    rng = random.Random(m)
    corpus = [middle(2, symbols(rng, 2, n), symbols(rng, 2, m))]
    check(as_ids(corpus), corpus)


@pytest.mark.parametrize("alphabet", [2, 3, 5])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.2])
def test_halves_with_few_errors_are_not_split_again(alphabet: int, rate: float) -> None:
    rng = random.Random(int(alphabet * rate * 100))
    corpus = [related(rng, alphabet, size, rate) for size in (4200, 6000, 9000)]
    check(as_ids(corpus), corpus)


@pytest.mark.parametrize("alphabet", [2, 5, 50])
@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_several_splits(alphabet: int, rate: float) -> None:
    rng = random.Random(alphabet)
    corpus = [
        doubled(rng, alphabet, 11, rate),
        (symbols(rng, alphabet, 9000), symbols(rng, alphabet, 7000)),
        (symbols(rng, alphabet, 3000), symbols(rng, alphabet, 12_000)),
    ]
    check(as_ids(corpus), corpus)


@pytest.mark.parametrize("alphabet", [2, 3, 50])
def test_a_split_with_shared_ends(alphabet: int) -> None:
    rng = random.Random(alphabet)
    corpus = []
    for size in (1, 63, 64, 65, 700):
        head, tail = symbols(rng, alphabet, size), symbols(rng, alphabet, size)
        ref, hyp = symbols(rng, alphabet, 2100), symbols(rng, alphabet, 2100)
        corpus.append((head + ref + tail, head + hyp + tail))
        corpus.append((head + ref + tail, head + ref[:1000] + hyp[:40] + ref[1100:] + tail))
    check(as_ids(corpus), corpus)


def test_a_bound_that_has_to_be_widened() -> None:
    # Shifted by more than the first band is wide, and unrelated: every way through the search.
    rng = random.Random(13)
    row = symbols(rng, 50, 6000)
    noise = symbols(rng, 50, 6000)
    corpus = [
        (row, noise[:900] + row[:-900]),
        (row, row[2500:] + noise[:2500]),
        (row[:5000], noise[:5000]),
        (row, row[:3000]),
        (row[:4200], noise),
    ]
    check(as_ids(corpus), corpus)


def test_the_short_kernel_leaves_exactly_the_long_pairs() -> None:
    # Guards the tests above: they must meet both kernels.
    def pending(n: int, m: int) -> bool:
        pairs = as_ids([middle(1, [0] * n, [0] * m)])
        out = np.empty((1, 4), np.int64)
        nothing = (np.empty(0, np.uint8), np.empty((0, 4), np.int32), np.zeros(0, np.int64))
        slots = np.zeros(pairs.size, np.int32)
        edit.kernels.symbol_pairs(*pairs[:7], slots, edit.DISTANCE, out, *nothing)
        return out[0, 2] == PENDING

    assert not pending(64, 100_000)
    assert not pending(4096, 1023)
    assert not pending(2047, 2049)
    assert pending(4097, 5)
    assert pending(2048, 2048)
    assert pending(65, 64_528)
