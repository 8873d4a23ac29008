"""Whatever is wrong with what `assay score rankings` gets: one line that says what and where, exit
code 2, nothing on standard output, and no file made or changed."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from cli_kit import assay, rankings, refused
from rankings_cli_kit import ARRAYS, D, G, Q, write_embeddings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_embeddings()
    return tmp_path


def snapshot():
    """Every file here, with what it holds."""
    files = (Path(top, name) for top, _, names in os.walk(".") for name in names)
    return {str(file): file.read_bytes() for file in files}


def altered(name, row, value):
    array = np.load(name).astype(np.float32)
    array[row] = value
    np.save(name, array)


def relevance(text):
    Path("r.tsv").write_text(f"query\titem\tgain\n{text}")


# what is done to the files, further options, the message's beginning
BAD = {
    "nan": (
        lambda: altered("q.npy", (3, 1), np.nan),
        [],
        "q.npy[3] holds NaN or infinity; ",
    ),
    "inf": (lambda: altered("g.npy", (5, 0), -np.inf), [], "g.npy[5] holds NaN or infinity; "),
    "zero": (lambda: altered("g.npy", 7, 0), [], "g.npy[7] has norm 0, and no cosine; "),
    "width": (
        lambda: np.save("g.npy", np.ones((G, 5))),
        [],
        "q.npy and g.npy must have the same width, got 12 and 5",
    ),
    "integers": (
        lambda: np.save("g.npy", np.ones((G, D), np.int64)),
        [],
        "g.npy: vectors must be floats or integers of up to 32 bits, got int64; ",
    ),
    "complex": (
        lambda: np.save("q.npy", np.ones((Q, D), np.complex64)),
        [],
        "q.npy: holds complex64, expected numbers; ",
    ),
    "objects": (
        lambda: np.save("q.npy", np.array([[1], ["a"]], object), allow_pickle=True),
        [],
        "q.npy: holds Python objects, which are not read; ",
    ),
    "one dimension": (
        lambda: np.save("q.npy", np.ones(5)),
        [],
        "q.npy: expected shape [rows, width], got (5,)",
    ),
    "empty gallery": (
        lambda: np.save("g.npy", np.ones((0, D))),
        [],
        "g.npy: holds no vectors, its shape is (0, 12); was it written?",
    ),
    "cut short": (
        lambda: Path("g.npy").write_bytes(Path("g.npy").read_bytes()[:-1]),
        [],
        "g.npy: the file is cut short or damaged; ",
    ),
    "row out of range": (
        lambda: relevance("0\t1\t1\n0\t60\t1\n"),
        [],
        "r.tsv: line 3: item 60 must be a row of g.npy, 0..59",
    ),
    "query out of range": (
        lambda: relevance("-1\t1\t1\n"),
        [],
        "r.tsv: line 2: query -1 must be a row of q.npy, 0..29",
    ),
    "no row": (
        lambda: relevance("0\tx\t1\n"),
        [],
        "r.tsv: line 2: item 'x' is no row number of g.npy; ",
    ),
    "twice": (
        lambda: relevance("2\t1\t1\n2\t1\t2\n"),
        [],
        "r.tsv: query 2 has row 1 twice",
    ),
    "gain": (
        lambda: relevance("2\t1\tnan\n"),
        [],
        "r.tsv: line 2: gain is NaN, expected a number; ",
    ),
    "no columns": (
        lambda: Path("r.tsv").write_text("0\t0\t1\t1\n"),
        [],
        "r.tsv: header: no column 'query'; there: '0', '0', '1', '1'",
    ),
    "no rows": (lambda: relevance(""), [], "r.tsv: no rows; was it written?"),
    "query without relevant": (
        lambda: relevance("".join(f"{i}\t1\t{int(i != 4)}\n" for i in range(Q))),
        ["--empty", "error"],
        "r.tsv: query 4 has no relevant item (1 of 30 have none); drop those queries or choose "
        "another --empty",
    ),
    "k": (None, ["--k", "5,61"], "--k: 61 is more than the 60 rows of g.npy"),
    "k of both": (None, ["--k", "31", "--both"], "--k: 31 is more than the 30 rows of q.npy"),
    "k of nothing": (
        None,
        ["--k", "0"],
        "--k must be whole numbers of at least 1, as in 1,5,10; got '0'",
    ),
    "k in words": (None, ["--k", "1,five"], "--k must be whole numbers of at least 1, as in"),
    "depth": (
        None,
        ["--depth", "61", "--run-out", "x.trec"],
        "--depth: 61 is more than the 60 rows ranked",
    ),
    "depth of nothing": (None, ["--depth", "6"], "--depth goes with --run-out"),
    "metric": (None, ["--metric", "cos"], "--metric must be one of dot, cosine, l2, got 'cos'"),
    "convention": (None, ["--convention", "x"], "--convention must be one of cross-modal, trec, "),
    "ties": (None, ["--ties", "x"], "--ties must be one of index, item-descending, "),
    "empty": (None, ["--empty", "x"], "--empty must be one of skip, zero, nan, error, got 'x'"),
    "format": (None, ["--format", "x"], "--format must be one of trec, jsonl, csv, tsv, "),
    "two forms": (None, ["--json", "--csv"], "--json, --csv and --markdown exclude each other"),
    "directions": (None, ["--directions", "a,b"], "--directions goes with --both"),
    "one direction": (
        None,
        ["--both", "--directions", "a"],
        "--directions must be two names, as in audio_to_text,text_to_audio; got 'a'",
    ),
    "self": (None, ["--exclude-self"], "--exclude-self: q.npy has 30 rows, g.npy has 60; it needs"),
    "a run too": (
        None,
        ["--run", "a.run"],
        "--queries and --run exclude each other: score embeddings or a run",
    ),
    "ids": (
        lambda: Path("ids.txt").write_text("a\nb\n"),
        ["--query-ids", "ids.txt"],
        "ids.txt has 2 ids, q.npy has 30 rows",
    ),
    "ids twice": (
        lambda: Path("ids.txt").write_text("a\na\n"),
        ["--query-ids", "ids.txt"],
        "ids.txt: line 2: the id 'a' stands there twice; ",
    ),
    "unknown id": (
        lambda: Path("ids.txt").write_text("".join(f"g{i}\n" for i in range(G))),
        ["--gallery-ids", "ids.txt"],
        "r.tsv: line 2: item '0' is not in ids.txt",
    ),
    "ids of a run": (
        lambda: Path("ids.txt").write_text("".join(f"{i}\n" for i in range(G - 1)) + "a b\n"),
        ["--gallery-ids", "ids.txt", "--run-out", "x.trec"],
        "--run-out: the id 'a b' is empty or has white space, which a TREC run cannot hold",
    ),
    "by": (None, ["--by", "x"], "--by names a column of the --query-ids table; give that too"),
    "no file": (None, ["--query-ids", "nope.txt"], "nope.txt: no such file; check the path"),
    "one file": (
        None,
        ["--run-out", "./i.parquet"],
        "--per-item and --run-out are the same file; name two",
    ),
    "an input": (
        None,
        ["--run-out", "g.npy"],
        "--run-out: g.npy is an input; name another file to write to",
    ),
    "no folder": (
        None,
        ["--run-out", "no/run.trec"],
        "no/run.trec: there is no folder no; make it first",
    ),
    "a folder": (None, ["--run-out", "."], "'.' is no file to write to; name one, as in run.trec"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line_and_nothing_written(case):
    change, options, message = BAD[case]
    if change:
        change()
    before = snapshot()
    options = [*options, *([] if "--run-out" in options or "--depth" in options
                           else ["--run-out", "out.trec"])]  # fmt: skip
    found = refused(
        *ARRAYS, "--relevance", "r.tsv", *options, "--per-item", "i.parquet", what="rankings"
    )
    assert found.startswith(message)
    assert "\n" not in found
    assert snapshot() == before


def test_queries_without_relevant_items_are_a_choice():
    judged = np.zeros((Q, G), bool)
    judged[tuple(np.loadtxt("r.tsv", int, skiprows=1).T)] = True
    found = {
        policy: rankings(*ARRAYS, "--relevance", "r.tsv", "--empty", policy, "--json").values
        for policy in ("skip", "zero", "nan")
    }
    with_some = int(judged.any(axis=1).sum())
    assert found["zero"]["map",] == pytest.approx(found["skip"]["map",] * with_some / Q)
    assert found["nan"]["map",] is None
    assert found["skip"]["queries",] == with_some


def test_the_diagonal_needs_its_rows():
    given = ("--queries", "g.npy", "--gallery", "q.npy", "--relevance", "diagonal")
    assert refused(*given, what="rankings") == (
        "--relevance diagonal: g.npy has 60 rows, q.npy only 30; every query needs its row"
    )
    np.save("g.npy", np.load("q.npy"))
    assert refused(*given, "--exclude-self", what="rankings") == (
        "--relevance diagonal: --exclude-self leaves out what is relevant"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --queries, --gallery and --relevance, or --run and --qrels"),
        (["--queries", "q.npy"], "--gallery and --relevance missing; --queries, --gallery, --rel"),
        (["--run", "a.run"], "--qrels missing; --run, --qrels go together"),
        (["--both"], "--queries and --gallery and --relevance missing; "),
    ],
)
def test_options_that_go_together(arguments, message):
    assert refused(*arguments, what="rankings").startswith(message)


@pytest.mark.parametrize(
    ("lines", "qrels", "message"),
    [
        ("q Q0 d 1 2 t\nq Q0 e 2 1 t\nq Q0 d 3 0 t\n", "q 0 d 1\n",
         "a.run: the ranking of query 'q' has item 'd' twice; keep the first of them"),
        ("q Q0 d 1 2 t\n", "q 0 d 1\nq 0 d 0\n",
         "a.qrels: query 'q' has the judged item 'd' twice"),
        ("q Q0 d 1 nan t\n", "q 0 d 1\n", "a.run: line 1: score is NaN, expected a number; "),
        ("q Q0 d 1 2 t\n", "p 0 d 1\n", "a.run and a.qrels have no query in common; "),
        ("q Q0 d 1 2 t\nq Q0 d\n", "q 0 d 1\n", "a.run: line 2: expected 6 fields (query iter"),
        ("q Q0 d 1 2 t\n", "q 0 d\n", "a.qrels: line 1: expected 4 fields (query iteration item"),
        ("\n\n", "q 0 d 1\n", "a.run: no rows; was it written?"),
        ("", "q 0 d 1\n", "a.run: the file is empty; was it written?"),
    ],
    ids=["twice", "judged", "nan", "nothing-common", "short", "short-qrels", "blank", "empty"],
)  # fmt: skip
def test_bad_runs(lines, qrels, message):
    Path("a.run").write_text(lines)
    Path("a.qrels").write_text(qrels)
    before = snapshot()
    given = ("--run", "a.run", "--qrels", "a.qrels", "--per-item", "i.parquet")
    assert refused(*given, what="rankings").startswith(message)
    assert snapshot() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no limits here")
@pytest.mark.parametrize("option", ["--run-out", "--per-item"])
def test_a_full_disk(option):
    import resource

    before = snapshot()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        done = assay("score", "rankings", *ARRAYS, "--relevance", "r.tsv", option, "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: out: cannot be written: ")
    assert snapshot() == before
