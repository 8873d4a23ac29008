"""Every named convention against the library it is named after.

Not part of an install: pytrec_eval-terrier, ranx, scikit-learn, torchmetrics and
sentence-transformers. LAION-CLAP and the DCASE baseline are scripts; their formulas are written
out here.
"""

import importlib
import math
import random
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.metrics.retrieval import RankCounts, count_rankings
from strategies import ITEMS, judgements, scored

KS = (1, 3, 5)
NAMES = {"precision": "P", "recall": "recall", "hit": "success", "map": "map_cut"}


def oracle(name: str, reason: str) -> ModuleType:
    """An optional library, imported with its own warnings left alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, reason=reason)


def value(state: RankCounts, name: str) -> float:
    (found,) = state.per_item(name).tolist()
    return found


def close(state: RankCounts, expected: dict[str, float], tolerance: float = 1e-12) -> None:
    found = {name: value(state, name) for name in expected}
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def corpus(seed: int, queries: int, tied: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Runs and judgements in which every query has both; gains 0..3."""
    rng = random.Random(seed)
    items = [f"d{i}" for i in range(30)]
    run, judged = {}, {}
    for q in range(queries):
        names = rng.sample(items, rng.randrange(1, 14))
        points = [rng.randrange(4) if tied else rng.random() for _ in names]
        run[f"q{q}"] = {d: float(np.float32(p)) for d, p in zip(names, points, strict=True)}
        judged[f"q{q}"] = {d: rng.choice([0, 1, 1, 2, 3]) for d in rng.sample(items, 9)}
    return run, judged


# -- trec ------------------------------------------------------------------------------------------


def trec(
    run: dict[str, Any], judged: dict[str, Any], level: int = 1
) -> dict[str, dict[str, float]]:
    """pytrec_eval's values under our names."""
    library = oracle("pytrec_eval", "pip install pytrec_eval-terrier")
    cuts = ",".join(map(str, KS))
    asked = {f"{m}.{cuts}" for m in (*NAMES.values(), "ndcg_cut")}
    measures = {*asked, "map", "ndcg", "recip_rank", "Rprec", "bpref"}
    evaluator = library.RelevanceEvaluator(judged, measures, relevance_level=level)
    single = {"map": "map", "ndcg": "ndcg", "mrr": "recip_rank", "r_precision": "Rprec"}
    single |= {"bpref": "bpref"}
    single |= {f"ndcg@{k}": f"ndcg_cut_{k}" for k in KS}
    single |= {f"{ours}@{k}": f"{theirs}_{k}" for ours, theirs in NAMES.items() for k in KS}
    return {
        query: {ours: values[theirs] for ours, theirs in single.items()}
        for query, values in evaluator.evaluate(run).items()
    }


@settings(max_examples=300)
@given(
    scored(12).filter(bool),  # of an empty ranking it reads memory that is not its own
    judgements().filter(lambda own: max(own.values(), default=-1) >= 0),
)
def test_trec_equals_trec_eval(ranked, judged) -> None:
    for level in (1, 2):
        (expected,) = trec({"q": ranked}, {"q": judged}, level).values()
        for rankings in ({"q": ranked}, as_columns("q", ranked)):
            state = count_rankings(
                rankings, {"q": judged}, k=KS, convention="trec", level=level, complete=True
            )
            close(state, expected)


def test_an_empty_ranking_found_nothing() -> None:
    state = count_rankings({"q": {}, "r": {"a": 1.0}}, {"q": {"a": 1}, "r": {"a": 1}}, k=KS,
                           convention="trec")  # fmt: skip
    for name in ("map", "mrr", "ndcg", "recall@5", "precision@1", "r_precision", "bpref"):
        assert state.per_item(name).tolist()[0] == 0, name


def as_columns(query: str, ranked: dict[str, float]) -> tuple[list[Any], ...]:
    return [query] * len(ranked), list(ranked), list(ranked.values())


