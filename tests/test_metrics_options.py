"""Empty references, groups, rows of single pairs, confusions, and what a Score says."""

import math
from collections import Counter
from typing import Any

import jiwer
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay import EditCounts, align, cer, count_chars, count_words, wer
from assay.core.errors import InputError, MergeError
from assay.metrics import METRICS
from oracle import characters, confusions, words
from strategies import text_pairs

REFS = ["the cat sat", "on the mat", "", "a b", ""]
HYPS = ["the cat sat down", "on a mat", "x y", "a", ""]
VOICE = ["slt", "awb", "slt", None, "awb"]
RATE = [8000, 8000, 16000, 16000, 8000]


def exact(value: float) -> str:
    return repr(value)


# -- empty references ----------------------------------------------------------------------------

# policy, references, hypotheses -> wer, mer, wip, wil with their types (jiwer's ints included)
NAN = math.nan
EMPTY_CORPORA = [
    ("jiwer", [""], ["x y"], (2, 1, 0, 1)),
    ("jiwer", [""], [""], (0, 0, 1, 0)),
    ("jiwer", ["", " "], ["x", "y z"], (3, 1, 0, 1)),
    ("nan", [""], ["x"], (NAN, NAN, NAN, NAN)),
    ("nan", [""], [""], (NAN, NAN, NAN, NAN)),
    ("inf", [""], ["x"], (math.inf, 1, 0, 1)),
    ("inf", [""], [""], (0.0, 0, 1, 0)),
    ("skip", [""], ["x"], (NAN, NAN, NAN, NAN)),
    # one empty reference among others
    ("jiwer", ["", "a b"], ["x", "a b"], (0.5, 1 / 3, 1.0 * (2.0 / 3.0), 1 - 2.0 / 3.0)),
    ("nan", ["", "a b"], ["x", "a b"], (0.5, 1 / 3, 1.0 * (2.0 / 3.0), 1 - 2.0 / 3.0)),
    ("inf", ["", "a b"], ["x", "a b"], (0.5, 1 / 3, 1.0 * (2.0 / 3.0), 1 - 2.0 / 3.0)),
    ("skip", ["", "a b"], ["x", "a b"], (0.0, 0.0, 1.0, 0.0)),
    # no hypothesis words at all
    ("jiwer", ["a b"], [""], (1.0, 1.0, 0, 1)),
]


@pytest.mark.parametrize(("empty", "refs", "hyps", "expected"), EMPTY_CORPORA)
def test_empty_references(empty: str, refs: list[str], hyps: list[str], expected: tuple) -> None:
    state = count_words(refs, hyps, empty=empty)
    assert exact((state.wer, state.mer, state.wip, state.wil)) == exact(expected)
    assert exact(wer(refs, hyps, empty=empty)) == exact(expected[0])
    if empty == "jiwer":
        truth = jiwer.process_words(refs, hyps)
        assert exact((truth.wer, truth.mer, truth.wip, truth.wil)) == exact(expected)
        assert exact(cer(refs, hyps)) == exact(jiwer.cer(refs, hyps))


def test_skipped_pairs_are_counted_apart() -> None:
    state = count_words(REFS, HYPS, empty="skip", items=True, by={"voice": VOICE})
    assert (state.pairs, state.empty_references, state.insertions) == (3, 2, 1)
    assert state.per_item("id").tolist() == [0, 1, 3]
    assert state.groups["slt",].pairs == 1
    assert state.groups["slt",].empty_references == 1
    skipped = count_words(
        ["", "a"], ["x", "b"], empty="skip", confusions=True, by={"v": ["v", "v"]}
    )
    assert skipped.confusions == skipped.groups["v",].confusions == {("a", "b"): 1}
    assert count_words(REFS, HYPS).pairs == 5
    assert count_words(REFS, HYPS).empty_references == 2


def test_empty_references_can_be_refused() -> None:
    for call in (count_words, wer):
        with pytest.raises(InputError) as caught:
            call(REFS, HYPS, empty="error")
        assert str(caught.value) == (
            "reference[2] has no words (2 of 5 have none); "
            "drop such pairs or choose another policy for empty references"
        )
    with pytest.raises(InputError, match=r"^reference\[0\] has no chars \(1 of 1 have none\)"):
        cer([" "], ["x"], empty="error")
    assert count_words(["a"], [""], empty="error").deletions == 1


def test_policies_do_not_add() -> None:
    with pytest.raises(MergeError, match=r"^EditCounts: empty differs: 'jiwer' and 'skip'"):
        count_words(["a"], ["a"]) + count_words(["a"], ["a"], empty="skip")


