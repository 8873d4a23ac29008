"""Hypotheses aligned to references: the kernels against their slow twins and sacrebleu's search."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.ragged import Ragged
from assay.ops import aligning, ngram, reference_aligning
from strategies import related, symbols
from test_ops_ngram import packed, rows

lib_ter = pytest.importorskip(
    "sacrebleu.metrics.lib_ter", reason="no oracle: pip install sacrebleu"
)


def searched(hypothesis: list[int], references: list[list[int]]) -> list[int]:
    """The edits that sacrebleu finds."""
    own = [str(token) for token in hypothesis]
    return [lib_ter.translation_edit_rate(own, [*map(str, ref)])[0] for ref in references]


def edits(hypothesis: list[int], references: list[list[int]]) -> list[int]:
    known = {token: number for number, token in enumerate(dict.fromkeys(hypothesis))}
    numbered = [[known.get(token, -1) for token in row] for row in (hypothesis, *references)]
    return aligning.shifted_edits(packed([tuple(numbered)], len(known))).tolist()


# -- edits with shifts -----------------------------------------------------------------------------


@given(rows(lowest=-1))
def test_edits_equal_the_twin(data: ngram.Sentences) -> None:
    found = aligning.shifted_edits(data).tolist()
    assert found == reference_aligning.shifted_edits(*data[:3]).tolist()


def row_of(size: int, longest: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, size - 1), max_size=longest)


@given(st.sampled_from([1, 2, 3, 8]), st.data())
def test_edits_equal_sacrebleu(size: int, data: Any) -> None:
    hypothesis = data.draw(row_of(size, 14))
    references = data.draw(st.lists(row_of(size, 14), min_size=1, max_size=3))
    assert edits(hypothesis, references) == searched(hypothesis, references)


def shuffled(rng: random.Random, row: list[int], times: int) -> list[int]:
    for _ in range(times):
        a, b, c = sorted(rng.randrange(len(row) + 1) for _ in range(3))
        row = row[:a] + row[b:c] + row[a:b] + row[c:]
    return row


@pytest.mark.parametrize("size", [2, 5, 50])
@pytest.mark.parametrize("longest", [23, 26, 30, 63, 65, 70, 110])
def test_edits_of_longer_rows_equal_sacrebleu(size: int, longest: int) -> None:
    """Around the widths at which the beam begins to matter, and a word of bits ends."""
    rng = random.Random(longest * size)
    for rate in (0.05, 0.3):
        reference, hypothesis = related(rng, size, longest, rate)
        hypothesis = shuffled(rng, hypothesis, 2)
        others = [reference, symbols(rng, size, longest)][: 1 if longest > 64 else 2]
        assert edits(hypothesis, others) == searched(hypothesis, others)


@pytest.mark.parametrize(("own", "other"), [(1, 60), (2, 130), (60, 1), (3, 200), (90, 4), (0, 5)])
def test_rows_of_very_different_lengths(own: int, other: int) -> None:
    rng = random.Random(own)
    for size in (1, 3, 50):
        pair = symbols(rng, size, own), symbols(rng, size, other)
        assert edits(pair[0], [pair[1]]) == searched(pair[0], [pair[1]])


@pytest.mark.parametrize("gap", [49, 50, 51, 52])
def test_shifts_go_fifty_words_far(gap: int) -> None:
    row = [*range(1, gap + 1)]
    found = edits([0, *row], [[*row, 0]])
    assert found == searched([0, *row], [[*row, 0]]) == [1 if gap <= 50 else 2]


@pytest.mark.parametrize("gap", range(22, 30))
def test_the_beam_ends_where_it_does(gap: int) -> None:
    """Words that match aside of the diagonal by the gap, either way."""
    row, junk, other = [*range(32)], [*range(100, 100 + gap)], [*range(200, 200 + gap)]
    for own, ref in (([*junk, *row], [*row, *other]), ([*row, *junk], [*other, *row])):
        assert edits(own, [ref]) == searched(own, [ref])


def test_a_shift_whose_gain_lies_outside_the_beam() -> None:
    row = [*range(27)]
    own = [*row[:2], *row[23:], *row[2:23], *range(100, 126)]
    other = [*range(200, 223), *row]
    assert edits(own, [other]) == searched(own, [other])


def test_the_search_ends_after_a_thousand_shifts() -> None:
    rng = random.Random(4)
    hypothesis, reference = symbols(rng, 2, 48), symbols(rng, 2, 48)
    found = searched(hypothesis, [reference])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lib_ter, "_MAX_SHIFT_CANDIDATES", 10**6)
        assert searched(hypothesis, [reference]) < found
    assert edits(hypothesis, [reference]) == found


def test_edits_worked_by_hand() -> None:
    assert edits([4, 5, 1, 2, 3], [[1, 2, 3, 4, 5]]) == [1]  # one shift
    assert edits([4, 5, 1, 2, 9], [[1, 2, 3, 4, 5]]) == [2]  # … then a word that is changed
    assert edits([], [[1, 2], []]) == [2, 0]
    assert edits([1, 2], [[], [2]]) == [2, 1]


# -- matches in stages -----------------------------------------------------------------------------


@st.composite
def staged(draw: Any) -> tuple[ngram.Sentences, np.ndarray, Ragged]:
    data = draw(rows())
    stems = draw(st.lists(st.integers(0, 3), min_size=data.size, max_size=data.size))
    alike = draw(st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=4, max_size=4))
    flat = np.array([one for row in alike for one in row], np.int32)
    synonyms = Ragged.from_lengths(flat, np.array([*map(len, alike)]))
    return data, np.array(stems, np.int32), synonyms


@settings(max_examples=200)
@given(staged())
def test_stages_equal_the_twin(case: tuple[ngram.Sentences, np.ndarray, Ragged]) -> None:
    data, stems, synonyms = case
    found = aligning.staged_matches(*case)
    wanted = reference_aligning.staged_matches(
        *data[:3], np.arange(data.size), stems, synonyms.offsets, synonyms.values
    )
    assert found.tolist() == wanted.tolist()


def test_stages_worked_by_hand() -> None:
    alone = Ragged.from_lengths(np.zeros(0, np.int32), np.zeros(3, np.int64))
    # Word 1 has the stem of word 0: a b | b a b -> the last b, then a: two chunks.
    data = packed([([0, 2], [2, 0, 2]), ([1], [0, 0]), ([], [1]), ([1], [])], 3)
    stems = np.array([0, 0, 2], np.int32)
    assert aligning.staged_matches(data, stems, alone).tolist() == [[2, 1], [1, 1], [0, 0], [0, 0]]
    # Stem 2 means what stem 0 does; not the other way around.
    one_way = Ragged.from_lengths(np.array([0], np.int32), np.array([0, 0, 1]))
    data = packed([([2], [1, 0]), ([0], [2])], 3)
    assert aligning.staged_matches(data, stems, one_way).tolist() == [[1, 1], [0, 0]]