@pytest.mark.parametrize("tied", [False, True])
def test_trec_means_equal_trec_eval(tied: bool) -> None:
    run, judged = corpus(7, 200, tied)
    run["only in the run"] = {"d1": 1.0}
    judged["only judged"] = {"d1": 1}
    judged["none relevant"], run["none relevant"] = {"d1": 0, "d2": 0}, {"d1": 1.0, "d3": 0.5}
    expected = trec(run, judged)
    state = count_rankings(run, judged, k=KS, convention="trec")
    assert state["queries"] == len(expected) == 201
    assert sorted(expected) == state.per_item("query").tolist()
    for name in expected["q0"]:
        column = [expected[query][name] for query in sorted(expected)]
        assert state.per_item(name).tolist() == pytest.approx(column, abs=1e-12)
        assert state[name] == pytest.approx(math.fsum(column) / len(column), abs=1e-12)
    # With -c queries that are not in the run count 0.
    whole = count_rankings(run, judged, k=KS, convention="trec", complete=True)
    assert whole["map"] == pytest.approx(state["map"] * 201 / 202)


def test_scores_that_only_float32_takes_as_equal() -> None:
    # trec_eval 10 compares doubles; the version in pytrec_eval 0.5.11 rounds to float32 first.
    run, judged = {"q": {"a": 1.0 + 1e-10, "b": 1.0}}, {"q": {"b": 1}}
    (theirs,) = trec(run, judged).values()
    ours = count_rankings(run, judged, convention="trec")["mrr"]
    assert (theirs["mrr"], ours) == (1.0, 0.5)
    rounded = {"q": {item: np.float32(score) for item, score in run["q"].items()}}
    assert count_rankings(rounded, judged, convention="trec")["mrr"] == theirs["mrr"]


# -- ranx ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ranx compiles with casts that Numba warns of
def test_ranx() -> None:
    ranx = oracle("ranx", "pip install ranx")
    single = {"map": "map", "mrr": "mrr", "ndcg": "ndcg", "r_precision": "r-precision"}
    for k in KS:
        single |= {f"{name}@{k}": f"{name}@{k}" for name in ("precision", "recall", "ndcg", "map")}
        single |= {f"hit@{k}": f"hit_rate@{k}", f"mrr@{k}": f"mrr@{k}"}
    for tied in (False, True):
        run, judged = corpus(11, 120, tied)
        judged["q0"] = {"d0": 0}  # a query without relevant items counts 0
        expected = ranx.evaluate(
            ranx.Qrels(judged), ranx.Run(run), list(single.values()), return_mean=False
        )
        state = count_rankings(run, judged, k=KS, convention="ranx")
        for ours, theirs in single.items():
            assert state.per_item(ours).tolist() == pytest.approx(
                expected[theirs].tolist(), abs=1e-12
            )
        steep = ranx.evaluate(ranx.Qrels(judged), ranx.Run(run), "ndcg_burges", return_mean=False)
        ours = count_rankings(run, judged, convention="ranx", gain="exponential")
        assert ours.per_item("ndcg").tolist() == pytest.approx(steep.tolist(), abs=1e-12)


# -- sentence-transformers -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_sentence_transformers(tied: bool) -> None:
    oracle("sentence_transformers", "pip install sentence-transformers")
    home = "sentence_transformers.sentence_transformer.evaluation"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers, at import
        library: Any = importlib.import_module(home)
    run, judged = corpus(13, 60, tied)
    relevant = {q: {d for d, g in own.items() if g} for q, own in judged.items()}
    relevant["q0"] = set()  # left out
    asked = ("mrr", "ndcg", "accuracy", "precision_recall", "map")
    cuts: Any = {f"{name}_at_k": list(KS) for name in asked}
    evaluator = library.InformationRetrievalEvaluator(
        {q: q for q in run}, {f"d{i}": "" for i in range(30)}, relevant, **cuts
    )
    hits = [
        [{"corpus_id": d, "score": s} for d, s in run[q].items()] for q in evaluator.queries_ids
    ]
    expected = evaluator.compute_metrics(hits)
    state = count_rankings(run, relevant, k=KS, convention="sentence-transformers")
    assert state["queries"] == len(evaluator.queries_ids) == 59
    for theirs, by_cut in expected.items():
        ours = {"accuracy@k": "hit"}.get(theirs, theirs.removesuffix("@k"))
        for k, mean in by_cut.items():
            assert state[f"{ours}@{k}"] == pytest.approx(float(mean), abs=1e-12)


# -- torchmetrics ----------------------------------------------------------------------------------


def torchmetrics() -> Any:
    oracle("torchmetrics", "pip install torchmetrics")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("torchmetrics.functional.retrieval")


