"""`assay score labels`: its numbers are scikit-learn's, whatever the file and however it is cut."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from labels_cli_kit import (
    BOTH,
    TUNED,
    N,
    agree,
    all_of,
    best,
    frame,
    labels,
    of_predictions,
    of_scores,
)

pytestmark = pytest.mark.usefixtures("labels_folder")


def test_predictions_and_scores():
    d = frame()
    done = labels("d.csv", *BOTH, "--json")
    all_of(d, done.values)
    assert done.values["items",] == N
    assert done.values["positives",] == d.y.sum()
    for label in (0, 1):
        found = sk.precision_recall_fscore_support(d.y, d.yhat, labels=[label])[:3]
        names = ("precision", "recall", "f1")
        agree(done.values, dict(zip(names, np.ravel(found), strict=True)), str(label))
    matrix = sk.confusion_matrix(d.y, d.yhat).tolist()
    assert json.loads(done.out)["confusion"] == {"labels": [0, 1], "matrix": matrix}


@pytest.mark.parametrize(
    "name", ["d.tsv", "d.jsonl", "d.parquet", "d.csv.gz", "d.jsonl.gz", "d.csv.zst", "d.csv.bz2"]
)
def test_any_file_gives_the_same(name):
    d = frame()
    if ".csv" in name:
        with pa.CompressedOutputStream(
            name, {"zst": "zstd", "bz2": "bz2"}.get(name[-3:], "gzip")
        ) as out:
            out.write(Path("d.csv").read_bytes())
    elif ".jsonl" in name:
        d.to_json(name, orient="records", lines=True)
    elif name == "d.tsv":
        d.to_csv(name, index=False, sep="\t")
    else:
        d.to_parquet(name)
    for form in ("--json", "--csv", "--markdown"):
        assert labels(name, *BOTH, form).out == labels("d.csv", *BOTH, form).out


def test_standard_input_and_globs():
    once = labels("d.csv", *BOTH, "--json").out
    data = Path("d.csv").read_bytes()
    assert labels("-", "--format", "csv", *BOTH, "--json", stdin=data).out == once
    d = frame()
    for place, start in enumerate(range(0, N, 70)):
        d[start : start + 70].to_parquet(f"part{place}.parquet")
    assert labels("part*.parquet", *BOTH, "--json").out == once


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_batches_change_nothing(monkeypatch, rows):
    whole = [labels("d.csv", *BOTH, "--by", "fold", "--weights", "w", "--json").out,
             labels("d.csv", *BOTH, "--json").out]  # fmt: skip
    labels("d.csv", *BOTH, "--per-item", "whole.parquet")
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", rows)
    assert labels("d.csv", *BOTH, "--by", "fold", "--weights", "w", "--json").out == whole[0]
    assert labels("d.csv", *BOTH, "--json", ASSAY_THREADS="3").out == whole[1]
    labels("d.csv", *BOTH, "--per-item", "cut.parquet")
    assert pq.read_table("cut.parquet").equals(pq.read_table("whole.parquet"))


def test_groups():
    d = frame()
    done = labels("d.csv", *BOTH, "--by", "fold", "--json")
    all_of(d, done.values)
    for fold in "ABC":
        all_of(d[d.fold == fold], done.values, fold)
    lines = labels("d.csv", *BOTH, "--by", "fold").out.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["(all)", "A", "B", "C"]


def test_weights():
    d = frame()
    done = labels("d.csv", *BOTH, "--weights", "w", "--json")
    agree(done.values, of_predictions(d.y, d.yhat, d.w))
    agree(done.values, of_scores(d.y, d.p, d.w))
    at_half = of_predictions(d.y, (d.p >= 0.5).astype(int), d.w)
    agree(done.values, at_half, "0.5")
    threshold, value = best(
        d.y, d.p, np.unique(d.p[d.w > 0]),
        lambda y, yhat: sk.f1_score(y, yhat, average="macro", sample_weight=d.w),
    )  # fmt: skip
    agree(done.values, {"best_threshold": threshold, "macro_f1": value}, TUNED)
    assert "weight" in labels("d.csv", *BOTH, "--weights", "w").out


def test_per_item():
    d = frame()
    labels("d.csv", *BOTH, "--by", "fold", "--weights", "w", "--per-item", "i.parquet")
    items = pq.read_table("i.parquet")
    assert items.schema.metadata[b"assay.items"] == b"1"
    expected = {
        "row": range(N),
        "fold": d.fold,
        "target": d.y.astype(str),
        "prediction": d.yhat.astype(str),
        "correct": d.y == d.yhat,
        "positive": d.y == 1,
        "score": d.p,
        "above": d.p >= 0.5,
        "weight": d.w,
    }
    assert items.to_pydict() == {name: list(column) for name, column in expected.items()}
    d.to_parquet("d.parquet")
    labels("d.parquet", *BOTH, "--per-item", "i.parquet", "--threshold", "0.2")
    items = pq.read_table("i.parquet")
    assert pa.types.is_int64(items.schema.field("target").type)
    assert items.column("above").to_pylist() == (d.p >= 0.2).tolist()
    assert "weight" not in items.schema.names


def test_csv_is_every_score():
    asked, tags = ("d.csv", *BOTH, "--by", "fold"), ("fold", "threshold", "class")
    scores = json.loads(labels(*asked, "--json").out)["scores"]
    rows = list(csv.DictReader(io.StringIO(labels(*asked, "--csv").out)))
    assert [(row["score"], float(row["value"]), *map(row.get, tags)) for row in rows] == [
        (s["name"], s["value"], *(s["tags"].get(tag, "") for tag in tags)) for s in scores
    ]
