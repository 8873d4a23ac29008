"""assay.compat.sklearn: scikit-learn's results, warnings and errors of what hypothesis draws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_kit import AREAS, AVERAGED, CURVES, same

KINDS = {
    "01": [0, 1], "signs": [-1, 1], "few": [0, 1, 2, 3], "far": [-5, 7, 10_000],
    "bools": [False, True], "texts": ["a", "b", "ccc"], "two texts": ["no", "yes"],
    "floats": [0.0, 1.0, 2.0],
}  # fmt: skip
NUMBERS = st.integers(0, 30).map(lambda i: i * 0.3)  # tiny ones leave rounding alone


def weights_of(n, numbers=NUMBERS):
    return st.lists(numbers, min_size=n, max_size=n).filter(any)


@st.composite
def pairs(draw):
    """y_true, y_pred and weights, and what labels there are."""
    values = KINDS[draw(st.sampled_from([*KINDS]))]
    n = draw(st.integers(1, 12))
    sides = [draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)) for _ in range(2)]
    if draw(st.booleans()):
        sides = [np.array(side) for side in sides]
    weights = draw(st.none() | weights_of(n) | weights_of(n, st.integers(0, 3)))
    return *sides, weights, values


@settings(max_examples=150, deadline=None)
@given(pairs(), st.data())
def test_labels_as_scikit_learn(data, draw):
    true, pred, weights, values = data
    labels = draw.draw(st.none() | st.lists(st.sampled_from(values), min_size=1, unique=True))
    average = draw.draw(st.sampled_from(["binary", "micro", "macro", "weighted", None, "samples"]))
    options = {
        "labels": labels, "sample_weight": weights, "average": average,
        "pos_label": draw.draw(st.sampled_from([1, values[0], values[-1]])),
        "zero_division": draw.draw(st.sampled_from(["warn", 0.0, 1.0, np.nan])),
    }  # fmt: skip
    for name in (*AVERAGED[:3], "precision_recall_fscore_support"):
        same(name, true, pred, **options)
    same("fbeta_score", true, pred, beta=draw.draw(st.sampled_from([0, 0.5, 2, np.inf])), **options)
    if options["zero_division"] == options["zero_division"]:
        same("jaccard_score", true, pred, **options)
    for name in ("accuracy_score", "zero_one_loss"):
        same(name, true, pred, sample_weight=weights, normalize=draw.draw(st.booleans()))
    for name in ("hamming_loss", "balanced_accuracy_score", "matthews_corrcoef"):
        same(name, true, pred, sample_weight=weights)
    normalize = draw.draw(st.sampled_from([None, "true", "pred", "all"]))
    same("confusion_matrix", true, pred, labels=labels, sample_weight=weights, normalize=normalize)
    same("multilabel_confusion_matrix", true, pred, labels=labels, sample_weight=weights)
    costs = draw.draw(st.sampled_from([None, "linear", "quadratic"]))
    same("cohen_kappa_score", true, pred, labels=labels, sample_weight=weights, weights=costs)
    for as_dict in (False, True):
        same("classification_report", true, pred, labels=labels, sample_weight=weights,
             zero_division=options["zero_division"], output_dict=as_dict)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 8), st.integers(2, 4), st.data())
def test_rows_of_labels_as_scikit_learn(n, size, draw):
    cells = st.lists(st.integers(0, 1), min_size=n * size, max_size=n * size)
    true, pred = (np.array(draw.draw(cells)).reshape(n, size) for _ in range(2))
    weights = draw.draw(st.none() | weights_of(n))
    average = draw.draw(st.sampled_from(["micro", "macro", "weighted", None, "samples", "binary"]))
    labels = draw.draw(st.none() | st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    zero = draw.draw(st.sampled_from(["warn", 0.0, 1.0]))
    for name in AVERAGED:
        same(name, true, pred, average=average, labels=labels, sample_weight=weights,
             zero_division=zero)  # fmt: skip
    for name in ("accuracy_score", "zero_one_loss", "hamming_loss"):
        same(name, true, pred, sample_weight=weights)
    for by_row in (False, True):
        same("multilabel_confusion_matrix", true, pred, labels=labels, samplewise=by_row,
             sample_weight=weights)  # fmt: skip
    same("classification_report", true, pred, labels=labels, sample_weight=weights,
         zero_division=zero)  # fmt: skip
    scores = np.array(draw.draw(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7]), min_size=n * size,
                                         max_size=n * size))).reshape(n, size)  # fmt: skip
    for name in AREAS:
        same(name, true, scores, average=average if average != "binary" else "macro",
             sample_weight=weights)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(pairs(), st.data())
def test_scores_as_scikit_learn(data, draw):
    true, _, weights, values = data
    n = len(true)
    scores = np.array(draw.draw(st.lists(
        st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=n, max_size=n)
    ), draw.draw(st.sampled_from(["f4", "f8"])))  # fmt: skip
    positive = draw.draw(st.sampled_from([None, 1, values[0], values[-1]]))
    drop = draw.draw(st.booleans())
    for name in CURVES[:3]:
        same(name, true, scores, pos_label=positive, sample_weight=weights, drop_intermediate=drop)
    same(CURVES[3], true, scores, pos_label=positive, sample_weight=weights)
    same("roc_auc_score", true, scores, sample_weight=weights)
    same("roc_auc_score", true, scores, max_fpr=draw.draw(st.sampled_from([0.01, 0.3, 1.0])))
    if positive is not None:
        same("average_precision_score", true, scores, pos_label=positive, sample_weight=weights)
    scores = scores.astype(float)  # they round losses of float32 to float32 on the way
    same("log_loss", true, scores, sample_weight=weights, text=False)
    same("brier_score_loss", true, scores, pos_label=positive, sample_weight=weights, text=False)
    same("d2_brier_score", true, scores, pos_label=positive, sample_weight=weights, text=False)
    same("hinge_loss", true, scores, sample_weight=weights, text=False)


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 12), st.integers(3, 4), st.booleans(), st.data())
def test_scores_of_classes_as_scikit_learn(n, size, texts, draw):
    names = np.array(["a", "b", "c", "d"])[:size] if texts else np.arange(size)
    true = names[draw.draw(st.lists(st.integers(0, size - 1), min_size=n, max_size=n))]
    cells = draw.draw(st.lists(st.integers(1, 4), min_size=n * size, max_size=n * size))
    scores = np.array(cells, float).reshape(n, size)
    scores /= scores.sum(axis=1, keepdims=True)
    labels = draw.draw(st.sampled_from([None, names]))
    weights = draw.draw(st.none() | weights_of(n))
    for multi in ("ovr", "ovo"):
        for average in ("macro", "weighted", "micro", None):
            same("roc_auc_score", true, scores, multi_class=multi, average=average, labels=labels,
                 sample_weight=weights if multi == "ovr" else None)  # fmt: skip
    for average in ("macro", "weighted", "micro", None):
        same("average_precision_score", true, scores, average=average, sample_weight=weights,
             text=False)  # fmt: skip
    for name in ("log_loss", "brier_score_loss", "d2_log_loss_score", "d2_brier_score"):
        same(name, true, scores, labels=labels, sample_weight=weights)
    for k in range(1, size + 1):
        same("top_k_accuracy_score", true, scores, k=k, labels=labels, sample_weight=weights,
             text=weights is None)  # fmt: skip
