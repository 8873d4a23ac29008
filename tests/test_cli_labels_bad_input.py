"""Whatever is wrong with what `assay score labels` gets: one line that says what, where and how to
mend it, exit code 2, nothing on standard output, and no file made or changed."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import assay
from labels_cli_kit import labels, refused_labels

ROWS = "1,1,0.9,x\n0,0,0.1,y\n1,0,0.4,x\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table()
    return tmp_path


def snapshot():
    """Every file here, with what it holds."""
    files = (Path(top, name) for top, _, names in os.walk(".") for name in names)
    return {str(file): file.read_bytes() for file in files}


def table(rows=ROWS):
    Path("d.csv").write_text("target,guess,p,group\n" + rows)


def parquet(**columns):
    Path("d.csv").unlink()
    pq.write_table(pa.table(columns), "d.csv")


P, G = ("--score", "p"), ("--prediction", "guess")
PARQUET = ("--format", "parquet")

# what is done to the file, options, the message's beginning
BAD = {
    "no column": (None, ["--score", "q"], "d.csv: header: no column 'q'; there: 'target', 'guess', "
                  "'p', 'group'; name one of these"),
    "nearly": (None, ["--prediction", "gues"], "d.csv: header: no column 'gues'; there: 'target', "
               "'guess', 'p', 'group'; did you mean 'guess'?"),
    "no target": (None, ["--target", "tarjet", *P], "d.csv: header: no column 'tarjet'; there: "
                  "'target', 'guess', 'p', 'group'; did you mean 'target'?"),
    "no weights": (None, ["--weights", "w", *P], "d.csv: header: no column 'w'"),
    "no groups": (None, ["--by", "w", *P], "d.csv: header: no column 'w'"),
    "nothing to score": (None, [], "give --prediction, the column of predicted labels, or --score"),
    "an empty label": (lambda: table(ROWS + ",1,0.5,x\n"), P, "d.csv: line 5: column 'target' is "
                       "empty, expected a label: text or a whole number; give it one, or drop the "
                       "row"),
    "an empty prediction": (lambda: table(ROWS + "1,,0.5,x\n"), G,
                            "d.csv: line 5: column 'guess' is empty, expected a label"),
    "a null label": (lambda: parquet(target=[1, None], p=[0.5, 0.6]), (*P, *PARQUET),
                     "d.csv: row 2: column 'target' is null; drop the row or fill it in"),
    "a null score": (lambda: parquet(target=[1, 0, 1], p=[0.5, 0.6, None]), (*P, *PARQUET),
                     "d.csv: row 3: column 'p' is null; drop the row or fill it in"),
    "a fraction as label": (lambda: parquet(target=[1, 0], guess=[1.0, 0.3]), (*G, *PARQUET),
                            "d.csv: row 2: column 'guess' is 0.3, expected a label: text or a "
                            "whole number; scores go to --score"),
    "scores as labels": (None, ["--prediction", "p"], "d.csv: column 'p' holds '0.9', where column "
                         "'target' holds whole numbers; scores go to --score"),
    "a list as label": (lambda: parquet(target=[[1], [0]], p=[0.5, 0.1]), (*P, *PARQUET),
                        "d.csv: rows 1 to 2: column 'target' holds list<"),
    "a date as score": (lambda: parquet(target=[1, 0], p=pa.array([1, 2], pa.date32())),
                        (*P, *PARQUET), "d.csv: rows 1 to 2: column 'p' holds date32"),
    "a list to group by": (lambda: parquet(target=[1, 0], p=[0.1, 0.2], group=[[1], [2]]),
                           (*P, "--by", "group", *PARQUET),
                           "d.csv: rows 1 to 2: column 'group' holds list<"),
    "nan": (lambda: table(ROWS + "0,0,NaN,y\n"), P, "d.csv: line 5: column 'p' is nan, expected a "
            "finite number; mend it, or drop the row"),
    "infinity": (lambda: table(ROWS + "0,0,-inf,y\n"), P, "d.csv: line 5: column 'p' is -inf, "
                 "expected a finite number"),
    "text as score": (lambda: table(ROWS + "0,0,high,y\n"), P, "d.csv: line 5: column 'p' is "
                      "'high', expected a number; mend it, or drop the row"),
    "an underscore in a number": (lambda: table(ROWS + "0,0,1_0,y\n"), P, "d.csv: line 5: column "
                                  "'p' is '1_0', expected a number"),
    "no score": (lambda: table(ROWS + "0,0,,y\n"), P, "d.csv: line 5: column 'p' is empty, "
                 "expected a number"),
    "a comma in a number": (lambda: table(ROWS + '0,0,"0,5",y\n'), P, "d.csv: line 5: column 'p' "
                            "is '0,5', expected a number"),
    "a negative weight": (lambda: table(ROWS + "0,-1,0.3,y\n"), [*P, "--weights", "guess"],
                          "d.csv: line 5: column 'guess' is -1.0, expected a finite number of at "
                          "least 0; "),
    "another label": (None, [*G, "--labels", "0,2"], "d.csv: line 2: column 'target' is '1', which "
                      "is not among --labels '0', '2'"),
    "another prediction": (lambda: table("cat,dog,0.1,x\ncat,cot,0.2,x\n"),
                           [*G, "--labels", "cat,dog"], "d.csv: line 3: column 'guess' is 'cot', "
                           "which is not among --labels 'cat', 'dog'; did you mean 'cat'?"),
    "labels without names": (lambda: table("0,0,0.3,x\ncat,1,0.1,x\n"), P, "d.csv: line 3: column "
                             "'target' is 'cat'; name the label that a high score speaks for with "
                             "--positive"),
    "three numbers": (lambda: table("0,0,0.3,x\n1,1,0.1,x\n-1,1,0.1,x\n"), P, "d.csv: column "
                      "'target' holds '-1', '0', '1'; name the label that a high score speaks for "
                      "with --positive"),
    "no such positive": (lambda: table("cat,0,0.3,x\ndog,1,0.1,x\n"), [*P, "--positive", "cats"],
                         "d.csv: --positive 'cats' never occurs in column 'target'; there: 'cat', "
                         "'dog'; did you mean 'cat'?"),
    "no such positive predicted": (None, [*G, "--positive", "2"], "d.csv: --positive '2' never "
                                   "occurs in column 'target'; there: '0', '1'"),
    "positives only": (lambda: table("1,1,0.9,x\n1,0,0.4,x\n"), P, "d.csv: column 'target' holds "
                       "'1' only; scores are of two kinds of rows; check --target, "),
    "negatives only": (lambda: table("0,1,0.9,x\n0,0,0.4,x\n"), P, "d.csv: column 'target' holds "
                       "'0' only; "),
    "one named label": (lambda: table("cat,1,0.9,x\n"), [*P, "--positive", "cat"],
                        "d.csv: column 'target' holds 'cat' only; "),
    "many labels": (lambda: parquet(target=np.arange(6000), guess=np.arange(6000)),
                    (*G, *PARQUET), "d.csv: rows 1 to 6000: column 'target' has more than 5,000 "
                    "different labels; are these scores (--score), or ids?"),
    "an empty file": (lambda: Path("d.csv").write_text(""), P,
                      "d.csv: the file is empty; was it written?"),
    "a header": (lambda: table(""), P, "d.csv: no rows; was it written?"),
    "cells": (lambda: table(ROWS + "1,1\n"), P, "d.csv: line 5: expected 4 cells as in the header, "
              "got 2"),
    "a downward grid": (None, [*P, "--threshold-grid", "0.6:0.3:0.05"],
                        "--threshold-grid must go upwards, got '0.6:0.3:0.05'"),
    "an unsorted grid": (None, [*P, "--threshold-grid", "0.3,0.6,0.5"],
                         "--threshold-grid must go upwards, got 0.6 before 0.5; sort it"),
    "a twice-told grid": (None, [*P, "--threshold-grid", "0.3,0.3"],
                          "--threshold-grid must go upwards, got 0.3 before 0.3; sort it"),
    "no grid": (None, [*P, "--threshold-grid", "fine"], "--threshold-grid must be first:last:step "
                "or numbers, as in 0.3:0.6:0.05 or 0.3,0.5; got 'fine'"),
    "half a grid": (None, [*P, "--threshold-grid", "0.3:0.6"],
                    "--threshold-grid must be first:last:step, as in 0.3:0.6:0.05; got '0.3:0.6'"),
    "no step": (None, [*P, "--threshold-grid", "0.3:0.6:0"],
                "--threshold-grid: the step must be above 0, got '0.3:0.6:0'"),
    "a grid of nan": (None, [*P, "--threshold-grid", "nan,1"],
                      "--threshold-grid must be thresholds without NaN"),
    "metric": (None, [*P, "--metric", "auc"], "--metric: there is no metric 'auc'; there are "
               "accuracy, "),
    "threshold": (None, [*P, "--threshold", "nan"], "--threshold must be a finite number, got nan"),
    "a threshold of labels": (None, [*G, "--threshold", "0.4"],
                              "--threshold goes with --score, the column of scores"),
    "a grid of labels": (None, [*G, "--threshold-grid", "0:1:0.1"],
                         "--threshold-grid goes with --score, the column of scores"),
    "plots of labels": (None, [*G, "--plots", "p"],
                        "--plots goes with --score, the column of scores"),
    "scores without labels": (None, ["--score", "p,guess"], "several --score columns are one for "
                              "each label; name those with --labels, in the same order"),
    "too few labels": (None, ["--score", "p,guess", "--labels", "0,1,2"], "--labels must be 2, one "
                       "for each --score column, got 3: 0,1,2"),
    "a score twice": (None, ["--score", "p,p", "--labels", "0,1"],
                      "--score must be different names, as in cat,dog; got 'p,p'"),
    "a label twice": (None, [*G, "--labels", "0,,1"],
                      "--labels must be different names, as in cat,dog; got '0,,1'"),
    "a threshold of classes": (None, ["--score", "p,guess", "--labels", "0,1", "--metric", "f1"],
                               "--metric goes with one --score column, got 2"),
    "weights of classes": (None, ["--score", "p,guess", "--labels", "0,1", "--weights", "p"],
                           "--weights goes with predictions and with one --score column"),
    "positive of classes": (None, ["--score", "p,guess", "--labels", "0,1", "--positive", "1"],
                            "--positive goes with predictions and with one --score column"),
    "k without scores": (None, [*G, "--k", "1"],
                         "--k goes with a --score column for each label, without --prediction"),
    "k beyond": (None, ["--score", "p,guess", "--labels", "0,1", "--k", "1,3"],
                 "--k must be whole numbers in 1..2, as in 1,2; got '1,3'"),
    "k of text": (None, ["--score", "p,guess", "--labels", "0,1", "--k", "x"],
                  "--k must be whole numbers in 1..2, as in 1,2; got 'x'"),
    "positive among labels": (None, [*G, "--labels", "0,1", "--positive", "2"],
                              "--positive must be one of --labels 0,1, got '2'"),
    "a tag": (None, [*G, "--by", "class"], "--by: scores are tagged with a 'class' of their own; "
              "rename the column"),
    "forms": (None, [*G, "--json", "--csv"], "--json, --csv and --markdown exclude each other"),
    "over the input": (None, [*G, "--per-item", "d.csv"],
                       "--per-item: d.csv is an input; name another file to write to"),
    "own column": (None, [*G, "--by", "target", "--per-item", "i.parquet"], "--per-item: the file "
                   "has a column 'target' of its own; rename that of the input"),
    "plots in a file": (None, [*P, "--plots", "d.csv/p"], "--plots: "),
    "plots nowhere": (None, [*P, "--plots", ""], "--plots: '' is no folder; name one"),
    "plots far away": (None, [*P, "--plots", "s3://bucket/p"], "--plots: 's3://bucket/p' is no "
                       "folder; name one on this machine"),
    "no folder": (None, [*P, "--per-item", "no/i.parquet", "--plots", "p"],
                  "no/i.parquet: there is no folder no; make it first"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_it_is_refused(case):
    prepare, options, message = BAD[case]
    if prepare:
        prepare()
    before = snapshot()
    found = refused_labels("d.csv", *options)
    assert found.startswith(message)
    assert "\n" not in found
    assert snapshot() == before


@pytest.mark.parametrize("rows", [ROWS * 50 + "1,1,nan,x\n", ROWS * 50 + "cat,1,0.5,x\n"])
def test_nothing_is_half_written(monkeypatch, rows):
    """An error in the last batch: what was written of the others is gone, what was there stays."""
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", 16)
    table(rows)
    Path("i.parquet").write_bytes(b"before")
    before = snapshot()
    found = refused_labels("d.csv", *P, "--per-item", "i.parquet", "--plots", "plots")
    assert found.startswith("d.csv: line 152: ")
    assert snapshot() == before
    assert not Path("plots").exists()


def test_pictures_that_cannot_be_written(monkeypatch):
    """The last of them fails: none is there, and the table neither."""
    Path("plots/threshold.png").mkdir(parents=True)
    Path("i.parquet").write_bytes(b"before")
    before = snapshot()
    found = refused_labels("d.csv", *P, "--plots", "plots", "--per-item", "i.parquet")
    assert found == "'plots/threshold.png' is no file to write to; name one, as in roc.png"
    assert snapshot() == before


def test_a_full_disk(monkeypatch):
    """The table cannot be ended: no picture is there either."""

    close = pq.ParquetWriter.close

    def full(self):
        close(self)
        raise OSError(28, "No space left on device")

    before = snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "close", full)
        found = refused_labels("d.csv", *P, "--plots", "plots", "--per-item", "i.parquet")
    assert found == "i.parquet: cannot be written: No space left on device"
    assert snapshot() == before


def test_many_labels_over_many_batches(monkeypatch):
    monkeypatch.setattr("assay.cli.label_counts.LABELS", 50)
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", 16)
    table("".join(f"a{i},a{i},0.5,x\n" for i in range(51)))
    found = refused_labels("d.csv", *G)
    assert found.startswith("d.csv: column 'guess' has more than 50 different labels; ")
    table("".join(f"a{i},a{i},0.5,x\n" for i in range(50)))
    assert labels("d.csv", *G, "--json").values["accuracy",] == 1


def test_scores_of_several_types():
    for name, kind in (("a.parquet", np.float16), ("b.parquet", np.float32)):
        pd.DataFrame({"target": [0, 1], "p": np.array([0.25, 0.5], kind)}).to_parquet(name)
    found = refused_labels("a.parquet", "b.parquet", *P)
    assert found.startswith("a.parquet and 1 more: column 'p' holds numbers of several types (")
    assert found.endswith("; write one throughout")


def test_no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    table(ROWS + "1,1,nan,x\n")  # which would be seen later
    before = snapshot()
    found = refused_labels("d.csv", *P, "--plots", "plots", "--per-item", "i.parquet")
    assert found == "matplotlib is not installed; install it with: pip install 'assay[plot]'"
    assert snapshot() == before
    table()
    labels("d.csv", *P)  # nothing else needs it


def test_help_names_every_option():
    done = assay("score", "labels", "--help", COLUMNS="120", TERM="dumb")
    assert done.code == 0
    for option in ("--target", "--prediction", "--score", "--labels", "--positive", "--weights",
                   "--by", "--threshold", "--threshold-grid", "--metric", "--per-item", "--plots",
                   "--json", "--csv", "--markdown"):  # fmt: skip
        assert option in done.out
