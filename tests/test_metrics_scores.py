"""count_scores: against scikit-learn and by hand, with ties, weights, 16 bits; bad input."""

import math
import tracemalloc
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn import metrics as sk

from assay import (
    State,
    average_precision,
    best_threshold,
    count_labels,
    count_scores,
    count_scores_binned,
    interval,
    roc_auc,
    threshold_over_folds,
)
from assay.core.errors import InputError, MergeError
from assay.metrics.thresholds import EQUAL, best_of, grid_of
from assay.ops import sweep as ops

KINDS = ("float16", "float32", "float64")


def drawn(seed: int, kind: str = "float64", least: int = 2) -> tuple[Any, Any]:
    """Targets with both classes, and scores with many ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(least, 60))
    score = np.round(rng.random(n), int(rng.integers(0, 4))).astype(kind)
    target = rng.integers(0, 2, n)
    target[:2] = 0, 1
    return target, score


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_equals_scikit_learn(kind: str, seed: int) -> None:
    target, score = drawn(seed, kind)
    wide = score.astype(float)
    s = count_scores(target, score)
    assert s.roc_auc == pytest.approx(sk.roc_auc_score(target, wide), abs=1e-12)
    assert s.average_precision == pytest.approx(sk.average_precision_score(target, wide), abs=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its p-value
        distance = ks_2samp(wide[target == 1], wide[target == 0]).statistic
    assert s.ks == pytest.approx(distance)
    assert s.brier == pytest.approx(sk.brier_score_loss(target, wide), abs=1e-12)
    epsilon = float(np.finfo(kind).eps)
    clipped = np.clip(wide, epsilon, 1 - epsilon)
    assert s.log_loss == pytest.approx(sk.log_loss(target, clipped), rel=1e-12)
    for most in (0.01, 0.3, 1.0):
        truth = sk.roc_auc_score(target, wide, max_fpr=most)
        assert s.partial_auc(most) == pytest.approx(truth, abs=1e-12)
    for found, truth in (
        (s.roc_curve(), sk.roc_curve(target, wide, drop_intermediate=False)),
        (s.precision_recall_curve(), sk.precision_recall_curve(target, wide)),
    ):
        for own, peer in zip(found, truth, strict=True):
            assert np.allclose(own, peer)


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_the_area_is_exact(seed: int) -> None:
    """Mann and Whitney by all pairs, as a fraction, rounded once."""
    target, score = drawn(seed)
    pairs = [(p > n) + Fraction(int(p == n), 2)
             for p in score[target == 1] for n in score[target == 0]]  # fmt: skip
    assert count_scores(target, score).roc_auc == float(sum(pairs) / len(pairs))


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_weights_equal_scikit_learn(seed: int) -> None:
    target, score = drawn(seed)
    rng = np.random.default_rng(seed)
    weights = np.round(rng.random(len(target)), 2) * (rng.random(len(target)) > 0.2)
    weights[:2] = 0.5
    s = count_scores(target, score, weights=weights)
    options = {"sample_weight": weights}
    assert s.roc_auc == pytest.approx(sk.roc_auc_score(target, score, **options), abs=1e-12)
    truth = sk.average_precision_score(target, score, **options)
    assert s.average_precision == pytest.approx(truth, abs=1e-12)
    assert s.brier == pytest.approx(sk.brier_score_loss(target, score, **options), abs=1e-12)
    assert s.n == np.count_nonzero(weights)
    whole = np.arange(len(target))
    parts = [count_scores(target[p], score[p], weights=weights[p])
             for p in np.array_split(rng.permutation(whole), 3)]  # fmt: skip
    assert sum(parts).to_bytes() == s.to_bytes()
    assert sum(parts).roc_auc == s.roc_auc


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


@pytest.mark.parametrize("target", [[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 1, 1, 1, 0]])
def test_det_curve_equals_scikit_learn(target: list[int]) -> None:
    score = [0.1, 0.4, 0.8, 0.4, 0.05]
    for own, peer in zip(count_scores(target, score).det_curve(), sk.det_curve(target, score),
                         strict=True):  # fmt: skip
        assert own.tolist() == peer.tolist()


def test_log_loss_follows_the_type_of_the_scores() -> None:
    target, score = [0, 1, 1, 0], np.array([1, 0, 0.5, 0.5])
    for kind in ("float16", "float32", "float64"):
        given_scores = score.astype(kind)
        clip = float(np.finfo(kind).eps)
        truth = sk.log_loss(target, np.clip(score, clip, 1 - clip))
        for own in (
            count_scores(target, given_scores),
            count_scores(target, given_scores, weights=[1, 1, 1, 1]),
            count_scores(target, given_scores, by={"g": [*"abab"]}),
        ):
            assert own.log_loss == pytest.approx(truth, rel=1e-6)
        classes = np.stack([1 - given_scores, given_scores], axis=1)
        assert count_scores(target, classes).log_loss == pytest.approx(truth, rel=1e-3)


def test_groups_of_half_precision_keep_the_histogram() -> None:
    half = torch.tensor([0.1, 0.7, 0.3]).bfloat16()
    s = count_scores([0, 1, 1], half, by={"g": [*"aab"]})
    assert s.mode == s.groups["a",].mode == "bfloat16"
    assert (s + s).n == 6


def test_a_constraint() -> None:
    target, score = [1, 0, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    s = count_scores(target, score)
    found = s.best_threshold("recall", constraint={"precision": 0.65})
    assert (found.threshold, found.value) == (0.7, 2 / 3)
    impossible = s.best_threshold("recall", constraint={"precision": 1.1})
    assert math.isnan(impossible.threshold)
    assert math.isnan(impossible.value)


def test_weights_of_many_slices_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    target, score = rng.integers(0, 2, 900), rng.integers(0, 200, 900) / 200
    weights = rng.random(900)
    whole = count_scores(target, score, weights=weights)
    told = [whole.roc_auc, whole.average_precision, whole.ks, whole.brier, whole.ece]
    best = whole.best_threshold("f1")
    curve = whole.curve()
    monkeypatch.setattr(ops, "SLICE", 37)
    cut = count_scores(target, score, weights=weights)
    assert len(ops.slices_of(*cut._sides)) > 5
    assert [cut.roc_auc, cut.average_precision, cut.ks, cut.brier, cut.ece] == pytest.approx(told)
    assert cut.best_threshold("f1").threshold == best.threshold
    assert all(np.array_equal(a, b) for a, b in zip(cut.curve()[:3], curve[:3], strict=True))


def test_weights_cost_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "SLICE", 1 << 12)  # what a slice costs does not grow with the input
    n = 400_000
    rng = np.random.default_rng(0)
    target, score, weights = rng.integers(0, 2, n), rng.random(n), rng.random(n)
    count_scores(target[:9], score[:9], weights=weights[:9]).total_scores()
    tracemalloc.start()
    count_scores(target, score, weights=weights).total_scores()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 2 * (target.nbytes + score.nbytes + weights.nbytes) + 4e6


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


def test_16_bits_are_an_exact_histogram() -> None:
    rng = np.random.default_rng(1)
    target, score = rng.integers(0, 2, 500), rng.random(500)
    for half in (torch.from_numpy(score).bfloat16(), torch.from_numpy(score).half()):
        s = count_scores(target, half)
        assert s.mode == str(half.dtype).removeprefix("torch.")
        assert s.histogram.nbytes == 1 << 20
        wide = half.double().numpy()
        plain = count_scores(target, wide)
        assert s.roc_auc == plain.roc_auc
        assert s.average_precision == pytest.approx(plain.average_precision, abs=1e-14)
        assert s.best_threshold("f1").threshold == plain.best_threshold("f1").threshold
        assert s.at(0.5).matrix.tolist() == plain.at(0.5).matrix.tolist()
        assert s.ece == pytest.approx(plain.ece)
        halves = count_scores(target[:100], half[:100]) + count_scores(target[100:], half[100:])
        assert halves.to_bytes() == s.to_bytes()
    with pytest.raises(MergeError, match="mode differs"):
        s + plain


@pytest.mark.parametrize("labels", [(0, 1), (-1, 1), (False, True)])
def test_labels_that_need_no_name(labels: tuple[Any, Any]) -> None:
    target = np.array([labels[0], labels[0], labels[1], labels[1]])
    assert count_scores(target, [0.1, 0.4, 0.35, 0.8]).roc_auc == 0.75
    named = count_scores(target.tolist(), [0.1, 0.4, 0.35, 0.8], positive=labels[0])
    assert named.roc_auc == 0.25


def test_labels_with_a_name() -> None:
    target = ["no", "no", "yes", "yes"]
    assert count_scores(target, [0.1, 0.4, 0.35, 0.8], positive="yes").roc_auc == 0.75
    assert roc_auc(target, [0.1, 0.4, 0.35, 0.8], positive="yes") == 0.75
    assert average_precision([5, 7], [0.1, 0.2], positive=7) == 1


def test_calibration_by_hand() -> None:
    """Bins of a fifth: [0.2, 0.4) holds 0.2 and 0.3; 1 is in the last."""
    s = count_scores([0, 1, 1, 0, 1], [0.2, 0.3, 0.8, 0.85, 1.0])
    table = s.calibration(bins=5)
    assert table.count.tolist() == [0, 2, 0, 0, 3]
    assert table.score[[1, 4]].tolist() == pytest.approx([0.25, (0.8 + 0.85 + 1) / 3])
    assert table.positives[[1, 4]].tolist() == [0.5, 2 / 3]
    gaps = [0.25, (0.8 + 0.85 + 1) / 3 - 2 / 3]
    assert table.ece == pytest.approx((2 * gaps[0] + 3 * gaps[1]) / 5)
    assert table.mce == pytest.approx(0.25)
    assert table.to_pandas().shape == (5, 5)


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_calibration_equals_torchmetrics(seed: int) -> None:
    from torchmetrics.functional.classification import binary_calibration_error as peer

    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    target, score = rng.integers(0, 2, n), rng.random(n).astype(np.float32)
    s = count_scores(target, score)
    for norm, own in (("l1", s.ece), ("max", s.mce)):
        truth = peer(torch.from_numpy(score), torch.from_numpy(target), n_bins=15, norm=norm)
        assert own == pytest.approx(float(truth), abs=1e-6)


def test_what_is_not_defined() -> None:
    """Undefined cases of the table in ARCHITECTURE.md."""
    nothing = count_scores([], [])
    assert nothing.n == 0
    for name in ("roc_auc", "average_precision", "ks", "brier", "log_loss", "ece", "mce"):
        assert math.isnan(nothing[name])
    assert math.isnan(nothing.best_threshold().threshold)
    one = count_scores([1, 1], [0.2, 0.9])
    assert math.isnan(one.roc_auc)
    assert math.isnan(one.ks)
    assert one.average_precision == 1
    none = count_scores([0, 0], [0.2, 0.9])
    assert math.isnan(none.average_precision)
    assert np.isnan(none.precision_recall_curve()[1][:-1]).all()
    assert np.isnan(none.roc_curve()[1][1:]).all()


def test_scores_that_are_no_probabilities() -> None:
    s = count_scores([0, 1], [-2.0, 3.5])
    assert "brier" not in {score.name for score in s.scores()}
    assert s.roc_auc == 1
    with pytest.raises(InputError, match=r"must be probabilities in 0\.\.1"):
        s.brier  # noqa: B018
    with pytest.raises(InputError, match=r"must be probabilities in 0\.\.1"):
        s.calibration()


# -- several classes -------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_classes_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 6))
    n = int(rng.integers(size, 50))
    target = np.concatenate([np.arange(size), rng.integers(0, size, n - size)])
    score = np.round(rng.random((n, size)), 1) + 0.1
    score /= score.sum(axis=1, keepdims=True)
    s = count_scores(target, score)
    for kind in ("ovr", "ovo"):
        for average in ("macro", "weighted"):
            truth = sk.roc_auc_score(target, score, multi_class=kind, average=average)
            assert s.auc(average, kind) == pytest.approx(truth, abs=1e-12)
    truth = sk.roc_auc_score(target, score, multi_class="ovr", average="micro")
    assert s.auc("micro") == pytest.approx(truth, abs=1e-12)
    onehot = np.eye(size)[target]
    for average in ("macro", "weighted", "micro"):
        truth = sk.average_precision_score(onehot, score, average=average)
        assert s.precision(average) == pytest.approx(truth, abs=1e-12)
    assert s.log_loss == pytest.approx(sk.log_loss(target, score), rel=1e-12)
    truth = sk.brier_score_loss(target, score, labels=range(size))
    assert s.brier == pytest.approx(truth, rel=1e-12)
    assert s.of(1).roc_auc == count_scores(target == 1, np.ascontiguousarray(score[:, 1])).roc_auc
    cut = n // 3
    halves = count_scores(target[:cut], score[:cut]) + count_scores(target[cut:], score[cut:])
    assert State.from_bytes(halves.to_bytes()).to_bytes() == s.to_bytes()
    assert {k: repr(v) for k, v in halves.as_dict().items()} == {
        k: repr(v) for k, v in s.as_dict().items()
    }


def test_labels_of_rows_equal_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    target, score = rng.integers(0, 2, (40, 3)), rng.random((40, 3))
    s = count_scores(target, score, labels=["rock", "jazz", "folk"])
    for average in ("macro", "weighted", "micro"):
        assert s.auc(average) == pytest.approx(sk.roc_auc_score(target, score, average=average))
    assert s.of("jazz").roc_auc == pytest.approx(sk.roc_auc_score(target[:, 1], score[:, 1]))
    with pytest.raises(InputError, match="log_loss is of one class or of classes that exclude"):
        s.log_loss  # noqa: B018
    with pytest.raises(InputError, match="there is no class 'pop'"):
        s.of("pop")


def test_scores_of_classes_that_are_no_probabilities() -> None:
    s = count_scores([0, 1, 2], [[3.0, 1, 0], [0, 2, 1], [1, 0, 5]])
    assert s.roc_auc == 1
    assert "log_loss" not in {score.name for score in s.scores()}
    with pytest.raises(InputError, match="3 of 3 rows of scores are no probabilities"):
        s.log_loss  # noqa: B018


# -- adding ----------------------------------------------------------------------------------------


def test_groups_and_items_add() -> None:
    rng = np.random.default_rng(4)
    target, score = rng.integers(0, 2, 90), rng.random(90).astype(np.float32)
    site, ids = rng.choice(["a", "b"], 90), rng.permutation(1000)[:90]
    whole = count_scores(target, score, by={"site": site}, items=True, ids=ids)
    parts = [count_scores(target[p], score[p], by={"site": site[p]}, items=True, ids=ids[p])
             for p in np.array_split(rng.permutation(90), 5)]  # fmt: skip
    assert sum(parts).to_bytes() == whole.to_bytes()
    own = count_scores(target[site == "a"], score[site == "a"])
    assert whole.groups["a",].roc_auc == own.roc_auc
    order = np.argsort(ids)
    assert whole.per_item("score").tolist() == score[order].astype(float).tolist()
    assert whole.per_item("positive").tolist() == target[order].tolist()
    with pytest.raises(InputError, match="count with items=True"):
        own.per_item("id")


def test_batches_of_float32_and_float64_add() -> None:
    target = np.array([0, 1, 0, 1])
    score = np.array([0.25, 0.5, 0.3, 0.1], np.float32)
    mixed = count_scores(target[:2], score[:2]) + count_scores(target[2:], score[2:].astype(float))
    assert mixed.roc_auc == count_scores(target, score).roc_auc


def test_adding_batches_copies_no_score() -> None:
    batch = count_scores(np.arange(1000) % 2, np.linspace(0, 1, 1000))
    total = sum([batch] * 50)
    assert len(total.pools[1]) == 50
    assert all(part is batch.pools[1] for part in total.pools[1])
    assert (total.n, total.roc_auc) == (50_000, batch.roc_auc)


def test_zero_of_both_signs_is_one_score() -> None:
    s = count_scores([0, 1], [0.0, -0.0])
    assert s.roc_auc == 0.5
    assert s.to_bytes() == count_scores([0, 1], [-0.0, 0.0]).to_bytes()


def test_large_columns_do_not_hang_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    target = rng.integers(0, 2, 400_000)
    score = (rng.standard_normal(400_000) + target).astype(np.float32)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("ASSAY_THREADS", threads)
        s = count_scores(target, score)
        found.append((s.to_bytes(), s.roc_auc, s.average_precision, s.best_threshold().value))
    assert found[0] == found[1] == found[2]
    assert found[0][1] == pytest.approx(sk.roc_auc_score(target, score), abs=1e-12)


# -- grids and bad input ---------------------------------------------------------------------------


def test_a_grid_of_decimals_has_its_ends() -> None:
    assert grid_of("0.3:0.6:0.05").tolist() == [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert grid_of("0:1:0.1").tolist() == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert grid_of("0.5:0.5:1").tolist() == [0.5]
    assert grid_of("0:0.9:0.2").tolist() == [0, 0.2, 0.4, 0.6, 0.8]


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
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


# -- folds and bins --------------------------------------------------------------------------------


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


@pytest.mark.parametrize("bins", [1, 7, 10, 1000])
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_bins_are_exact_at_their_edges(bins: int, seed: int) -> None:
    target, score = drawn(seed, KINDS[1 + seed % 2])
    exact, s = count_scores(target, score), count_scores_binned(target, score, bins=bins)
    for t in np.arange(bins) / bins if bins < 1000 else np.arange(0, 1000, 97) / 1000:
        assert s.at(t).matrix.tolist() == exact.at(t).matrix.tolist()
    assert abs(s.roc_auc - exact.roc_auc) <= s.roc_auc_error + 1e-12
    assert s.n == len(target)
    cut = len(target) // 2
    halves = [count_scores_binned(target[p], score[p], bins=bins)
              for p in (slice(0, cut), slice(cut, None))]  # fmt: skip
    assert State.from_bytes(sum(halves).to_bytes()).to_bytes() == s.to_bytes()
    assert "brier" not in {score.name for score in s.scores()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
def test_bad_input_of_folds_and_bins(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
