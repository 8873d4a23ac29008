"""Sums of what was counted of stretches of rows: the same however they are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.metrics.bootstrap import fill_bags
from assay.metrics.classification import count_labels, count_scores
from assay.metrics.words import count_words
from assay.run import totals
from assay.run.totals import Adder, Total

WORDS = ("a", "b", "cat", "dog")


def counted(pairs):
    refs, hyps, groups = map(list, zip(*pairs, strict=True)) if pairs else ([], [], [])
    state = count_words(refs, hyps, by={"g": groups}, items=True)
    return Total(len(pairs), {"word": state, "bags": fill_bags(state, ["wer"])})


def labelled(rows):
    target, prediction, weights = (np.array(column) for column in zip(*rows, strict=True))
    return Total(
        len(rows),
        {
            "confusion": count_labels(target, prediction, weights=weights, items=True),
            "sweep": count_scores(target == 1, prediction / 4, weights=weights, items=True),
        },
    )


def packed(total):
    return [total.items, {name: state.to_bytes() for name, state in total.states.items()}]


def pieces(rows, cuts):
    ends = sorted({min(cut, len(rows)) for cut in cuts} - {0, len(rows)})
    return [rows[a:b] for a, b in zip([0, *ends], [*ends, len(rows)], strict=True)]


def added(parts, order):
    """Neighbours added in the order that was drawn."""
    parts = list(parts)
    for place in order:
        if len(parts) > 1:
            at = place % (len(parts) - 1)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
    adder = Adder()
    for part in parts:
        adder.add(part)
    return adder.total()


TEXTS = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from("xy")), min_size=1, max_size=25)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0, 8)), min_size=1, max_size=25
)
CUTS = st.lists(st.integers(0, 25), max_size=6)
ORDER = st.lists(st.integers(0, 25), max_size=6)


@settings(deadline=None)
@given(pairs=PAIRS, cuts=CUTS, order=ORDER)
def test_pieces_of_texts_add_to_the_bytes_of_the_whole(pairs, cuts, order):
    assert packed(added(map(counted, pieces(pairs, cuts)), order)) == packed(counted(pairs))


@settings(deadline=None)
@given(rows=ROWS, cuts=CUTS, order=ORDER)
def test_pieces_of_labels_add_to_the_bytes_of_the_whole(rows, cuts, order):
    assert packed(added(map(labelled, pieces(rows, cuts)), order)) == packed(labelled(rows))


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, cuts=CUTS, order=ORDER, most=st.integers(0, 30))
def test_rows_of_single_items_are_all_there_or_none(rows, cuts, order, most):
    whole = labelled(rows)
    expected = whole if len(rows) <= most else whole.without_rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(totals, "LISTED", most)
        assert packed(added(map(labelled, pieces(rows, cuts)), order)) == packed(expected)


def test_nothing_is_neutral():
    total = counted([("a b", "a", "x")])
    for whole in (Total() + total, total + Total(), total + counted([])):
        assert packed(whole) == packed(total)
    assert Adder().total().items == 0


def test_an_adder_copies_little():
    class Counter(Total):
        """Tells how many batches are copied when it is added."""

        copied = 0

        def __add__(self, later):
            Counter.copied += self.items + later.items
            return Counter(self.items + later.items)

    adder = Adder()
    for _ in range(1000):
        adder.add(Counter(1))
    assert adder.total().items == 1000
    assert Counter.copied < 1000 * 15  # one after the other it would be half a million
