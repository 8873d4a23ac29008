"""`assay score labels`: its numbers are scikit-learn's, whatever the file and however it is cut."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib import image
from sklearn import metrics as sk

from labels_cli_kit import N, frame, labels, of_classes

BOTH = ("--target", "y", "--prediction", "yhat", "--score", "p")
TUNED = "tuned_on_same_data"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame().to_csv("d.csv", index=False)
    return tmp_path


def of_predictions(y, yhat, weights=None, positive=1):
    own = {"sample_weight": weights}
    one = {**own, "pos_label": positive, "zero_division": 0}
    return {
        "accuracy": sk.accuracy_score(y, yhat, **own),
        "balanced_accuracy": sk.balanced_accuracy_score(y, yhat, **own),
        "macro_f1": sk.f1_score(y, yhat, average="macro", **own),
        "mcc": sk.matthews_corrcoef(y, yhat, **own),
        "f1": sk.f1_score(y, yhat, **one),
        "precision": sk.precision_score(y, yhat, **one),
        "recall": sk.recall_score(y, yhat, **one),
    }


def of_scores(y, p, weights=None):
    own = {"sample_weight": weights}
    fpr, tpr, _ = sk.roc_curve(y, p, **own)
    return {
        "roc_auc": sk.roc_auc_score(y, p, **own),
        "average_precision": sk.average_precision_score(y, p, **own),
        "ks": np.max(tpr - fpr),
        "brier": sk.brier_score_loss(y, p, **own),
        "log_loss": sk.log_loss(y, p, **own),
    }


def best(y, p, thresholds, metric=lambda y, yhat: sk.f1_score(y, yhat, average="macro")):
    """(threshold, value): the best, then nearest to 0.5, then the lower, by trying all."""
    values = [(-round(metric(y, (p >= t).astype(int)), 12), abs(t - 0.5), t) for t in thresholds]
    value, _, threshold = min(values)
    return threshold, -value


def agree(values, expected, *tags):
    for name, value in expected.items():
        assert values[(name, *tags)] == pytest.approx(value, abs=1e-12), name


def all_of(d, values, *tags):
    agree(values, of_predictions(d.y, d.yhat), *tags)
    agree(values, of_scores(d.y, d.p), *tags)
    agree(values, of_predictions(d.y, (d.p >= 0.5).astype(int)), *tags, "0.5")
    threshold, value = best(d.y, d.p, np.unique(d.p))
    agree(values, {"best_threshold": threshold, "macro_f1": value}, *tags, TUNED)
    agree(values, of_predictions(d.y, (d.p >= threshold).astype(int)), *tags, TUNED)


# -- one table in any file -------------------------------------------------------------------------


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


# -- labels ----------------------------------------------------------------------------------------


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


# -- thresholds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", ["0.3:0.6:0.05", "0.3,0.35,0.4,0.45,0.5,0.55,0.6"])
def test_a_grid(grid):
    d = frame()
    given = (*BOTH, "--threshold-grid", grid)
    done = labels("d.csv", *given, "--json")
    points = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    threshold, value = best(d.y, d.p, points)
    agree(done.values, {"best_threshold": threshold, "macro_f1": value}, TUNED)
    curve = json.loads(done.out)["grid"]
    assert curve["threshold"] == points
    assert curve["macro_f1"] == pytest.approx(
        [sk.f1_score(d.y, d.p >= t, average="macro") for t in points]
    )
    shown = labels("d.csv", *given).out
    assert "best macro F1 over the grid" in shown
    assert f"   0.3000    {curve['macro_f1'][0]:.4f}" in shown


def test_another_metric_and_threshold():
    d = frame()
    given = ("--target", "y", "--score", "p", "--metric", "youden", "--threshold", "0.31")
    done = labels("d.csv", *given, "--json")
    agree(done.values, of_predictions(d.y, (d.p >= 0.31).astype(int)), "0.31")
    threshold, value = best(
        d.y, d.p, np.unique(d.p), lambda y, yhat: sk.balanced_accuracy_score(y, yhat) * 2 - 1
    )
    agree(done.values, {"best_threshold": threshold, "youden": value}, TUNED)
    assert "best youden over all scores" in labels("d.csv", *given).out


def test_a_tuned_threshold_is_said_to_be_optimistic():
    shown = labels("d.csv", *BOTH).out
    assert "chosen on the rows it is measured on (threshold: tuned_on_same_data)" in shown
    assert "optimistic" in labels("d.csv", *BOTH, "--markdown").out
    tags = {
        score["tags"].get("threshold")
        for score in json.loads(labels("d.csv", *BOTH, "--json").out)["scores"]
    }
    assert tags == {None, "0.5", TUNED}


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


# -- groups and weights ----------------------------------------------------------------------------


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


# -- several classes -------------------------------------------------------------------------------

CLASSES = ("--score", "p_cat,p_dog,p_owl", "--labels", "cat,dog,owl")


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


# -- output ----------------------------------------------------------------------------------------


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


def test_csv_is_every_score():
    values = labels("d.csv", *BOTH, "--by", "fold", "--json").values
    rows = list(csv.DictReader(io.StringIO(labels("d.csv", *BOTH, "--by", "fold", "--csv").out)))
    assert len(rows) == len(values)
    assert {"fold", "threshold", "class"} < rows[0].keys()


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


PLOTS = {"roc.png", "precision_recall.png", "threshold.png", "reliability.png"}


def files(folder):
    return {path.name for path in Path(folder).iterdir()}


def test_plots():
    plain = labels("d.csv", *BOTH, "--threshold-grid", "0.3:0.6:0.05").out
    given = (*BOTH, "--threshold-grid", "0.3:0.6:0.05", "--plots", "a/b")
    assert labels("d.csv", *given).out == plain
    assert files("a/b") == PLOTS
    before = {name: Path("a/b", name).read_bytes() for name in PLOTS}
    for data in before.values():
        assert image.imread(io.BytesIO(data)).shape[2] == 4
    labels("d.csv", *given)
    assert {name: Path("a/b", name).read_bytes() for name in PLOTS} == before
    labels("d.csv", *BOTH, "--plots", "a/b")  # no grid: another picture in the same place
    assert Path("a/b/threshold.png").read_bytes() != before["threshold.png"]
    assert files("a/b") == PLOTS


def test_plots_of_other_scores():
    d = frame()
    d["p"] *= 7
    d.to_csv("l.csv", index=False)
    labels("l.csv", "--target", "y", "--score", "p", "--weights", "w", "--plots", "l")
    assert files("l") == PLOTS - {"reliability.png"}


def test_plots_of_classes():
    of_classes().to_parquet("c.parquet")
    labels("c.parquet", "--target", "y", *CLASSES, "--plots", "c")
    assert files("c") == PLOTS - {"threshold.png"}


def drawn(monkeypatch):
    """The arguments of every diagram that is drawn."""
    from assay.report import plot

    found = {}
    for name in ("roc", "precision_recall", "threshold", "reliability"):
        monkeypatch.setattr(
            plot,
            name,
            lambda *given, own=name, **more: found.setdefault(own, (given, more)) and b"",
        )
    return found


def test_what_is_drawn(monkeypatch):
    d = frame()
    found = drawn(monkeypatch)
    labels("d.csv", *BOTH, "--threshold", "0.31", "--plots", "p")
    (curve,), marks, title = found["roc"][0]
    fpr, tpr, _ = sk.roc_curve(d.y, d.p, drop_intermediate=False)
    np.testing.assert_allclose(curve.x, fpr)
    np.testing.assert_allclose(curve.y, tpr)
    assert curve.label == f"AUC {sk.roc_auc_score(d.y, d.p):.4f}"
    assert title == "p: 300 rows, positive where y is 1"
    threshold, value = best(d.y, d.p, np.unique(d.p))
    for mark, t in zip(marks, (threshold, 0.31), strict=True):
        hit = d.p >= t
        assert mark[1:] == pytest.approx((hit[d.y == 0].mean(), hit[d.y == 1].mean()))
    assert [mark.label for mark in marks] == [f"best macro F1: threshold {threshold:.4g}",
                                              "threshold 0.31"]  # fmt: skip
    (curve,), marks, _, share = found["precision_recall"][0]
    assert share == pytest.approx(d.y.mean())
    precision, recall, _ = sk.precision_recall_curve(d.y, d.p)
    np.testing.assert_allclose(curve.x, recall)
    np.testing.assert_allclose(curve.y, precision)
    for mark, t in zip(marks, (threshold, 0.31), strict=True):
        hit = (d.p >= t).astype(int)
        assert mark[1:] == pytest.approx((sk.recall_score(d.y, hit), sk.precision_score(d.y, hit)))
    curves, marks, _, grid = found["threshold"][0]
    assert [curve.label for curve in curves] == ["macro F1", "precision", "recall"]
    np.testing.assert_array_equal(curves[0].x, np.unique(d.p))
    assert curves[0].y.max() == pytest.approx(value)
    assert marks[0][1:] == pytest.approx((threshold, value))
    assert grid is None
    _, count, score, share, label, _ = found["reliability"][0]
    bins = np.minimum((d.p * 15).astype(int), 14)
    assert count.tolist() == np.bincount(bins, minlength=15).tolist()
    there = count > 0
    np.testing.assert_allclose(score[there], d.p.groupby(bins).mean())
    np.testing.assert_allclose(share[there], d.y.groupby(bins).mean())
    assert label.startswith("ECE 0.")


def test_of_many_classes_the_worst_are_drawn(monkeypatch):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 10, 400)
    noise = np.linspace(0.5, 3, 10)
    scores = np.eye(10)[y] + rng.random((400, 10)) * noise
    names = [f"p{i}" for i in range(10)]
    pd.DataFrame({"y": y, **dict(zip(names, scores.T, strict=True))}).to_parquet("c.parquet")
    found = drawn(monkeypatch)
    given = ("--score", ",".join(names), "--labels", "0,1,2,3,4,5,6,7,8,9", "--plots", "p")
    labels("c.parquet", "--target", "y", *given)
    areas = [sk.roc_auc_score(y == i, scores[:, i]) for i in range(10)]
    worst = sorted(np.argsort(areas)[:8].tolist())
    (curves,), more = found["roc"]
    assert [curve.label for curve in curves] == [f"{i}: AUC {areas[i]:.4f}" for i in worst]
    assert more["title"].endswith("(the 8 of lowest area of 10)")