def test_an_empty_pair_in_a_corpus_per_item() -> None:
    for empty, value in (("jiwer", 2.0), ("nan", NAN), ("inf", math.inf)):
        state = count_words(["", "a", ""], ["x y", "a", ""], items=True, empty=empty)
        silent = NAN if empty == "nan" else 0.0
        assert exact(state.per_item("wer").tolist()) == exact([value, 0.0, silent])


# -- groups ----------------------------------------------------------------------------------------

COLUMNS: dict[str, Any] = {
    "list": VOICE,
    "tuple": tuple(VOICE),
    "numpy": np.array(VOICE, object),
    "pandas-object": pd.Series(VOICE, dtype=object),
    "pandas-str": pd.Series(VOICE),
    "pandas-nan": pd.Series([np.nan if v is None else v for v in VOICE], dtype=object),
    "pandas-category": pd.Series(VOICE, dtype="category"),
    "polars": pl.Series(VOICE),
    "arrow": pa.array(VOICE),
    "arrow-dictionary": pa.array(VOICE).dictionary_encode(),
    "arrow-sliced": pa.array(["x", *VOICE]).slice(1),
    "arrow-chunked": pa.chunked_array([VOICE[:2], VOICE[2:]]),
}


def picked(indices: list[int], **options: Any) -> EditCounts:
    return count_words([REFS[i] for i in indices], [HYPS[i] for i in indices], **options)


def totals(state: EditCounts) -> tuple[int, ...]:
    return tuple(
        getattr(state, name)
        for name, kind in state.schema()
        if kind == "summed"
    )  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_groups_of_one_column(column: Any) -> None:
    state = count_words(REFS, HYPS, by={"voice": column})
    assert list(state.groups) == [("slt",), ("awb",), ("(none)",)]
    for key, indices in (("slt", [0, 2]), ("awb", [1, 4]), ("(none)", [3])):
        assert totals(state.groups[key,]) == totals(picked(indices))
    assert totals(state) == totals(picked([0, 1, 2, 3, 4]))


def test_groups_of_two_columns() -> None:
    state = count_words(REFS, HYPS, by={"voice": VOICE, "rate": RATE}, confusions=True, items=True)
    expected = {
        ("slt", "8000"): [0],
        ("awb", "8000"): [1, 4],
        ("slt", "16000"): [2],
        ("(none)", "16000"): [3],
    }
    assert list(state.groups) == list(expected)
    for key, indices in expected.items():
        own = picked(indices, confusions=True, items=True)
        assert totals(state.groups[key]) == totals(own)
        assert state.groups[key].confusions == own.confusions
        assert state.groups[key].per_item("id").tolist() == indices
    whole = picked([0, 1, 2, 3, 4], confusions=True, items=True)
    assert totals(state) == totals(whole)
    assert state.confusions == whole.confusions
    assert state.rows.tolist() == whole.rows.tolist()


def test_scores_of_groups_are_tagged() -> None:
    state = count_words(REFS, HYPS, by={"voice": VOICE, "rate": RATE})
    found = {
        (s.tags.get("voice"), s.tags.get("rate")): s.value
        for s in state.scores()
        if s.name == "wer"
    }
    assert found == {
        (None, None): state.wer,
        **{key: group.wer for key, group in state.groups.items()},
    }  # fmt: skip
    assert state["wer"] == state.wer
    flat = state.as_dict("test_")
    assert flat["test_wer"] == state.wer
    assert flat["test_rate_8000/voice_awb/wer"] == state.groups["awb", "8000"].wer


def test_groups_of_other_columns_do_not_add() -> None:
    with pytest.raises(MergeError, match=r"^EditCounts: by differs: \('voice',\) and \('rate',\)"):
        count_words(REFS, HYPS, by={"voice": VOICE}) + count_words(REFS, HYPS, by={"rate": RATE})
    with pytest.raises(MergeError, match=r"^EditCounts: by differs"):
        count_words(REFS, HYPS, by={"voice": VOICE}) + count_words(REFS, HYPS)


def test_many_groups() -> None:
    n = 3000
    refs, hyps = [f"a b{k % 7}" for k in range(n)], ["a b3"] * n
    state = count_words(refs, hyps, by={"k": range(n), "m": [k % 3 for k in range(n)]})
    assert len(state.groups) == n
    assert sum(group.hits for group in state.groups.values()) == state.hits
    assert state.groups["2993", "2"].errors == 1


# -- rows of single pairs --------------------------------------------------------------------------


