"""Scores of rankings by every named convention, against plain loops and by hand; definitions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rank_oracle
from assay.core.errors import MergeError
from assay.core.state import State
from assay.metrics.rank_conventions import CONVENTIONS
from assay.metrics.retrieval import RankCounts, count_rankings
from rankings_kit import KS
from strategies import judged_rankings


@pytest.mark.parametrize(
    "convention", [name for name, rules in CONVENTIONS.items() if rules.ties != "grouped"]
)
@settings(max_examples=100)
@given(st.data())
def test_values_equal_plain_loops(convention: str, data) -> None:
    ranked, judged = data.draw(judged_rankings())
    rules = CONVENTIONS[convention]
    exponential = data.draw(st.booleans())
    state = count_rankings(
        {"q": ranked},
        {"q": judged},
        k=KS,
        convention=convention,
        gain="exponential" if exponential else "linear",
        empty="zero",
    )
    if not rank_oracle.relevant(judged, rules.level):
        assert {state[name] for name in ("map", "recall@1", "ndcg", "mrr", "bpref")} == {0.0}
        assert math.isnan(state.per_item("rank")[0])
        return
    gain = (lambda g: 2**g - 1) if exponential else float
    expected = rank_oracle.values(
        rank_oracle.one_order(ranked, rules.ties), judged, KS, convention, gain
    )
    if rules.ndcg_ties and isinstance(ranked, dict):
        expected = {name: v for name, v in expected.items() if not name.startswith("ndcg")}
    found = {name: state.per_item(name).item() for name in expected}
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


# -- by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convention", "at_3", "full"),
    [
        ("trec", 5 / 12, 2 / 3),
        ("ranx", 5 / 12, 2 / 3),
        ("cross-modal", 5 / 12, 2 / 3),
        ("clap", 5 / 12, 2 / 3),
        ("dcase", 5 / 12, 2 / 3),
        ("sentence-transformers", 5 / 9, 2 / 3),
        ("torchmetrics", 5 / 6, 2 / 3),
    ],
)
def test_the_denominators_of_average_precision(convention: str, at_3: float, full: float) -> None:
    # Four relevant items, at ranks 1, 3, 6 and 8.
    ranking = ["a", "x1", "b", "x2", "x3", "c", "x4", "d"]
    state = count_rankings([ranking], [[*"abcd"]], k=3, convention=convention)
    assert state["map@3"] == pytest.approx(at_3)
    assert state["map"] == pytest.approx((1 + 2 / 3 + 3 / 6 + 4 / 8) / 4) == pytest.approx(full)


def test_graded_gains_by_hand() -> None:
    judged = {"a": 3, "b": 2, "c": 1}
    state = count_rankings({"q": ["b", "x", "a"]}, {"q": judged}, k=(1, 2))
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert state["ndcg"] == pytest.approx((2 + 3 / 2) / best)
    assert state["ndcg@2"] == pytest.approx(2 / (3 + 2 / math.log2(3)))
    steep = count_rankings({"q": ["b", "x", "a"]}, {"q": judged}, gain="exponential")
    assert steep["ndcg"] == pytest.approx((3 + 7 / 2) / (7 + 3 / math.log2(3) + 1 / 2))
    binary = count_rankings(
        {"q": ["b", "x", "a"]}, {"q": judged}, convention="sentence-transformers"
    )
    assert binary["ndcg"] == pytest.approx(1.5 / (1 + 1 / math.log2(3) + 1 / 2))
    high = count_rankings({"q": ["b", "x", "a"]}, {"q": judged}, level=3)
    assert (high["mrr"], high["map"], high["ndcg"]) == (1 / 3, 1 / 3, state["ndcg"])
    cut = count_rankings({"q": ["b", "x", "a"]}, {"q": judged}, level=3, convention="ranx")
    assert cut["ndcg"] == pytest.approx(0.5)


def test_ranks() -> None:
    gallery = [f"d{i}" for i in range(10)]
    rankings = [gallery] * 4
    state = count_rankings(rankings, [["d0"], ["d2", "d9"], ["d5"], ["d9"]])
    assert state.per_item("rank").tolist() == [1, 3, 6, 10]
    assert state["mean_rank"] == 5
    assert state["median_rank"] == 4  # the floor, as CLIP and CLAP print it
    assert count_rankings(rankings, ["d0", "d2", "d5", "d9"], convention="trec")[
        "median_rank"
    ] == pytest.approx(4.5)
    missed = count_rankings(rankings, ["d0", "d0", "d1", "zz"])
    assert missed["mean_rank"] == math.inf
    assert missed["median_rank"] == 1
    assert count_rankings([gallery], ["zz"])["median_rank"] == math.inf


def test_positions_beyond_the_list() -> None:
    state = count_rankings({"q": ["a", "b"]}, {"q": ["b", "z"]}, k=(5,), convention="trec")
    assert state["precision@5"] == 1 / 5  # of 5, though two are ranked
    assert state["recall@5"] == 1 / 2
    assert state["r_precision"] == 1 / 2


def test_bpref_needs_judgements() -> None:
    run = {"q": ["n1", "a", "n2", "b"]}
    assert "bpref" not in [s.name for s in count_rankings(run, {"q": ["a"]}).scores()]
    graded = count_rankings(run, {"q": {"a": 1, "b": 1, "n1": 0, "n2": 0, "x": -1}})
    assert graded["bpref"] == (1 / 2 + 0) / 2
    assert count_rankings(run, {"q": {"a": 1}})["bpref"] == 1.0
    mixed = graded + count_rankings({"p": ["a"]}, {"p": ["a"]})
    with pytest.raises(KeyError, match=r"RankCounts has no score 'bpref'"):
        mixed["bpref"]


# -- both directions -------------------------------------------------------------------------------


def test_five_captions_per_clip_both_directions() -> None:
    # Two clips with five captions each; captions 0-4 belong to clip 0.
    text_to_audio = {
        **{f"t{i}": ["a0", "a1"] for i in (0, 1, 2, 5)},
        **{f"t{i}": ["a1", "a0"] for i in (3, 4, 6, 7, 8, 9)},
    }
    clip = {f"t{i}": "a0" if i < 5 else "a1" for i in range(10)}
    t2a = count_rankings(text_to_audio, clip, k=(1, 2))
    assert t2a["recall@1"] == 7 / 10
    assert t2a["recall@2"] == 1.0
    assert t2a["map"] == t2a["mrr"] == (7 + 3 / 2) / 10
    audio_to_text = {
        "a0": ["t9", "t0", "t1", "t8", "t2", "t3", "t4", "t5", "t6", "t7"],
        "a1": ["t5", "t0", "t6", "t1", "t7", "t2", "t8", "t3", "t9", "t4"],
    }
    captions = {"a0": [f"t{i}" for i in range(5)], "a1": [f"t{i}" for i in range(5, 10)]}
    a2t = count_rankings(audio_to_text, captions, k=(1, 2, 5))
    assert a2t["recall@1"] == 0.5  # a caption of five in first place, for one clip of two
    assert a2t["recall@2"] == 1.0
    share = count_rankings(audio_to_text, captions, k=(1, 2, 5), convention="trec")
    assert share["recall@1"] == (0 + 1 / 5) / 2
    assert share["recall@5"] == (3 / 5 + 3 / 5) / 2
    ap = [(1 / 2 + 2 / 3 + 3 / 5 + 4 / 6 + 5 / 7) / 5, (1 + 2 / 3 + 3 / 5 + 4 / 7 + 5 / 9) / 5]
    assert a2t.per_item("average_precision").tolist() == pytest.approx(ap)
    both = a2t.with_reverse(t2a, ("audio_to_text", "text_to_audio"))
    assert both["map"] == pytest.approx(sum(ap) / 2)
    assert both.reverse["recall@1"] == 0.7
    flat = both.as_dict("val/")
    assert flat["val/audio_to_text/recall_at_1"] == 0.5
    assert flat["val/text_to_audio/recall_at_1"] == 0.7
    assert "val/recall_at_1" not in flat


def test_both_directions_add_and_travel() -> None:
    def batch(first: int) -> RankCounts:
        there = RankCounts.from_pairs([first], [0, 1], [0], None, [first], [0], [0], 9)
        back = RankCounts.from_pairs([first + 50], [0, 1], [0], None, [1], [0], [0], 9)
        return there.with_reverse(back)

    whole = batch(0) + batch(2)
    assert whole["mrr"] == (1 + 1 / 3) / 2
    assert whole.reverse["mrr"] == 0.5
    assert {dict(s.tags)["direction"] for s in whole.scores()} == {
        "query_to_gallery",
        "gallery_to_query",
    }
    again = State.from_bytes(whole.to_bytes())
    assert again.to_bytes() == whole.to_bytes() == (batch(2) + batch(0)).to_bytes()
    assert again.reverse["mrr"] == 0.5
    assert (RankCounts.zero() + whole).to_bytes() == whole.to_bytes()
    alone = RankCounts.from_pairs([7], [0, 1], [0], None, [0], [0], [0], 9)
    assert alone.reverse is None
    with pytest.raises(MergeError, match=r"^RankCounts: directions differs: "):
        alone + whole


# -- definitions as text ---------------------------------------------------------------------------


def test_definitions_are_told() -> None:
    for convention, rules in CONVENTIONS.items():
        state = count_rankings({"q": {"a": 1.0}}, {"q": "a"}, convention=convention)
        assert state.statement.startswith(f"{convention}: {rules.text}")
        assert "\n" not in state.statement
        assert state.signature.startswith(f"convention:{convention}|ties:{rules.ties}|gain:linear|")
    state = count_rankings(
        {"q": {"a": 1.0}}, {"q": "a"}, ties="expected", gain="exponential", level=2, empty="zero"
    )
    assert state.signature == (
        "convention:cross-modal|ties:expected|gain:exponential|relevant:>=2|empty:zero"
    )
    for part in ("expectation over random", "2^g - 1", "gain of 2", "count as 0"):
        assert part in state.statement


def test_definitions_do_not_mix() -> None:
    run, judged = {"q": {"a": 1.0}}, {"q": "a"}
    plain = count_rankings(run, judged)
    for options in (
        {"convention": "trec"},
        {"ties": "expected"},
        {"gain": "exponential"},
        {"level": 2},
        {"k": 3},
        {"empty": "nan"},
    ):
        with pytest.raises(MergeError, match=r"^RankCounts: \w+ differs: "):
            plain + count_rankings({"p": {"a": 1.0}}, {"p": "a"}, **options)
    with pytest.raises(MergeError, match=r"^RankCounts: queries have item ids in common"):
        plain + count_rankings(run, judged)
    again = count_rankings({"p": ["a"]}, {"p": "a"}, k=[10, 1, 5, 5])
    assert (plain + again).k == (1, 5, 10)
