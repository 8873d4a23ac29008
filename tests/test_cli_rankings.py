"""`assay score rankings`: embeddings against plain NumPy, runs against pytrec_eval."""

import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytrec_eval

from assay.metrics.rank_conventions import CONVENTIONS
from cli_kit import assay, rankings
from rankings_cli_kit import ARRAYS, D, G, Q, write_embeddings, write_pairs

TWO = ("query_to_gallery", "gallery_to_query")
BOTH = (*ARRAYS, "--relevance", "r.tsv", "--both")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_embeddings()
    return tmp_path


def pairs():
    judged = np.zeros((Q, G), bool)
    judged[tuple(np.loadtxt("r.tsv", int, skiprows=1).T)] = True
    return judged


def similarities(metric="cosine"):
    query, gallery = (np.load(f"{side}.npy").astype(float) for side in "qg")
    if metric == "l2":
        return -((query[:, None] - gallery) ** 2).sum(2)
    if metric == "cosine":
        query, gallery = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (query, gallery))
    return query @ gallery.T


def truth(scores, judged, k=(1, 5, 10)):
    """Values of each query that has something relevant, by sorting."""
    rows = {}
    for i in np.flatnonzero(judged.any(axis=1)):
        hits = judged[i][np.argsort(-scores[i], kind="stable")]
        ranks = np.flatnonzero(hits) + 1
        gains = hits / np.log2(np.arange(len(hits)) + 2)
        rows[int(i)] = {
            **{f"recall@{n}": float(hits[:n].any()) for n in k},
            **{f"precision@{n}": hits[:n].sum() / n for n in k},
            "map": np.mean(np.arange(1, len(ranks) + 1) / ranks),
            "mrr": 1 / ranks[0],
            "ndcg": gains.sum() / (1 / np.log2(np.arange(len(ranks)) + 2)).sum(),
            "rank": float(ranks[0]),
        }
    return rows


def means(rows):
    names = [name for name in next(iter(rows.values())) if name != "rank"]
    found = {name: np.mean([row[name] for row in rows.values()]) for name in names}
    ranks = [row["rank"] for row in rows.values()]
    return found | {"mean_rank": np.mean(ranks), "median_rank": np.floor(np.median(ranks))}


def agree(values, expected, *tags):
    for name, value in expected.items():
        assert values[(name, *tags)] == pytest.approx(value, abs=1e-12), name


# -- embeddings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_embeddings(metric):
    done = rankings(*ARRAYS, "--relevance", "r.tsv", "--metric", metric, "--json")
    agree(done.values, means(truth(similarities(metric), pairs())))
    assert done.values["queries",] == Q - (~pairs().any(axis=1)).sum()
    assert done.values["queries_without_relevant",] >= 1


def test_both_directions_have_names():
    scores, judged = similarities(), pairs()
    done = rankings(*BOTH, "--json")
    agree(done.values, means(truth(scores, judged)), TWO[0])
    agree(done.values, means(truth(scores.T, judged.T)), TWO[1])
    named = rankings(*BOTH, "--directions", "audio_to_text, text_to_audio", "--json").values
    assert {name[1] for name in named} == {"audio_to_text", "text_to_audio"}
    assert named["map", "text_to_audio"] == done.values["map", TWO[1]]


def test_the_diagonal():
    done = rankings(*ARRAYS, "--relevance", "diagonal", "--k", "3,1", "--json")
    agree(done.values, means(truth(similarities(), np.eye(Q, G, dtype=bool), (1, 3))))
    assert ("recall@5",) not in done.values


def test_the_default_cuts_are_those_that_fit():
    np.save("g.npy", np.load("g.npy")[:7])
    write_pairs(pairs()[:, :7])
    found = {name for (name,) in rankings(*ARRAYS, "--relevance", "r.tsv", "--json").values}
    assert {"recall@1", "recall@5"} <= found
    assert "recall@10" not in found


def test_ids(folder):
    judged = pairs()
    Path("ids.txt").write_text("".join(f"query {i}\n" for i in range(Q)))
    table = pa.table({"clip": [f"g{i}" for i in range(G)]})
    pq.write_table(table, "meta.parquet")
    lines = [f"query {q},g{g}\n" for q, g in np.argwhere(judged)]
    Path("r.csv").write_text("query,item\n" + "".join(reversed(lines)))
    ids = ("--query-ids", "ids.txt", "--gallery-ids", "meta.parquet:clip")
    plain = rankings(*BOTH, "--json").values
    given = (*ARRAYS, "--relevance", "r.csv", *ids, "--both", "--per-item", "i.parquet", "--json")
    assert rankings(*given).values == plain
    items = pq.read_table("i.parquet").to_pylist()
    names = {TWO[0]: "query {}", TWO[1]: "g{}"}
    assert [row["query"] for row in items] == [
        names[row["direction"]].format(row["row"]) for row in items
    ]


