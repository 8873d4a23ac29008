"""Ranking metrics against plain loops, by hand, and at the edges."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rank_oracle
from assay.core.errors import InputError, MergeError
from assay.core.state import State
from assay.metrics.rank_conventions import CONVENTIONS, EMPTY, TIES
from assay.metrics.retrieval import (
    RankCounts,
    count_rankings,
    recall_at_k,
)
from rankings_kit import JUDGED, RUN, columns
from strategies import judged_rankings, judgements, scored

KS = (1, 2, 3, 5)
ORDERED = [name for name, rules in CONVENTIONS.items() if rules.ties != "grouped"]


def per_query(state: RankCounts, names: list[str]) -> list[dict[str, float]]:
    columns = {name: state.per_item(name).tolist() for name in names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


# -- against plain loops ---------------------------------------------------------------------------


@pytest.mark.parametrize("convention", ORDERED)
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
    (found,) = per_query(state, list(expected))
    close(found, expected)


@pytest.mark.parametrize("convention", ["trec", "cross-modal", "torchmetrics", "dcase"])
@settings(max_examples=40)
@given(st.data())
def test_random_ties_equal_the_mean_over_all_orders(convention: str, data) -> None:
    ranked = data.draw(scored(5))
    judged = data.draw(judgements(0))
    rules = CONVENTIONS[convention]
    if not rank_oracle.relevant(judged, rules.level):
        return
    every = [
        rank_oracle.values(order, judged, KS, convention) for order in rank_oracle.orders(ranked)
    ]
    names = [name for name in every[0] if name != "bpref"]

    def found(ties: str) -> dict[str, float]:
        options = {"k": KS, "convention": convention, "ties": ties}
        return per_query(count_rankings({"q": ranked}, {"q": judged}, **options), names)[0]

    close(found("expected"), {n: sum(one[n] for one in every) / len(every) for n in names})
    if rules.denominator == "found":  # an early relevant item can lower a mean over hits
        names = [name for name in names if not name.startswith("map@")]
    best = {n: max(one[n] for one in every) for n in names}
    worst = {n: min(one[n] for one in every) for n in names}
    best["rank"], worst["rank"] = worst["rank"], best["rank"]
    for ties, extreme in (("optimistic", best), ("pessimistic", worst)):
        values = found(ties)
        close({n: values[n] for n in names}, extreme)


def test_all_tied_in_a_large_gallery() -> None:
    # 3 of 1,000 relevant, one score: the expectations in closed form.
    r = RankCounts.from_pairs(
        [0], [0, 3], [5, 6, 7], None, [0] * 3, [5, 6, 7], [994, 993, 992], 1000, ties="expected"
    )
    assert r["precision@10"] == pytest.approx(3 / 1000)
    assert r["hit@10"] == pytest.approx(1 - math.comb(997, 10) / math.comb(1000, 10))
    assert r["mean_rank"] == pytest.approx(1001 / 4)
    first = [math.comb(1000 - i, 2) / math.comb(1000, 3) for i in range(1, 999)]
    assert r["mrr"] == pytest.approx(math.fsum(p / i for i, p in enumerate(first, 1)))
    assert r["ndcg@10"] == pytest.approx(
        3 / 1000 * sum(1 / math.log2(i + 1) for i in range(1, 11)) / (1 + 1 / math.log2(3) + 0.5)
    )


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


# -- ties ------------------------------------------------------------------------------------------

TIED = {"b": 1.0, "c": 1.0, "a": 1.0, "d": 0.5}


@pytest.mark.parametrize(
    ("ties", "rank"),
    [
        ("index", 2),
        ("item-descending", 1),
        ("item-ascending", 3),
        ("optimistic", 1),
        ("pessimistic", 3),
        ("expected", 2),
        ("grouped", 2),
    ],
)
def test_policies_of_ties(ties: str, rank: float) -> None:
    state = count_rankings({"q": TIED}, {"q": "c"}, ties=ties)
    assert state.per_item("rank").tolist() == [rank]
    table = (np.array([4] * 4), np.array([1, 2, 0, 3]), np.array([1.0, 1, 1, 0.5]))
    state = count_rankings(table, (np.array([4]), np.array([2])), ties=ties)
    assert state.per_item("rank").tolist() == [rank]
    assert TIES[ties]
    assert f"|ties:{ties}|" in state.signature


def test_gallery_indices_as_items() -> None:
    def rank(ties: str) -> float:
        return RankCounts.from_pairs([0], [0, 1], [3], None, [2], [1], [4], 9, ties=ties)[
            "mean_rank"
        ]

    assert rank("index") == rank("item-ascending") == 4
    assert rank("item-descending") == 7  # of equal scores the higher index first
    assert (rank("optimistic"), rank("pessimistic"), rank("expected")) == (3, 8, 5.5)


def test_several_relevant_items_in_one_tie() -> None:
    def ranks(ties: str) -> list[float]:
        state = count_rankings({"q": TIED}, {"q": ["a", "b"]}, ties=ties, k=(1, 2, 3))
        return [state[f"precision@{k}"] * k for k in (1, 2, 3)]

    assert ranks("optimistic") == pytest.approx([1, 2, 2])
    assert ranks("pessimistic") == pytest.approx([0, 1, 2])
    assert ranks("expected") == pytest.approx([2 / 3, 4 / 3, 2])


def test_scores_are_compared_as_doubles() -> None:
    near = {"a": 1.0, "b": 1.0 + 1e-10}
    assert count_rankings({"q": near}, {"q": "a"}, convention="trec")["mrr"] == 0.5
    single = {item: np.float32(score) for item, score in near.items()}
    assert count_rankings({"q": single}, {"q": "b"}, convention="trec")["mrr"] == 1.0
    assert count_rankings({"q": single}, {"q": "a"}, convention="trec")["mrr"] == 0.5
    ends = {"a": math.inf, "b": 1e300, "c": 0.0, "d": -0.0, "e": -math.inf}
    order = [count_rankings({"q": ends}, {"q": item})["mean_rank"] for item in ends]
    assert order == [1, 2, 3, 4, 5]


def test_strings_are_ordered_by_their_bytes() -> None:
    tied = dict.fromkeys(["a", "Z", "é", "z", "日", "😀", "a10", "a9", "\uffff"], 0.0)
    order = sorted(tied, key=str.encode, reverse=True)
    for place, item in enumerate(order, 1):
        for run in ({"q": tied}, columns({"q": tied})):
            state = count_rankings(run, ({"q": [item]}), convention="trec")
            assert state["mean_rank"] == place


# -- what is empty ---------------------------------------------------------------------------------


def test_queries_without_relevant_items() -> None:
    run = {"p": ["a", "b"], "q": ["a", "b"]}
    judged = {"p": {"b": 1}, "q": {"a": 0}}

    def count(empty: str | None, **options) -> RankCounts:
        return count_rankings(run, judged, empty=empty, **options)

    skip, zero, nan = count("skip"), count("zero"), count("nan")
    assert (skip["map"], zero["map"]) == (0.5, 0.25)
    assert math.isnan(nan["map"])
    assert skip.per_item("query").tolist() == ["p"]
    assert zero.per_item("average_precision").tolist() == [0.5, 0.0]
    assert np.isnan(nan.per_item("ndcg@5")).tolist() == [False, True]
    for state in (skip, zero, nan):
        assert state["queries_without_relevant"] == 1
    assert [s["queries"] for s in (skip, zero, nan)] == [1, 2, 2]
    assert (skip["mean_rank"], zero["mean_rank"]) == (2, 2)
    assert math.isnan(nan["mean_rank"])
    with pytest.raises(
        InputError, match=r"^query 'q' has no relevant item \(1 of 2 have none\); drop those "
    ):
        count("error")
    assert {rules.empty for rules in CONVENTIONS.values()} <= set(EMPTY)
    for convention, rules in CONVENTIONS.items():
        expected = 0.5 if rules.empty == "skip" else 0.25
        assert count(None, convention=convention)["map"] == expected


def test_queries_on_one_side_only() -> None:
    run = {"p": ["a"], "other": ["a"]}
    judged = {"p": ["a"], "missing": ["a"], "gone": ["b"]}
    part = count_rankings(run, judged)
    assert part["map"] == 1.0
    assert (part["unranked_queries"], part["unjudged_queries"], part["queries"]) == (2, 1, 1)
    whole = count_rankings(run, judged, complete=True)
    assert whole["map"] == whole["ndcg"] == whole["recall@1"] == 1 / 3
    assert (whole["unranked_queries"], whole["unjudged_queries"], whole["queries"]) == (0, 1, 3)
    assert whole.per_item("depth").tolist() == [0, 0, 1]
    tables = count_rankings(columns(run), columns(judged), complete=True)
    assert tables.to_bytes() == whole.to_bytes()
    assert count_rankings(columns(run), columns(judged)).to_bytes() == part.to_bytes()


def test_no_queries() -> None:
    for state in (
        count_rankings({}, {}),
        count_rankings([], []),
        count_rankings({"p": ["a"]}, {"q": ["a"]}),
        RankCounts.zero(),
        RankCounts.from_pairs([], [0], [], None, [], [], [], 5),
    ):
        assert math.isnan(state["map"])
        assert math.isnan(state["mean_rank"])
        assert math.isnan(state["median_rank"])
        assert state["queries"] == 0
        assert state.per_item("rank").tolist() == []
    assert count_rankings({"q": {}}, {"q": ["a"]})["map"] == 0.0
    assert math.isnan(recall_at_k([], [], 1))


def test_bpref_needs_judgements() -> None:
    run = {"q": ["n1", "a", "n2", "b"]}
    assert "bpref" not in [s.name for s in count_rankings(run, {"q": ["a"]}).scores()]
    graded = count_rankings(run, {"q": {"a": 1, "b": 1, "n1": 0, "n2": 0, "x": -1}})
    assert graded["bpref"] == (1 / 2 + 0) / 2
    assert count_rankings(run, {"q": {"a": 1}})["bpref"] == 1.0
    mixed = graded + count_rankings({"p": ["a"]}, {"p": ["a"]})
    with pytest.raises(KeyError, match=r"RankCounts has no score 'bpref'"):
        mixed["bpref"]


# -- single queries --------------------------------------------------------------------------------


def test_values_of_single_queries() -> None:
    state = count_rankings(RUN, JUDGED, k=(1, 2))
    assert state.per_item("query").tolist() == ["q1", "q2"]
    assert state.per_item("relevant").tolist() == [2, 1]
    assert state.per_item("depth").tolist() == [3, 2]
    assert state.per_item("average_precision").tolist() == state.per_item("map").tolist()
    table = state.item_columns()
    assert list(table)[:6] == ["id", "query", "depth", "relevant", "rank", "recall@1"]
    assert {"average_precision", "average_precision@2", "reciprocal_rank@1", "bpref"} <= set(table)
    for name, column in table.items():
        assert column.tolist() == state.per_item(name).tolist()
        assert len(column) == 2
    for name in ("map", "ndcg@2", "recall@1", "mrr@1", "bpref", "r_precision", "hit@2"):
        assert state[name] == math.fsum(state.per_item(name)) / 2
    shuffled = count_rankings(dict(reversed(RUN.items())), JUDGED, k=(1, 2))
    for name, column in shuffled.item_columns().items():
        assert column.tolist() == table[name].tolist()
    with pytest.raises(InputError, match=r"^per_item: no column 'recall@7'; there are \['id', "):
        state.per_item("recall@7")


def test_means_do_not_depend_on_order() -> None:
    rng = np.random.default_rng(5)
    above = rng.integers(0, 10**6, 5000)

    def states(cuts):
        for a, b in pairwise([0, *sorted(cuts), 5000]):
            none = np.zeros(b - a, int)
            bounds = np.arange(b - a + 1)
            counts = (none, None, above[a:b], none, none, 10**6)
            yield RankCounts.from_pairs(np.arange(a, b), bounds, *counts)

    (whole,) = states([])
    parts = list(states(rng.integers(1, 5000, 40)))
    rng.shuffle(parts)
    assert sum(parts).to_bytes() == whole.to_bytes()
    assert [s.value for s in sum(parts).scores()] == [s.value for s in whole.scores()]


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
