"""Captions counted in stretches, with bags and groups: the same bytes however they are cut."""

from functools import partial

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.cli.captions import _asked, count_captions, count_references
from assay.run.totals import Adder

METRICS = ("bleu", "bleu:coco", "chrf", "chrf++", "rouge_l", "meteor", "ter", "cider")
WORDS = ("a", "red", "dog", "runs", "the", "hill", "")
SCHEMA = pa.schema(
    {"references": pa.list_(pa.string()), "hypothesis": pa.string(), "g": pa.string()}.items()
)

TEXTS = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
ROWS = st.lists(
    st.tuples(st.lists(TEXTS, min_size=1, max_size=3), TEXTS, st.sampled_from("xy")),
    min_size=1, max_size=12,
)  # fmt: skip
CUTS = st.lists(st.integers(0, 12), max_size=5)
ORDER = st.lists(st.integers(0, 12), max_size=5)


def table(rows):
    return pa.table([*map(list, zip(*rows, strict=True))], schema=SCHEMA)


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


def packed(total):
    return total.items, {name: state.to_bytes() for name, state in total.states.items()}


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=25)
@given(rows=ROWS, cuts=CUTS, order=ORDER)
def test_pieces_add_to_the_bytes_of_the_whole(metric, rows, cuts, order):
    (asked,) = _asked(metric, None, "none")
    if "df" in asked.options:  # which is a sum over pieces itself
        count = partial(count_references, options=asked.options)
        whole = count(table(rows)).total
        parts = [count(table(piece)).total for piece in pieces(rows, cuts)]
        assert packed(added(parts, order)) == packed(whole)
        asked = asked._replace(options={**asked.options, "df": whole.states["references"]})
    count = partial(count_captions, asked=[asked], extra=("g",), groups=1, bagged=True)
    parts = [count(table(piece)).total for piece in pieces(rows, cuts)]
    assert packed(added(parts, order)) == packed(count(table(rows)).total)
