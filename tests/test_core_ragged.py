"""Ragged: many rows in one packed array."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import Ragged
from assay.core.errors import InputError


@given(st.lists(st.lists(st.integers(0, 9)), max_size=6), st.integers(0, 3))
def test_rows_come_back(rows: list[list[int]], start: int) -> None:
    values = np.array([*[9] * start, *(x for row in rows for x in row), 7], np.int16)
    offsets = start + np.cumsum([0, *map(len, rows)])
    ragged = Ragged.checked(values, offsets)
    assert len(ragged) == len(rows)
    assert [ragged[i].tolist() for i in range(len(rows))] == rows
    assert [ragged[i - len(rows)].tolist() for i in range(len(rows))] == rows
    assert [row.tolist() for row in ragged] == rows
    assert ragged.lengths.tolist() == [len(row) for row in rows]
    part = ragged.rows(len(rows) // 2, len(rows))
    assert [row.tolist() for row in part] == rows[len(rows) // 2 :]
    assert np.shares_memory(part.values, values)


@given(st.lists(st.integers(0, 4), max_size=6))
def test_rows_of_given_lengths(lengths: list[int]) -> None:
    ragged = Ragged.from_lengths(np.arange(sum(lengths)), np.array(lengths, int))
    assert ragged.lengths.tolist() == lengths
    assert ragged.offsets.dtype == np.int64


@pytest.mark.parametrize("row", [2, -3, 99])
def test_a_row_out_of_range(row: int) -> None:
    with pytest.raises(IndexError, match=f"^Ragged: row {row} of 2$"):
        Ragged(np.arange(3), np.array([0, 1, 3]))[row]


def test_any_integer_offsets_become_int64() -> None:
    for dtype in (np.int8, np.uint32, np.int64):
        ragged = Ragged.checked([1.5, 2.5], np.array([0, 0, 2], dtype))
        assert ragged.offsets.dtype == np.int64
        assert ragged[1].tolist() == [1.5, 2.5]
    strided = Ragged.checked(np.arange(6)[::2], np.array([0, 9, 3])[::2])
    assert strided.values.flags.c_contiguous
    assert strided[0].tolist() == [0, 2, 4]


SHAPE = "Ragged: offsets must be a one-dimensional integer array of n + 1 entries, got shape "
ORDER = "Ragged: offsets must not decrease and must lie in 0..3, got "


@pytest.mark.parametrize(
    ("values", "offsets", "message"),
    [
        (np.zeros((2, 2)), [0, 1], "Ragged: values must have one dimension, got shape (2, 2)"),
        (np.zeros(3), [[0, 1]], SHAPE + "(1, 2) of int64"),
        (np.zeros(3), np.zeros(0, int), SHAPE + "(0,) of int64"),
        (np.zeros(3), [0.0, 1.0], SHAPE + "(2,) of float64"),
        (np.zeros(3), [0, 2, 1, 3], ORDER + "0..3"),
        (np.zeros(3), [-1, 3], ORDER + "-1..3"),
        (np.zeros(3), [0, 4], ORDER + "0..4"),
    ],
)
def test_what_is_no_ragged_array(values, offsets, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        Ragged.checked(values, np.asarray(offsets))
