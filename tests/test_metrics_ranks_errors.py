"""What count_ranks, same_label and target_scores refuse, and in which words."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from assay.core.errors import InputError
from assay.metrics.ranks import count_ranks, same_label, target_scores

GOOD = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_ranks(GOOD, GOOD, [0, 1]), "relevant must have 3 rows, one a query, got 2"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 3]),
            r"relevant\[2\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, -1]),
            r"relevant\[2\]: gallery rows must be in 0..2, got -1",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [[0], [1, 1], []]),
            r"relevant\[1\]: row 1 stands there twice",
        ),
        (lambda: count_ranks(GOOD, GOOD, [[0], ["a"], []]), r"relevant\[1\] must be gallery rows"),
        (lambda: count_ranks(GOOD, GOOD, {7: [0]}), "relevant: there is no query 7"),
        (
            lambda: count_ranks(GOOD, GOOD, pd.DataFrame({"q": [1], "item": [1]})),
            r"relevant must have columns query and item, there are \['q', 'item'\]",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": [0, 0], "item": [1, 1]})),
            "relevant: query 0 has row 1 twice",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, same_label("ab", "abc")),
            "labels of queries must be a column",
        ),
        (lambda: same_label(["a"], [1]), "labels must be of one kind"),
        (
            lambda: count_ranks(GOOD, GOOD, same_label(["a", "b"], ["a", "b", "c"])),
            "same_label: labels of 3 queries are needed, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=([1, 2], [1, 2, 3])),
            "exclude: groups of 3 queries are needed, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], query_ids=[1, 2]),
            "query_ids must be 3 integers",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], convention="mine"),
            "convention must be one of",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1.0, np.nan, 1.0]),
            "target_scores: that of pair 1 is NaN; put those of all shards together first",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1.0]),
            r"target_scores must be one for each of 3 relevant pairs, got shape \(1,\)",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pd.DataFrame({"query": [0], "item": [1], "good": [0]})),
            r"relevant: no column gain among .*; name it so, or leave 'good' out",
        ),
        (lambda: same_label([0.0, np.nan], [1.0]), "label 1 of queries is missing"),
        (lambda: same_label(["a"], ["a", None]), "label 1 of the gallery is missing"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=[0, 1]),
            "exclude must have 3 rows, one a query, got 2",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=["a", 1, 2]),
            r"exclude\[0\] must be gallery rows",
        ),
        (lambda: count_ranks(GOOD, GOOD, None), "relevant must be gallery rows of each of 3"),
        (lambda: count_ranks(GOOD, GOOD, [{0: "x"}, [], []]), "gains must be numbers"),
        (lambda: count_ranks(GOOD, GOOD, [{0: np.inf}, [], []]), "gains must be finite, got inf"),
        (
            lambda: count_ranks(GOOD, GOOD, [{0: 2000}, [], []], gain="exponential"),
            "2\\^2000 - 1 is beyond what can be added",
        ),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], k=1.5), "k must be whole numbers"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], k=None), "k must be whole numbers"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], by="a"), "by must be a mapping"),
        (lambda: count_ranks(GOOD, GOOD, [0, 1, 2], level="a"), "level must be at least 0"),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], both_directions=True, directions=("a",)),
            "directions must be two names",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=["a", 1, 1]),
            "target_scores must be numbers",
        ),
        (
            lambda: target_scores(GOOD, GOOD, [0, 1, 2], gallery_offset=2.5),
            "gallery_offset must be a whole number of at least 0, got 2.5",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], gallery_offset=3),
            "gallery_offset needs the target_scores of all shards",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], target_scores=[1, 1, 1], by={"a": "xyz"}),
            r"by and gallery_ids go to finish\(\)",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, [0, 1, 2], exclude=[[0], [3], []]),
            r"exclude\[1\]: gallery rows must be in 0..2, got 3",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": ["a"], "item": [1]})),
            "relevant: column query must be integers",
        ),
        (
            lambda: count_ranks(GOOD, GOOD, pa.table({"query": [0, 9], "item": [1, 1]})),
            r"relevant: there is no query 9 \(1 of 2 are unknown\)",
        ),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
