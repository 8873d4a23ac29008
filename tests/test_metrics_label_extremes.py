"""Labels and scores where rounding, one class, odd types or a slip of the pen decide."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.metrics.classification import (
    average_precision,
    best_threshold,
    count_labels,
    count_scores,
    f1,
    roc_auc,
)
from assay.metrics.confusion import Confusion
from assay.metrics.fold_thresholds import threshold_over_folds
from assay.metrics.intervals import interval
from assay.metrics.significance import nadeau_bengio
from assay.ops import sweep as ops

WEIGHTS = {
    "mixed": [1e-100, 0.0, 1.0, 3e5, 0.1],
    "tiny": [1e-200, 3e-200],
    "subnormal": [5e-324, 1e-320],
    "large": [1e200, 1e150, 1e100],
    "largest": [1e306, 3e306],
}


def exact_agreement(cells: dict[tuple[int, int], Fraction]) -> tuple[float, float]:
    """mcc and cohen_kappa, rounded at the end."""
    labels = {label for pair in cells for label in pair}
    n = sum(cells.values())
    target, predicted = (
        [sum(v for pair, v in cells.items() if pair[side] == k) for k in labels] for side in (0, 1)
    )
    right = sum(v for (t, p), v in cells.items() if t == p)
    chance = sum(t * p for t, p in zip(target, predicted, strict=True))
    both = n * right - chance
    spread = math.prod(n * n - sum(x * x for x in side) for side in (target, predicted))
    mcc = (1 if both > 0 else -1) * math.sqrt(both * both / spread) if spread else 0.0
    return mcc, float(both / (n * n - chance)) if n * n != chance else math.nan


@pytest.mark.parametrize("large", [10**6, 2**31, 2**40])
def test_agreement_where_nearly_all_are_of_one_class(large: int) -> None:
    cells = {(0, 0): large, (0, 1): 3, (1, 0): 2, (1, 1): 5}
    found = Confusion(cells=cells, weighted=False)
    mcc, kappa = exact_agreement({pair: Fraction(n) for pair, n in cells.items()})
    assert found.value("mcc") == pytest.approx(mcc, rel=1e-15)
    assert found.value("cohen_kappa") == pytest.approx(kappa, rel=1e-15)


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_agreement_with_weights_of_any_size(weights: list[float], data: Any) -> None:
    label = st.integers(0, 3)
    rows = data.draw(
        st.lists(st.tuples(label, label, st.sampled_from(weights)), min_size=1, max_size=12)
    )
    cells: dict[tuple[int, int], Fraction] = {}
    for t, p, w in rows:
        cells[t, p] = cells.get((t, p), Fraction(0)) + Fraction(w)
    target, prediction, own = zip(*rows, strict=True)
    found = count_labels(target, prediction, weights=own)
    if not sum(cells.values()):
        return
    mcc, kappa = exact_agreement(cells)
    assert found.value("mcc") == pytest.approx(mcc, abs=1e-11)
    assert found.value("cohen_kappa") == pytest.approx(kappa, abs=1e-11, nan_ok=True)


@pytest.mark.parametrize("weight", [5e-324, 1e-200, 1.0, 1e200, 1e307])
def test_areas_with_weights_of_any_size(weight: float) -> None:
    target, score = [0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.15, 0.3]
    plain, found = (count_scores(target, score, weights=[w] * 5) for w in (1.0, weight))
    for name in ("roc_auc", "average_precision", "ks"):
        assert getattr(found, name) == pytest.approx(getattr(plain, name), rel=1e-14)


def test_sums_of_weights_beyond_floats_are_refused() -> None:
    target, weights = [0, 1, 0, 1], [1e308] * 4
    with pytest.raises(InputError, match="sum is beyond float64; divide all"):
        _ = count_scores(target, [0.1, 0.2, 0.3, 0.4], weights=weights).roc_auc
    with pytest.raises(InputError, match="sum is beyond float64; divide all"):
        _ = count_labels(target, [0, 1, 1, 1], weights=weights).accuracy


def test_mcc_of_negative_weights_may_be_undefined() -> None:
    found = count_labels([0, 1, 1], [0, 0, 1], weights=[-1, 2, 0.5])
    assert math.isnan(found.value("mcc"))


METRICS = ["accuracy", "mcc", "cohen_kappa", "youden", "f1"]
METRICS += [f"{a}_{b}" for a in ("macro", "weighted", "micro") for b in ("f1", "specificity")]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_best_threshold_of_many_slices(
    metric: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "SLICE", 3)
    rng = np.random.default_rng(5)
    for _ in range(20):
        target, score = (rng.random(30) < share).astype(int), np.round(rng.random(30), 2)
        sweep = count_scores(target, score)
        values = [sweep.value(metric, threshold) for threshold in np.unique(score)]
        best = np.nan if np.isnan(values).all() else np.nanmax(values)
        assert sweep.best_threshold(metric).value == pytest.approx(best, nan_ok=True)


@pytest.mark.parametrize("function", [roc_auc, average_precision, best_threshold])
def test_a_positive_label_that_no_item_has(function: Any) -> None:
    with pytest.raises(InputError, match="no item of the target has the label 'spma'"):
        function(["ham", "spam"], [0.1, 0.2], positive="spma")
    assert not count_scores(["ham", "spam"], [0.1, 0.2], positive="spma").positives


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([1, "a"], r"target holds strings, but 1 at \[0\]"),
        (["a", math.nan], r"target holds strings, but nan at \[1\]"),
        (("a", True), r"target holds strings, but True at \[1\]"),
        ([1, math.nan], r"target\[1\] is missing"),
        ([0.5, 1.0], "target: labels must be integers or strings, got float64; cast whole"),
        ([2**70, 1], "target: labels must fit into int64, got 1180591620717411303424"),
    ],
)
def test_columns_that_hold_no_labels(column: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        count_labels(column, ["a", "b"] if "strings, but" in told else [1, 0])


def test_labels_of_two_types_are_told_by_column() -> None:
    with pytest.raises(InputError, match="target holds integers, prediction holds strings"):
        count_labels([1, 0], ["1", "0"])
    with pytest.raises(InputError, match="labels: labels must fit into int64"):
        count_labels([1, 0], [1, 0], labels=[0, 1, 2**70])


def test_integers_in_columns_of_objects() -> None:
    target = np.array([1, 0, True], object)
    assert roc_auc(target, [0.9, 0.1, 0.8]) == 1.0 == f1(target, [1, 0, 1])
    with pytest.raises(InputError, match=r"target\[0\] is 2; with labels other than"):
        count_scores(np.array([2, 0], object), [0.1, 0.2])
    with pytest.raises(InputError, match="got mixed values"):
        count_scores(np.array([1, "b"], object), [0.1, 0.2], positive=1)


def test_no_columns_to_group_by_are_no_groups() -> None:
    assert not count_labels([0, 1], [0, 1], by={}).groups
    assert not count_scores([0, 1], [0.1, 0.2], by={}).groups


def test_groups_are_folds() -> None:
    by = {"fold": [0, 0, 1, 1]}
    folds = count_scores([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], by=by).groups
    assert threshold_over_folds(folds)["pooled"].folds == ("0", "1")


def test_folds_that_do_not_differ_have_a_statistic_of_zero() -> None:
    found = nadeau_bengio([0.5, 0.6], [0.5, 0.6], train=9, test=1)
    assert (found.statistic, found.p_value) == (0.0, 1.0)


def test_intervals_of_one_class_need_its_name() -> None:
    found = count_labels(["a", "b"] * 4, ["a", "a"] * 4, items=True)
    with pytest.raises(
        InputError, match=r"f1 is of one class; name it with positive= \(labels: 'a'"
    ):
        interval(found, "f1")
