"""What count_rankings and RankCounts.from_pairs refuse, and in which words."""

import math
import re

import numpy as np
import pyarrow as pa
import pytest

from assay.core.errors import InputError
from assay.metrics.retrieval import RankCounts, count_rankings

ARRAYS = (np.array([1, 1, 2]), np.array([4, 5, 4]), np.array([0.5, 0.25, 1.0]))


@pytest.mark.parametrize(
    ("rankings", "relevant", "options", "message"),
    [
        (
            {"q": ["a", "b", "a"]},
            {"q": "a"},
            {},
            "the ranking of query 'q' has item 'a' twice; keep the first of them",
        ),
        (
            (["p", "p"], ["x", "x"], [1, 2]),
            {"p": "a"},
            {},
            "the ranking of query 'p' has item 'x' twice; keep",
        ),
        (
            (np.array([1, 7, 7]), np.array([5, 4, 4]), np.ones(3)),
            (np.array([1, 7]), np.array([5, 5])),
            {},
            "the ranking of query 7 has item 4 twice",
        ),
        (
            {"q": {"a": 1.0, "b": math.nan}},
            {"q": "a"},
            {},
            "the score of item 'b' of query 'q' is NaN; drop the item or give it a score",
        ),
        (
            {"q": {"a": math.nan}},
            {"q": "a"},
            {},
            "the score of item 'a' of query 'q' is NaN",
        ),
        (
            (*ARRAYS[:2], np.array([1, np.nan, 1])),
            (np.array([1]), np.array([4])),
            {},
            "the score of item 5 of query 1 is NaN",
        ),
        (
            {"q": {"a": "high"}},
            {"q": "a"},
            {},
            "the score of item 'a' of query 'q' must be a number, got 'high'",
        ),
        (
            {"q": {"a": None}},
            {"q": "b"},
            {},
            "the score of item 'a' of query 'q' is NaN",
        ),
        (
            {"q": ["a"]},
            {"q": {"a": "yes"}},
            {},
            "the gain of item 'a' of query 'q' must be a number, got 'yes'",
        ),
        (
            {"q": ["a"]},
            {"q": {"a": math.nan}},
            {},
            "the gain of item 'a' of query 'q' is NaN",
        ),
        (
            ARRAYS,
            (np.array([1]), np.array([4]), np.array([np.nan])),
            {},
            "the gain of item 4 of query 1 is NaN",
        ),
        (
            ARRAYS,
            (np.array([1, 1]), np.array([4, 4])),
            {},
            "query 1 has the judged item 4 twice",
        ),
        (
            {"q": "abc"},
            {"q": "a"},
            {},
            "the ranking of query 'q' must be a mapping of items to scores or a list of "
            "items, got str",
        ),
        (
            {"q": {"a", "b"}},
            {"q": "a"},
            {},
            "the ranking of query 'q' must be a mapping of items to scores or a list of "
            "items, got set",
        ),
        (
            {1.5: ["a"]},
            {1.5: "a"},
            {},
            "queries must be strings or integers, got 1.5",
        ),
        (
            {"q": {"a": 1, 2: 1}},
            {"q": "a"},
            {"convention": "trec"},
            "items of query 'q' cannot be put in order: item-descending needs",
        ),
        (
            "run.trec",
            {"q": "a"},
            {},
            "rankings must be a mapping of queries, a table, or a list of rows, got str",
        ),
        (
            {"q": ["a"]},
            3,
            {},
            "relevant must be a mapping of queries, a table, or a list of rows, got int",
        ),
        (
            (np.array([1]),),
            {1: 2},
            {},
            "rankings must be columns (query, item, score) or (query, item), got 1",
        ),
        (
            (*ARRAYS[:2], np.ones(2)),
            {1: 2},
            {},
            "rankings: columns must be of one length, got [2, 3]",
        ),
        (
            pa.table({"query": ["a"], "text": ["b"]}),
            {"a": "b"},
            {},
            "rankings must have columns query and item, there are ['query', 'text']",
        ),
        (
            (["a", None], ["x", "y"]),
            {"a": "x"},
            {},
            "queries: row 1 is missing",
        ),
        (
            (["a"], [0.5]),
            {"a": "x"},
            {},
            "items must be strings or integers, got double",
        ),
        (
            (["a"], ["x"], ["high"]),
            {"a": "x"},
            {},
            "column score must hold numbers: ",
        ),
        (
            ARRAYS,
            {"a": "x"},
            {},
            "queries are integers in one table and strings in the other; use one kind",
        ),
        (
            [["a"]],
            ["a"],
            {"ids": [1, 2]},
            "ids must be 1 integers, one for each row of rankings",
        ),
        (
            [["a"], ["b"]],
            ["a", "b"],
            {"ids": [1, 1]},
            "ids must differ from each other; an id occurs twice",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"ids": [1]},
            "ids are for rankings without query names",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"k": 0},
            "k must be whole numbers of at least 1, got 0",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"k": [1, 2.5]},
            "k must be whole numbers of at least 1, got 2.5",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"convention": "beir"},
            "convention must be one of cross-modal, ",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"ties": "none"},
            "ties must be one of index, ",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"level": -1},
            "level must be at least 0, got -1",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"empty": "drop"},
            "empty must be one of skip, ",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"gain": "log"},
            "gain must be one of linear, exponential, got 'log'",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"by": {"x": [1, 2]}},
            "by: column 'x' must have 1 values, got 2",
        ),
        (
            {"q": ["a"]},
            {"q": "a"},
            {"by": ["x"]},
            "by must be a mapping of names to columns, got list",
        ),
        (
            ARRAYS,
            {1: 4},
            {"by": {"x": [1, 2]}},
            "by: column 'x' of a table must be {query: value}",
        ),
    ],
)
def test_bad_input(rankings, relevant, options, message: str) -> None:
    with pytest.raises(InputError, match="^" + re.escape(message)):
        count_rankings(rankings, relevant, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_ids": [4, 4]}, "query_ids must differ from each other; one occurs twice"),
        ({"query_ids": [0.5, 1.5]}, "query_ids must be integers in one dimension, got shape (2,)"),
        ({"offsets": [0, 3]}, "offsets must be 3 integers in one dimension, got shape (2,)"),
        ({"offsets": [0, 3, 2]}, "offsets must begin with 0 and not decrease"),
        ({"item": [1, 2]}, "item must be 3 integers in one dimension, got shape (2,)"),
        ({"item": [5, 5, 5]}, "query 4 has the relevant item 5 twice"),
        ({"gains": [1.0, 2.0]}, "gains must have shape [3], got (2,)"),
        ({"gains": [1, math.nan, 1]}, "the gain of item 6 of query 4 is NaN"),
        ({"above": [0, 9, 0]}, "item 6 of query 4: 9 above, 0 and 0 equal do not fit in a "),
        ({"above": [0, -2, 0]}, "item 6 of query 4: -2 above, "),
        ({"equal_before": [0, 0, -1]}, "item 5 of query 9: 0 above, -1 and 0 equal do not fit"),
        ({"depth": [9, 0]}, "item 5 of query 9: 0 above, 0 and 0 equal do not fit in a "),
        ({"nonrelevant": [0, 0]}, "nonrelevant and nonrelevant_above go together"),
    ],
)  # fmt: skip
def test_bad_pairs(change, message: str) -> None:
    good = {
        "query_ids": [4, 9], "offsets": [0, 2, 3], "item": [5, 6, 5], "gains": None,
        "above": [0, 1, 0], "equal_before": [0, 0, 0], "equal_after": [0, 0, 0], "depth": 9,
    }  # fmt: skip
    assert RankCounts.from_pairs(**good)["map"] == 1.0
    with pytest.raises(InputError, match="^" + re.escape(message)):
        RankCounts.from_pairs(**{**good, **change})