def positive_scores(distinct: bool) -> st.SearchStrategy[dict[str, float]]:
    """Above 0: up to 0 torchmetrics 1.9 takes relevance away from half of its measures."""
    score = st.integers(1, 40 if distinct else 3).map(lambda n: n / 64)
    size = {"min_size": 1, "max_size": 9}
    if not distinct:
        return st.dictionaries(st.sampled_from(ITEMS), score, **size)
    return st.lists(score, unique=True, **size).map(lambda s: dict(zip(ITEMS, s, strict=False)))


@settings(max_examples=60)
@given(positive_scores(distinct=True), st.data())
def test_torchmetrics(ranked, data) -> None:
    functions, torch = torchmetrics(), pytest.importorskip("torch")
    judged = {d: data.draw(st.integers(0, 3)) for d in ranked}  # all that is ranked, as there
    scores = torch.tensor(list(ranked.values()))
    binary = torch.tensor([g > 0 for g in judged.values()])
    gains = torch.tensor(list(judged.values()))
    names = {
        "map": functions.retrieval_average_precision,
        "mrr": functions.retrieval_reciprocal_rank,
        "precision": functions.retrieval_precision,
        "recall": functions.retrieval_recall,
        "hit": functions.retrieval_hit_rate,
    }
    expected = {"r_precision": functions.retrieval_r_precision(scores, binary).item()}
    for name, function in names.items():
        expected |= {f"{name}@{k}": function(scores, binary, top_k=k).item() for k in KS}
    expected |= {name: names[name](scores, binary).item() for name in ("map", "mrr")}
    ndcg = functions.retrieval_normalized_dcg
    expected |= {"ndcg": ndcg(scores, gains).item()}
    expected |= {f"ndcg@{k}": ndcg(scores, gains, top_k=k).item() for k in KS}
    state = count_rankings({"q": ranked}, {"q": judged}, k=KS, convention="torchmetrics")
    close(state, expected, 1e-6)  # float32 there


@settings(max_examples=60)
@given(positive_scores(distinct=False), st.data())
def test_torchmetrics_averages_ndcg_over_ties(ranked, data) -> None:
    functions, torch = torchmetrics(), pytest.importorskip("torch")
    judged = {d: data.draw(st.integers(0, 3)) for d in ranked}
    scores, gains = (torch.tensor(list(x.values())) for x in (ranked, judged))
    expected = {
        f"ndcg@{k}": functions.retrieval_normalized_dcg(scores, gains, top_k=k).item() for k in KS
    }
    state = count_rankings({"q": ranked}, {"q": judged}, k=KS, convention="torchmetrics")
    close(state, expected, 1e-6)


def test_torchmetrics_loses_relevance_of_negative_scores() -> None:
    # Why only positive scores are compared: here 1.9 gives 0. A release that does not will say so.
    functions, torch = torchmetrics(), pytest.importorskip("torch")
    scores, target = torch.tensor([-0.1, -0.2, -0.3, -0.4]), torch.tensor([1, 0, 0, 1])
    state = count_rankings(
        {"q": dict(zip("abcd", scores.tolist(), strict=True))}, {"q": ["a", "d"]},
        convention="torchmetrics",
    )  # fmt: skip
    assert functions.retrieval_average_precision(scores, target).item() == 0.0
    assert functions.retrieval_hit_rate(scores, target, top_k=2).item() == 1.0
    assert (state["map"], state["mrr"]) == (0.75, 1.0)


# -- scikit-learn ----------------------------------------------------------------------------------


@settings(max_examples=100)
@given(scored(12).filter(lambda s: len(s) > 1), st.data())
def test_sklearn(ranked, data) -> None:
    metrics = oracle("sklearn.metrics", "pip install scikit-learn")
    judged = {d: data.draw(st.integers(0, 3)) for d in ranked}
    scores = np.array([list(ranked.values())])
    gains = np.array([list(judged.values())], float)
    binary = gains > 0
    state = count_rankings({"q": ranked}, {"q": judged}, k=KS, convention="sklearn")
    expected = {f"ndcg@{k}": metrics.ndcg_score(gains, scores, k=k) for k in KS}
    expected |= {"ndcg": metrics.ndcg_score(gains, scores)}
    if binary.any():
        expected |= {"map": metrics.average_precision_score(binary[0], scores[0])}
    else:
        expected |= {"map": 0.0}  # with a warning there
    close(state, expected)
    if binary.any() and not binary.all():  # else 1 there
        assert value(state, "map") == pytest.approx(
            metrics.label_ranking_average_precision_score(binary, scores), abs=1e-12
        )
    assert "map@1" not in [score.name for score in state.scores()]