def test_rows_of_single_pairs() -> None:
    state = count_words(REFS, HYPS, items=True, ids=[9, 7, 5, 3, 1])
    assert state.per_item("id").tolist() == [1, 3, 5, 7, 9]
    assert state.per_item("hits").tolist() == [0, 1, 0, 2, 3]
    assert state.per_item("substitutions").tolist() == [0, 0, 0, 1, 0]
    assert state.per_item("deletions").tolist() == [0, 1, 0, 0, 0]
    assert state.per_item("insertions").tolist() == [0, 0, 2, 0, 1]
    assert state.per_item("wer").tolist() == [0.0, 0.5, 2.0, 1 / 3, 1 / 3]
    assert state["mean_wer"] == math.fsum([0.0, 0.5, 2.0, 1 / 3, 1 / 3]) / 5
    assert "mean_wer" not in {score.name for score in count_words(REFS, HYPS).scores()}


@pytest.mark.parametrize("ids", [(4, 2), np.array([4, 2], np.uint8), pd.Series([4, 2])], ids=str)
def test_ids_of_any_integer_kind(ids: Any) -> None:
    assert count_words(["a", "b"], ["a", "c"], items=True, ids=ids).per_item("id").tolist() == [
        2,
        4,
    ]


def test_rows_of_one_pair_do_not_add_twice() -> None:
    part = count_words(["a", "b"], ["a", "c"], items=True, ids=[1, 5])
    with pytest.raises(MergeError) as caught:
        part + count_words(["a", "b"], ["a", "c"], items=True, ids=[5, 9])
    assert str(caught.value) == (
        "EditCounts: rows have item ids in common (1, first 5); "
        "give each item an id of its own with ids="
    )
    between = count_words(["a"], ["a"], items=True, ids=[3])
    assert (part + between).per_item("id").tolist() == [1, 3, 5]
    with pytest.raises(MergeError, match=r"^EditCounts: detail differs: \('items',\) and \(\)"):
        part + count_words(["a"], ["a"])


def test_rows_that_were_not_kept() -> None:
    state = count_words(["a"], ["a"])
    with pytest.raises(InputError, match=r"^per_item: rows were not kept; count with items=True$"):
        state.per_item("wer")
    state = count_words(["a"], ["a"], items=True)
    with pytest.raises(InputError, match=r"^per_item: no column 'x'; there are \['id', 'hits', "):
        state.per_item("x")


def test_totals_without_rows() -> None:
    whole = count_words(REFS, HYPS, items=True, by={"voice": VOICE}, confusions=True)
    lean = whole.totals()
    plain = count_words(REFS, HYPS, by={"voice": VOICE}, confusions=True)
    assert lean.to_bytes() == plain.to_bytes()
    assert len(whole.rows) == 5
    columns = whole.item_columns()
    assert columns["word_insertions"].tolist() == [1, 0, 2, 0, 0]
    assert columns["wer"].tolist() == whole.per_item("wer").tolist()


# -- confusions ------------------------------------------------------------------------------------


@given(text_pairs())
def test_confusions_are_those_of_jiwers_alignments(corpus: list[tuple[str, str]]) -> None:
    refs, hyps = [ref for ref, _ in corpus], [hyp for _, hyp in corpus]
    for count, cut in ((count_words, words), (count_chars, characters)):
        pairs = list(zip(cut(refs), cut(hyps), strict=True)) if corpus else []
        state = count(refs, hyps, confusions=True)
        assert state.confusions == confusions(pairs)
        assert state.to_bytes() == assay.State.from_bytes(state.to_bytes()).to_bytes()


@given(text_pairs(), st.data())
def test_confusions_of_groups(corpus: list[tuple[str, str]], data: Any) -> None:
    refs, hyps = [ref for ref, _ in corpus], [hyp for _, hyp in corpus]
    group = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(refs), max_size=len(refs)))
    for empty in ("jiwer", "skip"):
        state = count_words(refs, hyps, confusions=True, by={"g": group}, empty=empty)
        for (name,), own in state.groups.items():
            chosen = [i for i, g in enumerate(group) if g == name]
            alone = count_words(
                [refs[i] for i in chosen], [hyps[i] for i in chosen], confusions=True, empty=empty
            )
            assert own.to_bytes() == alone.to_bytes()
        added = sum((Counter(own.confusions) for own in state.groups.values()), Counter())
        assert state.confusions == added


def test_top_confusions() -> None:
    state = count_words(
        ["a b c", "a b d", "x", "q q", ""], ["a z c", "a z d", "y", "q", "n m"], confusions=True
    )
    assert state.top_confusions("substitutions") == [("b", "z", 2), ("x", "y", 1)]
    assert state.top_confusions("substitutions", 1) == [("b", "z", 2)]
    assert state.top_confusions("deletions") == [("q", "", 1)]
    assert state.top_confusions("insertions") == [("", "m", 1), ("", "n", 1)]
    with pytest.raises(InputError, match=r"^top_confusions: kind must be one of substitutions, "):
        state.top_confusions("hits")
    with pytest.raises(InputError, match=r"^top_confusions: errors were not kept; count with conf"):
        count_words(["a"], ["a"]).top_confusions("hits")


