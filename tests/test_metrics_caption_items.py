"""Rows of captions as columns of a file, and states made of them again."""

import json

import numpy as np
import pytest

from assay import (
    compare,
    count_bleu,
    count_chrf,
    count_cider,
    count_document_frequency,
    count_rouge_l,
    interval,
)
from assay.core.errors import InputError
from assay.metrics.from_items import state_of_items
from assay.metrics.meteor import count_meteor
from assay.metrics.ter import count_ter

REFS = [["the cat sat on the mat", "a cat sat"], ["a dog ran off"], ["so it was", "it was"], ["x"]]
HYPS = ["the cat sat on a mat", "a dog ran off", "it was so", ""]
DF = count_document_frequency(REFS)

COUNTS = {
    "bleu": lambda **o: count_bleu(REFS, HYPS, **o),
    "bleu, coco": lambda **o: count_bleu(REFS, HYPS, variant="coco", max_order=2, **o),
    "bleu, nltk": lambda **o: count_bleu(REFS, HYPS, variant="nltk", smoothing="method5", **o),
    "bleu, nmt": lambda **o: count_bleu(REFS, HYPS, variant="nmt", smoothing="add-one", **o),
    "chrf": lambda **o: count_chrf(REFS, HYPS, **o),
    "chrf++": lambda **o: count_chrf(REFS, HYPS, word_order=2, beta=1.5, **o),
    "rouge_l": lambda **o: count_rouge_l(REFS, HYPS, normalise="basic", **o),
    "cider": lambda **o: count_cider(REFS, HYPS, df=DF, **o),
    "ter": lambda **o: count_ter(REFS, HYPS, **o),
    "meteor": lambda **o: count_meteor(REFS, HYPS, synonyms="none", **o),
}


@pytest.mark.parametrize("count", COUNTS.values(), ids=COUNTS)
def test_the_state_comes_back(count):
    state = count(items=True, ids=[7, 3, 5, 1])
    columns = state.item_columns()
    assert len(columns[state.name]) == 4
    definition = json.loads(json.dumps(state.definition))
    again = state_of_items(state.name, [1, 3, 5, 7], columns, definition=definition)
    assert type(again) is type(state)
    assert again.total_scores() == state.total_scores()
    assert again.to_bytes() == state.to_bytes()
    assert interval(again, state.name, resamples=50) == interval(state, state.name, resamples=50)
    assert compare(again, state, state.name, resamples=50).delta == 0


def test_a_mean_of_items():
    state = count_bleu(REFS, HYPS, items=True)
    again = state_of_items(
        "mean_bleu", np.arange(4), state.item_columns(), definition=state.definition
    )
    assert again["mean_bleu"] == state["mean_bleu"]


def test_what_is_missing_or_unknown():
    state = count_chrf(REFS, HYPS, items=True)
    columns, definition = state.item_columns(), state.definition
    short = {name: column for name, column in columns.items() if name != "chrf_4"}
    with pytest.raises(InputError, match="from_items: no column 'chrf_4'; there are"):
        state_of_items("chrf", np.arange(4), short, definition=definition)
    with pytest.raises(InputError, match="from_items: ChrfCounts has no odd"):
        state_of_items("chrf", np.arange(4), columns, definition={**definition, "odd": 1})
    with pytest.raises(InputError, match="blue has a definition, but there is no such metric"):
        state_of_items("blue", np.arange(4), columns, definition=definition)
    with pytest.raises(InputError, match="ids must differ from each other"):
        state_of_items("chrf", [1, 1, 2, 3], columns, definition=definition)
    with pytest.raises(InputError, match="rows were not kept; count with items=True"):
        count_chrf(REFS, HYPS).item_columns()
