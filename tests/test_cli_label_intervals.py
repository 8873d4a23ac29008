"""Intervals that `assay score labels` prints: those of the states, and what has none."""

import json

import pytest

from assay import count_labels, count_scores, interval
from labels_cli_kit import frame, labels, of_classes

BOTH = ("--target", "y", "--prediction", "yhat", "--score", "p")
CLASSES = ("--score", "p_cat,p_dog,p_owl", "--labels", "cat,dog,owl")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().to_csv("d.csv", index=False)


def ends_of(done, name):
    (score,) = [s for s in json.loads(done.out)["scores"] if s["name"] == name and not s["tags"]]
    return score.get("low"), score.get("high")


def test_intervals():
    d = frame()
    done = labels("d.csv", *BOTH, "--json")
    for name, state in (
        ("macro_f1", count_labels(d.y, d.yhat)), ("roc_auc", count_scores(d.y, d.p))
    ):  # fmt: skip
        own = interval(state, name)
        assert ends_of(done, name) == (own.low, own.high)
    assert ends_of(done, "ks") == (None, None)
    own = interval(count_scores(d.y, d.p).at(0.5), "f1")
    (score,) = [s for s in json.loads(done.out)["scores"]
                if s["name"] == "f1" and s["tags"] == {"threshold": "0.5"}]  # fmt: skip
    assert (score["low"], score["high"]) == (own.low, own.high)
    told = json.loads(done.out)["interval"]
    assert told == {
        "methods": {"bootstrap": "bootstrap of rows, 1,000 resamples, seed 0"}, "level": 0.95
    }  # fmt: skip
    note = "low, high: 95 % bootstrap of rows, 1,000 resamples, seed 0"
    assert note in labels("d.csv", *BOTH).out
    assert note in labels("d.csv", *BOTH, "--by", "fold").out
    none = labels("d.csv", *BOTH, "--json", "--interval", "none")
    assert "interval" not in json.loads(none.out)
    assert "low, high" not in labels("d.csv", *BOTH, "--interval", "none").out


def test_areas_of_many_scores_are_by_delong(monkeypatch):
    monkeypatch.setattr("assay.cli.intervals.MANY", 10)
    done = labels("d.csv", "--target", "y", "--score", "p", "--json")
    own = interval(count_scores(frame().y, frame().p), "roc_auc", method="delong")
    assert ends_of(done, "roc_auc") == (own.low, own.high)
    assert json.loads(done.out)["interval"]["methods"] == {
        "delong": "DeLong", "bootstrap": "bootstrap of rows, 1,000 resamples, seed 0"
    }  # fmt: skip
    assert ends_of(done, "average_precision") == (None, None)
    assert json.loads(done.out)["notes"] == [
        "of more than 10 scores the area alone has an interval"
    ]


@pytest.mark.parametrize("rows", [7, 1 << 16])
def test_intervals_of_weighted_rows(monkeypatch, rows):
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", rows)
    d = frame()
    done = labels("d.csv", *BOTH, "--weights", "w", "--json")
    own = interval(count_labels(d.y, d.yhat, weights=d.w, items=True), "macro_f1")
    assert ends_of(done, "macro_f1") == (own.low, own.high)
    own = interval(count_scores(d.y, d.p, weights=d.w), "average_precision")
    assert ends_of(done, "average_precision") == (own.low, own.high)
    named = labels("d.csv", "--target", "name", "--prediction", "heard", "--positive", "spam",
                   "--weights", "w", "--json")  # fmt: skip
    assert ends_of(named, "macro_f1") == ends_of(done, "macro_f1")
    monkeypatch.setattr("assay.run.totals.LISTED", 100)
    done = labels("d.csv", *BOTH, "--weights", "w", "--json")
    assert ends_of(done, "macro_f1") == (None, None)
    assert json.loads(done.out)["notes"] == [
        "predictions of so many weighted rows have no intervals"
    ]


def test_intervals_of_several_classes(monkeypatch):
    d = of_classes()
    d.to_csv("c.csv", index=False)
    monkeypatch.setattr("assay.readers.columns.MAX_ROWS", 64)
    done = labels("c.csv", "--target", "y", *CLASSES, "--json")
    scores = d[["p_cat", "p_dog", "p_owl"]].to_numpy()
    codes = d.y.map({"cat": 0, "dog": 1, "owl": 2}).to_numpy()
    own = interval(count_scores(codes, scores, items=True), "roc_auc")
    assert ends_of(done, "roc_auc") == (own.low, own.high)
    assert ends_of(done, "roc_auc_ovo") == (None, None)
    monkeypatch.setattr("assay.run.totals.LISTED", 100)
    done = labels("c.csv", "--target", "y", *CLASSES)
    assert "so many scores of several classes have no intervals" in done.out


def test_intervals_of_groups(monkeypatch):
    d = frame()
    done = labels("d.csv", *BOTH, "--by", "fold", "--json")
    own = interval(count_labels(*d[d.fold == "A"][["y", "yhat"]].to_numpy().T), "f1")
    (score,) = [s for s in json.loads(done.out)["scores"]
                if s["name"] == "f1" and s["tags"] == {"fold": "A"}]  # fmt: skip
    assert (score["low"], score["high"]) == (own.low, own.high)
    monkeypatch.setattr("assay.cli.intervals.GROUPS", 2)
    done = labels("d.csv", *BOTH, "--by", "fold")
    assert "more than 2 groups have no intervals" in done.out


def test_many_labels_have_no_intervals_and_that_is_said():
    rows = [f"{i % 60},{i % 60}" for i in range(120)]
    with open("many.csv", "w") as file:
        file.write("\n".join(["target,prediction", *rows]))
    done = labels("many.csv", "--prediction", "prediction")
    assert "predictions of 60 labels have no intervals" in done.out


def test_a_group_has_the_labels_of_all():
    with open("g.csv", "w") as file:
        file.write("target,prediction,site\n0,0,x\n1,1,x\n2,1,y\n0,0,y\n")
    done = labels("g.csv", "--prediction", "prediction", "--by", "site", "--json")
    scores = json.loads(done.out)["scores"]
    assert not [s for s in scores if s["name"] == "f1" and "class" not in s["tags"]]
    assert "macro_f1" in {s["name"] for s in scores if s["tags"] == {"site": "x"}}
