"""The tables that tests of `assay score labels` start from, and scikit-learn's numbers of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from cli_kit import refused, transcripts

N = 300
COLUMNS = ("y", "yhat", "p", "fold", "w", "name", "heard")
BOTH = ("--target", "y", "--prediction", "yhat", "--score", "p")
CLASSES = ("--score", "p_cat,p_dog,p_owl", "--labels", "cat,dog,owl")
TUNED = "tuned_on_same_data"


def frame():
    """300 rows: a target, a prediction that is often right, a score with ties, three folds,
    weights, and the first two as names."""
    rng = np.random.default_rng(3)
    y = (rng.random(N) < 0.4).astype(int)
    p = np.round(np.clip(rng.normal(0.35 + 0.3 * y, 0.2), 0, 1), 2)
    yhat = np.where(rng.random(N) < 0.8, y, 1 - y)
    names = np.array(["ham", "spam"])
    folds = np.array(["A", "B", "C"])[rng.integers(0, 3, N)]
    columns = (y, yhat, p, folds, rng.integers(0, 4, N) / 2, names[y], names[yhat])
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def of_classes():
    """300 rows of three classes, with a probability for each."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, N)
    scores = rng.random((N, 3)) + 0.8 * np.eye(3)[y]
    scores /= scores.sum(axis=1, keepdims=True)
    names = np.array(["cat", "dog", "owl"])
    return pd.DataFrame({"y": names[y], **{f"p_{n}": s for n, s in zip(names, scores.T)}})  # noqa: B905


def labels(*arguments, **options):
    """`assay score labels`, which must succeed in silence."""
    return transcripts(*arguments, what="labels", **options)


def refused_labels(*arguments, **options):
    """What `assay score labels` says when it refuses to go on."""
    return refused(*arguments, what="labels", **options)


def of_predictions(y, yhat, weights=None):
    own = {"sample_weight": weights}
    one = {**own, "zero_division": 0}
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
    """Each expected value is that of its name with these tags."""
    for name, value in expected.items():
        assert values[(name, *tags)] == pytest.approx(value, abs=1e-12), name


def all_of(d, values, *tags):
    """Values of targets, predictions and scores: as they are, at 0.5, at the best threshold."""
    agree(values, of_predictions(d.y, d.yhat), *tags)
    agree(values, of_scores(d.y, d.p), *tags)
    agree(values, of_predictions(d.y, (d.p >= 0.5).astype(int)), *tags, "0.5")
    threshold, value = best(d.y, d.p, np.unique(d.p))
    agree(values, {"best_threshold": threshold, "macro_f1": value}, *tags, TUNED)
    agree(values, of_predictions(d.y, (d.p >= threshold).astype(int)), *tags, TUNED)
