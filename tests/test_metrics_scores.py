"""count_scores of two classes: every value against scikit-learn, scipy, torchmetrics, by hand."""

import math
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

from assay import average_precision, count_scores, roc_auc
from assay.core.errors import InputError
from scores_kit import KINDS, drawn


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


@pytest.mark.parametrize("target", [[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 1, 1, 1, 0]])
def test_det_curve_equals_scikit_learn(target: list[int]) -> None:
    score = [0.1, 0.4, 0.8, 0.4, 0.05]
    for own, peer in zip(count_scores(target, score).det_curve(), sk.det_curve(target, score),
                         strict=True):  # fmt: skip
        assert own.tolist() == peer.tolist()


def test_zero_of_both_signs_is_one_score() -> None:
    s = count_scores([0, 1], [0.0, -0.0])
    assert s.roc_auc == 0.5
    assert s.to_bytes() == count_scores([0, 1], [-0.0, 0.0]).to_bytes()


# -- labels ----------------------------------------------------------------------------------------


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


# -- probabilities ---------------------------------------------------------------------------------


def test_log_loss_follows_the_type_of_the_scores() -> None:
    target, score = [0, 1, 1, 0], np.array([1, 0, 0.5, 0.5])
    for kind in KINDS:
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


def test_scores_that_are_no_probabilities() -> None:
    s = count_scores([0, 1], [-2.0, 3.5])
    assert "brier" not in {score.name for score in s.scores()}
    assert s.roc_auc == 1
    with pytest.raises(InputError, match=r"must be probabilities in 0\.\.1"):
        s.brier  # noqa: B018
    with pytest.raises(InputError, match=r"must be probabilities in 0\.\.1"):
        s.calibration()


# -- what is undefined -----------------------------------------------------------------------------


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
