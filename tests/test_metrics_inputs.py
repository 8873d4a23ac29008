"""Every accepted kind of input gives the same result; everything else is one clear error."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import AssayError, Ragged, align, cer, count_chars, count_words, wer
from assay.core.errors import InputError, MergeError
from assay.ops import tokens as packing
from oracle import totals
from strategies import any_text, sequence_pairs, token_rows

# One text beyond ASCII and one of a single byte; a blank line; nothing but white space.
REFS = ["the cat sat on the mat", "é x", "", "a", " \t ", "schön ist das", "to be or not", "b"]
HYPS = ["the cat on a mat", "e x", "y", "", "z", "schon is das", "to be or not to be", "b"]
FIELDS = ("hits", "substitutions", "deletions", "insertions", "pairs", "wrong_pairs")


def outcome(refs: Any, hyps: Any, **options: Any) -> tuple[Any, ...]:
    """Everything that can be counted, as text and as characters."""
    a = align(refs() if callable(refs) else refs, hyps() if callable(hyps) else hyps)
    states = [
        count(refs() if callable(refs) else refs, hyps() if callable(hyps) else hyps, **options)
        for count in (count_words, count_chars)
    ]
    counts = [tuple(getattr(state, name) for name in FIELDS) for state in states]
    return (*counts, a.kind.tolist(), a.offsets.tolist(), [a.tokens(i) for i in range(len(a))])


def sliced(array: pa.Array) -> pa.Array:
    """The column inside a longer one, null rows and other bytes around it."""
    around = [pa.array(["padding", None, "π"], array.type)]
    return pa.concat_arrays([*around, array, *around]).slice(3, len(array))


def chunked(texts: list[str], kind: pa.DataType) -> pa.ChunkedArray:
    parts = [texts[:3], [], texts[3:4], texts[4:]]
    return pa.chunked_array([sliced(pa.array(part, kind)) for part in parts])


TEXT: dict[str, Callable[[list[str]], Any]] = {
    "tuple": tuple,
    "generator": lambda texts: lambda: (text for text in texts),
    "map": lambda texts: lambda: map(str, texts),
    "numpy-str": np.array,
    "numpy-object": lambda texts: np.array(texts, object),
    "numpy-strided": lambda texts: np.array([x for t in texts for x in (t, "?")], object)[::2],
    "str-subclass": lambda texts: [np.str_(text) for text in texts],
    "arrow": pa.array,
    "arrow-large": lambda texts: pa.array(texts, pa.large_string()),
    "arrow-view": lambda texts: pa.array(texts, pa.string_view()),
    "arrow-dictionary": lambda texts: pa.array(texts).dictionary_encode(),
    "arrow-sliced": lambda texts: sliced(pa.array(texts, pa.string())),
    "arrow-large-sliced": lambda texts: sliced(pa.array(texts, pa.large_string())),
    "arrow-view-sliced": lambda texts: pa.array(["padding", *texts], pa.string_view()).slice(1),
    "arrow-dictionary-sliced": lambda texts: pa.array(["", *texts]).dictionary_encode().slice(1),
    "arrow-chunked": lambda texts: chunked(texts, pa.string()),
    "arrow-chunked-large": lambda texts: chunked(texts, pa.large_string()),
    "arrow-chunked-dictionary": lambda texts: chunked(texts, pa.string()).dictionary_encode(),
    "arrow-one-chunk": lambda texts: pa.chunked_array([pa.array(texts)]),
    "pandas-object": lambda texts: pd.Series(texts, dtype=object),
    "pandas-str": lambda texts: pd.Series(texts, dtype="str"),
    "pandas-string": lambda texts: pd.Series(texts, dtype="string"),
    "pandas-arrow": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "pandas-category": lambda texts: pd.Series(texts, dtype="category"),
    "pandas-index": lambda texts: pd.Series(texts, index=range(len(texts), 0, -1)),
    "pandas-array": lambda texts: pd.array(texts, dtype="string"),
    "polars": pl.Series,
    "polars-categorical": lambda texts: pl.Series(texts, dtype=pl.Categorical),
    "polars-chunked": lambda texts: pl.concat([pl.Series(texts[:2]), pl.Series(texts[2:])]),
    "polars-sliced": lambda texts: pl.Series(["padding", *texts]).slice(1),
}


@pytest.mark.parametrize("make", TEXT.values(), ids=TEXT)
def test_every_kind_of_text_column(make: Callable[[list[str]], Any]) -> None:
    truth = outcome(REFS, HYPS)
    assert outcome(make(REFS), make(HYPS)) == truth
    assert outcome(make(REFS), HYPS) == truth
    assert outcome(REFS, make(HYPS)) == truth


@pytest.mark.parametrize("make", TEXT.values(), ids=TEXT)
@pytest.mark.parametrize("size", [0, 1])
def test_columns_of_next_to_nothing(make: Callable[[list[str]], Any], size: int) -> None:
    for texts in (["é"], ["a b c d e f"], [""])[: 3 if size else 1]:
        refs = texts[:size]
        assert outcome(make(refs), make(refs)) == outcome(refs, refs)


def test_an_empty_column_without_buffers() -> None:
    empty = pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(b""), pa.py_buffer(b"")])
    assert outcome(empty, pa.array([])) == outcome([], [])


def test_many_blocks_of_a_column() -> None:
    # More pairs than one block holds, each block cut out of one shared buffer.
    refs = [f"{'é' * (k % 3)} a{k % 7} \u3000 b c{k % 5}" for k in range(9000)]
    hyps = [f"a{k % 6} b\u3000c{k % 5}" for k in range(9000)]
    truth = outcome(refs, hyps)
    assert outcome(pa.array(refs), sliced(pa.array(hyps, pa.large_string()))) == truth
    assert outcome(chunked(refs, pa.string()), iter_twice(hyps)) == truth


def test_a_column_too_large_for_small_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks of more than 2 GiB together, as if that were 16 bytes.
    monkeypatch.setattr(packing, "MAX_PLAIN", 16)
    column = chunked(REFS, pa.string())
    assert column.nbytes > 16
    assert packing.column(column, "x").offsets.dtype == np.int64
    assert outcome(column, HYPS) == outcome(REFS, HYPS)


def iter_twice(texts: list[str]) -> Callable[[], Any]:
    return lambda: iter(texts)


@settings(max_examples=40)
@given(st.lists(st.tuples(any_text(), any_text()), max_size=6))
def test_any_text_as_a_column(corpus) -> None:
    clean = [tuple(t.encode(errors="replace").decode() for t in pair) for pair in corpus]
    refs, hyps = [ref for ref, _ in clean], [hyp for _, hyp in clean]
    columns = sliced(pa.array(refs, pa.string())), pa.array(hyps, pa.large_string())
    assert outcome(*columns) == outcome(refs, hyps)


def test_pandas_with_lone_surrogates() -> None:
    refs = ["a \ud800", "\udc00\ud800 b"]
    assert outcome(pd.Series(refs, dtype=object), refs) == outcome(refs, refs)


# -- tokens ----------------------------------------------------------------------------------------


@given(st.lists(st.tuples(token_rows(), token_rows()), max_size=4))
def test_every_kind_of_token_rows(corpus) -> None:
    refs, hyps = [ref for ref, _ in corpus], [hyp for _, hyp in corpus]
    truth = count_words(refs, hyps).to_bytes()
    for kind in (
        tuple,
        lambda row: np.array(row, object),
        lambda row: pd.Series(row, dtype=object),
    ):
        assert count_words(list(map(kind, refs)), tuple(map(kind, hyps))).to_bytes() == truth


def test_tokens_that_use_every_separator() -> None:
    odd = ["\x1f\x1e", "\x1d", "\x1c", "\n", "\t", "\t\t", " ", "\0", "a\x1fb", "a b", "\u3000"]
    pairs = [(odd, odd[1:]), (odd[::-1], odd), ([], odd), (odd[:9], odd[3:])]
    no_space = [([t for t in r if " " not in t], [t for t in h if " " not in t]) for r, h in pairs]
    no_nul = [([t for t in r if t != "\0"], [t for t in h if t != "\0"]) for r, h in pairs]
    for used in (pairs, no_space, no_nul, [*no_space, (["\t\t"], ["\t"])]):
        state = count_words([ref for ref, _ in used], [hyp for _, hyp in used])
        assert (state.hits, state.substitutions, state.deletions, state.insertions) == totals(used)


def test_empty_rows_go_with_tokens_and_with_ids() -> None:
    assert count_words([["a", "b"], []], [[], []]).deletions == 2
    assert count_words([[], []], [["a"], []]).insertions == 1
    assert count_words([[1, 2]], [[]]).deletions == 2
    assert count_words([[]], [[7]]).insertions == 1
    assert count_words([[]], np.zeros((1, 3), np.int32)).insertions == 3
    assert count_words([[], []], [[], []]).pairs == 2


# -- ids -------------------------------------------------------------------------------------------

ROWS = ([[5, 6, 7], [1], [], [2, 2, 9, 4]], [[5, 7], [], [3], [2, 9, 4, 4]])
LENGTHS = [[len(row) for row in rows] for rows in ROWS]
PAD = -100


def padded(rows: list[list[int]], pad: int = PAD, width: int = 6) -> np.ndarray:
    out = np.full((len(rows), width), pad, np.int64)
    for row, values in zip(out, rows, strict=True):
        row[: len(values)] = values
    return out


def ragged(rows: list[list[int]], dtype: Any = np.int64) -> Ragged:
    flat = np.array([0, 0, *(x for row in rows for x in row), 0], dtype)
    return Ragged(flat, 2 + np.concatenate([[0], np.cumsum([len(row) for row in rows])]))


IDS: dict[str, Callable[[], Any]] = {
    "lists": lambda: ROWS,
    "tuples": lambda: [tuple(map(tuple, rows)) for rows in ROWS],
    "arrays": lambda: [[np.array(row, np.int32) for row in rows] for rows in ROWS],
    "tensors": lambda: [[torch.tensor(row, dtype=torch.int16) for row in rows] for rows in ROWS],
    "Ragged": lambda: [ragged(rows) for rows in ROWS],
    "Ragged-uint32": lambda: [ragged(rows, np.uint32) for rows in ROWS],
    "list-and-Ragged": lambda: (ROWS[0], ragged(ROWS[1])),
}
DTYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def id_truth() -> tuple[int, ...]:
    return totals(list(zip(*ROWS, strict=True)))


def four(state: Any) -> tuple[int, int, int, int]:
    return state.hits, state.substitutions, state.deletions, state.insertions


@pytest.mark.parametrize("make", IDS.values(), ids=IDS)
def test_every_kind_of_id_rows(make: Callable[[], Any]) -> None:
    assert four(count_words(*make())) == id_truth()
    assert wer(*make()) == sum(id_truth()[1:]) / sum(LENGTHS[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_padded_ids(dtype: str) -> None:
    pad = 99
    refs, hyps = (padded(rows, pad).astype(dtype) for rows in ROWS)
    truth = id_truth()
    assert four(count_words(refs, hyps, lengths=tuple(LENGTHS))) == truth
    assert four(count_words(refs, hyps, ignore_index=pad)) == truth
    assert four(count_words(refs.tolist(), hyps, ignore_index=pad)) == truth
    assert four(count_words(*map(np.asfortranarray, (refs, hyps)), ignore_index=pad)) == truth
    assert four(count_words(ragged(refs.tolist()), ragged(hyps.tolist()), ignore_index=99)) == truth
    tensors = torch.from_numpy(refs), torch.from_numpy(hyps)
    lengths = tuple(torch.tensor(sizes) for sizes in LENGTHS)
    assert four(count_words(*tensors, lengths=lengths)) == truth
    assert four(count_words(*tensors, ignore_index=pad)) == truth
    assert four(count_words(tensors[0], ROWS[1], lengths=(LENGTHS[0], None))) == truth


def test_both_lengths_and_an_index_to_ignore() -> None:
    refs = np.array([[1, PAD, 2, 9], [3, 4, 9, 9]])
    hyps = np.array([[1, 2, 9], [PAD, 4, 9]])
    state = count_words(refs, hyps, lengths=([3, 2], [2, 2]), ignore_index=PAD)
    assert four(state) == totals([([1, 2], [1, 2]), ([3, 4], [4])])
    assert align(refs, hyps, lengths=([3, 2], [2, 2]), ignore_index=PAD).tokens(1) == (
        ["3", "4"],
        ["4"],
    )


@settings(max_examples=60)
@given(st.lists(sequence_pairs(12), max_size=4), st.sampled_from([0, -(2**63), 2**62, 2**21 - 1]))
def test_negative_and_huge_ids(corpus, offset: int) -> None:
    refs, hyps = ([[x + offset for x in pair[side]] for pair in corpus] for side in (0, 1))
    state = count_words(
        [np.array(r, np.int64) for r in refs], [np.array(h, np.int64) for h in hyps]
    )
    assert four(state) == totals(corpus)


def test_ids_that_meet_only_as_floats_stay_apart() -> None:
    near = np.array([[2**53, 2**53 + 1, 2**63, 2**64 - 1]], np.uint64)
    signed = np.array([[2**53 + 1, 2**53, -1, -(2**63)]])
    assert count_words(near, near).hits == 4
    assert four(count_words(near, signed)) == totals([(near[0].tolist(), signed[0].tolist())])
    assert count_words(near, np.zeros((1, 0), np.int64)).deletions == 4


# -- what is refused -------------------------------------------------------------------------------

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


@pytest.mark.parametrize(("refs", "hyps", "message"), [*BAD_TEXT, *BAD_ROWS])
def test_what_is_no_input(refs: Any, hyps: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        count_words(refs, hyps)


@pytest.mark.parametrize(("refs", "hyps", "message"), BAD_TEXT)
def test_characters_refuse_the_same(refs: Any, hyps: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        count_chars(refs, hyps)


IDS_2 = np.array([[1, 2], [3, 4]])

BAD_OPTIONS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: count_words(["a"], ["a"], empty="zero"),
        "empty must be one of ['jiwer', 'nan', 'inf', 'skip', 'error'], got 'zero'",
    ),
    (
        lambda: wer(["a"], ["a"], empty="zero"),
        "empty must be one of ['jiwer', 'nan', 'inf', 'skip', 'error'], got 'zero'",
    ),
    (
        lambda: count_words(["a"], ["a"], normalise="whisper"),
        "normalise must be one of ['none', 'basic', 'whisper-basic', 'whisper-english'] or a "
        "function, got 'whisper'",
    ),
    (
        lambda: cer(["a"], ["a"], normalise=None),
        "normalise must be one of ['none', 'basic', 'whisper-basic', 'whisper-english'] or a "
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
        lambda: count_words(ragged([[1]]), ragged([[1]]), lengths=([1], [1])),
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
        "ids name the rows of single pairs; they go with items=True",
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


def test_ids_in_foreign_byte_order() -> None:
    ids = np.array([[1, 2]], ">i4")
    c = count_words(ids, ids[:, :1], lengths=([2], [1]))
    assert (c.hits, c.deletions) == (1, 1)


def test_a_dictionary_of_views() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", "b"], pa.string_view()))
    assert count_words(words, ["a", "c"]).wer == 0.5


def test_no_items_have_no_ids() -> None:
    some = count_words(["a"], ["b"], items=True, ids=[7])
    assert (count_words([], [], items=True, ids=[]) + some).to_bytes() == some.to_bytes()


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
