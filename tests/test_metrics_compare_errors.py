"""What interval, compare and the states that add refuse, and in which words."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import assay
from assay.core.errors import InputError
from assay.core.resampling import Items
from assay.metrics.bootstrap import fill_bags, poisson_bootstrap
from assay.metrics.compare import compare
from assay.metrics.intervals import interval
from assay.metrics.item_values import ItemValues
from intervals_kit import Told, areas, pair_of, values


@pytest.fixture(scope="module")
def of() -> SimpleNamespace:
    """States of every kind."""
    v = values([0.5, 0.6])
    return SimpleNamespace(
        v=v,
        words=pair_of(5)[0],
        others=assay.count_words([[*"abcdefghijklm"]] * 5, [["a"]] * 5, items=True),
        plain=assay.count_words(["a"], ["a"]),
        chars=assay.count_chars(["ab"], ["ab"], items=True),
        upper=assay.count_words(["A"], ["a"], items=True),
        lower=assay.count_words(["A"], ["a"], items=True, normalise="basic"),
        bags=fill_bags(v, ["v"]),
        poisson=poisson_bootstrap(v, ["v"]),
        ranked=areas([0, 1], [0.1, 0.2]),
        narrow=Told.of(Items(np.ones((2, 2), np.int64), np.arange(2))),
        wide=Told.of(Items(np.ones((2, 3), np.int64), np.arange(2))),
    )


Call = Callable[[SimpleNamespace], Any]
INTERVALS: list[tuple[Call, str]] = [
    (lambda of: interval(of.plain, "wer"), "rows were not kept; count with items=True"),
    (lambda of: interval(of.words, "hits"), "no interval of 'hits': of these there is one: wer, "
     "mer"),
    (lambda of: interval(of.chars, "wer"), "no interval of 'wer': of these there is one: cer"),
    (lambda of: interval(of.v, "w"), "no interval of 'w'"),
    (lambda of: interval(of.bags, "w"), "no interval of 'w': these are of ['v']"),
    (lambda of: interval(3, "wer"), "int does not tell of its items"),
    (lambda of: interval(of.v, "v", level=95), "level must be between 0 and 1, got 95; 0.95 is"),
    (lambda of: interval(of.v, "v", method="t"), "method must be one of bootstrap, wilson, delong, "
     "got 't'"),
    (lambda of: interval(of.v, "v", method="wilson"), "wilson: v is not a share of items"),
    (lambda of: interval(of.v, "v", method="delong"), "delong: v is no area under one ROC curve"),
    (lambda of: interval(of.v, "v", cluster=["a"]), "'cluster' must have 2 values, got 1"),
    (lambda of: interval(of.poisson, "v", cluster=[1, 1]), "cluster needs single items; this state "
     "has sums of them only"),
    (lambda of: interval(of.v, "v", method="wilson", cluster=[1, 2]), "wilson: items count one by"),
]  # fmt: skip
COMPARISONS: list[tuple[Call, str]] = [
    (lambda of: compare(of.words, of.v, "wer"), "must be states of one kind, got EditCounts and "
     "ItemValues"),
    (lambda of: compare(of.words, of.chars, "wer"), "wer is not of one definition: a has "
     "wer|unit:word"),
    (lambda of: compare(of.lower, of.upper, "wer"), "wer is not of one definition"),
    (lambda of: compare(of.words, of.others, "wer"), "are not the same in a and b: item 0 has"),
    (lambda of: compare(of.bags, of.bags, "v"), "the items of v have no ids to match them by"),
    (lambda of: compare(of.ranked, of.ranked, "v", method="permutation"), "no common scale to "
     "swap"),
    (lambda of: compare(of.ranked, of.ranked, "v", method="delong", cluster=[0, 1]), "one by one"),
    (lambda of: compare(of.v, of.v, "v", method="mcnemar", cluster=[0, 1]), "mcnemar: items count "
     "one"),
    (lambda of: compare(of.narrow, of.wide, "v", method="permutation"), "a and b have 2 and 3 "
     "columns"),
]  # fmt: skip
STATES: list[tuple[Call, str]] = [
    (lambda of: poisson_bootstrap(of.v, []), "metrics must name a score at least, got none"),
    (lambda of: poisson_bootstrap(of.bags, ["v"]), "items have no ids to weight them by"),
    (lambda of: fill_bags(of.ranked, ["v"]), "v: its items have no columns that could be added up"),
    (lambda of: ItemValues.from_items([1, 1], {"v": [1, 2]}), "ids must differ"),
    (lambda of: ItemValues.from_items([1, 2], {"v": [1]}), "v must have 2 values, got shape (1,)"),
    (lambda of: of.v.per_item("w"), "no column 'w'; there are ['id', 'v']"),
    (lambda of: assay.EditCounts.from_items("word", [1], {}), "no column 'word_hits'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), [*INTERVALS, *COMPARISONS, *STATES])
def test_what_is_refused(call: Call, message: str, of: SimpleNamespace) -> None:
    with pytest.raises(InputError) as caught:
        call(of)
    assert message in str(caught.value)
