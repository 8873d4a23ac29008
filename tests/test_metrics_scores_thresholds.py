"""Thresholds of scores: the best of all or of a grid, those over folds, and the counts there."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay import count_labels, count_scores, interval, threshold_over_folds
from assay.metrics.thresholds import EQUAL, best_of, grid_of
from scores_kit import KINDS, drawn

THRESHOLDED = {
    "macro_f1": lambda t, p: sk.f1_score(t, p, average="macro"),
    "accuracy": sk.accuracy_score,
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
    "balanced_accuracy": sk.balanced_accuracy_score,
    "youden": lambda t, p: 2 * sk.balanced_accuracy_score(t, p) - 1,
}


@pytest.mark.parametrize("metric", THRESHOLDED)
@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=12)
def test_the_best_threshold_is_that_of_a_search(kind: str, metric: str, seed: int) -> None:
    target, score = drawn(seed, kind)
    wide = score.astype(float)
    s = count_scores(target, score)
    for grid in (None, "0.3:0.6:0.05", [0.0, 0.25, 0.5, 1.5]):
        tried = np.unique(wide) if grid is None else grid_of(grid)
        values = np.array([THRESHOLDED[metric](target, wide >= t) for t in tried])
        found = s.best_threshold(metric, grid=grid)
        assert np.allclose(found.curve[0], tried)
        assert np.allclose(found.curve[1], values)
        assert found.value == pytest.approx(values.max())
        ours = found.curve[1]
        equal = found.curve[0][ours >= ours.max() - EQUAL]
        near = equal[np.abs(equal - 0.5) == np.abs(equal - 0.5).min()]
        assert found.threshold == near.min()


EVERY = [
    "accuracy", "balanced_accuracy", "mcc", "cohen_kappa", "youden", "f1", "precision", "recall",
    "specificity", "jaccard", "macro_f1", "macro_precision", "macro_jaccard", "weighted_f1",
    "weighted_precision", "micro_f1",
]  # fmt: skip


@pytest.mark.parametrize("metric", EVERY)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_slices_that_cannot_hold_the_best_are_left_out(metric: str, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 120))
    target = (rng.random(n) < rng.choice([0.05, 0.5, 0.95])).astype(int)
    score = np.round(rng.random(n) + rng.choice([-1, 0, 0.5]) * target, 2)
    constraint = {} if seed % 2 else {"recall": 0.4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay.ops.sweep.SLICE", size)
        found = count_scores(target, score).best_threshold(metric, constraint=constraint)
    threshold, value = best_of(*found.curve)[::-1]
    assert repr((found.threshold, found.value)) == repr((threshold, value))


def test_equal_values_go_to_the_threshold_nearest_a_half_then_the_lower() -> None:
    s = count_scores([0, 0, 1, 1], [0.1, 0.2, 0.9, 0.95])
    assert s.best_threshold("accuracy").threshold == 0.9
    assert s.best_threshold("accuracy", grid=[0.3, 0.4, 0.6, 0.7]).threshold == 0.4
    found = s.best_threshold("accuracy", grid=[0.3, 0.4, 0.65])
    assert (found.threshold, found.value) == (0.4, 1.0)
    tags = {score.name: score.tags for score in found.scores()}
    assert tags["best_threshold"] == tags["accuracy"] == {"threshold": "tuned_on_same_data"}


def test_values_that_differ_by_rounding_are_equal() -> None:
    """macro-F1 is 5/12 at 0 and at 0.75."""
    s = count_scores([1, 1, 1, 0, 0, 1, 1], [0.75, 0, 0.75, 0.25, 1, 0, 0.25])
    assert s.best_threshold("macro_f1").threshold == 0.75


def test_a_constraint() -> None:
    target, score = [1, 0, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    s = count_scores(target, score)
    found = s.best_threshold("recall", constraint={"precision": 0.65})
    assert (found.threshold, found.value) == (0.7, 2 / 3)
    impossible = s.best_threshold("recall", constraint={"precision": 1.1})
    assert math.isnan(impossible.threshold)
    assert math.isnan(impossible.value)


def test_a_grid_of_decimals_has_its_ends() -> None:
    assert grid_of("0.3:0.6:0.05").tolist() == [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert grid_of("0:1:0.1").tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert grid_of("0.5:0.5:1").tolist() == [0.5]
    assert grid_of("0:0.9:0.2").tolist() == [0, 0.2, 0.4, 0.6, 0.8]


# -- counts at a threshold -------------------------------------------------------------------------


def test_a_threshold_is_compared_as_float64_of_the_score() -> None:
    """float32(0.3) is above 0.3, float32(0.1) is above 0.1, float32(0.7) below 0.7."""
    score = np.array([0.3, 0.1, 0.7], np.float32)
    s = count_scores([1, 1, 1], score)
    for t in (0.1, 0.3, 0.7):
        assert s.at(t)["items"] == 3
        assert s.at(t).recall == np.mean(score.astype(float) >= t)
    half = count_scores([1, 1, 1], score.astype(np.float16))
    assert half.at(0.7).recall == np.mean(score.astype(np.float16).astype(float) >= 0.7)


@given(seed=st.integers(0, 2**32), t=st.floats(-0.5, 1.5))
@settings(deadline=None, max_examples=60)
def test_at_is_count_labels_there(seed: int, t: float) -> None:
    target, score = drawn(seed, KINDS[seed % 3])
    there = count_scores(target, score).at(t)
    truth = count_labels(target, (score.astype(float) >= t).astype(int), labels=[0, 1])
    assert there.matrix.tolist() == truth.matrix.tolist()
    assert there.macro_f1 == truth.macro_f1


# -- folds -----------------------------------------------------------------------------------------


def folds_of(seed: int, count: int = 4) -> list[Any]:
    return [count_scores(*drawn(seed + i)) for i in range(count)]


@pytest.mark.parametrize("grid", [None, "0.3:0.6:0.05"])
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_a_threshold_over_folds(grid: Any, seed: int) -> None:
    folds = folds_of(seed)
    found = threshold_over_folds({f"f{i}": s for i, s in enumerate(folds)}, "f1", grid=grid)
    own = [s.best_threshold("f1", grid=grid).threshold for s in folds]
    assert found["per_fold"].threshold == np.mean(own)
    assert found["per_fold"].held_out_thresholds[0] == np.mean(own[1:])
    assert found["pooled"].threshold == sum(folds).best_threshold("f1", grid=grid).threshold
    rest = sum(folds[1:]).best_threshold("f1", grid=grid).threshold
    assert found["pooled"].held_out[0] == folds[0].at(rest)["f1"]
    tried = np.unique(np.concatenate([s.curve().score for s in folds])) if grid is None else (
        grid_of(grid)
    )  # fmt: skip
    curve = [np.mean([s.at(t)["f1"] for s in folds]) for t in tried]
    assert found["mean_curve"].value == pytest.approx(max(curve))
    assert found["pooled"].curve[0].tolist() == [*tried]
    assert found["pooled"].curve[1] == pytest.approx(curve)
    for choice in found.values():
        pairs = zip(folds, choice.held_out_thresholds.tolist(), strict=True)
        held = sum(s.at(t) for s, t in pairs)
        assert choice.held_out_counts.matrix.tolist() == held.matrix.tolist()
        assert choice.folds == ("f0", "f1", "f2", "f3")
        values = [s.at(choice.threshold)["f1"] for s in folds]
        assert choice.value == pytest.approx(np.mean(values))
        assert choice.held_out_std == pytest.approx(np.std(choice.held_out, ddof=1))
        tags = [score.tags["threshold"] for score in choice.scores()]
        assert tags == ["tuned_on_same_data", "tuned_on_same_data", "held_out"]


def test_a_constraint_over_folds() -> None:
    folds = folds_of(5)
    least = 0.7
    found = threshold_over_folds(folds, "precision", constraint={"recall": least})
    own = [s.best_threshold("precision", constraint={"recall": least}).threshold for s in folds]
    assert found["per_fold"].threshold == np.mean(own)
    pooled = found["pooled"].threshold
    assert sum(folds).value("recall", pooled) >= least
    mean = found["mean_curve"].threshold
    assert np.mean([s.value("recall", mean) for s in folds]) >= least
    tried = found["mean_curve"].curve[0]
    meets = [t for t in tried if np.mean([s.value("recall", t) for s in folds]) >= least]
    best = max(np.mean([s.value("precision", t) for s in folds]) for t in meets)
    assert found["mean_curve"].value == pytest.approx(best)
    for choice in threshold_over_folds(folds, constraint={"recall": 2}).values():
        assert math.isnan(choice.threshold)
        assert math.isnan(choice.value)
        assert np.isnan(choice.held_out).all()
        assert choice.held_out_counts.n == 0
    for metric in ("f1", "accuracy"):
        whole = threshold_over_folds(folds, metric)["pooled"].held_out_counts
        found_interval = interval(whole, metric)
        assert found_interval.low < whole[metric] < found_interval.high
