"""assay.compat.sklearn: columns of any package and type, sparse ones, large ones, odd weights."""

from functools import partial

import numpy as np
import pytest

from sklearn_kit import AREAS, AVERAGED, CURVES, equal, ours, same, theirs


def forms():
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import torch

    values = np.array([0, 1, 1, 0, 1, 1])
    for make in (
        list, tuple, np.asarray, partial(np.asarray, dtype=bool), partial(np.asarray, dtype="u1"),
        partial(np.asarray, dtype="f4"), partial(np.asarray, dtype="i2"), pd.Series, pl.Series,
        pa.array, torch.tensor, lambda v: np.reshape(v, (-1, 1)), lambda v: np.repeat(v, 2)[::2],
        lambda v: pd.Series(v, dtype="Int64"), lambda v: pd.Series(v.astype(bool), dtype="boolean"),
        lambda v: pd.Series(v).astype("category"), lambda v: pd.DataFrame({"y": v}),
    ):  # fmt: skip
        yield make(values)


@pytest.mark.parametrize("labels", [*forms()], ids=lambda v: type(v).__name__)
def test_forms_of_labels(labels):
    prediction = np.array([0, 1, 0, 0, 1, 0])
    scores = np.array([0.1, 0.7, 0.2, 0.3, 0.9, 0.2])
    for name in (
        "f1_score",
        "confusion_matrix",
        "accuracy_score",
        "precision_recall_fscore_support",
    ):
        equal(getattr(ours, name)(labels, prediction),
              getattr(ours, name)([0, 1, 1, 0, 1, 1], prediction), name)  # fmt: skip
    for name in ("roc_auc_score", "average_precision_score", "roc_curve", "log_loss"):
        equal(getattr(ours, name)(labels, scores),
              getattr(ours, name)([0, 1, 1, 0, 1, 1], scores), name)  # fmt: skip


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "i8", "u1", "?"])
def test_types_of_scores(kind):
    rng = np.random.default_rng(0)
    scores, y = (rng.random(40) * 8).astype(kind), rng.integers(0, 2, 40)
    for name in (*AREAS, *CURVES):
        same(name, y, scores)


def test_losses_of_float32():
    rng = np.random.default_rng(0)
    scores, y = rng.random(1000).astype(np.float32), rng.integers(0, 2, 1000)
    for name in ("log_loss", "brier_score_loss"):
        assert getattr(ours, name)(y, scores) == pytest.approx(
            getattr(theirs, name)(y, scores), rel=1e-5
        )


def test_large_whole_scores_keep_their_order():
    same("roc_curve", [0, 1, 1], np.array([1 << 60, (1 << 60) + 1, (1 << 60) - 1]))


MULTILABEL = ("f1_score", "jaccard_score", "multilabel_confusion_matrix", "accuracy_score",
              "hamming_loss", "classification_report")  # fmt: skip


@pytest.mark.parametrize("name", MULTILABEL)
def test_sparse_indicators(name):
    from scipy.sparse import coo_array, csr_matrix

    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 2, (2, 20, 4))
    kwargs = {"average": "samples"} if name in AVERAGED else {}
    weights = rng.random(20)
    for make in (coo_array, csr_matrix):
        same(name, make(true), make(pred), sample_weight=weights, **kwargs)
        same(name, make(true), pred, **kwargs)


def test_negative_weights():
    y, scores = [0, 1, 1, 0, 1], [0.1, 0.4, 0.3, 0.3, 0.9]
    for name in CURVES:
        same(name, y, scores, sample_weight=[1, -0.5, 2, 1, 1])
    same("confusion_matrix", y, [0, 1, 0, 1, 1], sample_weight=[1, -0.5, 2, 1, 1])


def test_many_classes():
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 300, 2000), rng.integers(0, 300, 2000)
    weights, texts = rng.random(2000), np.array([f"c{i:03}" for i in range(300)])
    for w in (None, weights):
        same("f1_score", true, pred, average="macro", sample_weight=w)
        same("confusion_matrix", true, pred, sample_weight=w, labels=[*range(40, 0, -1), 500])
        same("precision_recall_fscore_support", texts[true], texts[pred], sample_weight=w)
        same("confusion_matrix", texts[true], texts[pred], sample_weight=w)


def test_many_scores():
    rng = np.random.default_rng(0)
    scores = rng.random(300_000).astype(np.float32)
    y = (rng.random(300_000) < scores).astype(int)
    for name in (*AREAS, *CURVES):
        same(name, y, scores)
