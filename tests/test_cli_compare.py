"""`assay compare`, and the intervals that stand beside the scores of a corpus."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay as library
from assay.metrics.intervals import intervals
from cli_kit import CLIPS, assay, rankings, records, refused, transcripts

NOTE = "low, high: 95 % bootstrap of pairs, 1,000 resamples, seed 0"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The clips as two systems have them."""
    folder = tmp_path_factory.mktemp("items")
    for rate in ("16k", "8k"):
        transcripts(
            CLIPS, "--hypothesis", f"hypothesis_{rate}", "--by", "voice", "--by", "id",
            "--per-item", folder / f"{rate}.parquet",
        )  # fmt: skip
    return folder / "16k.parquet", folder / "8k.parquet"


@pytest.fixture(scope="module")
def states():
    rows = records(CLIPS)
    refs = [row["reference"] for row in rows]
    return [
        library.count_words(refs, [row[f"hypothesis_{rate}"] for row in rows], items=True)
        for rate in ("16k", "8k")
    ]


def compared(*arguments):
    done = assay("compare", *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def of_json(*arguments):
    return json.loads(compared(*arguments, "--json"))["comparisons"]


def denied(*arguments):
    done = assay("compare", *arguments)
    assert (done.code, done.out) == (2, "")
    return done.err.removeprefix("error: ").removesuffix("\n")


# -- comparisons -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bootstrap", "permutation"])
def test_a_comparison_is_that_of_the_states(files, states, method):
    (found,) = of_json(*files, "--metric", "wer", "--method", method, "--seed", "3")
    expected = library.compare(*states, "wer", method=method, seed=3).as_dict()
    assert found == {**expected, "tags": {}}
    assert found["p_value"] < 0.01


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        ("wer", ("--policy", "kaldi")),
        ("mean_wer", ("--normalise", "basic")),
        ("word_substitutions", ("--policy", "kaldi")),
        ("cer", ("--unit", "grapheme")),
        ("b_wer", ("--keywords", "other")),
    ],
)
def test_rates_of_two_definitions_are_refused(metric, options, tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for name, word in (("listed", "door"), ("other", "owl")):
        (tmp_path / name).write_text(word + "\n")
    base = ("--hypothesis", "hypothesis_16k", "--keywords", tmp_path / "listed")
    changed = [tmp_path / part if part == "other" else part for part in options]
    for path, more in zip(paths, ((), changed), strict=True):
        transcripts(CLIPS, *base, *more, "--per-item", path, "--interval", "none")
    assert compared(paths[1], paths[1], "--metric", metric)
    told = denied(*paths, "--metric", metric)
    assert told.startswith(f"{metric} is not of one definition: {paths[0]} has")
    assert told.endswith("score both alike")


def test_a_file_that_is_not_there(tmp_path):
    told = denied(tmp_path / "a", tmp_path / "a", "--metric", "wer")
    assert told == f"{tmp_path / 'a'}: no such file; write it with assay score … --per-item"


def test_many_metrics_have_adjusted_p_values(files):
    names = ("wer", "cer", "sentence_error_rate", "mean_wer")
    found = of_json(*files, *(part for name in names for part in ("--metric", name)))
    assert [one["metric"] for one in found] == [*names]
    assert all(one["p_adjusted"] >= one["p_value"] for one in found)
    head, *lines = compared(*files, "--metric", "wer", "--metric", "cer").splitlines()
    assert head.split("  ")[0] == "metric"
    assert "p (Holm)" in head
    assert [line.split()[0] for line in lines] == ["wer", "cer", "a:"]
    assert " a " in lines[0]  # the better one
    assert "1,000 resamples, seed 0" in lines[-1]


def test_speakers_are_drawn_together(files):
    (found,) = of_json(*files, "--metric", "wer", "--cluster", "voice")
    (alone,) = of_json(*files, "--metric", "wer")
    assert (found["clusters"], alone["clusters"]) == (3, None)
    assert found["high"] - found["low"] > alone["high"] - alone["low"]
    assert "bootstrap of clusters" in compared(*files, "--metric", "wer", "--cluster", "voice")


def test_items_are_matched_by_a_column(files, tmp_path):
    table = pq.read_table(files[1])
    order = np.random.default_rng(0).permutation(len(table))
    turned = table.take(pa.array(order)).set_column(0, "row", pa.array(np.arange(len(table))))
    pq.write_table(turned, tmp_path / "turned.parquet")
    a, b, c = files[0], files[1], tmp_path / "turned.parquet"
    assert of_json(a, b, "--metric", "wer", "--key", "id") == (
        of_json(a, c, "--metric", "wer", "--key", "id")
    )
    mixed = tmp_path / "mixed.parquet"
    pq.write_table(pq.read_table(a).take(pa.array(order)), mixed)
    asked = ("--metric", "wer", "--cluster", "voice")
    assert of_json(mixed, b, *asked) == of_json(a, b, *asked)
    assert "are these the same references?" in denied(a, c, "--metric", "wer")
    assert denied(a, b, "--metric", "wer", "--key", "voice") == (
        f"{a}: the column 'voice' has a value twice; match by another --key"
    )


def test_each_form(files):
    asked = (*files, "--metric", "wer")
    (row,) = csv.DictReader(io.StringIO(compared(*asked, "--csv")))
    (plain,) = of_json(*asked)
    assert float(row["b - a"]) == plain["delta"]
    assert row["better"] == "a"
    assert compared(*asked, "--markdown").startswith("| metric | a | b | b - a | low | high | p |")
    everything = json.loads(compared(*asked, "--json"))
    assert (everything["a"], everything["b"]) == tuple(map(str, files))


def test_no_difference(files):
    (found,) = of_json(files[0], files[0], "--metric", "wer")
    assert (found["delta"], found["low"], found["high"], found["p_value"]) == (0, 0, 0, 1)
    line = compared(files[0], files[0], "--metric", "wer").splitlines()[1]
    assert line.split()[-2:] == ["1.0000", "240"]


def test_one_item_has_no_interval(tmp_path):
    rows = '{"reference": "a b", "hypothesis": "a"}\n'
    for name in ("a", "b"):
        transcripts("-", "--format", "jsonl", "--per-item", tmp_path / name, stdin=rows.encode())
    (found,) = of_json(tmp_path / "a", tmp_path / "b", "--metric", "wer")
    assert (found["low"], found["high"], found["p_value"]) == (None, None, None)


def test_rankings_in_both_directions(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(40, 8)).astype(np.float32)
    np.save(tmp_path / "q.npy", base)
    for name, noise in (("a", 0.4), ("b", 1.5)):
        np.save(tmp_path / "g.npy", base + noise * rng.normal(size=base.shape).astype(np.float32))
        rankings(
            "--queries", tmp_path / "q.npy", "--gallery", tmp_path / "g.npy", "--relevance",
            "diagonal", "--both", "--per-item", tmp_path / f"{name}.parquet",
        )  # fmt: skip
    sides = tmp_path / "a.parquet", tmp_path / "b.parquet"
    found = of_json(*sides, "--metric", "map", "--metric", "recall@1", "--metric", "mean_rank")
    assert [one["tags"]["direction"] for one in found[:2]] == (
        ["query_to_gallery", "gallery_to_query"]
    )
    assert len(found) == 6
    assert all(one["delta"] < 0 for one in found[:4])
    assert {one["better"] for one in found} == {"higher", "lower"}
    again = of_json(*sides, "--metric", "recall@1", "--method", "mcnemar")
    assert again[0]["method"] == "mcnemar"
    head, first, *_ = compared(*sides, "--metric", "map").splitlines()
    assert head.split()[:2] == ["metric", "direction"]
    assert first.split()[1] == "query_to_gallery"


def test_labels(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.4
    base = rng.normal(size=300) + y
    for name, noise in (("a", 0.1), ("b", 2.0)):
        p = base + noise * rng.normal(size=300)
        lines = [f"{int(t)},{int(x > 0.5)},{x:.6f}" for t, x in zip(y, p, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["y,yhat,p", *lines]))
        transcripts(
            tmp_path / f"{name}.csv", "--target", "y", "--prediction", "yhat", "--score", "p",
            "--per-item", tmp_path / f"{name}.parquet", what="labels",
        )  # fmt: skip
    sides = tmp_path / "a.parquet", tmp_path / "b.parquet"
    boot = of_json(*sides, "--metric", "accuracy", "--metric", "roc_auc")
    assert [one["delta"] < 0 for one in boot] == [True, True]
    (area,) = of_json(*sides, "--metric", "roc_auc", "--method", "delong")
    assert area["p_value"] < 0.01
    assert area["resamples"] == 0
    assert area["low"] == pytest.approx(boot[1]["low"], abs=0.02)
    assert compared(*sides, "--metric", "roc_auc", "--method", "delong").endswith("p: delong\n")
    (right,) = of_json(*sides, "--metric", "accuracy", "--method", "mcnemar")
    assert right["delta"] == pytest.approx(boot[0]["delta"])
    for metric in ("average_precision", "f1"):
        (one,) = of_json(*sides, "--metric", metric)
        assert one["low"] < one["delta"] < one["high"]
    assert "scores must be probabilities" in denied(*sides, "--metric", "brier")
    assert "use method='delong' or 'bootstrap'" in (
        denied(*sides, "--metric", "roc_auc", "--method", "permutation")
    )


def test_what_is_refused(files, tmp_path):
    a, b = files
    assert denied(CLIPS, b, "--metric", "wer").startswith(f"{CLIPS}: cannot be read as a Parquet")
    assert denied(tmp_path / "none", b, "--metric", "wer").startswith(f"{tmp_path / 'none'}: ")
    plain = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"row": [0]}), plain)
    assert denied(plain, b, "--metric", "wer") == (
        f"{plain}: is no per-item file; write one with assay score … --per-item"
    )
    pq.write_table(pa.table({"row": [0]}).replace_schema_metadata({"assay.items": "2"}), plain)
    assert denied(plain, b, "--metric", "wer") == (
        f"{plain}: has per-item format 2, this assay reads 1; upgrade assay"
    )
    assert denied(a, b, "--metric", "map").startswith(
        f"{a}: map needs a column 'average_precision'; there are row, word_hits"
    )
    assert denied(a, b, "--metric", "wer", "--method", "t") == (
        "--method must be one of bootstrap, permutation, mcnemar, delong, got 't'"
    )
    assert denied(a, b, "--metric", "wer", "--level", "95") == (
        "--level must be between 0 and 1, got 95.0; 0.95 is usual"
    )
    assert denied(a, b, "--metric", "wer", "--cluster", "room").startswith(
        f"{a}: no column 'room' to draw by; score it with --by"
    )
    assert denied(a, b, "--metric", "wer", "--key", "utt").startswith(f"{a}: no column 'utt'; ")
    short = tmp_path / "short.parquet"
    pq.write_table(pq.read_table(a).slice(0, 239), short)
    assert denied(a, short, "--metric", "wer") == (
        "compare: 1 of 240 items are in a only, first id 239; both need the same items"
    )
    assert "--metric" in denied(a, b)


