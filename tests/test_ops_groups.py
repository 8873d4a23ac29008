"""Group codes against plain dictionaries."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.ops.groups import group_codes

VALUES = st.one_of(
    st.none(), st.integers(-2, 2), st.sampled_from(["a", "b", "", "1", "(none)", "é", "\ud800"])
)


def plain(columns: list[list]) -> tuple[list[tuple[str, ...]], list[int]]:
    numbers: dict[tuple[str, ...], int] = {}
    rows = [
        tuple("(none)" if v is None else str(v) for v in row) for row in zip(*columns, strict=True)
    ]
    codes = [numbers.setdefault(row, len(numbers)) for row in rows]
    return list(numbers), codes


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12), st.integers(1, 3))
def test_groups_equal_a_dictionary(rows: list[tuple], width: int) -> None:
    columns = [[row[k] for row in rows] for k in range(width)]
    keys, codes = group_codes({f"c{k}": column for k, column in enumerate(columns)}, len(rows))
    assert (keys, codes.tolist()) == plain(columns)


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ([1.5, math.nan, None], ["1.5", "(none)"]),
        (np.array([1, 2, 1]), ["1", "2"]),
        (np.array([True, False, True]), ["True", "False"]),
        (pd.Series([1, None, 2]), ["1.0", "(none)", "2.0"]),
        (pd.Series(["x", pd.NA, 3], dtype=object), ["x", "(none)", "3"]),
        (pd.Series([pd.NaT, pd.NA, None], dtype=object), ["(none)"]),
        (pd.Series([1, pd.NA, 1], dtype="Int64"), ["1", "(none)"]),
        (pa.array([None, None, None]), ["(none)"]),
        (pa.array([1, None, 2], pa.int8()), ["1", "(none)", "2"]),
        (pa.array(["x", None, "y"]).dictionary_encode(), ["x", "(none)", "y"]),
        (pa.chunked_array([["x"], ["y", "x"]]), ["x", "y"]),
        pytest.param(iter("xyx"), ["x", "y"], id="iterator"),
        ([1, 1.5, 1], ["1", "1.5"]),
        ([1, 2**64, 1], ["1", str(2**64)]),
        ([(1, 2), (1, 2), (3, 4)], ["(1, 2)", "(3, 4)"]),
        ([{"a": 1}, {"a": 2}, {"a": 1}], ["{'a': 1}", "{'a': 2}"]),
        (torch.tensor([1, 2, 1]), ["1", "2"]),
        (
            np.array(["2020-01-01", "2020-01-02"] * 2, "datetime64[D]")[:3],
            ["2020-01-01", "2020-01-02"],
        ),
    ],
    ids=str,
)
def test_kinds_of_columns(column, names: list[str]) -> None:
    keys, codes = group_codes({"c": column}, 3)
    assert keys == [(name,) for name in names]
    assert len(codes) == 3


def test_columns_of_many_values_do_not_overflow() -> None:
    # Five columns of 10,000 values: 10^20 combinations, more than an int64 can number.
    n = 10_000
    rng = np.random.default_rng(1)
    columns = {f"c{k}": rng.permutation(n) for k in range(5)}
    keys, codes = group_codes(columns, n)
    assert keys == list(zip(*(map(str, column) for column in columns.values()), strict=True))
    assert codes.tolist() == list(range(n))


def test_no_columns_and_no_items() -> None:
    assert group_codes({}, 2)[0] == [()]
    assert group_codes({}, 2)[1].tolist() == [0, 0]
    assert group_codes({"c": []}, 0)[0] == []


@pytest.mark.parametrize("column", [["a"], pa.array(["a"]), np.array(["a"]), ["a", 1, None]])
def test_a_column_of_another_length(column) -> None:
    got = len(column)
    with pytest.raises(InputError, match=rf"^by: column 'voice' must have 2 values, got {got}$"):
        group_codes({"voice": column}, 2)


@pytest.mark.parametrize("column", [5, None, "abc"])
def test_what_is_no_column(column) -> None:
    with pytest.raises(InputError, match="by: column 'c' must have 3 values, got "):
        group_codes({"c": column}, 3)


def test_a_name_that_is_no_string() -> None:
    with pytest.raises(InputError, match=r"by: names of columns must be strings, got \[5\]"):
        group_codes({5: [1, 2]}, 2)  # type: ignore[dict-item]
