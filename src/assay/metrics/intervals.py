"""Intervals of scores, by drawing the items of a state again or by formula.

Any state takes part that tells of its items (`core/resampling.py`). Nothing is counted again: sums
of the columns of its items are drawn, and the score of each sum is computed as that of the whole.

    bootstrap   percentiles of the scores of n items drawn out of n, with replacement
    wilson      the score interval of a share of items, without resampling: of all (accuracy), of
                those of a class (recall, specificity) or of those predicted as it (precision), as
                if their number was given; n is that number
    delong      an area under the ROC curve, by its variance

Weights depend on the seed, the replicate and the place of an item alone. Two items or clusters are
the least that can vary: of one, low and high are nan. Items of one value give an interval without
width. Of a state that holds replicates already the method is "poisson".

Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993; Bisani and Ney, ICASSP 2004
(word errors); Brown, Cai and DasGupta, Statistical Science 2001 (Wilson).
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from assay.core.errors import InputError
from assay.core.resampling import Replicates, Resampled
from assay.metrics._drawing import (
    Asked,
    check,
    clusters,
    for_areas,
    percentiles,
    replicates,
    shares,
    size,
    units,
)
from assay.metrics.comparisons import Interval
from assay.metrics.significance import normal, wilson
from assay.ops import delong, resample

__all__ = ["interval", "intervals"]


def interval(
    state: Resampled,
    metric: str,
    *,
    method: str = "bootstrap",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    cluster: Any = None,
) -> Interval:
    """The interval of one score of a state.

    state: one that kept its items (`items=True` of text), or a table of cells. method: "bootstrap",
    "wilson" (a share of items, as accuracy, precision, recall and specificity), "delong" (an area
    under the ROC curve). cluster: n values, one an
    item in the order of per_item(): items of one value are drawn together. A score that the method
    does not fit, a state without items, and options out of range are an InputError.

    >>> from assay.metrics.words import count_words
    >>> c = count_words(["a b", "c d", "e f"], ["a b", "c x", "y z"], items=True)
    >>> i = interval(c, "wer")
    >>> i.value, i.low, i.high
    (0.5, 0.0, 1.0)
    """
    return intervals(
        state, [metric], method=method, level=level, resamples=resamples, seed=seed, cluster=cluster
    )[metric]


def intervals(
    state: Resampled,
    metrics: Iterable[str],
    *,
    method: str = "bootstrap",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    cluster: Any = None,
) -> dict[str, Interval]:
    """Intervals of several scores, of which the same items are drawn once; else as interval()."""
    names = [metrics] if isinstance(metrics, str) else [*metrics]
    for name in names:
        check(state, name, level, method, INTERVALS)
    if method == "wilson" and cluster is not None:
        raise InputError("wilson: items count one by one; use method='bootstrap' with cluster")
    by_formula = method == "wilson" and hasattr(state, "share_of")
    given = {name: None if by_formula else state.resampling(name) for name in names}
    scores = {score.name: score for score in state.total_scores()}
    found: dict[str, Interval] = {}
    codes = clusters(cluster, next(iter(given.values()), None))
    asked = Asked(level, resample.check_drawn(resamples, seed), seed, codes)
    for name, (low, high, more) in INTERVALS[method](state, given, asked).items():
        n = scores[name].n if name in scores else size(given[name])
        found[name] = Interval(
            name, state[name], low, high, level, **{"method": method, "n": n, **more}
        )
    return found


_Found = dict[str, tuple[float, float, dict[str, Any]]]  # score -> low, high, further fields


def _bootstrap_intervals(state: Resampled, given: Mapping[str, Any], asked: Asked) -> _Found:
    found: _Found = {}
    value_of: Any = getattr(state, "value_of", None)  # a state of areas alone needs none
    for name, values in replicates(value_of, given, asked).items():
        items, more = given[name], dict(asked.drawn)
        if isinstance(items, Replicates):
            more |= {"method": "poisson", "resamples": len(values), "seed": items.seed}
        low, high, undefined = percentiles(values, asked.level)
        if units(items, asked) < 2:
            low = high = math.nan
        found[name] = low, high, {**more, "undefined": undefined}
    return found


def _wilson_intervals(state: Resampled, given: Mapping[str, Any], asked: Asked) -> _Found:
    found: _Found = {}
    for name, items in given.items():
        if items is None:
            right, n = state.share_of(name)  # type: ignore[attr-defined]
        else:
            rows, counts = shares(state, name, items, "wilson")
            right, n = int(counts[rows].sum()), int(counts.sum())
        found[name] = (*wilson(right, n, asked.level), {"n": n})
    return found


def _delong_intervals(state: Resampled, given: Mapping[str, Any], asked: Asked) -> _Found:
    found: _Found = {}
    for name, items in given.items():
        for_areas(name, items, asked)
        low, high, _ = normal(*delong.auc_variance(items.positive, items.score), asked.level)
        found[name] = max(low, 0.0), min(high, 1.0), {}
    return found


INTERVALS: dict[str, Callable[[Resampled, Mapping[str, Any], Asked], _Found]] = {
    "bootstrap": _bootstrap_intervals,
    "wilson": _wilson_intervals,
    "delong": _delong_intervals,
}
