"""The files that the tests of `assay score labels` start from, and how they are scored."""

import numpy as np
import pandas as pd

from cli_kit import refused, transcripts

N = 300
COLUMNS = ("y", "yhat", "p", "fold", "w", "name", "heard")


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
