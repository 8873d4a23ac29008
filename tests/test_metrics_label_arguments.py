"""Arguments of a wrong kind: every one is an InputError that says what is wanted."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import assay
from assay.core.errors import InputError
from assay.metrics.bootstrap import fill_bags, poisson_bootstrap
from assay.metrics.significance import holm_adjusted, mcnemar, nadeau_bengio, wilson

T, P, S = [0, 1], [0, 1], [0.2, 0.7]
SWEEP = assay.count_scores([0, 1, 0, 1], [0.1, 0.4, 0.35, 0.8], items=True)
LABELS = assay.count_labels([0, 1, 1, 0], [0, 1, 0, 0], items=True)
CLASSES = assay.count_scores([0, 1, 2], np.eye(3) * 0.7 + 0.1)
ROWS = assay.count_labels(np.eye(2, dtype=int), np.eye(2, dtype=int))

NO_NUMBERS: list[Any] = [
    None, "x", "0.5", b"x", {"a": 1}, {1, 2}, [1], ["a", "b"], [None], True, 1j, len, (0, 1),
    np.zeros((2, 2)), np.array([object(), None], object), np.array(["2020-01-01"], "M8[D]"),
]  # fmt: skip
NO_WHOLES = [*NO_NUMBERS, 1.0, 0.5, -1, math.nan, math.inf, np.float32(2)]
NO_NAMES = [value for value in NO_WHOLES if not isinstance(value, str)]
NO_COLUMNS = [
    "x", b"x", True, 1, 1.0, math.nan, len, {"a": 1}, np.zeros((2, 2, 2)), np.array(3),
    np.array([object(), None], object), [None, None],
]  # fmt: skip

Call = Callable[[Any], Any]

WRONG: dict[str, tuple[Call, list[Any]]] = {
    "target": (lambda v: assay.count_labels(v, P), NO_COLUMNS),
    "prediction": (lambda v: assay.count_labels(T, v), NO_COLUMNS),
    "weights": (lambda v: assay.count_labels(T, P, weights=v), NO_COLUMNS),
    "labels": (lambda v: assay.count_labels(T, P, labels=v), NO_COLUMNS),
    "k": (lambda v: assay.count_labels(T, [[0.1, 0.9]] * 2, k=v), [None, "x", 1.0, True, [0.5]]),
    "by": (lambda v: assay.count_labels(T, P, by=v), [1, "x", ["a"], np.zeros(2)]),
    "column of by": (lambda v: assay.count_labels(T, P, by={"g": v}), NO_COLUMNS[:9]),
    "items": (lambda v: assay.count_labels(T, P, items=v), [None, 1, "x", np.zeros(2)]),
    "ids": (lambda v: assay.count_labels(T, P, items=True, ids=v), NO_COLUMNS),
    "target of scores": (lambda v: assay.count_scores(v, S), NO_COLUMNS),
    "score": (lambda v: assay.count_scores(T, v), [*NO_COLUMNS, ["a", "b"]]),
    "weights of scores": (lambda v: assay.count_scores(T, S, weights=v), [*NO_COLUMNS, [-1, 1]]),
    "labels of one score": (lambda v: assay.count_scores(T, S, labels=v), [["a", "b"], 3]),
    "labels of columns": (
        lambda v: assay.count_scores(T, [[0.1, 0.9]] * 2, labels=v), [*NO_COLUMNS, ["a", "b"]]
    ),
    "bins": (lambda v: assay.count_scores_binned(T, S, bins=v), [*NO_WHOLES, 0, 10**30]),
    "binned target": (lambda v: assay.count_scores_binned(v, S), [*NO_COLUMNS, np.zeros((2, 2))]),
    "binned score": (lambda v: assay.count_scores_binned(T, v), [*NO_COLUMNS, np.zeros((2, 2))]),
    "at": (SWEEP.at, [*NO_NUMBERS, math.nan]),
    "value": (lambda v: SWEEP.value("f1", v), [*NO_NUMBERS, math.nan]),
    "metric of value": (lambda v: SWEEP.value(v, 0.5), NO_WHOLES),
    "thresholds": (SWEEP.counts_at, ["x", {"a": 1}, ["a"], 0.5, np.zeros((2, 2)), [True]]),
    "metric": (SWEEP.best_threshold, NO_WHOLES),
    "grid": (
        lambda v: SWEEP.best_threshold(grid=v),
        ["x", b"x", ["a"], {"a": 1}, {1}, 1, True, [True], [None], [1j], len, [math.nan]],
    ),
    "constraint": (
        lambda v: SWEEP.best_threshold(constraint=v),
        ["x", 1, ["recall"], np.zeros(2), {"recall": "x"}, {"recall": None}, {"recall": math.nan},
         {"nope": 1}, {1: 1}, {"recall": [1]}],
    ),
    "max_fpr": (SWEEP.partial_auc, [*NO_NUMBERS, 0, -1, 1.5, math.nan]),
    "bins of calibration": (SWEEP.calibration, [*NO_WHOLES, 0, 10**30]),
    "metric of labels": (LABELS.value, NO_WHOLES),
    "beta": (LABELS.f_beta, [*NO_NUMBERS, -1, math.nan]),
    "average": (lambda v: LABELS.f_beta(1, v), NO_WHOLES[1:]),
    "k of top": (LABELS.top_accuracy, [None, "x", 3]),
    "column": (LABELS.per_item, NO_WHOLES),
    "column of scores": (SWEEP.per_item, NO_WHOLES),
    "class": (CLASSES.of, [None, "x", 1.0, [1], {1: 1}, np.zeros(2), 7]),
    "average of classes": (CLASSES.auc, NO_WHOLES),
    "multi_class": (lambda v: CLASSES.auc("macro", v), NO_WHOLES),
    "average of precision": (CLASSES.precision, NO_WHOLES),
    "metric of rows": (ROWS.value, NO_WHOLES),
    "level": (lambda v: assay.interval(LABELS, "f1", level=v), [*NO_NUMBERS, "95", 95, 0, 1]),
    "method": (lambda v: assay.interval(LABELS, "f1", method=v), NO_WHOLES),
    "resamples": (lambda v: assay.interval(LABELS, "f1", resamples=v), [*NO_WHOLES, 0, 10**30]),
    "seed": (lambda v: assay.interval(LABELS, "f1", seed=v), [*NO_WHOLES, 2**63]),
    "resamples of wilson": (
        lambda v: assay.interval(LABELS, "recall", method="wilson", resamples=v), NO_WHOLES
    ),
    "name": (lambda v: assay.interval(LABELS, v), NO_NAMES),
    "cluster": (lambda v: assay.interval(LABELS, "f1", cluster=v), NO_COLUMNS[:9]),
    "state": (lambda v: assay.interval(v, "f1"), NO_WHOLES),
    "other state": (lambda v: assay.compare(LABELS, v, "f1"), NO_WHOLES),
    "level of compare": (lambda v: assay.compare(SWEEP, SWEEP, "roc_auc", level=v), ["95", 2]),
    "folds": (assay.threshold_over_folds, [*NO_WHOLES, SWEEP, [SWEEP], [SWEEP, 1]]),
    "constraint of folds": (
        lambda v: assay.threshold_over_folds([SWEEP] * 2, constraint=v), ["x", 1, {"recall": "x"}]
    ),
    "metrics": (lambda v: poisson_bootstrap(LABELS, v), [None, "f1", 3, [], [3], np.array(3)]),
    "state of a bootstrap": (lambda v: poisson_bootstrap(v, ["f1"]), NO_WHOLES),
    "first": (lambda v: fill_bags(LABELS, ["f1"], v), NO_WHOLES),
    "comparisons": (assay.holm, [None, 3, "x", [3], np.array(3)]),
    "p-values": (holm_adjusted, [None, 3, "x", ["x"], [True], [2], [-1], np.zeros((2, 2))]),
    "successes": (lambda v: wilson(v, 3), [*NO_WHOLES, 4]),
    "discordant": (lambda v: mcnemar(v, 2), NO_WHOLES),
    "folds of a test": (
        lambda v: nadeau_bengio(v, [1, 2], train=2, test=1), [None, 3, "xy", ["a", "b"], [1]]
    ),
    "train": (lambda v: nadeau_bengio([1, 3], [1, 2], train=v, test=1), [*NO_WHOLES, 0]),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused(what: str) -> None:
    call, values = WRONG[what]
    for value in values:
        with pytest.raises(InputError) as caught:
            call(value)
        assert len(str(caught.value)) > 20, value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SWEEP.best_threshold(grid=["a"]), r"grid must be numbers, got \['a'\]"),
        (lambda: assay.count_labels(T, P, weights=1.0), "weights must be a column of values"),
        (lambda: assay.interval(LABELS, "f1", level="95"), "level must be a number, got '95'"),
        (lambda: SWEEP.best_threshold(constraint="x"), r"constraint must be as in \{'recall': 0.9"),
        (lambda: SWEEP.at("0.5"), "at: the threshold must be a number, got '0.5'"),
        (lambda: SWEEP.at(10**400), "at: the threshold must fit into a float"),
        (lambda: assay.count_labels(T, P, labels=["a", "b"]), r"target\[0\] is 0, which is not"),
        (lambda: assay.count_labels(T, P, items=1), "items must be True or False, got 1"),
        (lambda: assay.interval(LABELS, 3), "metric must be the name of a score, got 3"),
        (lambda: assay.holm([3]), "comparisons must be what compare.. returns, got 3"),
    ],
)  # fmt: skip
def test_messages(call: Call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[call-arg]


def test_numbers_of_any_type_are_numbers() -> None:
    for half in (0.5, np.float32(0.5), np.array(0.5), np.float16(0.5)):
        assert SWEEP.at(half).matrix.tolist() == SWEEP.at(0.5).matrix.tolist()
    assert assay.count_labels(T, [[0.1, 0.9]] * 2, k=np.array([1, 2])).top == {(1, 0): 1, (2, 0): 2}
    assert assay.count_labels(T, P, items=np.True_).per_item("id").tolist() == [0, 1]
