"""`assay report`: what it writes of runs and files, what it refuses, what it keeps and sends."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

import assay
from assay.core.errors import DataError
from assay.core.record import read_journal
from assay.run.afterwards import keep
from cli_kit import CLIPS, ENTRY
from cli_kit import assay as command
from test_report_page import Reader, many, titles


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*arguments):
    done = command("report", *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def refused(*arguments):
    done = command("report", *arguments)
    assert (done.code, done.out) == (2, "")
    return done.err.removeprefix("error: ").strip()


def data_of(path, number=1):
    with open(path, encoding="utf-8") as file:
        return json.loads(Reader(file.read()).data[f"data-explorer-{number}"])


def a_run(folder, **options):
    with assay.Run(folder, **options) as run:
        run.log({"val_macro_f1": 0.5})
        run.table({"reference": ["a b", "c"], "hypothesis": ["a", "c"], "voice": ["x", "x"],
                   "mic": ["near", "far"]}, "said")  # fmt: skip
        run.table({"target": [1, 0, 1, 0], "score": [0.9, 0.8, 0.1, 0.2], "id": list("pqrs"),
                   "half": list("aabb")}, "judged", fold=1)  # fmt: skip
        run.table({"x": [1]}, "other")
    return folder


def test_a_run_and_the_tables_it_kept():
    assert report(a_run("exp")) == "report.html\n"
    with open("report.html") as file:
        text = file.read()
    assert titles(text)[-3:] == ["said", "judged, fold 1", "All that was logged"]
    said, judged = data_of("report.html"), data_of("report.html", 2)
    assert said["columns"]["edits"] == ["1=1d", ""]
    assert said["groups"] == {}  # each of these columns says nothing, or all
    assert judged["columns"]["id"] == ["p", "q", "r", "s"]
    assert judged["columns"]["prediction"] == ["1", "1", "0", "0"]
    assert judged["groups"] == {"half": ["a", "a", "b", "b"]}


def test_tables_of_one_name_are_all_there(folder):
    for name in "xy":
        a_run(name, name="same")
    (folder / "said.csv").write_text("reference,hypothesis\na,b\n")
    report("x", "y", "--transcripts", "said.csv")
    with open("report.html") as file:
        found = titles(file.read())
    assert found[-6:-1] == ["Transcripts", "x: said", "x: judged, fold 1", "y: said",
                            "y: judged, fold 1"]  # fmt: skip
    with assay.Run("z") as run:
        run.table({"reference": ["a"], "hypothesis": ["a"]}, "Transcripts")
    report("z", "--transcripts", "said.csv")
    with open("report.html") as file:
        assert titles(file.read())[-3:-1] == ["Transcripts", "Transcripts_2"]
    assert data_of("report.html")["columns"]["other"] == ["b"]


def test_a_table_that_cannot_be_shown_costs_nobody_the_page():
    with assay.Run("exp") as run:
        run.log({"rmse": 0.5})
        run.table({"target": [0.5, None], "prediction": [0.4, 0.1]}, "regression")
        run.table({"reference": ["a"], "hypothesis": ["b"]}, "said")
        run.table([{"reference": "", "hypothesis": ""}], "cut")
    with open("exp/tables/cut.csv", "w") as file:
        file.write("reference,hypothesis\n")
    *left, path = report("exp").splitlines()
    assert path == "report.html"
    assert [line.split(": ")[:3] for line in left] == [
        ["left out", "regression", "exp/tables/regression.csv"],
        ["left out", "cut", "exp/tables/cut.csv"],
    ]
    with open(path) as file:
        text = file.read()
    assert titles(text)[-2:] == ["said", "All that was logged"]
    assert "Left out: regression: exp/tables/regression.csv: " in text


def test_runs_by_globs_each_once(folder):
    many(folder, 3)
    assert report("r*", "r1", "-o", "several.html", "--title", "Mine") == "several.html\n"
    with open("several.html") as file:
        text = file.read()
    assert "<h1>Mine</h1>" in text
    assert "3 runs, 3 finished" in text


def test_transcripts_of_several_systems():
    systems = [own for name in ("16k", "8k") for own in ("--hypothesis", f"hypothesis_{name}")]
    report("--transcripts", CLIPS, *systems, "--by", "voice", "--id", "id", "--normalise", "basic")
    with open("report.html") as file:
        assert titles(file.read()) == ["Transcripts: hypothesis_16k", "Transcripts: hypothesis_8k"]
    data = data_of("report.html")
    with open(CLIPS, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    assert data["columns"]["id"] == [row["id"] for row in rows]
    assert data["groups"]["voice"] == [row["voice"] for row in rows]
    texts = ([row[name] for row in rows] for name in ("reference", "hypothesis_16k"))
    c = assay.count_words(*texts, normalise="basic")
    assert sum(data["columns"]["errors"]) == c.substitutions + c.deletions + c.insertions


def test_the_worst_of_many_items(folder):
    (folder / "ref.txt").write_text("a b c\nd\ne f\n")
    (folder / "hyp.txt").write_text("x y c\nd\ne\n")
    report("--transcripts", "ref.txt", "--transcripts", "hyp.txt", "--items", "2")
    assert data_of("report.html")["columns"]["id"] == [0, 2]
    with open("report.html") as file:
        assert "The 2 worst of 3 items" in file.read()


def test_joined_transcripts_are_called_by_their_keys(folder):
    (folder / "ref").write_text("u1 a b\nu2 c\n")
    (folder / "hyp").write_text("u2 c\nu1 a\n")
    report("--transcripts", "ref", "--transcripts", "hyp", "--format", "kaldi")
    assert data_of("report.html")["columns"]["id"] == ["u1", "u2"]


def test_rankings(folder):
    (folder / "run.csv").write_text("query,item,score\nq,a,0.9\nq,b,0.5\n")
    (folder / "qrels.csv").write_text("query,item\nq,b\n")
    (folder / "names.csv").write_text("id,text\nq,what is b\nb,the answer\n")
    report("--rankings", "run.csv", "--qrels", "qrels.csv", "--names", "names.csv")
    data = data_of("report.html")
    assert data["columns"]["rank"] == [2]
    assert data["facts"]["names"] == {"q": "what is b", "b": "the answer"}


def test_labels_with_their_diagrams(folder):
    lines = ["y,p,said", *(f"{'spam' if i % 2 else 'ham'},{i / 20},t{i}" for i in range(20))]
    (folder / "p.csv").write_text("\n".join(lines) + "\n")
    report("--labels", "p.csv", "--target", "y", "--score", "p", "--positive", "spam",
           "--text", "said")  # fmt: skip
    with open("report.html") as file:
        read = Reader(file.read())
    assert sum(tag == "svg" for tag, _ in read.found) == 4
    data = data_of("report.html")
    assert data["columns"]["text"][0] == "t0"
    assert data["columns"]["prediction"] == ["ham"] * 10 + ["spam"] * 10


def test_labels_that_are_true_or_false(folder):
    (folder / "p.csv").write_text("target,p\ntrue,0.5\nfalse,0.75\n")
    report("--labels", "p.csv", "--score", "p")
    assert data_of("report.html")["columns"]["prediction"] == ["true", "true"]


def test_labels_of_several_classes(folder):
    (folder / "p.csv").write_text("target,a,b\ndog,0.25,0.75\ncat,0.1,0.9\n")
    report("--labels", "p.csv", "--score", "a,b", "--classes", "cat,dog")
    assert data_of("report.html")["columns"]["prediction"] == ["dog", "dog"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the directory of a run, or give --transcripts, --rankings or --labels"),
        (("nope",), "nope/journal.jsonl: cannot be read: No such file or directory; name a run's"),
        (("nope*",), "nope*: no directory of a run is called like that"),
        ((".",), ".: is no run, but holds 1; name them: './*'"),
        (("exp", "--hypothesis", "h"), "--hypothesis goes with --transcripts FILE"),
        (("exp", "--by", "h"), "--by goes with --transcripts or --labels FILE"),
        (("exp", "--rankings", "r"), "--rankings needs --qrels, which says what is relevant"),
        (("--labels", "l.csv"), "--labels needs --prediction, --score, or both"),
        (
            ("--labels", "l.csv", "--score", "a,b"),
            "--classes must be 2, one for each --score column",
        ),
        (("--labels", "l.csv", "--score", "p"), "l.csv: name the positive label with --positive"),
        (("--labels", "l.csv", "--score", "target"), "l.csv: row 1: column 'target' is 'spam'"),
        (("--labels", "l.csv", "-o", "l.csv", "--score", "p"), "--output: l.csv is an input"),
        (("--labels", "l.csv", "--log", "--score", "p"), "--log keeps the page in a run"),
        (("exp", "--unit", "x"), "--unit must be one of word, char, got 'x'"),
        (("exp", "--metric", "x"), "page: metric must be one that was logged, got 'x'"),
        (("exp", "-o", "no/x.html"), "no/x.html: there is no folder no; make it first"),
        (("--transcripts", "l.csv"), "l.csv: header: no column 'reference'"),
    ],
)
def test_what_is_refused(folder, arguments, message):
    with assay.Run("exp") as run:
        run.log({"wer": 0.5})
    (folder / "l.csv").write_text("target,p\nspam,0.5\nham,0.1\n")
    found = refused(*arguments)
    assert found.startswith(message)
    assert "\n" not in found
    assert not os.path.exists("report.html")


def test_a_damaged_journal():
    a_run("exp")
    with open("exp/journal.jsonl", "ab") as file:
        file.write(b'{"kind": \n')
    assert "journal.jsonl: line 8 is damaged" in refused("exp")


def test_without_jinja(monkeypatch):
    a_run("exp")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert "pip install 'assay[report]'" in refused("exp")


# -- kept in the run -------------------------------------------------------------------------------


def test_a_run_that_is_over_keeps_the_page_and_stays_as_it_ended():
    with pytest.raises(ZeroDivisionError), assay.Run("exp") as run:
        run.log({"wer": 1 / (run.id == "")})
    before = read_journal("exp")
    assert report("exp", "--log") == "report.html\n"
    after = read_journal("exp")
    assert [file.path for file in after.artifacts] == ["artifacts/report.html"]
    assert (after.status, after.ended, after.error) == (before.status, before.ended, before.error)
    with open("report.html", "rb") as one, open("exp/artifacts/report.html", "rb") as other:
        assert one.read() == other.read()


def test_a_run_that_goes_on_is_left_alone():
    with assay.Run("exp"), pytest.raises(DataError, match=r"goes on.*call run\.artifact\(\)"):
        keep("exp", __file__, "x")
    with pytest.raises(DataError, match="cannot be read"):
        keep("nope", __file__, "x")


@pytest.mark.slow
def test_mlflow_has_the_page(folder, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    uri = f"sqlite:///{folder}/mlflow.db"
    tracker = assay.trackers.mlflow.MLflow(uri, experiment="e")
    with assay.Run("exp", trackers=[tracker], flush_s=600) as run:
        run.log({"wer": 0.5})
    line = [*ENTRY, "report", "exp", "--log"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "report.html\n"), done.stderr
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        ((identity, place, status),) = database.execute(
            "SELECT run_uuid, artifact_uri, status FROM runs"
        )
    kept = [path for path in folder.rglob("report.html") if identity in str(path)]
    assert [path.read_bytes() for path in kept] == [(folder / "report.html").read_bytes()]
    assert status == "FINISHED"
    assert place
