"""assay.compat.sklearn: scikit-learn's names and signatures, its warnings, and life without it."""

import inspect

import pytest

from sklearn_kit import ours, same, theirs

FUNCTIONS = [name for name in ours.__all__ if callable(getattr(theirs, name, None))]
AT_THRESHOLDS = "confusion_matrix_at_thresholds"  # takes what is deprecated, too


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != AT_THRESHOLDS])
def test_signatures_are_equal(name):
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
    same(AT_THRESHOLDS, [0, 1, 1], [0.1, 0.6, 0.2], 0)


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


def test_without_scikit_learn(fresh_python):
    assert fresh_python(ALONE).split()[:3] == ["0.0", "1.0", "1.0"]


def test_scikit_learn_is_not_loaded(fresh_python):
    assert fresh_python(NOT_LOADED) == ""


def test_a_warning_is_ours_and_scikit_learns():
    from sklearn.exceptions import UndefinedMetricWarning

    for kind in (ours.UndefinedMetricWarning, UndefinedMetricWarning):
        with pytest.warns(kind, match="F-score is ill-defined") as caught:
            ours.f1_score([0, 0], [0, 0])
        assert caught[0].filename == __file__
