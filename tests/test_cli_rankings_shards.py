"""`assay score rankings` of many files, in shards, resumed: the digits of one command and file."""

import json
import pickle
import random
import signal
import subprocess
import sys
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay import count_ranks
from assay.cli import ranking_parts
from assay.core.fitting import fitted
from assay.run.state_file import read_state_file
from cli_kit import assay, rankings, refused
from rankings_cli_kit import ARRAYS, Q, write_embeddings

CUT = ("--queries", "q?.npy", "--gallery", "g?.parquet")
GIVEN = ("--relevance", "r.tsv")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The same rows in one file a side, and in several of unequal size and other types."""
    monkeypatch.chdir(tmp_path)
    write_embeddings()
    query, gallery = np.load("q.npy"), np.load("g.npy").astype(np.float32)
    for i, (a, b) in enumerate([(0, 7), (7, 8), (8, Q)]):
        np.save(f"q{i}.npy", query[a:b].astype(">f8" if i == 1 else "f4"))
    for i, (a, b) in enumerate([(0, 25), (25, 60)]):
        table = pa.table({"v": pa.array([*gallery[a:b]], pa.list_(pa.float32()))})
        pq.write_table(table, f"g{i}.parquet", row_group_size=9)
    monkeypatch.setattr(ranking_parts, "LEAST", 4)
    return tmp_path


def merged(files, *options):
    done = assay("merge", *files, "--json", *options)
    assert (done.code, done.err) == (0, "")
    return done.out


def in_shards(of, *given):
    files = []
    for number in range(1, of + 1):
        files.append(f"s{number}.state")
        done = assay("score", "rankings", *given, "--shard", f"{number}/{of}",
                     "--state-out", files[-1])  # fmt: skip
        assert (done.code, done.err) == (0, "")
    random.Random(of).shuffle(files)
    return files


def groups():
    voices = [["ann", "bo", None][i % 3] for i in range(Q)]
    pq.write_table(pa.table({"id": list(range(Q)), "voice": voices}), "meta.parquet")
    return "--query-ids", "meta.parquet", "--by", "voice"


FORMS = {
    "plain": lambda: (),
    "both": lambda: ("--both", "--metric", "l2"),
    "groups": groups,
    "both and groups": lambda: ("--both", "--directions", "there,back", *groups()),
    "trec": lambda: ("--convention", "trec", "--metric", "dot", "--k", "3,1", "--empty", "nan"),
}


@pytest.mark.parametrize("form", FORMS)
def test_shards_of_any_number_are_the_whole(form):
    given = (*GIVEN, *FORMS[form]())
    whole = rankings(*ARRAYS, *given, "--json").out
    assert rankings(*CUT, *given, "--json").out == whole
    for of in (3, 40) if form == "both" else (3,):  # 40 are more than there are queries
        assert merged(in_shards(of, *CUT, *given)) == whole


def test_states_of_shards_add_up_to_that_of_the_whole():
    given = (*GIVEN, "--both", "--metric", "l2", *groups())
    read = [read_state_file(path) for path in in_shards(5, *CUT, *given)]
    read.sort(key=lambda one: one[0].shard)
    done = reduce(lambda a, b: a + b, (done for done, _ in read))
    state = ranking_parts.states_of(done, fitted(ranking_parts.Shown, read[0][1].shown))
    judged = np.loadtxt("r.tsv", np.int64, skiprows=1)
    relevant = [judged[judged[:, 0] == q, 1] for q in range(Q)]
    sides = np.load("q.npy"), np.load("g.npy")
    voices = pq.read_table("meta.parquet")["voice"]
    by = {"voice": voices.to_pylist()}
    whole = count_ranks(*sides, relevant, metric="l2", both_directions=True, by=by)
    assert state.to_bytes() == whole.to_bytes()


def test_graded_and_excluded():
    rng = np.random.default_rng(1)
    judged = rng.integers(-1, 4, (Q, Q)) * (rng.random((Q, Q)) < 0.3)
    lines = [f"{q} 0 {g} {judged[q, g]}\n" for q, g in np.argwhere(judged > 0)]
    Path("r.qrels").write_text("".join(lines))
    given = ("--relevance", "r.qrels", "--exclude-self", "--gain", "exponential")
    whole = rankings("--queries", "q.npy", "--gallery", "q.npy", *given, "--json").out
    assert merged(in_shards(4, "--queries", "q?.npy", "--gallery", "q?.npy", *given)) == whole


def test_relevant_rows_beyond_what_is_held(monkeypatch):
    whole = rankings(*ARRAYS, *GIVEN, "--both", "--json").out
    monkeypatch.setattr(ranking_parts, "PAIRS", 5)
    monkeypatch.setattr("assay.readers.vector_files.BLOCK_BYTES", 600)
    assert rankings(*CUT, *GIVEN, "--both", "--json").out == whole


def test_a_work_folder_goes_on_and_items_are_those_of_the_whole():
    given = (*GIVEN, "--work-dir", "w", "--per-item", "items", "--json")
    whole = rankings(*ARRAYS, *GIVEN, "--per-item", "i.parquet", "--json").out
    assert rankings(*CUT, *given).out == whole
    states = sorted(Path("w/shards").iterdir())
    assert len(states) == 8
    kept = {path: path.stat().st_mtime_ns for path in states}
    states[2].unlink()  # was not finished
    states[5].write_bytes(states[5].read_bytes()[:-9])  # was half written
    assert rankings(*CUT, *given).out == whole
    again = [path for path in states if path.stat().st_mtime_ns != kept[path]]
    assert again == [states[2], states[5]]
    from assay.run.items import read_items

    assert read_items("items").to_pylist() == pq.read_table("i.parquet").to_pylist()
    np.save("q1.npy", np.load("q1.npy") + 1)
    told = refused(*CUT, *given, what="rankings")
    assert told.startswith("q1.npy: has changed since w was begun: ")
    assert rankings(*CUT, *given, "--force").out != whole


KILLED = """
import os, signal, sys
from assay.cli import main
name = os.replace
named = []

