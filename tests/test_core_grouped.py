"""Thousands of groups in bytes: columns where the groups are alike, single states where not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.state import State
from assay.metrics.bleu import count_bleu
from assay.metrics.classification import count_labels
from assay.metrics.edit_counts import EditCounts
from assay.metrics.words import count_words

TEXTS = st.lists(st.sampled_from(("a", "b", "c d", "")), max_size=4).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from("xyz")), min_size=1, max_size=20)


def counted(pairs, **options):
    refs, hyps, groups = map(list, zip(*pairs, strict=True))
    return count_words(refs, hyps, by={"g": groups}, **options)


@settings(deadline=None)
@given(
    pairs=PAIRS,
    items=st.booleans(),
    confusions=st.booleans(),
    empty=st.sampled_from(["skip", "nan"]),
)
def test_groups_are_the_counts_of_their_rows(pairs, items, confusions, empty):
    options = {"items": items, "confusions": confusions, "empty": empty}
    whole = counted(pairs, **options)
    back = EditCounts.from_bytes(whole.to_bytes())
    assert set(whole.groups) == set(back.groups) == {(group,) for *_, group in pairs}
    for (name,), group in whole.groups.items():
        own = [(i, *pair) for i, pair in enumerate(pairs) if pair[2] == name]
        ids, refs, hyps, _ = map(list, zip(*own, strict=True))
        alone = count_words(refs, hyps, **options, **({"ids": ids} if items else {}))
        assert group.to_bytes() == back.groups[name,].to_bytes()
        assert [s.value for s in group.scores()] == pytest.approx(
            [s.value for s in alone.scores()], nan_ok=True, rel=0, abs=0
        )
        assert np.array_equal(group.rows, alone.rows)
        assert group.confusions == alone.confusions
        assert group.empty_references == alone.empty_references


def test_many_groups_take_few_bytes_and_come_back():
    n = 3000
    state = count_words(["a b c"] * n, ["a x c"] * n, by={"g": [f"g{i}" for i in range(n)]})
    data = state.to_bytes()
    assert len(data) < 100 * n  # single states take 1,000 bytes
    back = State.from_bytes(data)
    assert back.to_bytes() == data
    assert (back + back).groups["g7",].substitutions == 2


@pytest.mark.parametrize(
    "state",
    [
        count_bleu(["a b c d e"] * 3, ["a b c d"] * 3, by={"g": ["x", "y", "x"]}),
        count_labels([1, 0, 1], [1, 1, 0], by={"g": ["x", "y", "x"]}),
        counted([("a b", "a", "x"), ("a", "b", "y")], confusions=True, items=True),
    ],
    ids=["arrays", "cells", "rows"],
)
def test_every_kind_of_group_comes_back(state):
    back = State.from_bytes(state.to_bytes())
    assert back.to_bytes() == state.to_bytes()
    assert [(s.key(), s.value) for s in back.scores()] == [
        (s.key(), s.value) for s in state.scores()
    ]
