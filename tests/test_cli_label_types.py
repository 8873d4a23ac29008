"""`assay score labels`: what labels may be (numbers, texts, truth values), and what scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from labels_cli_kit import BOTH, agree, frame, labels, of_predictions, of_scores

pytestmark = pytest.mark.usefixtures("labels_folder")


def test_names_as_labels():
    d = frame()
    named = ("--target", "name", "--prediction", "heard", "--score", "p", "--json")
    done = labels("d.csv", *named, "--positive", "spam")
    plain = labels("d.csv", *BOTH, "--json").values
    numbers = {key: value for key, value in done.values.items() if key[-1] not in ("ham", "spam")}
    assert numbers == {key: value for key, value in plain.items() if key[-1] not in ("0", "1")}
    assert done.values["f1", "spam"] == plain["f1", "1"]
    other = labels("d.csv", "--target", "name", "--score", "p", "--positive", "ham", "--json")
    agree(other.values, {"roc_auc": sk.roc_auc_score(d.name == "ham", d.p)})
    assert "positive:ham" in other.out
    without = labels("d.csv", "--target", "name", "--prediction", "heard", "--json").values
    assert without["macro_f1",] == plain["macro_f1",]
    assert ("f1",) not in without


def outcomes(target, prediction, name="t.csv", **options):
    """(labels, accuracy) of a table of two columns."""
    table = pd.DataFrame({"target": target, "prediction": prediction})
    table.to_csv(name, index=False) if name == "t.csv" else table.to_parquet(name)
    done = labels(name, "--prediction", "prediction", "--json", *options.get("more", ()))
    return json.loads(done.out)["confusion"]["labels"], done.values["accuracy",]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_whole_numbers_are_numbers(name):
    assert outcomes([10, 9, 2], [10, 2, 2], name) == ([2, 9, 10], 2 / 3)
    assert outcomes([10, 9, 2], [10.0, 2.0, 2.0], name) == ([2, 9, 10], 2 / 3)
    assert outcomes([-1, 1], [1, 1], name) == ([-1, 1], 0.5)


def test_one_text_makes_all_of_them_text(monkeypatch):
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", 2)
    assert outcomes(["1", "0", "1", "1"], ["1", "0", "0", "x"]) == (["0", "1", "x"], 0.5)
    assert outcomes(["01", "1", "1", "01"], ["1", "1", "1", "01"]) == (["01", "1"], 0.75)
    assert outcomes(["1.0", "0", "0.0", "1"], ["1", "0", "0", "0"]) == ([0, 1], 0.75)
    assert outcomes(["v1.0", "1.0", "1", "1"], ["1", "1", "1", "1"]) == (["1", "1.0", "v1.0"], 0.5)


def test_booleans_and_categories():
    assert outcomes([True, False], [1, 0], "t.parquet") == ([0, 1], 1.0)
    assert outcomes([True, False, True], [True, True, True]) == (["False", "True"], 2 / 3)
    done = labels("t.csv", "--prediction", "prediction", "--json")
    assert done.values["recall",] == 1.0  # of True
    assert done.values["precision",] == pytest.approx(2 / 3)
    words = pd.Categorical(["b", "a", "b"], categories=["unused", "b", "a"])
    assert outcomes(words, ["b", "b", "b"], "t.parquet") == (["a", "b"], 2 / 3)
    Path("b.csv").write_text("target,p\ntrue,0.9\nfalse,0.4\n")
    assert labels("b.csv", "--score", "p", "--json").values["roc_auc",] == 1.0


def test_minus_one_and_one():
    d = frame()
    d["y"] = 2 * d.y - 1
    d.to_csv("s.csv", index=False)
    done = labels("s.csv", "--target", "y", "--score", "p", "--json")
    agree(done.values, of_scores(frame().y, d.p))


def test_declared_labels():
    more = ("--labels", "5,2,9")
    assert outcomes([2, 5], [2, 2], more=more) == ([5, 2, 9], 0.5)
    done = labels("t.csv", "--prediction", "prediction", "--labels", "5,2,9", "--json")
    assert done.values["macro_f1",] == pytest.approx((2 / 3 + 0) / 2)  # 9 occurs nowhere
    assert done.values["f1", "9"] == 0


def test_predictions_that_no_target_has_are_named():
    Path("t.csv").write_text("target,prediction\ncat,Cat\ndog,dog\n")
    done = labels("t.csv", "--prediction", "prediction")
    assert "predicted, but never a target: 'Cat'" in done.out
    told = json.loads(labels("t.csv", "--prediction", "prediction", "--json").out)["notes"]
    assert told == ["predicted, but never a target: 'Cat'"]


def test_scores_beyond_probabilities():
    d = frame()
    d["p"] = 20 * d.p - 10
    d.to_csv("l.csv", index=False)
    done = labels("l.csv", "--target", "y", "--score", "p", "--threshold", "0", "--json")
    agree(done.values, {"roc_auc": sk.roc_auc_score(d.y, d.p)})
    agree(done.values, of_predictions(d.y, (d.p >= 0).astype(int)), "0.0")
    assert ("brier",) not in done.values
    assert json.loads(done.out)["notes"] == [
        "some scores lie outside 0..1, so there is no Brier score, log loss or ECE"
    ]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_types_of_scores(kind):
    d = frame()
    d["p"] = d.p.astype(kind)
    d.to_parquet("k.parquet")
    wide = d.p.astype(float)
    done = labels("k.parquet", "--target", "y", "--score", "p", "--threshold", "0.35", "--json")
    agree(done.values, {"roc_auc": sk.roc_auc_score(d.y, wide)})
    agree(done.values, of_predictions(d.y, (wide >= 0.35).astype(int)), "0.35")