# -- intervals beside scores -----------------------------------------------------------------------


def test_intervals_stand_beside_the_corpus(states):
    asked = (CLIPS, "--hypothesis", "hypothesis_16k")
    found = json.loads(transcripts(*asked, "--json").out)
    assert found["interval"] == {
        "method": "bootstrap", "level": 0.95, "resamples": 1000, "seed": 0,
    }  # fmt: skip
    ends = {s["name"]: (s["low"], s["high"]) for s in found["scores"] if "low" in s}
    names = ("wer", "mer", "wil", "wip", "sentence_error_rate")
    expected = {k: (v.low, v.high) for k, v in intervals(states[0], names).items()}
    assert {k: v for k, v in ends.items() if k != "cer"} == expected
    assert "cer" in ends
    lines = transcripts(*asked).out.splitlines()
    assert lines[0].split() == ["score", "value", "low", "high", "unit"]
    wer = next(line for line in lines if line.startswith("wer "))
    assert wer.split()[2:4] == [f"{end:.4f}" for end in ends["wer"]]
    assert lines[-1] == NOTE
    by_csv = list(csv.DictReader(io.StringIO(transcripts(*asked, "--csv").out)))
    assert {r["score"]: (float(r["low"]), float(r["high"])) for r in by_csv if r["low"]} == ends
    assert f"\n{NOTE}\n" in transcripts(*asked, "--markdown").out