def test_confusions_of_ids_are_their_digits() -> None:
    state = count_words([[1, -2]], [[1, 3, 4]], confusions=True)
    assert state.confusions == {(None, "3"): 1, ("-2", "4"): 1}


def test_confusions_beyond_one_block() -> None:
    n = 5000
    refs, hyps = ["a b c"] * n, ["a x c d" if k % 2 else "a b c" for k in range(n)]
    state = count_words(refs, hyps, confusions=True)
    assert state.confusions == {("b", "x"): n // 2, (None, "d"): n // 2}
    assert align(refs, hyps).confusions(np.array([1, 2, 4999])) == {("b", "x"): 2, (None, "d"): 2}


# -- scores ----------------------------------------------------------------------------------------


def test_scores_of_words() -> None:
    state = count_words(REFS, HYPS)
    rates = ["wer", "mer", "wil", "wip", "sentence_error_rate"]
    counts = ["hits", "substitutions", "deletions", "insertions"]
    lengths = ["reference_words", "hypothesis_words"]
    assert [score.name for score in state.scores()] == [*rates, *counts, *lengths]
    for score in state.scores():
        assert score.n == 5
        assert score.unit == ("fraction" if score.name in rates else "words")
        assert score.signature == (
            f"{score.name}|unit:word|split:spaces|normaliser:none|ties:rapidfuzz|empty:jiwer"
        )
        assert {"assay", "numpy", "numba"} <= set(score.provenance)
    better = {score.name: score.better for score in state.scores()}
    assert better["wip"] == better["hits"] == "higher"
    assert better["wer"] == better["mer"] == better["insertions"] == "lower"
    assert better["reference_words"] is None


def test_scores_of_characters() -> None:
    state = count_chars(REFS, HYPS, normalise="basic", empty="nan")
    names = [score.name for score in state.scores()]
    assert names == [
        *("cer", "char_hits", "char_substitutions", "char_deletions", "char_insertions"),
        *("reference_characters", "hypothesis_characters"),
    ]
    assert state.scores()[0].signature == (
        "cer|unit:char|split:code-points|normaliser:basic-1|ties:rapidfuzz|empty:nan"
    )


def test_the_table_of_metrics_agrees_with_the_scores() -> None:
    states = {"count_words": count_words(REFS, HYPS), "count_chars": count_chars(REFS, HYPS)}
    for name, metric in METRICS.items():
        if state := states.get(metric.where.partition(":")[2]):
            score = next(s for s in state.scores() if s.name == name)
            assert (score.unit, score.better) == (metric.unit, metric.better)


def test_words_and_characters_do_not_add() -> None:
    with pytest.raises(MergeError, match=r"^EditCounts: unit differs: 'word' and 'char'; such "):
        count_words(["a"], ["a"]) + count_chars(["a"], ["a"])


def test_normalisers_are_named_in_the_signature() -> None:
    plain, basic = count_words(["A."], ["a"]), count_words(["A."], ["a"], normalise="basic")
    own = count_words(["A"], ["a"], normalise=str.lower)
    assert (plain.wer, basic.wer, own.wer) == (1.0, 0.0, 0.0)
    assert (plain.normaliser, basic.normaliser) == ("none", "basic-1")
    assert own.normaliser == "str.lower"
    for other in (basic, own):
        with pytest.raises(MergeError, match=r"^EditCounts: normaliser differs: "):
            plain + other


def test_counts_of_one_unit_have_no_rate_of_the_other() -> None:
    # Once: count_words(...).cer was the word error rate.
    words, chars = count_words(["a b"], ["a"], items=True), count_chars(["ab"], ["a"], items=True)
    assert (words.wer, chars.cer) == (0.5, 0.5)
    with pytest.raises(AttributeError, match=r"counts of words have no cer; use count_chars"):
        _ = words.cer
    with pytest.raises(AttributeError, match=r"counts of chars have no wer; use count_words"):
        _ = chars.wer
    with pytest.raises(InputError, match=r"no column 'cer'; there are .*'wer'"):
        words.per_item("cer")


def test_text_tokens_and_ids_are_told_apart() -> None:
    text, tokens = count_words(["a b"], ["a"]), count_words([["a", "b"]], [["a"]])
    ids = count_words([[1, 2]], [[1]])
    splits = ["spaces", "tokens", "ids"]
    assert [s.scores()[0].signature.split("|")[2] for s in (text, tokens, ids)] == [
        f"split:{split}" for split in splits
    ]
    with pytest.raises(MergeError, match=r"EditCounts: split differs: 'spaces' and 'tokens'"):
        _ = text + tokens
