"""Intervals and comparisons of labels and scores, through their states."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from assay import compare, count_labels, count_scores, interval
from assay.core.errors import InputError
from assay.metrics.bootstrap import poisson_bootstrap
from assay.metrics.from_items import state_of_items

RNG = np.random.default_rng(0)
N = 400
TARGET = RNG.integers(0, 3, N)
A = np.where(RNG.random(N) < 0.7, TARGET, RNG.integers(0, 3, N))
B = np.where(RNG.random(N) < 0.8, TARGET, RNG.integers(0, 3, N))
POSITIVE = (TARGET == 2).astype(int)
SCORES = [RNG.random(N) + POSITIVE * lift for lift in (0.3, 0.4)]


def resampled(metric: Any, *columns: Any, times: int = 2000) -> tuple[float, float]:
    """Percentiles of a metric over items drawn again."""
    rng = np.random.default_rng(1)
    drawn = (rng.integers(0, N, N) for _ in range(times))
    values = [metric(*(column[rows] for column in columns)) for rows in drawn]
    return tuple(np.percentile(values, [2.5, 97.5]))


@pytest.mark.parametrize("items", [False, True])
def test_an_interval_is_that_of_drawing_items_again(items: bool) -> None:
    found = interval(count_labels(TARGET, A, items=items), "macro_f1", resamples=2000)
    low, high = resampled(lambda t, p: f1_score(t, p, average="macro"), TARGET, A)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    found = interval(count_scores(POSITIVE, SCORES[0], items=items), "roc_auc", resamples=2000)
    low, high = resampled(roc_auc_score, POSITIVE, SCORES[0])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.01)
    near = interval(count_scores(POSITIVE, SCORES[0], items=items), "roc_auc", method="delong")
    assert (near.low, near.high) == pytest.approx((low, high), abs=0.02)


@pytest.mark.parametrize("method", ["bootstrap", "permutation"])
@pytest.mark.parametrize("metric", ["macro_f1", "accuracy", "mcc", "weighted_f1"])
def test_two_systems_over_the_same_items(metric: str, method: str) -> None:
    ids = np.random.default_rng(2).permutation(10_000)[:N]
    a = count_labels(TARGET, A, items=True, ids=ids)
    order = np.random.default_rng(3).permutation(N)
    b = count_labels(TARGET[order], B[order], items=True, ids=ids[order])
    found = compare(a, b, metric, method=method)
    assert found.delta == b[metric] - a[metric]
    assert 0 < found.low < found.delta < found.high
    assert found.p_value < 0.05
    assert compare(a, a, metric, method=method).p_value == 1


def test_areas_of_two_systems() -> None:
    a, b = (count_scores(POSITIVE, score, items=True) for score in SCORES)
    for method in ("bootstrap", "delong"):
        found = compare(a, b, "roc_auc", method=method)
        assert found.low < found.delta < found.high


def test_a_label_that_never_occurs_has_an_interval() -> None:
    found = interval(count_labels([0, 0, 0], [0, 0, 0]), "f1")
    assert (found.value, found.low, found.high) == (0, 0, 0)


WEIGHTED = count_labels([0, 1], [0, 1], weights=[1, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval(WEIGHTED, "accuracy"), "items with weights need the items; count with"),
        (
            lambda: interval(count_scores([0, 1], [0.1, 0.2]), "ece"),
            "no interval of 'ece': it is a distance, which the noise",
        ),
        (
            lambda: compare(
                count_labels(["x", "y"], ["x", "z"], items=True),
                count_labels(["x", "y"], ["x", "q"], items=True),
                "macro_f1", method="permutation",
            ),
            "other labels; declare the same labels of both",
        ),
        (
            lambda: compare(
                count_labels([0, 1], [0, 1], items=True), count_labels([1, 1], [0, 1], items=True),
                "accuracy",
            ),
            "1 of 2 items are not the same in a and b",
        ),
    ],
)  # fmt: skip
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_many_labels_have_no_interval_and_some_do() -> None:
    rng = np.random.default_rng(4)
    target = rng.integers(0, 40, 5000)
    guess = np.where(rng.random(5000) < 0.6, target, rng.integers(0, 40, 5000))
    found = interval(count_labels(target, guess), "macro_f1")
    assert found.low < found.value < found.high
    with pytest.raises(InputError, match="intervals are of at most 50 labels, got 200"):
        interval(count_labels(np.arange(200), np.arange(200)), "accuracy")


def test_clusters_need_items() -> None:
    with pytest.raises(InputError, match="cluster needs single items; count with items=True"):
        interval(count_scores(POSITIVE, SCORES[0]), "roc_auc", cluster=TARGET)
    with pytest.raises(InputError, match="cluster needs single items"):
        interval(count_labels(TARGET, A), "accuracy", cluster=TARGET)


def test_shards_of_labels_need_their_names() -> None:
    parts = [
        poisson_bootstrap(
            count_labels(TARGET[s], A[s], items=True, ids=np.arange(N)[s], labels=range(3)),
            ["macro_f1"],
        )
        for s in (slice(0, 90), slice(90, N))
    ]
    whole: Any = sum(parts)
    assert interval(whole, "macro_f1").value == count_labels(TARGET, A).macro_f1
    assert whole.as_dict() == {"macro_f1": whole["macro_f1"]}
    with pytest.raises(InputError, match="sums of 3 labels need names; count with labels="):
        poisson_bootstrap(count_labels(TARGET, A, items=True), ["macro_f1"])["macro_f1"]


def test_no_items_have_no_interval() -> None:
    found = interval(count_labels([], []), "accuracy")
    assert math.isnan(found.value)
    assert math.isnan(found.low)


def test_one_item_has_no_interval() -> None:
    found = interval(count_labels([1], [1]), "accuracy")
    assert found.value == 1
    assert math.isnan(found.low)


def test_files_of_other_targets_are_not_compared() -> None:
    columns = {"target": np.array(["a", "b"]), "prediction": np.array(["a", "a"]),
               "correct": np.array([1.0, 0.0])}  # fmt: skip
    other = {**columns, "target": np.array(["b", "b"])}
    for metric in ("accuracy", "macro_f1"):
        a, b = (state_of_items(metric, [7, 8], own) for own in (columns, other))
        assert a["accuracy"] == 0.5
        assert compare(a, a, metric).delta == 0
        with pytest.raises(InputError, match="1 of 2 items are not the same in a and b"):
            compare(a, b, metric)
    with pytest.raises(InputError, match="mcc needs a column 'target'"):
        state_of_items("mcc", [7], {"prediction": np.array(["a"])})
