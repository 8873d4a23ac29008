"""Errors on listed words and on others, held to plain loops over alignments of the slow twin."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay import compare, count_keywords, count_words, interval
from assay.core.errors import InputError, MergeError
from assay.metrics.bootstrap import fill_bags
from assay.metrics.from_items import state_of_items
from assay.metrics.keywords import KEYWORD_SCORES, KeywordCounts
from assay.ops import reference
from cli_kit import assay
from oracle import words

REFS = ["call anna smith now", "the smith", "no one"]
HYPS = ["call ana smith now", "smith", "no new york one"]
LIST = ["anna smith", "smith", "new york"]


def occurrences(text: list[str], phrases: set[tuple[str, ...]]) -> list[tuple[int, int]]:
    spans = ((a, b) for a in range(len(text)) for b in range(a + 1, len(text) + 1))
    return [(a, b) for a, b in spans if tuple(text[a:b]) in phrases]


def by_loops(refs, hyps, lists, policy: str) -> dict[str, int]:
    """The counts, a pair and a step at a time. lists: of each pair its phrases."""
    found: Counter[str] = Counter()
    for ref, hyp, own in zip(words(refs), words(hyps), lists, strict=True):
        phrases = {tuple(phrase) for phrase in words(own)}
        said, heard = occurrences(ref, phrases), occurrences(hyp, phrases)
        listed = [{k for a, b in spans for k in range(a, b)} for spans in (said, heard)]
        path = reference.align(ref, hyp, policy)
        for op, i, j in path:
            of = "keyword" if (j in listed[1] if op == "insert" else i in listed[0]) else "other"
            found[f"{of}_words"] += op != "insert"
            if op != "equal":
                name = {"substitute": "substitutions", "delete": "deletions"}
                found[f"{of}_{name.get(op, 'insertions')}"] += 1
        matched = {(i, j) for op, i, j in path if op == "equal"}
        found["reference_keywords"] += len(said)
        found["hypothesis_keywords"] += len(heard)
        found["found_keywords"] += sum(
            any(all((a + k, c + k) in matched for k in range(b - a)) for c in range(len(hyp)))
            for a, b in said
        )
    return found


def counted(state: KeywordCounts) -> dict[str, int]:
    scores = {score.name: score.value for score in state.total_scores()}
    return {name: value for name, value in scores.items() if name not in KEYWORD_SCORES}


TEXT = st.lists(st.sampled_from(["a", "b", "c", "d\te", "", "f"]), max_size=9).map(" ".join)
PHRASE = st.lists(st.sampled_from("abcg"), min_size=1, max_size=3).map(" ".join)


@given(
    st.lists(st.tuples(TEXT, TEXT), max_size=5),
    st.lists(PHRASE, min_size=1, max_size=5),
    st.sampled_from(["jiwer", "kaldi", "sclite"]),
)
def test_counts_equal_plain_loops(corpus, keywords, policy: str) -> None:
    refs, hyps = ([pair[side] for pair in corpus] for side in (0, 1))
    state = count_keywords(refs, hyps, keywords=keywords, policy=policy)
    truth = by_loops(refs, hyps, [keywords] * len(refs), policy)
    assert {k: v for k, v in counted(state).items() if v == v} == {
        name: truth[name] for name, value in counted(state).items() if value == value
    }
    whole = count_words(refs, hyps, policy=policy)
    errors = np.asarray(state.sums) if corpus else np.zeros(11, int)
    assert errors[[1, 2, 3, 5, 6, 7]].sum() == whole.errors
    assert errors[[0, 4]].sum() == whole.reference_units


@given(st.lists(st.tuples(TEXT, TEXT, st.lists(PHRASE, max_size=3)), min_size=1, max_size=5))
def test_a_list_for_each_pair(corpus) -> None:
    refs, hyps, lists = map(list, zip(*corpus, strict=True))
    state = count_keywords(refs, hyps, keywords=lists, policy="sclite", items=True)
    truth = by_loops(refs, hyps, lists, "sclite")
    assert counted(state) == {name: truth[name] for name in counted(state)}
    for row in range(len(refs)):
        own = by_loops(refs[row : row + 1], hyps[row : row + 1], lists[row : row + 1], "sclite")
        assert state.per_item("found_keywords")[row] == own["found_keywords"]


def test_scores_by_hand() -> None:
    state = count_keywords(REFS, HYPS, keywords=LIST)
    # keywords: anna smith, smith of 8 words; anna is wrong, new and york are inserted
    assert (state["b_wer"], state["u_wer"]) == (3 / 3, 1 / 5)
    assert (state["keyword_recall"], state["keyword_precision"]) == (2 / 3, 2 / 3)
    assert state["keyword_f1"] == 2 / 3
    assert state.pairs == 3


def test_a_phrase_with_a_word_between_is_not_found() -> None:
    state = count_keywords(["new york"], ["new uh york"], keywords=["new york"])
    assert (state["keyword_recall"], state["b_wer"]) == (0, 0)
    assert math.isnan(state["keyword_precision"])
    assert (state["u_wer"], state["other_insertions"]) == (pytest.approx(math.nan, nan_ok=True), 1)


def test_lists_are_normalised_and_named_in_any_order() -> None:
    one = count_keywords(["Anna!"], ["anna"], keywords=["ANNA", "b"], normalise="basic")
    two = count_keywords(["b"], ["b"], keywords=["B", "anna", "Anna."], normalise="basic")
    assert one.signature == two.signature
    assert "|keywords:2-" in one.signature
    assert (one + two)["b_wer"] == 0
    other = count_keywords(["b"], ["b"], keywords=["c"], normalise="basic")
    with pytest.raises(MergeError, match="keywords differs"):
        one + other
    with pytest.raises(MergeError, match="policy differs"):
        one + count_keywords(
            ["b"], ["b"], keywords=["b", "anna"], normalise="basic", policy="kaldi"
        )


BAD = [
    ({"keywords": "anna"}, "keywords must be a list of strings, got str"),
    ({"keywords": []}, "keywords must hold one at least, got none"),
    ({"keywords": ["a", ["b"]]}, "keywords[1] must be a string, or all of them lists of strings"),
    ({"keywords": ["a", None]}, "keywords[1] must be a string"),
    ({"keywords": [["a"]]}, "keywords must be a list for each pair, got 1 of 2"),
    ({"keywords": ["a", " "]}, "keywords hold ' ', which has no words; leave it out"),
    ({"keywords": ["!"], "normalise": "basic"}, "keywords hold '!', which has no words"),
    ({"keywords": ["a"], "policy": "x"}, "policy must be one of jiwer, kaldi, sclite, got 'x'"),
    ({"keywords": ["a"], "ids": [1, 2]}, "ids go with items=True"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_errors_say_what_is_wrong(options, message: str) -> None:
    with pytest.raises(InputError) as caught:
        count_keywords(["a", "b"], ["a", "b"], **options)
    assert message in str(caught.value)


def test_tokens_are_refused() -> None:
    with pytest.raises(InputError, match="takes texts; join tokens by spaces"):
        count_keywords([["a"]], [["a"]], keywords=["a"])


def test_intervals_comparisons_and_files_of_items() -> None:
    refs, hyps = REFS * 20, HYPS * 20
    state = count_keywords(refs, hyps, keywords=LIST, items=True)
    bags = fill_bags(state, list(KEYWORD_SCORES))
    for name in KEYWORD_SCORES:
        found = interval(state, name)
        assert found.low <= state[name] <= found.high
        assert interval(bags, name).value == state[name]
    better = count_keywords(refs, refs, keywords=LIST, items=True)
    delta = compare(state, better, "keyword_recall")
    assert delta.delta == pytest.approx(1 / 3)
    columns = state.item_columns()
    again = state_of_items("u_wer", state.per_item("id"), columns)
    assert again["u_wer"] == state["u_wer"]
    with pytest.raises(InputError, match="no column 'x'"):
        state.per_item("x")
    with pytest.raises(InputError, match="no interval of 'hits'"):
        state.resampling("hits")


# -- on the command line ---------------------------------------------------------------------------


def test_the_command_counts_keywords_and_policies(tmp_path) -> None:
    files = [tmp_path / name for name in ("ref.txt", "hyp.txt", "list.txt")]
    for file, lines in zip(files, (REFS, HYPS, [*LIST, "", " "]), strict=True):
        file.write_text("\n".join(lines) + "\n")
    items = tmp_path / "items.parquet"
    done = assay(
        "score", "transcripts", *files[:2], "--keywords", files[2], "--policy", "sclite",
        "--unit", "word", "--errors", "2", "--per-item", items, "--json",
    )  # fmt: skip
    assert done.code == 0
    state = count_keywords(REFS, HYPS, keywords=LIST, policy="sclite")
    counts = count_words(REFS, HYPS, policy="sclite")
    for score in (*state.scores(), *counts.scores()):
        assert done.values[(score.name,)] == score.value
    signatures = {s["signature"] for s in json.loads(done.out)["scores"]}
    assert state.scores()[0].signature in signatures
    assert "low" in next(s for s in json.loads(done.out)["scores"] if s["name"] == "b_wer")
    done = assay("compare", items, items, "--metric", "b_wer", "--json")
    assert done.code == 0
    assert '"b_wer"' in done.out


def test_groups_have_a_table_of_keywords(tmp_path) -> None:
    file, keywords = tmp_path / "a.jsonl", tmp_path / "list.txt"
    rows = [("anna smith", "anna", "x"), ("fox", "fox", "y")]
    lines = [json.dumps({"reference": r, "hypothesis": h, "v": v}) for r, h, v in rows]
    file.write_text("\n".join(lines) + "\n")
    keywords.write_text("anna smith\nfox\n")
    done = assay("score", "transcripts", file, "--keywords", keywords, "--by", "v")
    table = done.out[done.out.index("keywords\n") :].splitlines()
    assert table[1].split() == ["v", "pairs", "b_wer", "u_wer", "recall", "precision", "f1"]
    assert table[2].split()[:3] == ["(all)", "2", "0.3333"]
    assert table[3].split()[:3] == ["x", "1", "0.5000"]


def test_the_command_counts_graphemes(tmp_path) -> None:
    for name, line in (("r.txt", "\u0995\u09be\u09b2"), ("h.txt", "\u0995\u09bf\u09b2")):
        (tmp_path / name).write_text(line + "\n", encoding="utf-8")
    done = assay("score", "transcripts", tmp_path / "r.txt", tmp_path / "h.txt",
                 "--unit", "grapheme", "--json")  # fmt: skip
    assert done.values[("cer",)] == 0.5


def test_the_command_refuses(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\n")
    pair = [tmp_path / "a.txt"] * 2
    for options, message in (
        (("--policy", "x"), "--policy must be one of jiwer, kaldi, sclite, got 'x'"),
        (("--keywords", tmp_path / "none.txt"), "none.txt: No such file or directory"),
        (("--keywords", tmp_path / "empty.txt"), "no keywords; one a line is expected"),
        (("--keywords", tmp_path / "bytes.txt"), "not UTF-8 at byte 0"),
        (("--keywords", tmp_path / "a.txt", "--empty", "skip"), "does not go with --empty skip"),
    ):
        done = assay("score", "transcripts", *pair, *options)
        assert done.code == 2
        assert message in done.err
