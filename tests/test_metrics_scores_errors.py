"""What count_scores, its thresholds, folds and bins refuse, and in which words."""

import math
from typing import Any

import numpy as np
import pytest

from assay import best_threshold, count_scores, count_scores_binned, threshold_over_folds
from assay.core.errors import InputError

GOOD = count_scores([0, 1], [0.1, 0.2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_scores([0, 1], [0.1]), "one length: target has 2, score has 1"),
        (lambda: count_scores([0, 1], [0.1, np.nan]), r"score\[1\] is nan; drop that row"),
        (lambda: count_scores([0, 1], [np.inf, 0.1]), r"score\[0\] is inf"),
        (lambda: count_scores([0, 1], np.array([0.1, np.nan], "f2")), r"score\[1\] is nan"),
        (lambda: count_scores([0, 2], [0.1, 0.2]), r"target\[1\] is 2; .* name the positive one"),
        (lambda: count_scores(["a"], [0.1]), "name the positive label with positive="),
        (lambda: count_scores([0, 1], ["a", "b"]), "score must be numbers, got <U1"),
        (lambda: count_scores([[0, 1]], [0.1]), r"target must be labels \[n\] for scores \[n\]"),
        (lambda: count_scores([0], [[0.1, 0.9]], labels=[1]), "labels must be 2, one a column"),
        (lambda: count_scores([5], [[0.1, 0.9]]), r"target\[0\] is 5, which is not among"),
        (lambda: count_scores([0], [[0.1, np.nan]]), r"score\[0\] is \[0.1, nan\]"),
        (lambda: count_scores([[0, 2]], [[0.1, 0.2]]), r"target\[0\] must hold 0 and 1 only"),
        (lambda: count_scores([0, 1], [0.1, 0.2], weights=[1, -1]), r"weights\[1\] must be finite"),
        (lambda: count_scores([0, 3], [0.1, 0.2], weights=[1, 1]), "name the positive one"),
        (lambda: count_scores([0], [[0.1, 0.9]], positive=1), "counted without positive"),
        (
            lambda: count_scores([0, 2], np.array([0.1, 0.2], "f2")),
            r"target\[1\] is 2; with labels",
        ),
        (lambda: count_scores([-1, 0, 1], [0.1, 0.2, 0.3]), r"target\[0\] is -1; with labels"),
        (lambda: count_scores(["a", None], [0.1, 0.2], positive="a"), r"target\[1\] is missing"),
        (
            lambda: count_scores([0, 1], [0.1, 0.2], positive="1"),
            "positive: '1' is of another type",
        ),
        (lambda: count_scores([0, 1], [0.1, 0.2], positive=[1]), "must be an integer or a string"),
        (lambda: count_scores([0, 1], [[0.1], [0.2]]), r"give the column itself, score\[:, 0\]"),
        (
            lambda: count_scores([0, 1], np.ma.array([0.1, 0.2], mask=[0, 1])),
            "score has masked values",
        ),
        (lambda: GOOD.value("f1", math.nan), "the threshold is NaN"),
        (lambda: GOOD.at(math.nan), "the threshold is NaN"),
        (lambda: GOOD.best_threshold("nope"), "there is no metric 'nope'; there are accuracy,"),
        (lambda: GOOD.best_threshold(grid=[0.3, 0.2]), "must go upwards, got 0.3 before 0.2"),
        (lambda: GOOD.best_threshold(grid=[]), "grid must be thresholds"),
        (lambda: GOOD.best_threshold(grid="0.3:0.6"), "as in 0.3:0.6:0.05; got '0.3:0.6'"),
        (lambda: GOOD.best_threshold(grid="0.6:0.3:0.1"), "grid must go upwards"),
        (lambda: GOOD.best_threshold(grid="0:1:0"), "the step must be above 0"),
        (lambda: GOOD.best_threshold(grid="0:1:1e-9"), "thresholds are too many"),
        (lambda: GOOD.calibration(bins=0), "bins must be a whole number in 1.."),
        (lambda: GOOD.partial_auc(0), "max_fpr must be above 0 and at most 1"),
        (lambda: best_threshold([0], [[0.1, 0.9]]), "best_threshold is of one score a row"),
        (lambda: threshold_over_folds([GOOD]), "at least two are needed, got 1"),
        (lambda: threshold_over_folds([GOOD, count_scores([], [])]), "fold 1 has no items"),
        (lambda: threshold_over_folds([GOOD, 3]), "fold 1 must be a Sweep, got int"),
        (lambda: threshold_over_folds(GOOD), "folds must be sweeps"),
        (lambda: threshold_over_folds([GOOD, GOOD], constraint=0.5), "constraint must be as in"),
        (lambda: count_scores_binned([0, 1], [0.5, 1.5]), r"score\[1\] must be in 0..1, got 1.5"),
        (lambda: count_scores_binned([0, 1], [0.5, np.nan]), r"score\[1\] is nan"),
        (lambda: count_scores_binned([0, 5], [0.5, 0.1]), r"target\[1\]: name the positive"),
        (lambda: count_scores_binned([0], [0.5], bins=0), "bins must be a whole number in 1.."),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
