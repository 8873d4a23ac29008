"""What count_words, count_chars and their rates refuse, and in which words."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from assay import AssayError, Ragged, align, cer, count_chars, count_words, wer
from assay.core.errors import InputError, MergeError

LATER = 4096 + 512 + 17  # an index behind the first block
FIX = "drop the row or replace it with ''"
FILL = "drop those rows or fill them with ''"
SAME = "reference and hypothesis must have the same length"
SHAPE = "reference: token ids must have shape [n, width]"


def with_value(value: Any, at: int, size: int = 6000) -> list[Any]:
    return [*["a"] * at, value, *["a"] * (size - at - 1)]


class Shout:
    """Something that is no string."""

    def __repr__(self) -> str:
        return "Shout()"


BAD_TEXT = [
    (["a", "b"], ["a"], f"{SAME}, got 2 and 1"),
    ([], ["a"], f"{SAME}, got 0 and 1"),
    (["a", None], ["a", "b"], f"reference[1] must be a string, got None; {FIX}"),
    (["a"], [7], f"hypothesis[0] must be a string, got 7; {FIX}"),
    (["a"], [b"a"], f"hypothesis[0] must be a string, got b'a'; {FIX}"),
    ([Shout()], ["a"], f"reference[0] must be a string, got Shout(); {FIX}"),
    ([{"a"}], ["a"], f"reference[0] must be a string, got {{'a'}}; {FIX}"),
    ([1.5], [1.5], f"reference[0] must be a string, got 1.5; {FIX}"),
    (
        ["a"] * 6000,
        with_value(None, LATER),
        f"hypothesis[{LATER}] must be a string, got None; {FIX}",
    ),
    (
        pd.Series(["a", np.nan], dtype=object),
        ["a", "b"],
        f"reference[1] must be a string, got nan; {FIX}",
    ),
    (
        pd.Series(with_value(pd.NA, LATER), dtype="string"),
        ["a"] * 6000,
        f"reference[{LATER}] must be a string, got <NA>; {FIX}",
    ),
    (np.array([1.5, 2.5]), ["a", "b"], f"reference[0] must be a string, got 1.5; {FIX}"),
    (np.array([b"a"]), ["a"], f"reference[0] must be a string, got b'a'; {FIX}"),
    (
        pa.array(["a", None, "b", None]),
        ["a"] * 4,
        f"reference[1] is null (2 of 4 are); {FILL}",
    ),
    (
        ["a"] * 6000,
        pa.chunked_array([["a"] * 3000, with_value(None, LATER - 3000, 3000)]),
        f"hypothesis[{LATER}] is null (1 of 6000 are); {FILL}",
    ),
    (pl.Series(["a", None]), ["a"] * 2, f"reference[1] is null (1 of 2 are); {FILL}"),
    (pa.array([b"a"]), ["a"], "reference must be a column of strings, got binary"),
    (pa.array([1]), ["a"], "reference must be a column of strings, got int64"),
    (["a"], pl.Series([1.5]), "hypothesis must be a column of strings, got double"),
    (pa.table({"x": ["a"]}), ["a"], "reference must be a column of strings, got Table"),
    (pl.DataFrame({"x": ["a"]}), ["a"], "reference must be a column of strings, got Table"),
    (pd.DataFrame({"x": ["a"]}), ["a"], "reference must have one dimension, got shape (1, 1)"),
    (np.array([["a"]]), ["a"], "reference must have one dimension, got shape (1, 1)"),
    (np.array("abc"), ["a"], "reference must have one dimension, got shape ()"),
    *[
        (
            data,
            ["a"],
            f"reference must be a list of strings or a column, got {type(data).__name__}; "
            "put a single string in a list",
        )
        for data in ("a", b"a", {"a": 1}, {"a"}, None, 7, Shout())
    ],
]
BAD_ROWS = [
    ([["a"]], ["a"], "reference and hypothesis must be of one kind, got text and tokens"),
    ([[1]], ["a"], "reference and hypothesis must be of one kind, got ids and text"),
    ([[1]], [["a"]], "reference and hypothesis must be of one kind, got ids and tokens"),
    ([[]], ["a"], "reference and hypothesis must be of one kind, got text and tokens"),
    ([["a"], "ab"], [["a"], ["b"]], "reference[1] must be a list of strings, got 'ab'"),
    ([["a"], None], [["a"], ["b"]], "reference[1] must be a list of strings, got None"),
    ([["a"], ["b"]], [["a"], 7], "hypothesis[1] must be a list of strings, got 7"),
    ([["a", 7]], [["a"]], "reference[0][1] must be a string, got 7"),
    ([[None, "a"]], [["a"]], "reference[0][0] must be a string, got None"),
    (
        [["a"]] * 6000,
        [["a"]] * LATER + ["ab"] + [["a"]] * (5999 - LATER),
        f"hypothesis[{LATER}] must be a list of strings, got 'ab'",
    ),
    (
        [["a"]] * 6000,
        [["a"]] * LATER + [["b", None]] + [["a"]] * (5999 - LATER),
        f"hypothesis[{LATER}][1] must be a string, got None",
    ),
    ([[1]], [[1.5]], "hypothesis[0]: token ids must be integers, got [1.5]"),
    ([[True]], [[1]], "reference[0]: token ids must be integers, got [True]"),
    ([[2**64]], [[1]], f"reference[0]: token ids must be integers, got [{2**64}]"),
    ([[[1]]], [[1]], "reference[0] must be a row of token ids, got [[1]]"),
    (np.zeros(3, int), np.zeros(3, int), f"{SHAPE}, got (3,)"),
    (np.zeros((1, 1, 1), int), [[1]], f"{SHAPE}, got (1, 1, 1)"),
    (torch.zeros((2, 2), dtype=torch.int64), [[1]], f"{SAME}, got 2 and 1"),
    (
        Ragged(np.arange(3), np.array([0, 4])),
        [[1]],
        "Ragged: offsets must not decrease and must lie in 0..3, got 0..4",
    ),
]


@pytest.mark.parametrize(
    ("count", "refs", "hyps", "message"),
    [
        *[(count_words, *bad) for bad in [*BAD_TEXT, *BAD_ROWS]],
        *[(count_chars, *bad) for bad in BAD_TEXT],
    ],
)
def test_what_is_no_input(count: Any, refs: Any, hyps: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        count(refs, hyps)


IDS_2 = np.array([[1, 2], [3, 4]])
RAGGED = Ragged(np.array([1]), np.array([0, 1]))
BAD_OPTIONS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: count_words(["a"], ["a"], empty="zero"),
        "empty must be one of jiwer, nan, inf, skip, error, got 'zero'",
    ),
    (
        lambda: wer(["a"], ["a"], empty="zero"),
        "empty must be one of jiwer, nan, inf, skip, error, got 'zero'",
    ),
    (
        lambda: count_words(["a"], ["a"], normalise="whisper"),
        "normalise must be one of none, basic, whisper-basic, whisper-english or a "
        "function, got 'whisper'",
    ),
    (
        lambda: cer(["a"], ["a"], normalise=None),
        "normalise must be one of none, basic, whisper-basic, whisper-english or a "
        "function, got None",
    ),
    (
        lambda: count_words(["a"], ["a"], normalise=len),
        "normalise must return a string, got 1 for 'a'",
    ),
    (
        lambda: align(["a"], ["a"], unit="line"),
        "unit must be one of word, char, grapheme, got 'line'",
    ),
    (
        lambda: count_chars([[1]], [[1]]),
        "unit 'char' takes text, got token ids; each id is one unit of 'word'",
    ),
    (
        lambda: count_words([["a"]], [["a"]], normalise="basic"),
        "normalise goes with text, not with tokens",
    ),
    (lambda: count_words([[1]], [[1]], normalise=str), "normalise goes with text, not with ids"),
    (
        lambda: count_words(["a"], ["a"], ignore_index=0),
        "lengths and ignore_index go with token ids, not with text",
    ),
    (
        lambda: count_words([["a"]], [["a"]], lengths=([1], [1])),
        "lengths and ignore_index go with token ids, not with tokens",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=[2, 2, 2]),
        "lengths must be a pair: those of the references, those of the hypotheses",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=np.array([2, 2])),
        "lengths must be a pair: those of the references, those of the hypotheses",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=([2, 2], [2])),
        "hypothesis: lengths must be 2 integers, got shape (1,) of int64",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=([2.0, 2.0], [2, 2])),
        "reference: lengths must be 2 integers, got shape (2,) of float64",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=([2, 3], [2, 2])),
        "reference: lengths must be in 0..2, got 2..3",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, lengths=([2, 2], [-1, 2])),
        "hypothesis: lengths must be in 0..2, got -1..2",
    ),
    (
        lambda: count_words([[1]], [[1]], lengths=([1], [1])),
        "reference: lengths go with an array [n, width], not with a list",
    ),
    (
        lambda: count_words(RAGGED, RAGGED, lengths=([1], [1])),
        "reference: lengths go with an array [n, width], not with a Ragged",
    ),
    (
        lambda: count_words(["a", "b"], ["a", "b"], items=True, ids=[1, 1]),
        "ids must differ from each other; an id occurs twice",
    ),
    (
        lambda: count_words(["a", "b"], ["a", "b"], items=True, ids=[1]),
        "ids must be 2 integers, got shape (1,) of int64",
    ),
    (
        lambda: count_words(["a"], ["a"], items=True, ids=["x"]),
        "ids must be 1 integers, got shape (1,) of <U1",
    ),
    (
        lambda: count_words(["a"], ["a"], items=True, ids=np.array([2**63], np.uint64)),
        f"ids must fit in int64, got {2**63}",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, ignore_index="2"),
        "ignore_index must be one integer, got '2'",
    ),
    (
        lambda: count_words(IDS_2, IDS_2, ignore_index=[1, 2]),
        "ignore_index must be one integer, got [1, 2]",
    ),
    (
        lambda: count_words(np.zeros((1, 2), np.float32), IDS_2),
        "reference: token ids must be integers, got float32",
    ),
    (
        lambda: count_words([[1], [2.5]], [[1], [2]]),
        "reference[1]: token ids must be integers, got [2.5]",
    ),
    (
        lambda: count_words(np.ma.masked_array([[1, 2]], [[0, 1]]), [[1]]),
        "a masked array says nothing of lengths; give lengths= or ignore_index=",
    ),
    (
        lambda: count_words(pd.Series([["a", "b"]]), pd.Series([["a"]])),
        "reference[0] must be a string, got ['a', 'b']; rows of tokens or ids go in a list, as "
        "column.tolist() makes it",
    ),
    (
        lambda: count_words(["a"], ["a"], ids=[1]),
        "ids go with items=True",
    ),
    (
        lambda: count_words(["a", "b"], ["a", "b"], by={"voice": ["x"]}),
        "by: column 'voice' must have 2 values, got 1",
    ),
    (
        lambda: count_words(["a"], ["a"], by="voice"),
        "by must be a mapping of names to columns, got str",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD_OPTIONS, ids=[m[:40] for _, m in BAD_OPTIONS])
def test_options_that_do_not_fit(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        call()


def test_two_functions_of_one_name_are_two_normalisers() -> None:
    lower = count_words(["A"], ["a"], normalise=lambda s: s.lower())
    same = count_words(["A"], ["a"], normalise=lambda s: s)
    with pytest.raises(MergeError, match="normaliser differs"):
        lower + same
    assert (lower + count_words(["A"], ["a"], normalise=lambda s: s.lower())).pairs == 2


def test_errors_are_value_errors_of_the_house() -> None:
    with pytest.raises(ValueError, match="must be a string"):
        wer(["a"], [None])
    with pytest.raises(AssayError):
        wer(["a"], [None])


def test_an_error_of_a_callers_function_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        count_words(["a"] * 9000, ["a"] * 9000, normalise=lambda text: 1 / 0)
