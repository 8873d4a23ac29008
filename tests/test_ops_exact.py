"""Exact sums: limbs of 32 bits, what carries from one into the next, and sums of sums."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.ops import exact

FULL = float(2**53 - 1)  # all bits of a mantissa
LOW = 2**32 - 1  # all bits of a limb

finite = st.floats(allow_nan=False, allow_infinity=False)


def whole_of(limbs: list[int]) -> int:
    """What limbs stand for, times 2^1074."""
    return sum(limb << (32 * place) for place, limb in enumerate(limbs))


@given(st.lists(st.tuples(finite, st.integers(0, 3)), max_size=60))
def test_exact_sums_are_those_of_fractions(pairs: list[tuple[float, int]]) -> None:
    values, codes = [v for v, _ in pairs], [c for _, c in pairs]
    limbs = exact.add_limbs(values, codes, 4)
    for code in range(4):
        truth = sum((Fraction(v) for v, c in pairs if c == code), Fraction())
        try:
            rounded = float(truth)
        except OverflowError:
            rounded = math.inf if truth > 0 else -math.inf
        assert exact.value_of(limbs[code]) == rounded


@given(st.lists(finite, max_size=40), st.integers(0, 40))
def test_exact_sums_add(values: list[float], cut: int) -> None:
    zero = np.zeros(len(values))
    whole = exact.add_limbs(values, zero, 1)
    parts = [exact.add_limbs(part, np.zeros(len(part)), 1) for part in (values[:cut], values[cut:])]
    assert (parts[0] + parts[1]).tolist() == whole.tolist()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("off", range(32))
def test_what_a_value_has_beyond_a_limb_is_in_the_next(off: int, sign: int) -> None:
    """A mantissa of all bits, at every place within a limb, spans up to three of them."""
    value = sign * math.ldexp(FULL, off - 1074 + 32 * 3)
    limbs = exact.add_limbs([value], [0], 1)[0].tolist()
    assert whole_of(limbs) == Fraction(value) * 2**1074
    assert np.flatnonzero(limbs).tolist() == [3, 4, 5][: 2 + (off > 11)]
    assert all(0 <= sign * limb <= LOW for limb in limbs)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_hangs_on_what_a_limb_has_beyond_32_bits(sign: int) -> None:
    """2^85 and a little more than half of its last place, all of which is a carry of limb 0."""
    values = [sign * math.ldexp(part, -1074) for part in (2**85, 2**31, 2**31, 1)]
    limbs = exact.add_limbs(values, [0] * 4, 1)[0]
    assert limbs[:3].tolist() == [sign * (2**32 + 1), 0, sign * 2**21]
    assert exact.value_of(limbs) == sign * math.ldexp(2**85 + 2**33, -1074) == math.fsum(values)


def test_limbs_of_two_signs_are_one_sum() -> None:
    values = [math.ldexp(part, -1074) for part in (LOW, LOW, LOW, -(2**32), 2**64)]
    limbs = exact.add_limbs(values, [0] * 5, 1)[0]
    assert limbs[:3].tolist() == [3 * LOW, -1, 1]
    assert exact.value_of(limbs) == math.fsum(values)


@pytest.mark.parametrize("value", [math.ldexp(LOW, -1074), FULL, -FULL, 0.1, 5e-324])
def test_as_many_values_as_promised_do_not_overflow(value: float) -> None:
    """2^31 of them: those of one are added as their states would be."""
    limbs = exact.add_limbs([value], [0], 1)[0] * 2**31
    assert whole_of(limbs.tolist()) == Fraction(value) * 2**1074 * 2**31
    assert exact.value_of(limbs) == value * 2**31