def replace(source, target):
    name(source, target)
    named.append(str(target).endswith(".state"))
    if sum(named) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
main()
"""


def test_a_killed_job_goes_on(monkeypatch):
    monkeypatch.setattr(ranking_parts, "LEAST", 512)  # as the process that is killed has it
    rng = np.random.default_rng(0)
    np.save("q.npy", rng.standard_normal((6000, 32), np.float32))
    np.save("g.npy", rng.standard_normal((20000, 32), np.float32))
    given = (*ARRAYS, "--relevance", "diagonal", "--interval", "none", "--json")
    whole = rankings(*given).out
    command = [sys.executable, "-c", KILLED, "score", "rankings", *given, "--work-dir", "w"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in Path("w/shards").glob("*.state")}
    assert len(kept) >= 3
    assert rankings(*given, "--work-dir", "w").out == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_the_best_of_each_query_from_blocks(monkeypatch):
    given = (*GIVEN, "--metric", "l2", "--depth", "7", "--json", "--run-out")
    rankings(*ARRAYS, *given, "whole.trec")
    monkeypatch.setattr("assay.readers.vector_files.BLOCK_BYTES", 600)
    rankings(*CUT, *given, "cut.trec")
    assert Path("cut.trec").read_text() == Path("whole.trec").read_text()
    told = refused(*CUT, *given, "x.trec", "--work-dir", "w", what="rankings")
    assert told.startswith("--run-out goes with neither --work-dir nor --shard")


def test_a_job_can_be_sent_to_another_process():
    from assay.cli.embeddings import Asked, side

    sides = side("q?.npy", None, (), True), side("g?.parquet", None, (), True)
    asked = Asked(*sides, "cosine", False, False, ("a", "b"), ())
    blocks = ranking_parts.Blocks(ranking_parts.Ranking(asked, "r.tsv", None, {}, False, 4))
    (first, *_) = blocks.parts()
    rows = next(iter(blocks.batches(first))).rows
    there = pickle.loads(pickle.dumps(blocks))
    assert there.parts() == blocks.parts()
    answers = [ranking_parts.count_block(own, rows).total for own in (blocks, there)]
    assert len({answer.states["ranks"].to_bytes() for answer in answers}) == 1


# -- bad input -------------------------------------------------------------------------------------


def cut_short(path):
    Path(path).write_bytes(Path(path).read_bytes()[:-40])


def with_nan(path, row):
    rows = np.load(path)
    rows[row, 3] = np.nan
    np.save(path, rows)


def test_what_stops_names_the_file_and_the_row():
    def told(*given):
        return refused(*(given or CUT), *GIVEN, what="rankings")

    with_nan("q2.npy", 5)
    assert told() == "q2.npy[5] holds NaN or infinity; drop it or mend it"
    np.save("q2.npy", np.load("q.npy")[8:, :5])
    assert told() == (
        "q2.npy: vectors have width 5, those of q0.npy 12; all files must have one width"
    )
    np.save("q2.npy", np.load("q.npy")[:0])
    assert told().startswith("q2.npy: holds no vectors, its shape is (0, 12)")
    Path("q2.npy").write_bytes(b"")
    assert told() == "q2.npy: the file is empty; was it written?"
    np.save("q2.npy", np.load("q.npy")[8:])
    cut_short("q2.npy")
    assert told().startswith("q2.npy: the file is cut short or damaged; copy or make it again (")
    assert told("--queries", "z*.npy", "--gallery", "g.npy").startswith("z*.npy: no file matches")
    np.save("q2.npy", np.array([[1, "a"]], object))
    assert told().startswith("q2.npy: holds Python objects")
    for odd, wrong in (([2.0] * 11, "has 11 numbers, the first has 12"), (None, "is null")):
        rows = [odd if i == 10 else [1.0] * 12 for i in range(60)]
        pq.write_table(pa.table({"v": rows}), "odd.parquet", row_group_size=5)
        given = ("--queries", "q.npy", "--gallery", "odd.parquet", "--progress-json")
        assert told(*given).startswith(f"odd.parquet:v: row 11 {wrong}")
    np.save("q2.npy", np.zeros(7))
    assert told() == "q2.npy: expected shape [rows, width], got (7,)"


def test_queries_that_cannot_be_ranked_are_listed_and_every_score_says_so():
    good = rankings(*ARRAYS, *GIVEN, "--per-item", "i.parquet", "--json").values
    with_nan("q2.npy", 5)
    assert refused(*CUT, *GIVEN, "--work-dir", "v", what="rankings").startswith("q2.npy[5] holds")
    done = assay("score", "rankings", *CUT, *GIVEN, "--work-dir", "w", "--on-error", "skip",
                 "--json")  # fmt: skip
    assert done.code == 0
    assert done.err == (
        "left out: q?.npy[12:16]: q2.npy[5] holds NaN or infinity; drop it or mend it; it has 4 "
        "rows\n"
    )
    found = json.loads(done.out)
    assert {score["tags"]["left_out"] for score in found["scores"]} == {"1 parts"}
    items = [row for row in pq.read_table("i.parquet").to_pylist() if not 12 <= row["id"] < 16]
    values = {score["name"]: score["value"] for score in found["scores"]}
    assert values["map"] == pytest.approx(np.mean([row["average_precision"] for row in items]))
    assert values["queries"] == len(items) < good["queries",]


@pytest.mark.parametrize("how", ["stop", "skip"])
def test_a_gallery_that_cannot_be_read_always_stops(how):
    given = (*GIVEN, "--on-error", how)
    data = bytearray(Path("g1.parquet").read_bytes())
    group = pq.ParquetFile("g1.parquet").metadata.row_group(2).column(0)
    data[group.data_page_offset : group.data_page_offset + 30] = b"\xff" * 30
    Path("g1.parquet").write_bytes(data)
    assert refused(*CUT, *given, what="rankings").startswith("g1.parquet:v, row group 2: ")
    np.save("g3.npy", np.load("g.npy"))
    with_nan("g3.npy", 41)
    told = refused("--queries", "q?.npy", "--gallery", "g3.npy", *given, what="rankings")
    assert told == "g3.npy[41] holds NaN or infinity; drop it or mend it"


# -- runs ------------------------------------------------------------------------------------------


@pytest.fixture
def runs():
    """A run in one file, and in three; judgements of other queries too."""
    rng = np.random.default_rng(3)
    every = []
    for part, names in enumerate([range(4), range(4, 5), range(5, 12)]):
        lines = [f"q{q} Q0 d{d} 0 {rng.integers(0, 9) / 8} t\n"
                 for q in names for d in rng.permutation(30)[:20]]  # fmt: skip
        Path(f"part{part}.run").write_text("".join(lines))
        every += lines
    Path("all.trec").write_text("".join(every))
    lines = [f"q{q} 0 d{d} {rng.integers(0, 3)}\n" for q in range(2, 14) for d in range(0, 30, 4)]
    Path("a.qrels").write_text("".join(lines))
    return "--qrels", "a.qrels", "--convention", "trec"


def test_runs_in_files_are_the_run_in_one(runs):
    whole = rankings("--run", "all.trec", *runs, "--json").out
    given = ("--run", "part?.run", *runs)
    assert rankings(*given, "--json").out == whole
    assert merged(in_shards(2, *given)) == whole
    assert rankings(*given, "--work-dir", "w", "--json").out == whole
    values = rankings(*given, "--json").values
    assert values["unranked_queries",] == values["unjudged_queries",] == 2


def test_runs_that_do_not_fit(runs):
    given = ("--run", "part?.run", *runs)
    assert refused(*given, "--complete", what="rankings").startswith("--complete: which queries")
    Path("part3.run").write_text("q7 Q0 d1 0 1 t\n")
    assert refused(*given, what="rankings") == (
        "part?.run: a query stands in more than one file; put all of its rows in one"
    )
    Path("part3.run").write_text("q99 Q0 d1 0 one t\n")
    assert "part3.run: line 1: score is 'one'" in refused(*given, what="rankings")
    done = assay("score", "rankings", *given, "--on-error", "skip", "--json")
    assert done.err.startswith("left out: part3.run: line 1: ")
    assert {s["tags"]["left_out"] for s in json.loads(done.out)["scores"]} == {"1 parts"}
    Path("part3.run").unlink()
    Path("none.qrels").write_text("x 0 d1 1\n")
    told = refused("--run", "part?.run", "--qrels", "none.qrels", what="rankings")
    assert told == "part?.run and none.qrels have no query in common; are these a pair?"
