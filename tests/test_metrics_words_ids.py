"""Rows of tokens and of token ids, padded or not, give the counts of rapidfuzz."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import Ragged, align, count_words, wer
from oracle import four, totals
from strategies import sequence_pairs, token_rows

# -- tokens ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(token_rows(), token_rows()), max_size=4))
def test_every_kind_of_token_rows(corpus) -> None:
    refs, hyps = [ref for ref, _ in corpus], [hyp for _, hyp in corpus]
    truth = count_words(refs, hyps).to_bytes()
    for kind in (
        tuple,
        lambda row: np.array(row, object),
        lambda row: pd.Series(row, dtype=object),
    ):
        assert count_words(list(map(kind, refs)), tuple(map(kind, hyps))).to_bytes() == truth


def test_tokens_that_use_every_separator() -> None:
    odd = ["\x1f\x1e", "\x1d", "\x1c", "\n", "\t", "\t\t", " ", "\0", "a\x1fb", "a b", "\u3000"]
    pairs = [(odd, odd[1:]), (odd[::-1], odd), ([], odd), (odd[:9], odd[3:])]
    no_space = [([t for t in r if " " not in t], [t for t in h if " " not in t]) for r, h in pairs]
    no_nul = [([t for t in r if t != "\0"], [t for t in h if t != "\0"]) for r, h in pairs]
    for used in (pairs, no_space, no_nul, [*no_space, (["\t\t"], ["\t"])]):
        state = count_words([ref for ref, _ in used], [hyp for _, hyp in used])
        assert four(state) == totals(used)


def test_empty_rows_go_with_tokens_and_with_ids() -> None:
    assert count_words([["a", "b"], []], [[], []]).deletions == 2
    assert count_words([[], []], [["a"], []]).insertions == 1
    assert count_words([[1, 2]], [[]]).deletions == 2
    assert count_words([[]], [[7]]).insertions == 1
    assert count_words([[]], np.zeros((1, 3), np.int32)).insertions == 3
    assert count_words([[], []], [[], []]).pairs == 2


# -- ids -------------------------------------------------------------------------------------------

ROWS = ([[5, 6, 7], [1], [], [2, 2, 9, 4]], [[5, 7], [], [3], [2, 9, 4, 4]])
LENGTHS = [[len(row) for row in rows] for rows in ROWS]
PAD = -100


def padded(rows: list[list[int]], pad: int = PAD, width: int = 6) -> np.ndarray:
    out = np.full((len(rows), width), pad, np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return out


def ragged(rows: list[list[int]], dtype: Any = np.int64) -> Ragged:
    flat = np.array([0, 0, *(x for row in rows for x in row), 0], dtype)
    return Ragged(flat, 2 + np.concatenate([[0], np.cumsum([len(row) for row in rows])]))


IDS: dict[str, Callable[[], Any]] = {
    "lists": lambda: ROWS,
    "tuples": lambda: [tuple(map(tuple, rows)) for rows in ROWS],
    "arrays": lambda: [[np.array(row, np.int32) for row in rows] for rows in ROWS],
    "tensors": lambda: [[torch.tensor(row, dtype=torch.int16) for row in rows] for rows in ROWS],
    "Ragged": lambda: [ragged(rows) for rows in ROWS],
    "Ragged-uint32": lambda: [ragged(rows, np.uint32) for rows in ROWS],
    "list-and-Ragged": lambda: (ROWS[0], ragged(ROWS[1])),
}
DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def id_truth() -> tuple[int, ...]:
    return totals(list(zip(*ROWS, strict=True)))


@pytest.mark.parametrize("make", IDS.values(), ids=IDS)
def test_every_kind_of_id_rows(make: Callable[[], Any]) -> None:
    assert four(count_words(*make())) == id_truth()
    assert wer(*make()) == sum(id_truth()[1:]) / sum(LENGTHS[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_padded_ids(dtype: str) -> None:
    pad = 99
    refs, hyps = (padded(rows, pad).astype(dtype) for rows in ROWS)
    truth = id_truth()
    assert four(count_words(refs, hyps, lengths=tuple(LENGTHS))) == truth
    assert four(count_words(refs, hyps, ignore_index=pad)) == truth
    assert four(count_words(refs.tolist(), hyps, ignore_index=pad)) == truth
    assert four(count_words(*map(np.asfortranarray, (refs, hyps)), ignore_index=pad)) == truth
    assert four(count_words(ragged(refs.tolist()), ragged(hyps.tolist()), ignore_index=99)) == truth
    tensors = torch.from_numpy(refs), torch.from_numpy(hyps)
    lengths = tuple(torch.tensor(sizes) for sizes in LENGTHS)
    assert four(count_words(*tensors, lengths=lengths)) == truth
    assert four(count_words(*tensors, ignore_index=pad)) == truth
    assert four(count_words(tensors[0], ROWS[1], lengths=(LENGTHS[0], None))) == truth


def test_both_lengths_and_an_index_to_ignore() -> None:
    refs = np.array([[1, PAD, 2, 9], [3, 4, 9, 9]])
    hyps = np.array([[1, 2, 9], [PAD, 4, 9]])
    state = count_words(refs, hyps, lengths=([3, 2], [2, 2]), ignore_index=PAD)
    assert four(state) == totals([([1, 2], [1, 2]), ([3, 4], [4])])
    assert align(refs, hyps, lengths=([3, 2], [2, 2]), ignore_index=PAD).tokens(1) == (
        ["3", "4"],
        ["4"],
    )


@settings(max_examples=60)
@given(st.lists(sequence_pairs(12), max_size=4), st.sampled_from([0, -(2**63), 2**62, 2**21 - 1]))
def test_negative_and_huge_ids(corpus, offset: int) -> None:
    refs, hyps = ([[x + offset for x in pair[side]] for pair in corpus] for side in (0, 1))
    state = count_words(
        [np.array(r, np.int64) for r in refs], [np.array(h, np.int64) for h in hyps]
    )
    assert four(state) == totals(corpus)


def test_ids_that_meet_only_as_floats_stay_apart() -> None:
    near = np.array([[2**53, 2**53 + 1, 2**63, 2**64 - 1]], np.uint64)
    signed = np.array([[2**53 + 1, 2**53, -1, -(2**63)]])
    assert count_words(near, near).hits == 4
    assert four(count_words(near, signed)) == totals([(near[0].tolist(), signed[0].tolist())])
    assert count_words(near, np.zeros((1, 0), np.int64)).deletions == 4


def test_ids_in_foreign_byte_order() -> None:
    ids = np.array([[1, 2]], ">i4")
    c = count_words(ids, ids[:, :1], lengths=([2], [1]))
    assert (c.hits, c.deletions) == (1, 1)
