"""BLEU from counts, as each reference implementation has it.

totals int64 [B, 3 + 3 * orders], a row for each value: tokens of all references, of the hypotheses,
of the closest references (of "nmt" the shortest); then for n = 1..orders the n-grams that match,
the n-grams there are, and the hypotheses too short to have one.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["NLTK_ORDERS", "SMOOTHING", "Counts", "bleu_values", "nmt_parts"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# variant -> smoothing -> the value it takes, where it takes one
SMOOTHING: Mapping[str, Mapping[str, float | None]] = {
    "sacrebleu": {"exp": None, "floor": 0.1, "add-k": 1.0, "none": None},
    "coco": {"none": None},
    "nltk": {
        "none": None, "method1": 0.1, "method2": None, "method3": None, "method4": 5.0,
        "method5": None, "method6": 5.0, "method7": 5.0,
    },
    "nmt": {"none": None, "add-one": None},
}  # fmt: skip
NLTK_ORDERS = 5  # n-grams that methods 5 and 7 of nltk look at, whatever the order
_SMALL, _TINY = 1e-9, 1e-15  # what pycocoevalcap adds to denominators and numerators


class Counts(NamedTuple):
    """The columns of totals as floats: hypothesis and reference [B], the others [B, orders]."""

    hypothesis: Floats
    reference: Floats
    correct: Floats
    total: Floats
    short: Floats

    @classmethod
    def of(cls, totals: Ints) -> "Counts":
        floats = totals.astype(np.float64)
        orders = (totals.shape[1] - 3) // 3
        parts = (floats[:, 3 + k * orders : 3 + (k + 1) * orders] for k in range(3))
        return cls(floats[:, 1], floats[:, 2], *parts)


def bleu_values(
    totals: Ints, variant: str, smoothing: str, value: float | None, order: int, effective: bool
) -> Floats:
    """BLEU up to n-grams of `order` words of each row: 0..100 of "sacrebleu", else 0..1."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return FORMULAS[variant](Counts.of(totals), smoothing, value or 0.0, order, effective)


def _sacrebleu(c: Counts, smoothing: str, value: float, order: int, effective: bool) -> Floats:
    brevity = np.where(c.hypothesis < c.reference, np.exp(1 - c.reference / c.hypothesis), 1.0)
    brevity = np.where((c.hypothesis == 0) & (c.reference > 0), 0.0, brevity)
    logs = np.zeros(len(brevity))
    orders = np.full(len(brevity), float(order))
    halves = np.ones(len(brevity))
    alive = np.ones(len(brevity), np.bool_)
    for k in range(order):
        correct, total = c.correct[:, k], c.total[:, k]
        if smoothing == "add-k" and k > 0:
            correct, total = correct + value, total + value
        alive = alive & (total > 0)
        if effective:
            orders = np.where(alive, k + 1.0, orders)
        bare = correct == 0
        precision = 100.0 * correct / total
        if smoothing == "exp":
            halves = np.where(alive & bare, 2 * halves, halves)
            precision = np.where(bare, 100.0 / (halves * total), precision)
        elif smoothing == "floor":
            precision = np.where(bare, 100.0 * value / total, precision)
        none = ~alive | (precision == 0)
        log = np.where(none, -9999999999.0, np.log(np.where(none, 1.0, precision)))
        logs = np.where(alive | (not effective), logs + log, logs)
    found = (c.correct[:, :order] > 0).any(axis=1)
    return np.asarray(np.where(found, brevity * np.exp(logs / orders), 0.0))


def _coco(c: Counts, smoothing: str, value: float, order: int, effective: bool) -> Floats:
    product = np.ones(len(c.hypothesis))
    for k in range(order):
        product = product * ((c.correct[:, k] + _TINY) / (c.total[:, k] + _SMALL))
    ratio = (c.hypothesis + _TINY) / (c.reference + _SMALL)
    brevity = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return np.asarray(product ** (1.0 / order) * brevity)


