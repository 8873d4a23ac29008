"""`assay score labels`: the best threshold, over all scores or a grid, and what is said of it."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from labels_cli_kit import BOTH, TUNED, agree, best, frame, labels, of_predictions

pytestmark = pytest.mark.usefixtures("labels_folder")


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
