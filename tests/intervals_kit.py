"""States with items that intervals and comparisons draw again."""

import dataclasses

import numpy as np

import assay
from assay.core.resampling import RankedItems, ratio
from assay.core.score import Score
from assay.core.state import State
from assay.metrics.item_values import ItemValues
from assay.ops import delong

RATES = ("wer", "mer", "wil", "wip", "sentence_error_rate", "mean_wer")


def corpus(n, rate, seed=0, words=12):
    """n references, and hypotheses with about `rate` errors a word."""
    rng = np.random.default_rng(seed)
    refs = [[f"w{k}" for k in rng.integers(0, 30, rng.integers(1, words))] for _ in range(n)]
    other = np.random.default_rng(seed + 1000)
    hyps = [[w if other.random() > rate else "x" for w in ref] for ref in refs]
    return refs, hyps


def pair_of(n=300, rates=(0.2, 0.25), seed=0):
    """Two systems over the same items, the second with more errors."""
    refs, first = corpus(n, rates[0], seed)
    rng = np.random.default_rng(seed + 7)
    second = [[w if rng.random() > rates[1] - rates[0] else "y" for w in hyp] for hyp in first]
    return [assay.count_words(refs, hyps, items=True) for hyps in (first, second)]


def values(own, ids=None):
    """Items whose score `v` is the mean of these values."""
    return ItemValues.from_items(np.arange(len(own)) if ids is None else ids, {"v": own})


@dataclasses.dataclass(frozen=True, eq=False)
class Told(State):
    """A state of nothing but what it tells of its items; `v` is a ratio, or an area."""

    items = None

    @classmethod
    def of(cls, items, value=0.0):
        state = cls()
        object.__setattr__(state, "items", items)
        object.__setattr__(state, "_given", value)
        return state

    def resampling(self, name):
        return self.items

    def value_of(self, name, totals):
        return ratio(totals[:, 0], totals[:, 1])

    def total_scores(self):
        if isinstance(self.items, RankedItems):
            value, n = self._given, len(self.items.score)
        else:
            counts = 1 if self.items.counts is None else self.items.counts[:, None]
            sums = (self.items.columns * counts).sum(axis=0)
            value, n = ratio(sums[:1], sums[1:])[0], int(sums[1])
        return [Score("v", float(value), "fraction", "higher", n, {}, "v")]


def areas(positive, score, ids=None):
    """Items whose score `v` is the area under their ROC curve."""
    area = delong.auc_variance(positive, score).value
    ids = np.arange(len(score)) if ids is None else ids
    return Told.of(RankedItems(np.asarray(positive, bool), np.asarray(score), ids), area)