def test_ties_as_four_libraries_see_them() -> None:
    # One score for all: what a constant model gets.
    items = [f"d{i}" for i in range(6)]
    run, judged = {"q": dict.fromkeys(items, 0.5)}, {"q": ["d4", "d5"]}
    found = {
        name: count_rankings(run, judged, convention=name)["map"]
        for name in ("sklearn", "trec", "ranx", "sentence-transformers")
    }
    assert found == pytest.approx(
        {
            "sklearn": 2 / 6,
            "trec": 1.0,  # d5 and d4 come first
            "ranx": (1 / 5 + 2 / 6) / 2,
            "sentence-transformers": (1 / 5 + 2 / 6) / 2,
        }
    )


# -- clap and dcase --------------------------------------------------------------------------------


def similarities(clips: int, captions: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((clips, clips * captions))
    for clip in range(clips):
        scores[clip, clip * captions : (clip + 1) * captions] += 1.5
    return scores


def test_clap_on_five_captions() -> None:
    """LAION-CLAP's evaluate_clotho_audiocaps, as its docstring defines it."""
    clips, captions = 30, 5
    scores = similarities(clips, captions, 1)
    texts = clips * captions
    t2a = count_rankings(
        np.argsort(-scores.T, axis=1), np.arange(texts) // captions, convention="clap"
    )
    zero_based = np.array([np.sum(scores[:, t] > scores[t // captions, t]) for t in range(texts)])
    assert t2a["mean_rank"] == pytest.approx(zero_based.mean() + 1)
    assert t2a["median_rank"] == np.floor(np.median(zero_based)) + 1
    for k in (1, 5, 10):
        assert t2a[f"recall@{k}"] == pytest.approx(np.mean(zero_based < k))
    assert t2a["map@10"] == pytest.approx(
        np.mean(np.where(zero_based < 10, 1 / (zero_based + 1), 0))
    )

    own = np.arange(texts).reshape(clips, captions)
    a2t = count_rankings(np.argsort(-scores, axis=1), own, convention="clap")
    ranks = np.array([[np.sum(scores[c] > scores[c, t]) for t in own[c]] for c in range(clips)])
    for k in (1, 5, 10):
        assert a2t[f"recall@{k}"] == pytest.approx(np.mean(ranks.min(axis=1) < k))
    # Of the sorted ranks below 10, the i-th gives i / (rank + 1); all are divided by 5. The script
    # leaves them in order of the captions instead, so its values can differ, and even pass 1.
    documented, as_coded = [], []
    for row in ranks:
        for order, out in ((np.sort(row), documented), (row, as_coded)):
            kept = order[order < 10] + 1
            out.append(np.sum(np.arange(1, len(kept) + 1) / kept) / captions)
    assert a2t["map@10"] == pytest.approx(np.mean(documented))
    assert a2t["map@10"] < np.mean(as_coded)


def test_dcase_baseline() -> None:
    """One relevant clip of each caption: the sum of precisions at its place among the first ten."""
    scores = similarities(40, 5, 2).T
    order = np.argsort(scores)[:, ::-1]
    relevant = np.arange(200) // 5
    state = count_rankings(order, relevant, convention="dcase")
    hits = order[:, :10] == relevant[:, None]
    assert state["map@10"] == pytest.approx(np.mean((hits / np.arange(1, 11)).sum(axis=1)))
    for k in (1, 5, 10):
        assert state[f"recall@{k}"] == pytest.approx(np.mean(hits[:, :k].any(axis=1)))
    # Several relevant clips, as from 2025 on: hits over R, precisions over R.
    several = count_rankings([[0, 9, 1, 8]], [[0, 1, 2]], k=(2, 16), convention="dcase")
    assert several["map@16"] == pytest.approx((1 + 2 / 3) / 3)
    assert (several["recall@2"], several["recall@16"]) == pytest.approx((1 / 3, 2 / 3))