def test_groups_of_queries():
    judged = pairs()
    voices = [["ann", "bo", None][i % 3] for i in range(Q)]
    pq.write_table(pa.table({"id": list(range(Q)), "voice": voices}), "meta.parquet")
    by = ("--query-ids", "meta.parquet", "--by", "voice")
    done = rankings(*BOTH, *by, "--per-item", "i.parquet", "--json")
    rows = truth(similarities(), judged)
    for voice in ("ann", "bo", None):
        own = {i: row for i, row in rows.items() if voices[i] == voice}
        found = {
            (s["name"],): s["value"]
            for s in json.loads(done.out)["scores"]
            if s["tags"] == {"direction": TWO[0], "voice": voice or "(none)"}
        }
        agree(found, means(own))
    items = pq.read_table("i.parquet").to_pylist()
    assert [row["voice"] for row in items] == [
        voices[row["row"]] if row["direction"] == TWO[0] else None for row in items
    ]
    assert "bo" in rankings(*BOTH, *by).out


def test_graded_relevance():
    rng = np.random.default_rng(1)
    judged = rng.integers(0, 4, (Q, G)) * (rng.random((Q, G)) < 0.2)
    lines = [f"{q} 0 {g} {judged[q, g]}\n" for q, g in np.argwhere(judged >= 0)]
    Path("r.qrels").write_text("".join(lines))
    scores = similarities()
    run = {str(q): {str(g): scores[q, g] for g in range(G)} for q in range(Q)}
    qrels = {str(q): {str(g): int(judged[q, g]) for g in range(G)} for q in range(Q)}
    names = {"ndcg": "ndcg", "ndcg_cut_10": "ndcg@10", "map": "map", "recall_5": "recall@5",
             "bpref": "bpref", "P_10": "precision@10", "Rprec": "r_precision"}  # fmt: skip
    asked = {"ndcg", "ndcg_cut.10", "map", "recall.5", "bpref", "P.10", "Rprec"}
    for level in (1, 2):
        results = pytrec_eval.RelevanceEvaluator(qrels, asked, relevance_level=level).evaluate(run)
        given = (*ARRAYS, "--relevance", "r.qrels", "--convention", "trec", "--level", level)
        done = rankings(*given, "--json")
        expected = {
            ours: np.mean([row[theirs] for row in results.values()])
            for theirs, ours in names.items()
        }
        agree(done.values, expected)
    exponential = rankings(*given, "--gain", "exponential", "--json").values
    assert exponential["ndcg",] != done.values["ndcg",]
    assert exponential["map",] == done.values["map",]


def test_the_same_rows_on_both_sides():
    np.save("g.npy", np.load("q.npy"))
    Path("r.tsv").write_text("".join(["query\titem\n", *(f"{i}\t{i ^ 1}\n" for i in range(Q))]))
    scores = similarities()
    np.fill_diagonal(scores, -9)
    judged = np.eye(Q, dtype=bool)[np.arange(Q) ^ 1]
    given = (*ARRAYS, "--relevance", "r.tsv", "--exclude-self")
    done = rankings(*given, "--json", "--run-out", "run.trec", "--depth", Q - 1)
    # the row itself is not last but not there: the same but for the depth
    agree(done.values, means(truth(scores, judged)))
    Path("r.qrels").write_text("".join(f"{i} 0 {i ^ 1} 1\n" for i in range(Q)))
    again = rankings("--run", "run.trec", "--qrels", "r.qrels", "--json").values
    assert again["map",] == done.values["map",]
    lines = [line.split() for line in Path("run.trec").read_text().splitlines()]
    assert len(lines) == Q * (Q - 1)
    assert all(line[0] != line[2] for line in lines)


def test_arrays_of_one_npz():
    np.savez("both.npz", text=np.load("q.npy"), speech=np.load("g.npy"))
    sides = ("--queries", "both.npz:text", "--gallery", "both.npz:speech")
    given = ("--relevance", "r.tsv", "--json")
    assert rankings(*sides, *given).out == rankings(*ARRAYS, *given).out


# -- files -----------------------------------------------------------------------------------------


