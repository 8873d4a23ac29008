"""Rows of error explorers: nothing is lost in them, and they agree with what is counted."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError
from assay.core.explained import Explained, worst
from assay.metrics.explain_labels import explain_labels
from assay.metrics.explain_rankings import explain_rankings
from assay.metrics.explain_transcripts import explain_transcripts

TEXTS = st.text(st.sampled_from("ab é\t𝄞\u0301"), max_size=12)
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=6)


def read_back(rows, i, unit):
    """(operation, units of the reference, of the hypothesis) of an item, by its text alone."""
    gap = " " if unit == "word" else ""

    def cut(text):
        return text.split(gap) if gap and text else list(text)

    ref, rest = cut(rows.columns["reference"][i]), cut(rows.columns["other"][i])
    script = rows.columns["edits"][i] or (f"{len(ref)}=" if ref else "")
    found = []
    for size, kind in re.findall(r"(\d+)(.)", script):
        n = int(size)
        left = [] if kind == "i" else [ref.pop(0) for _ in range(n)]
        right = left if kind == "=" else [] if kind == "d" else [rest.pop(0) for _ in range(n)]
        found.append((kind, left, right))
    assert not ref
    assert not rest
    return found


@given(PAIRS, st.sampled_from(["word", "char"]))
def test_a_script_is_the_alignment(pairs, unit):
    references, hypotheses = [a for a, _ in pairs], [b for _, b in pairs]
    rows = explain_transcripts(references, hypotheses, unit)
    aligned = assay.align(references, hypotheses, unit)
    letters = {"equal": "=", "substitute": "s", "delete": "d", "insert": "i"}
    for i in range(len(pairs)):
        expected = [(letters[c.kind], c.reference, c.hypothesis) for c in aligned[i]]
        assert read_back(rows, i, unit) == expected
    count = assay.count_words if unit == "word" else assay.count_chars
    state = count(references, hypotheses, items=True)
    assert rows.columns["errors"] == state.rows[:, 2:].sum(axis=1).tolist()
    assert rows.columns["units"] == state.rows[:, 1:4].sum(axis=1).tolist()
    assert rows.weight.tolist() == rows.columns["errors"]


def test_many_pairs_are_cut_into_blocks():
    references = [f"a b {i}" for i in range(9000)]
    rows = explain_transcripts(references, [text.replace("b", "x y") for text in references])
    assert rows.columns["reference"] == references
    assert set(map(len, (rows.columns["edits"], rows.columns["other"]))) == {9000}
    assert [kind for kind, _, _ in read_back(rows, 8999, "word")] == ["=", "i", "s", "="]


def test_normalised_texts_are_shown_as_they_were_compared():
    rows = explain_transcripts(["Hello, World!"], ["hello word"], normalise="basic")
    assert rows.columns["reference"] == ["hello world"]
    assert rows.columns["other"] == ["word"]
    assert rows.facts["normaliser"].startswith("basic")


def test_groups_and_ids():
    rows = explain_transcripts(
        ["a", "b"], ["a", "c"], by={"speaker": ["x", None]}, ids=["u1", "u2"]
    )
    assert rows.groups == {"speaker": ["x", ""]}
    assert rows.columns["id"] == ["u1", "u2"]
    with pytest.raises(InputError, match="by: 'speaker' must have 2 values, got 1"):
        explain_transcripts(["a", "b"], ["a", "c"], by={"speaker": ["x"]})
    with pytest.raises(InputError, match="ids must be 2, one for each item, got 1"):
        explain_transcripts(["a", "b"], ["a", "c"], ids=["x"])
    with pytest.raises(InputError, match="unit must be one of word, char, got 'grapheme'"):
        explain_transcripts(["a"], ["a"], "grapheme")


# -- rankings --------------------------------------------------------------------------------------

RUNS = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.5, 1.0]), max_size=8),
    max_size=3,
)
JUDGED = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3"]),
    st.dictionaries(
        st.sampled_from("abcdefgh"), st.sampled_from([-1.0, 0.0, 1.0, 2.0]), max_size=5
    ),
    max_size=3,
)


@given(RUNS, JUDGED, st.integers(1, 4))
def test_ranks_are_those_that_are_counted(run, judged, shown):
    rows = explain_rankings(run, judged, shown=shown)
    found = {}
    for i, query in enumerate(rows.columns["id"]):
        ranked = sorted(run[query], key=lambda item: -run[query][item])  # stable
        assert rows.columns["top"][i] == ranked[:shown]
        assert rows.columns["scores"][i] == [run[query][item] for item in ranked[:shown]]
        assert rows.columns["depth"][i] == len(ranked)
        right = {item for item, gain in judged[query].items() if gain > 0}
        assert set(rows.columns["right"][i]) <= right
        places = [ranked.index(item) + 1 if item in ranked else None for item in
                  rows.columns["right"][i]]  # fmt: skip
        assert rows.columns["ranks"][i] == places
        found[query] = rows.columns["rank"][i]
    state = assay.count_rankings(run, judged, k=1, ties="index", empty="nan")
    ranks = zip(state.per_item("query").tolist(), state.per_item("rank").tolist(), strict=True)
    expected = {query: rank for query, rank in ranks if not np.isnan(rank)}
    assert {q: np.inf if r is None else r for q, r in found.items()} == expected


def test_rankings_without_scores_have_none():
    rows = explain_rankings({"q": ["a", "b"]}, {"q": "b"}, names={"a": "An apple"})
    assert (rows.columns["rank"], rows.columns["scores"]) == ([2], [[]])
    assert rows.facts["names"] == {"a": "An apple"}


def test_rankings_of_tables_with_integers():
    run = (np.array([7, 7, 9]), np.array([1, 2, 1]), np.array([0.1, 0.9, 0.5]))
    rows = explain_rankings(run, (np.array([7, 9]), np.array([1, 3])), by={"lang": {7: "de"}})
    assert rows.columns["id"] == [7, 9]
    assert rows.columns["rank"] == [2, None]
    assert rows.groups == {"lang": ["de", ""]}
    assert rows.weight.tolist() == [2, np.inf]


def test_rankings_refuse_what_counting_refuses():
    with pytest.raises(InputError, match="NaN"):
        explain_rankings({"q": {"a": float("nan")}}, {"q": ["a"]})
    with pytest.raises(InputError, match="shown must be at least 1, got 0"):
        explain_rankings({"q": ["a"]}, {"q": ["a"]}, shown=0)


# -- labels ----------------------------------------------------------------------------------------


def test_the_most_confident_mistakes_are_the_worst():
    target = ["cat", "dog", "cat", "dog"]
    score = [0.1, 0.6, 0.9, 0.49]  # of cat
    rows = explain_labels(target, score=score, positive="cat", text=["a", "b", "c", "d"])
    assert rows.columns["prediction"] == ["dog", "cat", "cat", "dog"]
    assert rows.columns["confidence"] == pytest.approx([0.9, 0.6, 0.9, 0.51])
    assert np.argsort(-rows.weight).tolist() == [0, 1, 3, 2]
    assert worst([rows], 2).columns["text"] == ["a", "b"]


def test_confidence_of_scores_that_are_no_probabilities():
    rows = explain_labels([1, 0], score=[-2.0, 3.0])
    assert rows.columns["prediction"] == ["0", "1"]
    assert rows.columns["confidence"] == [2.5, 2.5]
    one = explain_labels([1, 0, 2], score=[0.1, 0.9, 0.2], positive=1)
    assert one.columns["prediction"] == ["not 1", "1", "not 1"]


def test_a_score_for_each_class():
    score = [[0.2, 0.7, 0.1], [0.4, 0.4, 0.2]]
    rows = explain_labels(["a", "b"], score=score, labels=["a", "b", "c"])
    assert rows.columns["prediction"] == ["b", "a"]  # the first of equals
    assert rows.columns["confidence"] == [0.7, 0.4]
    given_too = explain_labels(["a", "b"], ["c", "b"], score=score, labels=["a", "b", "c"])
    assert given_too.columns["confidence"] == [0.1, 0.4]


def test_labels_alone():
    rows = explain_labels(["a", "b"], ["b", "b"])
    assert rows.columns["confidence"] == [None, None]
    assert rows.weight.tolist() == [1, 0]
    assert len(explain_labels([], [])) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give prediction=, score=, or both"),
        ({"score": [0.5, float("nan")]}, "score[1] is nan"),
        ({"score": [0.5]}, "score has 1"),
        ({"score": [0.1, 0.2]}, "name the positive label with positive="),
        ({"score": [[0.1, 0.9]] * 2, "labels": ["a"]}, "labels must be 2"),
        ({"score": [[0.1, 0.9]] * 2, "labels": ["a", "b"], "prediction": ["a", "z"]}, "got 'z'"),
    ],
)
def test_labels_that_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        explain_labels(["a", "b"], **options)


# -- putting together ------------------------------------------------------------------------------


def test_the_worst_of_parts_in_the_order_they_came():
    parts = [explain_transcripts([f"a b c {i}"] * 2, [text, "a b"]) for i, text in
             enumerate(["a b c 0", "x", "a b c 2"])]  # fmt: skip
    found = worst(parts, 4)
    assert found.columns["reference"] == ["a b c 0", "a b c 1", "a b c 1", "a b c 2"]
    assert (found.total, len(found)) == (6, 4)
    with pytest.raises(InputError, match="of one kind and columns, got 0 kinds"):
        worst([], 3)
    with pytest.raises(InputError, match="got 2 kinds"):
        worst([parts[0], Explained("labels", {"id": []}, np.zeros(0), 0)], 3)
