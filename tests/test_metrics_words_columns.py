"""Every kind of text column gives the same counts of words and characters."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import align, count_chars, count_words
from assay.ops import arrow_text
from assay.ops import tokens as packing
from strategies import any_text

# One text beyond ASCII and one of a single byte; a blank line; nothing but white space.
REFS = ["the cat sat on the mat", "é x", "", "a", " \t ", "schön ist das", "to be or not", "b"]
HYPS = ["the cat on a mat", "e x", "y", "", "z", "schon is das", "to be or not to be", "b"]
FIELDS = ("hits", "substitutions", "deletions", "insertions", "pairs", "wrong_pairs")


def outcome(refs: Any, hyps: Any) -> tuple[Any, ...]:
    """Everything that can be counted, as text and as characters."""
    a = align(refs() if callable(refs) else refs, hyps() if callable(hyps) else hyps)
    states = [
        count(refs() if callable(refs) else refs, hyps() if callable(hyps) else hyps)
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
    "arrow-dictionary-view": lambda texts: pa.DictionaryArray.from_arrays(
        pa.array(range(len(texts)), pa.int32()), pa.array(texts, pa.string_view())
    ),
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
@pytest.mark.parametrize("texts", [[], ["é"], ["a b c d e f"], [""]])
def test_columns_of_next_to_nothing(make: Callable[[list[str]], Any], texts: list[str]) -> None:
    assert outcome(make(texts), make(texts)) == outcome(texts, texts)


def test_an_empty_column_without_buffers() -> None:
    empty = pa.Array.from_buffers(pa.string(), 0, [None, pa.py_buffer(b""), pa.py_buffer(b"")])
    assert outcome(empty, pa.array([])) == outcome([], [])


def test_empty_columns_have_no_ids() -> None:
    some = count_words(["a"], ["b"], items=True, ids=[7])
    assert (count_words([], [], items=True, ids=[]) + some).to_bytes() == some.to_bytes()


def test_many_blocks_of_a_column() -> None:
    # More pairs than one block holds, each block cut out of one shared buffer.
    refs = [f"{'é' * (k % 3)} a{k % 7} \u3000 b c{k % 5}" for k in range(9000)]
    hyps = [f"a{k % 6} b\u3000c{k % 5}" for k in range(9000)]
    truth = outcome(refs, hyps)
    assert outcome(pa.array(refs), sliced(pa.array(hyps, pa.large_string()))) == truth
    assert outcome(chunked(refs, pa.string()), lambda: iter(hyps)) == truth


def test_a_column_too_large_for_small_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks of more than 2 GiB together, as if that were 16 bytes.
    monkeypatch.setattr(arrow_text, "MAX_PLAIN", 16)
    column = chunked(REFS, pa.string())
    assert column.nbytes > 16
    assert packing.column(column, "x").offsets.dtype == np.int64
    assert outcome(column, HYPS) == outcome(REFS, HYPS)


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