def test_groups_have_a_table_of_their_own_below(states):
    asked = (CLIPS, "--hypothesis", "hypothesis_16k", "--by", "voice")
    first, second = transcripts(*asked).out.split("\n\n")
    assert "low" not in first
    lines = second.splitlines()
    assert lines[0].split() == ["score", "value", "low", "high"]
    assert lines[-1] == NOTE
    found = json.loads(transcripts(*asked, "--json").out)["scores"]
    assert all(not s["tags"] for s in found if "low" in s)


def test_rankings_have_them_too(tmp_path):
    (tmp_path / "r.run").write_text(
        "".join(f"q{i} Q0 d{i % 3} 1 {i % 5} x\nq{i} Q0 d9 2 2 x\n" for i in range(30))
    )
    (tmp_path / "r.qrels").write_text("".join(f"q{i} 0 d1 1\n" for i in range(30)))
    asked = ("--run", tmp_path / "r.run", "--qrels", tmp_path / "r.qrels")
    found = json.loads(rankings(*asked, "--json").out)
    ends = {s["name"]: (s["low"], s["value"], s["high"]) for s in found["scores"] if "low" in s}
    assert {"map", "recall@1", "ndcg", "mrr"} <= set(ends)
    assert all(low < value < high for low, value, high in (ends["map"], ends["mrr"]))
    assert "bootstrap of queries, 1,000 resamples, seed 0" in rankings(*asked).out