def test_per_item():
    scores, judged = similarities(), pairs()
    rankings(*BOTH, "--per-item", "i.parquet")
    table = pq.read_table("i.parquet")
    assert table.schema.names[:6] == ["row", "direction", "id", "query", "depth", "relevant"]
    assert table.schema.metadata[b"assay.items"] == b"1"
    items = table.to_pylist()
    expected = [
        (direction, row, values)
        for direction, rows in zip(
            TWO, (truth(scores, judged), truth(scores.T, judged.T)), strict=True
        )
        for row, values in rows.items()
    ]
    assert len(items) == len(expected)
    names = {"map": "average_precision", "mrr": "reciprocal_rank"}
    for item, (direction, row, values) in zip(items, expected, strict=True):
        assert (item["direction"], item["row"], item["id"]) == (direction, row, row)
        agree({(names.get(name, name),): item[names.get(name, name)] for name in values},
              {names.get(name, name): value for name, value in values.items()})  # fmt: skip
    rankings(*ARRAYS, "--relevance", "r.tsv", "--empty", "nan", "--per-item", "i.parquet")
    items = pq.read_table("i.parquet")
    assert items.schema.names[:2] == ["row", "id"]
    assert items["row"].to_pylist() == list(range(Q))
    assert np.isnan(items["average_precision"][4].as_py())


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_a_run_reads_back(metric):
    given = (*ARRAYS, "--relevance", "r.tsv", "--metric", metric, "--json")
    done = rankings(*given, "--run-out", "run.trec", "--depth", G)
    order = np.argsort(-similarities(metric), axis=1, kind="stable")
    lines = [line.split() for line in Path("run.trec").read_text().splitlines()]
    assert [line[0] for line in lines] == [str(q) for q in range(Q) for _ in range(G)]
    assert [int(line[2]) for line in lines] == order.ravel().tolist()
    assert [int(line[3]) for line in lines] == [*range(1, G + 1)] * Q
    assert {(line[1], line[5]) for line in lines} == {("Q0", "assay")}
    scores = np.sort(similarities(metric))[:, ::-1].ravel()
    np.testing.assert_allclose([float(line[4]) for line in lines], scores, rtol=1e-12)
    again = rankings("--run", "run.trec", "--qrels", "r.tsv", "--json").values
    assert {n: v for n, v in again.items() if n[0] != "queries_without_relevant"} == {
        n: v for n, v in done.values.items() if n[0] != "queries_without_relevant"
    } | {("unjudged_queries",): Q - pairs().any(axis=1).sum()}


def test_the_scores_of_a_run_are_exact():
    from assay.ops.similarity import topk
    from assay.readers.rankings import read_run

    rankings(*ARRAYS, "--relevance", "r.tsv", "--run-out", "run.trec", "--depth", 7)
    found = topk(np.load("q.npy"), np.load("g.npy"), 7)
    assert read_run("run.trec")["score"].to_pylist() == found.scores.ravel().tolist()


def test_the_default_depth_and_ids_of_a_run():
    rng = np.random.default_rng(0)
    np.save("g.npy", rng.standard_normal((140, D)))
    Path("ids.txt").write_text("".join(f"doc-{i}\n" for i in range(140)))
    given = (*ARRAYS, "--relevance", "diagonal", "--run-out", "run.trec")
    rankings(*given, "--gallery-ids", "ids.txt")
    lines = Path("run.trec").read_text().splitlines()
    assert len(lines) == 100 * Q
    assert re.fullmatch(r"0 Q0 doc-\d+ 1 \S+ assay", lines[0])
    np.save("g.npy", np.load("g.npy")[:50])
    rankings(*given)
    assert len(Path("run.trec").read_text().splitlines()) == 50 * Q


# -- runs ------------------------------------------------------------------------------------------


@pytest.fixture
def run():
    """A run and judgements: ties, judged items that were not ranked, queries on one side only."""
    rng = np.random.default_rng(2)
    run = {f"q{q}": {f"d{d}": float(rng.integers(0, 20)) / 8 for d in rng.permutation(40)[:25]}
           for q in range(12)}  # fmt: skip
    qrels = {f"q{q}": {f"d{d}": int(rng.integers(0, 3)) for d in range(0, 40, 3)}
             for q in range(2, 14)}  # fmt: skip
    Path("a.run").write_text(
        "".join(
            f"{q} Q0 {d} {i} {score!r} tag\n"
            for q, own in run.items()
            for i, (d, score) in enumerate(own.items())
        )
    )
    lines = [f"{q} 0 {d}\t{gain}\n" for q, own in qrels.items() for d, gain in own.items()]
    Path("a.qrels").write_text("".join(lines))
    return run, qrels


