"""What tests of compat.sklearn share: one call of both packages, with outcomes that are alike."""

import warnings

import numpy as np
import pytest

from assay.compat import sklearn as ours

pytest.importorskip("sklearn", minversion="1.9")
theirs = pytest.importorskip("sklearn.metrics")

CURVES = ("roc_curve", "precision_recall_curve", "det_curve", "confusion_matrix_at_thresholds")
AREAS = ("roc_auc_score", "average_precision_score")
AVERAGED = ("f1_score", "precision_score", "recall_score", "jaccard_score")


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
