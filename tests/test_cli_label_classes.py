"""`assay score labels` of several classes: areas, the first k, and of many those that are worst."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as sk

from labels_cli_kit import CLASSES, N, agree, labels, of_classes

pytestmark = pytest.mark.usefixtures("labels_folder")


def test_several_classes():
    d = of_classes()
    d.to_parquet("c.parquet")
    scores = d[["p_cat", "p_dog", "p_owl"]].to_numpy()
    done = labels("c.parquet", "--target", "y", *CLASSES, "--json")
    agree(done.values, {
        "roc_auc": sk.roc_auc_score(d.y, scores, multi_class="ovr"),
        "roc_auc_ovo": sk.roc_auc_score(d.y, scores, multi_class="ovo"),
        "log_loss": sk.log_loss(d.y, scores),
        "accuracy": sk.accuracy_score(d.y, np.array(["cat", "dog", "owl"])[scores.argmax(1)]),
    })  # fmt: skip
    for place, name in enumerate(("cat", "dog", "owl")):
        own = d.y == name, scores[:, place]
        areas = sk.roc_auc_score(*own), sk.average_precision_score(*own)
        agree(done.values, dict(zip(("roc_auc", "average_precision"), areas, strict=True)), name)
    shown = labels("c.parquet", "--target", "y", *CLASSES).out
    assert "Each class against all others" in shown
    swapped = ("--score", "p_owl", "--score", "p_cat,p_dog", "--labels", "owl,cat,dog")
    again = labels("c.parquet", "--target", "y", *swapped, "--json").values
    assert again["roc_auc", "owl"] == done.values["roc_auc", "owl"]
    d["guess"] = "cat"
    d.to_parquet("c.parquet")
    given = ("--target", "y", "--prediction", "guess", *CLASSES, "--json")
    agree(labels("c.parquet", *given).values, {"accuracy": (d.y == "cat").mean()})


def test_top_k(monkeypatch):
    d = of_classes()
    d["site"] = np.array(["x", "y"])[np.arange(N) % 2]
    d.to_csv("c.csv", index=False)
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", 64)
    done = labels("c.csv", "--target", "y", *CLASSES, "--k", "1,2", "--by", "site", "--json")
    columns = ["p_cat", "p_dog", "p_owl"]
    for tags, own in (((), d), (("x",), d[d.site == "x"])):
        for k in (1, 2):
            expected = sk.top_k_accuracy_score(own.y, own[columns].to_numpy(), k=k)
            agree(done.values, {f"top_{k}_accuracy": expected}, *tags)


def test_a_class_without_rows_is_named():
    d = of_classes()
    d[d.y != "owl"].to_csv("c.csv", index=False)
    done = labels("c.csv", "--target", "y", *CLASSES, "--json")
    assert done.values["roc_auc",] is None
    assert done.values["roc_auc", "cat"] > 0.5
    told = json.loads(done.out)["notes"]
    assert told == ["never a target, so without an area, and the mean has none: 'owl'"]


def test_per_item_of_classes():
    d = of_classes()
    d.to_parquet("c.parquet")
    labels("c.parquet", "--target", "y", *CLASSES, "--per-item", "i.parquet")
    items = pq.read_table("i.parquet").to_pandas()
    scores = d[["p_cat", "p_dog", "p_owl"]]
    assert list(items) == ["row", "target", "prediction", "correct",
                           "score_cat", "score_dog", "score_owl"]  # fmt: skip
    best_of = scores.to_numpy().argmax(1)
    assert items.prediction.tolist() == np.array(["cat", "dog", "owl"])[best_of].tolist()
    assert items.correct.tolist() == (items.prediction == d.y).tolist()
    assert items.score_owl.tolist() == scores.p_owl.tolist()


def test_many_classes_are_not_all_shown():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 100, 2000)
    guess = np.where(rng.random(2000) < 0.5, target, 0)
    pd.DataFrame({"target": target, "prediction": guess}).to_csv("m.csv", index=False)
    shown = labels("m.csv", "--prediction", "prediction").out
    assert "By class: the 40 of lowest F1 of 100" in shown
    assert "across" not in shown
    lines = shown.splitlines()
    start = lines.index("By class: the 40 of lowest F1 of 100") + 2
    found = [(float(line.split()[3]), line.split()[0]) for line in lines[start : start + 40]]
    values = sk.f1_score(target, guess, average=None)
    lowest = np.argsort(values, kind="stable")[:40]
    assert found == [(round(values[label], 4), str(label)) for label in lowest]
