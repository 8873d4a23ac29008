"""Two systems held against each other on the same items.

    bootstrap     items are drawn again; p is twice the smaller share of resamples that lie on one
                  side of no difference, one added to both counts; none below 10 items
    permutation   p: items swap systems, each with probability 1/2; how often is the difference as
                  large? Of up to 16 items that differ every way to swap them is counted, so p is
                  exact; of more `resamples` of them are drawn, one added to both counts. Interval:
                  bootstrap
    mcnemar       p: items that only one of the two has right. Interval: bootstrap
    delong        areas under the ROC curve, by their variance; interval and p

Weights depend on the seed, the replicate and the place of an item in order of id alone, so both
systems of a pair get the same ones. Of a single item or cluster low and high are nan; systems that
never differ have p = 1.

A bootstrap of few items draws too little of what could be: of normal differences without a mean it
says p <= 0.05 of 20 % of samples of 4 items, 12 % of 7, 10 % of 10, 8 % of 20, 6 % of 50 (the
permutation never more than 5 %). So below FEW items or clusters its p is nan.

Source: Efron and Tibshirani 1993; Davison and Hinkley, "Bootstrap methods", 1997 (the one added);
Bisani and Ney, ICASSP 2004 (word errors); Yeh, COLING 2000 (permutation of such scores).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.resampling import Items, Resampled
from assay.core.score import Score
from assay.metrics._drawing import (
    Asked,
    check,
    clusters,
    for_areas,
    minus,
    percentiles,
    replicates,
    shares,
    size,
    units,
)
from assay.metrics._pairing import matched
from assay.metrics.comparisons import Comparison, holm
from assay.metrics.significance import mcnemar, normal
from assay.ops import delong, resample

__all__ = ["COMPARISONS", "FEW", "compare", "holm"]

FEW = 10  # items or clusters below which a bootstrap has no p
ALL_SWAPS = 16  # of which every way to swap them is counted

Floats = npt.NDArray[np.float64]


def compare(
    a: Resampled,
    b: Resampled,
    metric: str,
    *,
    method: str = "bootstrap",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    cluster: Any = None,
) -> Comparison:
    """How much better or worse b is than a on the same items, and whether that could be chance.

    a, b: states of one definition that kept their items, which are matched by id. method:
    "bootstrap", "permutation", "mcnemar" (a share of items), "delong" (an area under the ROC
    curve). cluster: n values, one an item in the order of a.per_item(): items of one value are
    drawn, or swapped, together. Items that only one of them has, or whose reference or label
    differs, other definitions, and scores that the method does not fit are an InputError. For
    several comparisons at once see holm().

    >>> from assay.metrics.words import count_words
    >>> references = ["a b c", "d e", "f g", "h i j"]
    >>> a = count_words(references, ["a x c", "d e", "y g", "h i"], items=True)
    >>> b = count_words(references, ["a b c", "d e", "y g", "h i j"], items=True)
    >>> c = compare(a, b, "wer")
    >>> c.value_a, c.value_b, c.delta, c.p_value < 0.05
    (0.3, 0.1, -0.19999999999999998, False)
    """
    for state in (a, b):
        check(state, metric, level, method, COMPARISONS)
    score = _one_definition(a, b, metric)
    items_a, items_b = matched(metric, a.resampling(metric), b.resampling(metric))
    asked = Asked(level, resample.check_drawn(resamples, seed), seed, clusters(cluster, items_a))
    pair = _Pair(a, b, metric, items_a, items_b, asked)
    value_a, value_b = a[metric], b[metric]
    return Comparison(
        metric, value_a, value_b, value_b - value_a,
        **{"level": level, "method": method, "n": size(items_a), **COMPARISONS[method](pair)},
        better=score.better if score else None,
    )  # fmt: skip


class _Pair(NamedTuple):
    """Two systems over the same items in one order."""

    a: Resampled
    b: Resampled
    metric: str
    items_a: Any
    items_b: Any
    asked: Asked

    def differences(self) -> Floats:
        """b minus a of every resample, in which both have the same items."""
        sides = {"a": self.items_a, "b": self.items_b}
        states = {"a": self.a, "b": self.b}
        values = replicates(
            lambda side, totals: states[side].value_of(self.metric, totals), sides, self.asked
        )
        return minus(values["b"], values["a"])


def _by_bootstrap(pair: _Pair) -> dict[str, Any]:
    differences = pair.differences()
    low, high, undefined = percentiles(differences, pair.asked.level)
    defined = differences[~np.isnan(differences)]
    sides = [int(np.count_nonzero(side)) for side in (defined <= 0, defined >= 0)]
    p = min(1.0, 2 * (1 + min(sides)) / (1 + len(defined))) if len(defined) else math.nan
    number = units(pair.items_a, pair.asked)
    if number < FEW and np.any(differences != 0):
        p = math.nan
    if number < 2:
        low = high = p = math.nan
    return {"low": low, "high": high, "p_value": p, "undefined": undefined, **pair.asked.drawn}


def _by_permutation(pair: _Pair) -> dict[str, Any]:
    a, b, metric, of_a, of_b, asked = pair
    if not isinstance(of_a, Items):
        raise InputError(
            f"permutation: the scores of two systems under {metric} have no common scale to swap "
            "them on; use method='delong' or 'bootstrap'"
        )
    if of_a.columns.shape != of_b.columns.shape or of_a.table != of_b.table:
        widths = f"{of_a.columns.shape[1]} and {of_b.columns.shape[1]}"
        raise InputError(
            f"permutation: items of a and b have {widths} columns of other labels; declare the "
            "same labels of both"
        )
    difference = of_b.columns - of_a.columns
    if asked.cluster is not None:
        difference = resample.added(difference, asked.cluster)
    exact = difference[(difference != 0).any(axis=1)]  # the others change nothing by swapping
    if len(exact) <= ALL_SWAPS:
        moved, added = _every_way(exact), 0
    else:
        moved, added = resample.swapped_totals(difference, asked.resamples, asked.seed), 1
    whole_a, whole_b = of_a.columns.sum(axis=0), of_b.columns.sum(axis=0)
    swapped = minus(a.value_of(metric, whole_b - moved), b.value_of(metric, whole_a + moved))
    sides = ((a, whole_a), (b, whole_b))
    own = [float(state.value_of(metric, whole[None])[0]) for state, whole in sides]
    seen = abs(own[1] - own[0])  # of the same sums, so that rounding hides no tie
    defined = np.abs(swapped[~np.isnan(swapped)])
    as_large = int(np.count_nonzero(defined >= seen - 1e-12 * max(1.0, seen)))
    p = math.nan if math.isnan(seen) else (added + as_large) / (added + len(defined))
    return {**_by_bootstrap(pair), "p_value": p}


def _every_way(difference: Any) -> Any:
    """What every way to swap some of the n items moves, int64 [2^n, c]."""
    moved = np.zeros((1, difference.shape[1]), np.int64)
    for own in difference:
        moved = np.concatenate([moved, moved + own])
    return moved


def _by_mcnemar(pair: _Pair) -> dict[str, Any]:
    if pair.asked.cluster is not None:
        raise InputError("mcnemar: items count one by one; use method='permutation' with cluster")
    right_a, _ = shares(pair.a, pair.metric, pair.items_a, "mcnemar")
    right_b, _ = shares(pair.b, pair.metric, pair.items_b, "mcnemar")
    only_a = int(np.count_nonzero(right_a & ~right_b))
    only_b = int(np.count_nonzero(right_b & ~right_a))
    return {**_by_bootstrap(pair), "p_value": mcnemar(only_a, only_b)}


def _by_delong(pair: _Pair) -> dict[str, Any]:
    of_a, of_b = pair.items_a, pair.items_b
    for_areas(pair.metric, of_a, pair.asked)
    area = delong.paired_auc_variance(of_a.positive, of_a.score, of_b.score)
    low, high, p = normal(*area, pair.asked.level)
    return {"low": max(low, -1.0), "high": min(high, 1.0), "p_value": p}


COMPARISONS: dict[str, Callable[[_Pair], dict[str, Any]]] = {
    "bootstrap": _by_bootstrap,
    "permutation": _by_permutation,
    "mcnemar": _by_mcnemar,
    "delong": _by_delong,
}


def _one_definition(a: Resampled, b: Resampled, metric: str) -> Score | None:
    """The score of a; an InputError where b is of another kind or definition."""
    if type(a) is not type(b):
        kinds = f"{type(a).__name__} and {type(b).__name__}"
        raise InputError(f"compare: a and b must be states of one kind, got {kinds}")
    scores = [{s.name: s for s in state.total_scores()}.get(metric) for state in (a, b)]
    signatures = [score.signature if score else "" for score in scores]
    if signatures[0] != signatures[1]:
        raise InputError(
            f"compare: {metric} is not of one definition: a has {signatures[0]}, b has "
            f"{signatures[1]}; count both alike"
        )
    return scores[0]
