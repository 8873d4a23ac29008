"""`assay demo`: a classifier over five folds, whose counts add up to those of all rows.

The data set is that of breast masses which scikit-learn ships (Wolberg, Street and Mangasarian
1995: 569 masses, 357 of them benign). The model is a logistic regression on the ten means,
standardised, and every mass is scored by the one of the five models that did not see it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["out_of_fold", "show"]

FOLDS = 5
MEANS = 10  # the first columns; the others are their errors and extremes
METRIC = "macro_f1"


def show(console: Any) -> None:
    """Print what each fold and all of them give, and what a tuned threshold is worth on a fold
    that it was not tuned on. Without scikit-learn say how to install it."""
    from assay.core.errors import MissingDependency
    from assay.metrics.classification import count_scores
    from assay.report import render

    title = "A classifier over five folds: benign breast masses"
    try:
        target, score, fold = out_of_fold()
    except MissingDependency as error:
        console.out(f"{title}: left out, as {error}")
        return
    pooled = count_scores(target, score, by={"fold": fold})
    folds = {key[0]: state for key, state in sorted(pooled.groups.items())}
    rows, held_out = [], []
    for name, state in folds.items():
        others = sum(own for other, own in folds.items() if other != name)
        held_out.append(state.at(others.best_threshold(METRIC).threshold))
        rows.append((name, *_values(state), held_out[-1][METRIC]))
    rows.append((render.ALL, *_values(pooled), sum(held_out)[METRIC]))
    heads = (
        "fold",
        "items",
        "accuracy",
        "macro F1",
        "ROC-AUC",
        "AP",
        "threshold",
        "best",
        "held out",
    )
    note = (
        "accuracy and macro F1 at 0.5; best: macro F1 at the threshold that is best for the same "
        "rows, which is optimistic; held out: at the one that is best for the other folds"
    )
    render.to_console([render.Table(title, heads, rows, spare=5, note=note)], console)


def _values(sweep: Any) -> tuple[Any, ...]:
    half, best = sweep.at(0.5), sweep.best_threshold(METRIC)
    areas = (sweep.roc_auc, sweep.average_precision)
    return (sweep.n, half.accuracy, half.macro_f1, *areas, best.threshold, best.value)


def out_of_fold() -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """target int [569], 1 where a mass is benign; score float64 [569], the probability of that by
    a model of the other folds; fold [569], 1 to 5. The same in every run."""
    from assay.core.optional import require

    data = require("sklearn.datasets").load_breast_cancer()
    folds = require("sklearn.model_selection").StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    regression = require("sklearn.linear_model").LogisticRegression
    scaler = require("sklearn.preprocessing").StandardScaler
    pipeline = require("sklearn.pipeline").make_pipeline
    features, target = data.data[:, :MEANS], data.target
    score, fold = np.empty(len(target)), np.empty(len(target), np.int64)
    for number, (seen, unseen) in enumerate(folds.split(features, target), 1):
        model = pipeline(scaler(), regression()).fit(features[seen], target[seen])
        score[unseen] = model.predict_proba(features[unseen])[:, 1]
        fold[unseen] = number
    return target, score, fold
