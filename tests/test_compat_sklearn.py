"""assay.compat.sklearn against scikit-learn: results, warnings and errors of the same calls."""

import inspect
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.compat import sklearn as ours

pytest.importorskip("sklearn", minversion="1.9")
theirs = pytest.importorskip("sklearn.metrics")

FUNCTIONS = [name for name in ours.__all__ if callable(getattr(theirs, name, None))]


def outcome(module, name, args, kwargs):
    """(result, None) or (None, error), and the warnings on the way."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = getattr(module, name)(*args, **kwargs), None
        except Exception as error:
            found = None, error
    # NumPy's own, on the way to a value that is defined nowhere.
    told = [
        (w.category.__name__, str(w.message)) for w in caught if w.category is not RuntimeWarning
    ]
    return *found, told


def same(name, *args, text=True, **kwargs):
    """Both return the same, and warn and refuse alike; text: in the same words."""
    mine, my_error, my_warnings = outcome(ours, name, args, kwargs)
    other, error, their_warnings = outcome(theirs, name, args, kwargs)
    call = f"{name}(*{args}, **{kwargs})"
    assert type(my_error).__name__ == type(error).__name__, f"{call}: {my_error!r}, {error!r}"
    if error is None:
        equal(mine, other, call)
    elif text:
        assert str(my_error) == str(error), call
    if text:
        assert my_warnings == their_warnings, call
    else:
        assert [w[0] for w in my_warnings] == [w[0] for w in their_warnings], call
    return mine


def equal(mine, other, call):
    if not isinstance(other, np.floating):  # theirs now and then, ours are always Python's
        assert type(mine) is type(other), f"{call}: {type(mine)}, {type(other)}"
    if isinstance(other, tuple):
        assert len(mine) == len(other)
        for a, b in zip(mine, other, strict=True):
            equal(a, b, call)
    elif isinstance(other, dict):
        assert list(mine) == list(other), call
        for key in other:
            equal(mine[key], other[key], call)
    elif isinstance(other, np.ndarray):
        assert mine.dtype == other.dtype, f"{call}: {mine.dtype}, {other.dtype}"
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12, err_msg=call)
    elif isinstance(other, (float, np.floating)):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-12, err_msg=call)
    else:
        assert mine == other, call


# -- names and signatures ----------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_are_equal(name):
    if name == "confusion_matrix_at_thresholds":  # takes what is deprecated, too
        return
    mine = inspect.signature(getattr(ours, name)).parameters
    other = inspect.signature(getattr(theirs, name)).parameters
    assert [(p.name, p.kind) for p in mine.values()] == [(p.name, p.kind) for p in other.values()]
    defaults = [(p.default, other[p.name].default) for p in mine.values()]
    assert all(a is b or a == b or (a != a and b != b) for a, b in defaults), defaults


def test_the_names_are_scikit_learns():
    own = {"InvalidParameterError", "UndefinedMetricWarning"}
    assert set(ours.__all__) - own <= set(theirs.__all__) | {"d2_brier_score"}
    assert len(FUNCTIONS) == len(ours.__all__) - len(own)


def test_positional_options_of_thresholds_are_deprecated():
    same("confusion_matrix_at_thresholds", [0, 1, 1], [0.1, 0.6, 0.2], 0)


# -- the edge cases of the notes ---------------------------------------------------------------

SCORES = [0.1, 0.4, 0.35, 0.8]
ONE, NONE, SIX = [1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 1, 0, 1, 0]
THREE = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
CURVES = ("roc_curve", "precision_recall_curve", "det_curve", "confusion_matrix_at_thresholds")
AREAS = ("roc_auc_score", "average_precision_score")
LABELS = [
    "accuracy_score", "balanced_accuracy_score", "classification_report", "cohen_kappa_score",
    "confusion_matrix", "f1_score", "hamming_loss", "jaccard_score", "matthews_corrcoef",
    "multilabel_confusion_matrix", "precision_recall_fscore_support", "precision_score",
    "recall_score", "zero_one_loss",
]  # fmt: skip
MULTILABEL = ("f1_score", "jaccard_score", "multilabel_confusion_matrix", "accuracy_score",
              "hamming_loss", "classification_report")  # fmt: skip
AVERAGED = ("f1_score", "precision_score", "recall_score", "jaccard_score")

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


def test_a_rare_value_of_a_probability_is_kept_from_0():
    assert ours.log_loss([1, 1], [0.0, 1.0], labels=[0, 1]) == pytest.approx(18.0218, abs=1e-3)


# -- forms of input ----------------------------------------------------------------------------


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


def test_several_thousand_slices_of_scores():
    rng = np.random.default_rng(0)
    scores = rng.random(300_000).astype(np.float32)
    y = (rng.random(300_000) < scores).astype(int)
    for name in (*AREAS, *CURVES):
        same(name, y, scores)


# -- parameters --------------------------------------------------------------------------------

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


# -- fuzz --------------------------------------------------------------------------------------

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


# -- warnings, and life without scikit-learn -----------------------------------------------------

ALONE = """
import sys
sys.modules["sklearn"] = None
import warnings
from assay.compat import sklearn as ours
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(ours.f1_score([0, 0], [0, 0]), ours.roc_auc_score([0, 1], [0.1, 0.2]))
    print(ours.classification_report(["a", "b"], ["a", "b"], output_dict=True)["accuracy"])
    print(ours.log_loss([0, 1], [0.5, 0.5]), ours.roc_curve([0, 1], [0.1, 0.2])[0].tolist())
assert [w.category for w in caught] == [ours.UndefinedMetricWarning]
assert issubclass(ours.UndefinedMetricWarning, UserWarning)
"""

NOT_LOADED = """
import sys
from assay.compat import sklearn as ours
ours.f1_score([0, 1], [0, 1]), ours.roc_auc_score([0, 1], [0.1, 0.2])
assert not [name for name in sys.modules if name.partition(".")[0] == "sklearn"]
"""


@pytest.mark.parametrize("code", [ALONE, NOT_LOADED])
def test_without_scikit_learn(code):
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert code is NOT_LOADED or done.stdout.split()[:3] == ["0.0", "1.0", "1.0"]


def test_a_warning_is_ours_and_scikit_learns():
    from sklearn.exceptions import UndefinedMetricWarning

    for kind in (ours.UndefinedMetricWarning, UndefinedMetricWarning):
        with pytest.warns(kind, match="F-score is ill-defined") as caught:
            ours.f1_score([0, 0], [0, 0])
        assert caught[0].filename == __file__
