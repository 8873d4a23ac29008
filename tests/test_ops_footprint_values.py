"""Zeros of one weight, and the patterns that they follow."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.ops._footprint_values import nonzero, pattern_groups


def test_values_of_one_byte_and_odd_ones() -> None:
    values = torch.tensor([0.0, -0.0, 1.0, float("nan"), float("inf")])
    assert nonzero(values).tolist() == [False, False, True, True, True]
    assert nonzero(values.to(torch.float8_e5m2)).tolist() == [False, False, True, True, True]
    assert nonzero(values, torch.tensor([1.0, 1, 0, 1, 1])).tolist() == [0, 0, 0, 1, 1]
    assert nonzero(values.to("meta")) is None


@given(st.integers(0, 4), st.integers(0, 17), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_groups_of_four_and_eight(height: int, width: int, seed: int) -> None:
    there = np.random.default_rng(seed).random((height, width)) < 0.4
    expected = []
    for most, of in ((1, 4), (2, 4), (4, 8)):
        starts = range(0, width, of) if width % of == 0 else ()
        groups = [int(row[j : j + of].sum()) <= most for row in there for j in starts]
        expected.append((len(groups), sum(groups)))
    assert [*pattern_groups(torch.tensor(there), 1)] == expected
    turned = torch.tensor(there).t().reshape(width, height, 1, 1)
    assert [*pattern_groups(turned, 0)] == expected