def _nltk(c: Counts, smoothing: str, value: float, order: int, effective: bool) -> Floats:
    brevity = np.where(c.hypothesis > c.reference, 1.0, np.exp(1 - c.reference / c.hypothesis))
    brevity = np.where(c.hypothesis == 0, 0.0, brevity)
    denominator = c.total + c.short  # one at least of each hypothesis
    precisions = list((c.correct / denominator).T)
    _NLTK[smoothing](precisions, c, denominator, value, order)
    logs = np.zeros(len(brevity))
    for p in precisions[:order]:
        logs = logs + np.where(p > 0, np.log(np.where(p > 0, p, 1.0)), 0.0) / order
    values = np.where(c.correct[:, 0] == 0, 0.0, brevity * np.exp(logs))
    if smoothing == "method6":  # refuses to go on without trigrams
        lost = (c.correct[:, 0] > 0) & (c.correct[:, 2] == 0)
        values = np.where(lost, np.nan, values)
    return np.asarray(values)


def nmt_parts(c: Counts, smoothing: str, order: int) -> tuple[Floats, Floats, Floats]:
    """Precisions [B, order], brevity penalties and ratios of lengths [B] of variant "nmt"."""
    more = 1.0 if smoothing == "add-one" else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        below = c.total[:, :order] + more
        precisions = np.where(below > 0, (c.correct[:, :order] + more) / below, 0.0)
        ratio = c.hypothesis / c.reference
        brevity = np.where(ratio > 1, 1.0, np.exp(1 - 1 / ratio))
    return precisions, brevity, ratio


def _nmt(c: Counts, smoothing: str, value: float, order: int, effective: bool) -> Floats:
    precisions, brevity, _ = nmt_parts(c, smoothing, order)
    logs = np.log(precisions).sum(axis=1) / order
    return np.asarray(np.where((precisions > 0).all(axis=1), brevity * np.exp(logs), 0.0))


Smoother = Callable[[list[Any], Counts, Floats, float, int], None]


def _none(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    for k in range(order):
        p[k] = np.where(c.correct[:, k] == 0, sys.float_info.min, p[k])


def _add_epsilon(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    for k in range(order):
        p[k] = np.where(c.correct[:, k] == 0, value / denominator[:, k], p[k])


def _add_one(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    for k in range(1, order):
        p[k] = (c.correct[:, k] + 1) / (denominator[:, k] + 1)


def _halve(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    halves = np.full(len(c.hypothesis), 2.0)
    for k in range(order):
        bare = c.correct[:, k] == 0
        p[k] = np.where(bare, 1 / (halves * denominator[:, k]), p[k])
        halves = np.where(bare, 2 * halves, halves)


def _halve_by_length(
    p: list[Any], c: Counts, denominator: Floats, value: float, order: int
) -> None:
    halves = np.full(len(c.hypothesis), 2.0)
    for k in range(order):
        bare = (c.correct[:, k] == 0) & (c.hypothesis > 1)
        numerator = 1 / (halves * value / np.log(c.hypothesis))
        p[k] = np.where(bare, numerator / denominator[:, k], p[k])
        halves = np.where(bare, 2 * halves, halves)


def _average(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    five = c.correct[:, NLTK_ORDERS - 1] / denominator[:, NLTK_ORDERS - 1]
    following = [*p[1:order], five]
    before = p[0] + 1
    for k in range(order):
        before = p[k] = (before + p[k] + following[k]) / 3


def _interpolate(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    for k in range(2, order):
        prior = np.where(p[k - 2] == 0, 0.0, p[k - 1] ** 2 / p[k - 2])
        p[k] = (c.correct[:, k] + value * prior) / (c.total[:, k] + value)


def _both(p: list[Any], c: Counts, denominator: Floats, value: float, order: int) -> None:
    _halve_by_length(p, c, denominator, value, order)
    _average(p, c, denominator, value, order)


_NLTK: dict[str, Smoother] = {
    "none": _none,
    "method1": _add_epsilon,
    "method2": _add_one,
    "method3": _halve,
    "method4": _halve_by_length,
    "method5": _average,
    "method6": _interpolate,
    "method7": _both,
}

FORMULAS: Mapping[str, Callable[[Counts, str, float, int, bool], Floats]] = {
    "sacrebleu": _sacrebleu,
    "coco": _coco,
    "nltk": _nltk,
    "nmt": _nmt,
}
