"""assay.compat.sklearn: what is empty, constant, nan or undefined, and parameters out of range."""

import numpy as np
import pytest

from sklearn_kit import AREAS, AVERAGED, CURVES, ours, same, theirs

SCORES = [0.1, 0.4, 0.35, 0.8]
ONE, NONE, SIX = [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0, 1, 0]
THREE = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
LABELS = [
    "accuracy_score", "balanced_accuracy_score", "classification_report", "cohen_kappa_score",
    "confusion_matrix", "f1_score", "hamming_loss", "jaccard_score", "matthews_corrcoef",
    "multilabel_confusion_matrix", "precision_recall_fscore_support", "precision_score",
    "recall_score", "zero_one_loss",
]  # fmt: skip

EDGES = [
    *[(name, (y, SCORES), {}) for name in (*AREAS, *CURVES) for y in (ONE, NONE)],
    ("roc_auc_score", ([[1, 0], [1, 1], [1, 0]], [[0.1, 0.2], [0.3, 0.1], [0.2, 0.2]]), {}),
    ("roc_auc_score", ([0, 0, 1, 1], THREE), {"multi_class": "ovr", "labels": [0, 1, 2]}),
    ("roc_auc_score", ([0, 0, 1, 1], THREE), {"multi_class": "ovo", "labels": [0, 1, 2]}),
    ("roc_auc_score", ([0, 0, 1, 1], THREE), {"multi_class": "ovr"}),
    ("roc_auc_score", ([0, 1, 2, 1], THREE), {}),
    *[(name, ([0, 1, 0, 1], [0.1, bad, 0.3, 0.4]), {})
      for name in (*AREAS, *CURVES) for bad in (np.nan, np.inf)],
    *[(name, ([], []), {}) for name in LABELS],
    *[(name, (NONE, NONE), {"zero_division": z}) for name in AVERAGED[:3]
      for z in ("warn", 0, 1, np.nan)],
    *[(name, ([0, 1, 1], [0, 3, 3]), {"average": a, "zero_division": z}) for name in AVERAGED[:3]
      for a in ("macro", "weighted", "micro", None) for z in ("warn", 0, 1, np.nan)],
    ("precision_score", (ONE, NONE), {}), ("recall_score", (NONE, ONE), {}),
    ("cohen_kappa_score", (ONE, ONE), {}), ("matthews_corrcoef", (ONE, [0, 1, 0, 1]), {}),
    ("balanced_accuracy_score", (ONE, [0, 1, 0, 1]), {}),
    ("balanced_accuracy_score", (ONE, [0, 1, 0, 1]), {"adjusted": True}),
    ("log_loss", (ONE, SCORES), {}), ("log_loss", ([1, 1], [0.0, 1.0]), {"labels": [0, 1]}),
    ("log_loss", ([0, 1, 2, 1], THREE * 0.9), {}), ("log_loss", ([0, 1, 2, 1], THREE), {}),
    ("log_loss", ([0, 1, 1, 0], THREE), {}),
    ("log_loss", ([0, 1, 3, 0], THREE), {"labels": [0, 1, 2]}),
    ("log_loss", ([2, 1, 0, 0], THREE), {"labels": [2, 1, 0]}),
    ("brier_score_loss", ([0, 1], [0.1, 1.2]), {}), ("brier_score_loss", ([0, 1], [-0.1, 1]), {}),
    ("brier_score_loss", ([0, 1, 2, 1], THREE), {}),
    ("brier_score_loss", ([0, 1, 2, 1], SCORES), {}),
    *[("roc_curve", (y, SCORES), {})
      for y in ([-1, 1, 1, -1], [1, 2, 2, 1], [True, False, True, False], ["a", "b", "b", "a"],
                [0.5, 1, 1, 0.5])],
    *[("roc_curve", (["a", "b", "b", "a"], SCORES), {"pos_label": label}) for label in "abc"],
    *[(name, ([0.5, 1.0, 0.2], [0, 1, 1]), {}) for name in LABELS],
    *[(name, (["a", "b", "b"], [0, 1, 1]), {}) for name in LABELS if name not in AVERAGED],
    ("confusion_matrix", (ONE, ONE), {}), ("confusion_matrix", (ONE, ONE), {"labels": [0, 1]}),
    *[(name, (SIX, [0.5, 0.5, 0.5, 0.2, 0.2, 0.1]), {}) for name in (*AREAS, *CURVES)],
    *[(name, (SIX, [0.5, 0.4, 0.3, 0.2, 0.2, 0.1]), {"drop_intermediate": d})
      for name in CURVES[:3] for d in (True, False)],
    *[(name, ([0, 1, 1, 0], SCORES), {"sample_weight": w}) for name in (*AREAS, *CURVES)
      for w in ([1, 0, 2, 0.5], [0, 0, 0, 0], [1, 0, 0, 1], [1, 2, 3])],
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), EDGES, ids=[f"{i}-{edge[0]}" for i, edge in enumerate(EDGES)]
)
def test_edge_case(name, args, kwargs):
    same(name, *args, **kwargs)


@pytest.mark.parametrize("name", [*AREAS, *CURVES, "log_loss", "brier_score_loss"])
def test_empty_scores_are_refused(name):
    for module in (ours, theirs):
        with pytest.raises((ValueError, IndexError)):
            getattr(module, name)([], [])


WRONG = [
    ("f1_score", {"average": "mean"}), ("f1_score", {"zero_division": 2}),
    ("fbeta_score", {"beta": -1}), ("accuracy_score", {"normalize": "yes"}),
    ("confusion_matrix", {"normalize": "rows"}), ("jaccard_score", {"average": 3}),
    ("cohen_kappa_score", {"weights": "cubic"}), ("classification_report", {"digits": -1}),
    ("roc_auc_score", {"max_fpr": 0}), ("roc_auc_score", {"average": "binary"}),
    ("roc_curve", {"drop_intermediate": 3}), ("top_k_accuracy_score", {"k": 0}),
    ("average_precision_score", {"pos_label": None}), ("log_loss", {"normalize": 2}),
    ("f1_score", {"labels": 3}), ("f1_score", {"sample_weight": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs"), WRONG)
def test_parameters_are_refused(name, kwargs):
    same(name, [0, 1], [0, 1], text=False, **kwargs)
    with pytest.raises(
        ours.InvalidParameterError, match=f"The '{next(iter(kwargs))}' parameter of"
    ):
        getattr(ours, name)([0, 1], [0, 1], **kwargs)


@pytest.mark.parametrize("value", [None, 3, "abc", object()])
def test_what_is_no_column_is_refused(value):
    for name in ("f1_score", "roc_auc_score", "log_loss", "confusion_matrix"):
        same(name, value, [0, 1], text=False)
