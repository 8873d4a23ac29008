"""Intervals and tests that need no resampling: numbers in, numbers out."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from assay.core.checks import number, whole
from assay.core.errors import InputError

__all__ = ["EXACT_BELOW", "Folds", "check_level", "holm_adjusted", "mcnemar", "nadeau_bengio"]
__all__ += ["normal", "wilson"]

EXACT_BELOW = 25  # discordant items below which McNemar's test counts instead of approximating


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion, within 0..1; nan without items.

    Never empty, not even where all or none succeed. Source: Wilson, JASA 1927.

    >>> wilson(0, 10)
    (0.0, 0.2775327998628892)
    """
    n = whole(n, "wilson: n", 0)
    successes = whole(successes, "wilson: successes", 0)
    if successes > n:
        raise InputError(f"wilson: successes must be in 0..n, got {successes} of n={n}")
    if n == 0:
        return math.nan, math.nan
    z = _quantile(level)
    share, spread = successes / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    return low, 1.0 if successes == n else min(1.0, middle + half)


def normal(value: float, variance: float, level: float = 0.95) -> tuple[float, float, float]:
    """Low, high and the two-sided p-value (of a true value of 0) of a normal estimate.

    Without variance p is 1 at 0, else 0; nan where value or variance is.
    """
    if math.isnan(value) or math.isnan(variance):
        return math.nan, math.nan, math.nan
    from scipy.special import ndtr

    half = _quantile(level) * math.sqrt(variance)
    if variance == 0:
        return value, value, float(value == 0)
    return value - half, value + half, float(2 * ndtr(-abs(value) / math.sqrt(variance)))


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p-value of paired right-or-wrong items: those only a, and only b has right.

    Exact (binomial) below 25 of them, above chi-squared with one degree and a continuity
    correction. Nothing discordant: 1. Source: McNemar, Psychometrika 1947; Edwards 1948.

    >>> round(mcnemar(2, 8), 6), round(mcnemar(30, 50), 6)
    (0.109375, 0.033648)
    """
    from scipy.special import bdtr, chdtrc

    only_a, only_b = whole(only_a, "mcnemar: only_a", 0), whole(only_b, "mcnemar: only_b", 0)
    both = only_a + only_b
    if both < EXACT_BELOW:
        return min(1.0, 2 * float(bdtr(min(only_a, only_b), both, 0.5))) if both else 1.0
    return float(chdtrc(1, max(0, abs(only_a - only_b) - 1) ** 2 / both))


class Folds(NamedTuple):
    """The mean difference over folds (b minus a), its interval, and the p-value."""

    delta: float
    low: float
    high: float
    p_value: float
    statistic: float


def nadeau_bengio(
    a: Sequence[float], b: Sequence[float], *, train: int, test: int, level: float = 0.95
) -> Folds:
    """The corrected resampled t-test of two systems over the same k folds.

    a, b [k]: the values of each fold. train, test: items of a fold's training and test sets.
    Training sets overlap, so the variance is (1 / k + test / train) S² instead of S² / k; k - 1
    degrees of freedom. All differences equal: p is 1 where they are 0, else 0. Fewer than two
    folds are an InputError. Source: Nadeau and Bengio, Machine Learning 2003; for repeated
    k-fold, Bouckaert and Frank, PAKDD 2004.

    >>> folds = nadeau_bengio([0.8, 0.7, 0.9], [0.9, 0.8, 0.8], train=200, test=100)
    >>> round(folds.delta, 4), round(folds.p_value, 4)
    (0.0333, 0.7818)
    """
    from scipy.special import stdtr, stdtrit

    folds_a, folds_b = (
        _numbers(side, f"nadeau_bengio: {name}") for name, side in (("a", a), ("b", b))
    )
    k = len(folds_a)
    if k != len(folds_b) or k < 2:
        raise InputError(f"nadeau_bengio: a and b must be k >= 2 folds, got {k} and {len(folds_b)}")
    train, test = whole(train, "nadeau_bengio: train"), whole(test, "nadeau_bengio: test")
    check_level(level)
    differences: Any = np.subtract(folds_b, folds_a)
    delta = math.fsum(differences) / k
    spread = math.sqrt((1 / k + test / train) * differences.var(ddof=1))
    if spread == 0:
        statistic = math.copysign(math.inf, delta) if delta else 0.0
        return Folds(delta, delta, delta, float(delta == 0), statistic)
    t = delta / spread
    half = float(stdtrit(k - 1, (1 + level) / 2)) * spread
    return Folds(delta, delta - half, delta + half, float(2 * stdtr(k - 1, -abs(t))), t)


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """p-values for several comparisons at once, in the order given; nan stays, and does not count.

    Each is at least as large as it was; below 0.05 they control the chance of any false alarm.
    Source: Holm, Scandinavian Journal of Statistics 1979.

    >>> holm_adjusted([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, least = _numbers(p_values, "p_values"), 0.0
    if wrong := [p for p in adjusted if p < 0 or p > 1]:
        raise InputError(f"p_values must be in 0..1, got {wrong[0]!r}")
    order = sorted((p, i) for i, p in enumerate(adjusted) if not math.isnan(p))
    for done, (p, i) in enumerate(order):
        least = max(least, min(1.0, p * (len(order) - done)))
        adjusted[i] = least
    return adjusted


def check_level(level: Any) -> float:
    """How much an interval holds, above 0 and below 1."""
    found = number(level, "level")
    if not 0 < found < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}; 0.95 is usual")
    return found


def _quantile(level: float) -> float:
    """Standard normal deviations that a two-sided interval reaches."""
    from scipy.special import ndtri

    return float(ndtri((1 + check_level(level)) / 2))


def _numbers(values: Any, what: str) -> list[float]:
    if isinstance(values, (str, bytes)) or not np.iterable(values):
        raise InputError(f"{what} must be several numbers, got {values!r}")
    if getattr(values, "ndim", 1) != 1:
        raise InputError(f"{what} must be numbers [n], got {values!r}")
    return [number(value, f"{what}[{i}]") for i, value in enumerate(values)]