def test_a_run_against_trec_eval(run):
    names = {"ndcg": "ndcg", "map": "map", "recall_5": "recall@5", "P_10": "precision@10",
             "recip_rank": "mrr", "Rprec": "r_precision", "bpref": "bpref"}  # fmt: skip
    asked = {"ndcg", "map", "recall.5", "P.10", "recip_rank", "Rprec", "bpref"}
    results = pytrec_eval.RelevanceEvaluator(run[1], asked).evaluate(run[0])
    given = ("--run", "a.run", "--qrels", "a.qrels", "--convention", "trec")
    done = rankings(*given, "--per-item", "i.parquet", "--json")
    for theirs, ours in names.items():
        value = np.mean([row[theirs] for row in results.values()])
        agree(done.values, {ours: value})
    assert done.values["queries",] == 10
    assert done.values["unranked_queries",] == 2
    assert done.values["unjudged_queries",] == 2
    items = pq.read_table("i.parquet").to_pylist()
    assert [row["query"] for row in items] == sorted(results)
    for row in items:
        assert row["average_precision"] == pytest.approx(results[row["query"]]["map"], abs=1e-12)
    complete = rankings(*given, "--complete", "--json").values
    assert complete["queries",] == 12
    assert complete["map",] == pytest.approx(done.values["map",] * 10 / 12, abs=1e-12)


def test_every_format_of_a_run(run):
    given = ("--json", "--convention", "trec")
    expected = rankings("--run", "a.run", "--qrels", "a.qrels", *given).out
    table = pa.table(
        [
            [q for q, own in run[0].items() for _ in own],
            [d for own in run[0].values() for d in own],
            [score for own in run[0].values() for score in own.values()],
        ],
        ["query", "item", "score"],
    )
    pq.write_table(table, "run.parquet")
    records = [
        {"query-id": q, "corpus-id": d, "score": gain}
        for q, own in run[1].items()
        for d, gain in own.items()
    ]
    with open("qrels.tsv", "w", newline="") as out:
        writer = csv.DictWriter(out, list(records[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(records)
    assert rankings("--run", "run.parquet", "--qrels", "qrels.tsv", *given).out == expected
    os.rename("a.run", "run.tsv")
    os.rename("a.qrels", "qrels.csv")
    trec = ("--format", "trec")
    assert rankings("--run", "run.tsv", "--qrels", "qrels.csv", *trec, *given).out == expected
    data = Path("run.tsv").read_bytes()
    assert rankings("--run", "-", "--qrels", "qrels.csv", *trec, *given, stdin=data).out == expected


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_says_what_it_is(run, convention):
    for given in (("--run", "a.run", "--qrels", "a.qrels"), BOTH):
        given = (*given, "--convention", convention)
        found = json.loads(rankings(*given, "--json").out)
        assert found["statement"].startswith(f"{convention}: {CONVENTIONS[convention].text}")
        assert all(f"|convention:{convention}|" in s["signature"] for s in found["scores"])
        plain = rankings(*given, "--interval", "none").out
        assert plain.splitlines()[-1] == found["statement"]
        assert rankings(*given, "--markdown").out.endswith("\n")


# -- what is printed -------------------------------------------------------------------------------


def test_all_forms_have_the_same_numbers():
    found = rankings(*BOTH, "--json").values
    rows = list(csv.DictReader(io.StringIO(rankings(*BOTH, "--csv").out)))
    assert {(r["score"], r["direction"]): float(r["value"]) for r in rows} == found
    plain = rankings(*BOTH).out.splitlines()
    heads = ["direction", "queries", "R@1", "R@5", "R@10", "mAP", "MRR", "nDCG", "median rank"]
    assert re.split(" {2,}", plain[0]) == [*heads, "without relevant"]
    names = ["recall@1", "recall@5", "recall@10", "map", "mrr", "ndcg", "median_rank"]
    for line, direction in zip(plain[1:3], TWO, strict=True):
        cells = [f"{found[name, direction]:.4f}" for name in names]
        assert line.split()[2:-1] == cells
    markdown = rankings(*BOTH, "--markdown").out.splitlines()
    assert markdown[2].split(" | ")[2] == f"{found['recall@1', TWO[0]]:.4f}"
    assert markdown[-1].replace("\\", "") == plain[-1]
    assert plain[-1] == "low, high: 95 % bootstrap of queries, 1,000 resamples, seed 0"


def test_one_direction_is_a_list_of_all_scores():
    given = (*ARRAYS, "--relevance", "r.tsv")
    found = rankings(*given, "--json").values
    lines = rankings(*given).out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["score", *(name for (name,) in found)]


def test_on_a_terminal():
    done = rankings(*BOTH, FORCE_COLOR="1", TERM="xterm-256color", COLUMNS="70")
    assert "\x1b[2mcross-modal: recall@k is the share" in done.out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert max(map(len, plain.splitlines())) <= 70
    assert "no room for " in plain
    statement = json.loads(rankings(*BOTH, "--json").out)["statement"]
    assert statement in " ".join(plain.split())


def test_help():
    done = assay("score", "rankings", "--help", TERMINAL_WIDTH="100")
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in CONVENTIONS)
    assert "--exclude-self" in done.out
