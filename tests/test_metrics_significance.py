"""Intervals and p-values that need no resampling, against scipy and by hand; what they refuse."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.metrics.significance import (
    EXACT_BELOW,
    holm_adjusted,
    mcnemar,
    nadeau_bengio,
    normal,
    wilson,
)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 0.999))
def test_wilson_is_scipys(successes, more, level):
    n = successes + more
    if not n:
        assert np.isnan(wilson(0, 0, level)).all()
        return
    expected = scipy.stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert list(wilson(successes, n, level)) == pytest.approx(list(expected), abs=1e-12)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_scipys(b, c):
    if b + c == 0:
        expected = 1.0
    elif b + c < EXACT_BELOW:
        expected = scipy.stats.binomtest(b, b + c).pvalue
    else:
        expected = scipy.stats.chi2.sf(max(0, abs(b - c) - 1) ** 2 / (b + c), 1)
    assert mcnemar(b, c) == mcnemar(c, b) == pytest.approx(expected)


def test_nadeau_bengio_by_hand():
    # differences 0.1, 0.1, -0.1: mean 1/30, S² = 0.04/3, variance (1/3 + 1/2) S² = 1/90
    found = nadeau_bengio([0.8, 0.7, 0.9], [0.9, 0.8, 0.8], train=200, test=100)
    t = (1 / 30) / math.sqrt(1 / 90)
    assert found.statistic == pytest.approx(t)
    assert found.p_value == pytest.approx(2 * scipy.stats.t.sf(t, 2))
    half = scipy.stats.t.ppf(0.975, 2) * math.sqrt(1 / 90)
    assert [found.low, found.high] == pytest.approx([1 / 30 - half, 1 / 30 + half])
    plain = scipy.stats.ttest_rel([0.9, 0.8, 0.8], [0.8, 0.7, 0.9]).pvalue
    assert found.p_value > plain
    assert nadeau_bengio([0.1, 0.2], [0.1, 0.2], train=1, test=1).p_value == 1.0
    assert nadeau_bengio([0, 0], [1, 1], train=1, test=1).p_value == 0.0


def test_holm_by_hand():
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted([]) == []
    adjusted = holm_adjusted([0.5, math.nan, 0.9])
    assert adjusted[0] == 1.0
    assert math.isnan(adjusted[1])


def test_normal_estimates():
    low, high, p_value = normal(0.3, 0.04, 0.9)
    assert [low, high] == pytest.approx(scipy.stats.norm.interval(0.9, 0.3, 0.2))
    assert p_value == pytest.approx(2 * scipy.stats.norm.sf(1.5))
    assert normal(0.0, 0.0) == (0.0, 0.0, 1.0)
    assert normal(0.2, 0.0) == (0.2, 0.2, 0.0)
    assert all(map(math.isnan, normal(math.nan, 1.0)))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: wilson(3, 2), "successes must be in 0..n, got 3 of n=2"),
    (lambda: nadeau_bengio([1], [1], train=1, test=1), "must be k >= 2 folds, got 1 and 1"),
    (lambda: nadeau_bengio([1, 2], [1, 2], train=0, test=1), "nadeau_bengio: train must be a "
     "whole number of at least 1, got 0"),
    (lambda: holm_adjusted([0.1, 1.5]), "p_values must be in 0..1, got 1.5"),
])  # fmt: skip
def test_what_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert message in str(caught.value)