def test_none_and_other_numbers():
    asked = (CLIPS, "--hypothesis", "hypothesis_16k", "--json")
    none = json.loads(transcripts(*asked, "--interval", "none").out)
    assert "interval" not in none
    assert not any("low" in score for score in none["scores"])
    few = json.loads(transcripts(*asked, "--interval", "bootstrap:50").out)
    assert few["interval"]["resamples"] == 50
    assert [{**s, "low": 0, "high": 0} for s in few["scores"]] == (
        [{**s, "low": 0, "high": 0} for s in none["scores"]]
    )
    for wrong in ("bootstrap:0", "bootstrap:x", "bayes", ""):
        message = refused(CLIPS, "--hypothesis", "hypothesis_16k", "--interval", wrong)
        assert message == f"--interval must be none or as in bootstrap:1000, got {wrong!r}"


def test_pairs_left_out_are_not_drawn():
    rows = [("a b", "a"), ("", "x"), ("c", "c"), ("d e", "x e"), ("", "")]
    stdin = "".join(json.dumps({"reference": r, "hypothesis": h}) + "\n" for r, h in rows)
    asked = ("-", "--format", "jsonl", "--unit", "word", "--empty", "skip", "--json")
    found = json.loads(transcripts(*asked, stdin=stdin.encode()).out)["scores"][0]
    kept = [row for row in rows if row[0]]
    state = library.count_words(*map(list, zip(*kept, strict=True)), items=True, empty="skip")
    expected = library.interval(state, "wer")
    assert (found["low"], found["high"]) == (expected.low, expected.high)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_threads_and_batches_change_nothing(tmp_path, threads):
    rng = np.random.default_rng(0)
    texts = ["a b c", "a b", "a", "d e f g"]
    refs, hyps = ([texts[i] for i in rng.integers(0, 4, 30_000)] for _ in range(2))
    table = pa.table({"reference": refs, "hypothesis": hyps})
    ends = []
    for name, rows in (("one", 30_000), ("many", 1_777)):
        pq.write_table(table, tmp_path / name, row_group_size=rows)
        out = transcripts(
            tmp_path / name, "--format", "parquet", "--json", ASSAY_THREADS=threads
        ).out
        ends.append([(s.get("low"), s.get("high")) for s in json.loads(out)["scores"]])
    assert ends[0] == ends[1]
    state = library.count_words(refs, hyps, items=True)
    direct = library.interval(state, "wer")
    assert sum(abs(x - y) for x, y in zip(ends[0][0], (direct.low, direct.high), strict=True)) < (
        0.25 * (direct.high - direct.low)
    )


def test_f1_of_a_text_label_is_that_of_the_one_named(tmp_path):
    rng = np.random.default_rng(5)
    target = rng.choice(["cat", "dog"], 60)
    files = []
    for name, share in (("a", 0.5), ("b", 0.8)):
        guess = np.where(rng.random(60) < share, target, rng.choice(["cat", "dog"], 60))
        source = tmp_path / f"{name}.csv"
        rows = zip(target, guess, strict=True)
        source.write_text("y,p\n" + "".join(f"{t},{g}\n" for t, g in rows))
        files.append(tmp_path / f"{name}.parquet")
        done = assay("score", "labels", source, "--target", "y", "--prediction", "p",
                     "--per-item", files[-1])  # fmt: skip
        assert done.code == 0
    done = assay("compare", *files, "--metric", "f1", "--positive", "dog", "--json")
    found = json.loads(done.out)["comparisons"][0]
    for side, file in zip(("value_a", "value_b"), files, strict=True):
        rows = pq.read_table(file)
        own = library.count_labels(
            rows["target"].to_pylist(), rows["prediction"].to_pylist(), positive="dog"
        )
        assert found[side] == own.f1
    for arguments, message in (
        ([], "name it with --positive (labels: 'cat', 'dog')"),
        (["--positive", "dgo"], "positive must be a label of target or prediction, got 'dgo'"),
    ):
        done = assay("compare", *files, "--metric", "f1", *arguments)
        assert done.code == 2
        assert message in done.err
    done = assay("compare", *files, "--metric", "accuracy", "--positive", "dog")
    assert "accuracy is of no single label" in done.err
