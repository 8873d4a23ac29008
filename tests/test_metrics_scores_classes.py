"""count_scores of several classes and of rows of labels, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay import State, count_scores
from assay.core.errors import InputError


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
