"""`assay score labels --plots`: which pictures are written, and what is drawn in them."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from sklearn import metrics as sk

from labels_cli_kit import BOTH, CLASSES, best, frame, labels, of_classes

pytestmark = pytest.mark.usefixtures("labels_folder")


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
