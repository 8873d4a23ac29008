"""Intervals of scores of labels: every resample is what scikit-learn says of the drawn items."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from assay import compare, count_labels, count_scores, count_scores_binned, interval
from assay.core.errors import InputError
from assay.metrics import bootstrap
from assay.metrics._drawing import Asked, replicates
from assay.metrics.from_items import state_of_items
from assay.metrics.intervals import intervals
from assay.metrics.significance import wilson
from assay.ops import resample

N, TIMES = 120, 40
RNG = np.random.default_rng(7)
SCORE = RNG.integers(0, 25, N) / 24  # ties, and both ends
TARGET = (RNG.random(N) < 0.2 + 0.6 * SCORE).astype(int)
WEIGHT = RNG.integers(0, 5, N) / 3
DRAWN = resample.weights(N, TIMES).astype(float)
CLASSES = RNG.dirichlet([1, 1, 1], N)
CLASS = np.array([RNG.choice(3, p=row) for row in CLASSES])
ROWS = (RNG.random((N, 4)) < 0.4).astype(int)
GUESSED = np.where(RNG.random((N, 4)) < 0.8, ROWS, 1 - ROWS)

Metric = Any


def values(state: Any, name: str) -> Any:
    """The score of every resample."""
    asked = Asked(0.95, TIMES, 0, None)
    return replicates(state.value_of, {name: state.resampling(name)}, asked)[name]


def again(metric: Metric, target: Any, other: Any, weights: Any = 1.0) -> list[float]:
    """The same with the drawn counts as weights of single items."""
    return [metric(target, other, sample_weight=drawn * weights) for drawn in DRAWN]


OF_SCORES: dict[str, Metric] = {
    "roc_auc": sk.roc_auc_score,
    "average_precision": sk.average_precision_score,
    "brier": sk.brier_score_loss,
    "log_loss": sk.log_loss,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OF_SCORES)
def test_scores(name: str, weighted: bool) -> None:
    weights = WEIGHT if weighted else None
    state = count_scores(TARGET, SCORE, weights=weights, items=True)
    expected = again(OF_SCORES[name], TARGET, SCORE, WEIGHT if weighted else 1.0)
    assert values(state, name) == pytest.approx(expected, abs=1e-12)
    # Without ids other draws of the same items: the interval is near.
    near = interval(count_scores(TARGET, SCORE, weights=weights), name, resamples=2000)
    own = interval(state, name, resamples=2000)
    assert (near.low, near.high) == pytest.approx((own.low, own.high), rel=0.08)


def test_float32_keeps_its_epsilon() -> None:
    score = SCORE.astype(np.float32)
    state = count_scores(TARGET, score, items=True)
    assert values(state, "log_loss") == pytest.approx(again(sk.log_loss, TARGET, score), abs=1e-6)
    whole = state.value_of("log_loss", state.resampling("log_loss").columns.sum(0)[None])
    assert whole[0] == pytest.approx(state.log_loss, abs=1e-12)


LABELS: dict[str, Metric] = {
    "accuracy": sk.accuracy_score,
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
    "recall": sk.recall_score,
    "macro_f1": lambda t, p, sample_weight: sk.f1_score(
        t, p, average="macro", sample_weight=sample_weight
    ),
}


@pytest.mark.parametrize("name", LABELS)
def test_weighted_predictions_and_a_threshold(name: str) -> None:
    above = (SCORE >= 0.45).astype(int)
    expected = again(LABELS[name], TARGET, above, WEIGHT)
    counted = count_labels(TARGET, above, weights=WEIGHT, items=True)
    assert values(counted, name) == pytest.approx(expected, abs=1e-12)
    at = count_scores(TARGET, SCORE, weights=WEIGHT, items=True).at(0.45)
    assert at.matrix.tolist() == counted.matrix.tolist()
    assert values(at, name) == pytest.approx(expected, abs=1e-12)


def test_a_weighted_threshold_without_items() -> None:
    for t in (-1.0, 0.0, 0.5, 1.0, 2.0):
        at = count_scores(TARGET, SCORE, weights=WEIGHT).at(t)
        above = np.greater_equal(SCORE, t).astype(int)
        own = count_labels(TARGET, above, weights=WEIGHT, labels=[0, 1])
        assert at.matrix.tolist() == own.matrix.tolist()
        assert at.n == np.count_nonzero(WEIGHT)
    with pytest.raises(InputError, match="need the items; count with items=True"):
        interval(at, "accuracy")


def test_two_systems_at_a_threshold() -> None:
    a, b = (count_scores(TARGET, s, items=True) for s in (SCORE, np.round(SCORE)))
    found = compare(a.at(0.5), b.at(0.5), "macro_f1", method="permutation")
    assert found.delta == b.at(0.5).macro_f1 - a.at(0.5).macro_f1
    for name in OF_SCORES:
        own = compare(a, b, name)
        assert own.delta == pytest.approx(b[name] - a[name])
        differences = values(b, name) - values(a, name)
        ends = np.percentile(differences, [2.5, 97.5])
        assert compare(a, b, name, resamples=TIMES).low == pytest.approx(ends[0], abs=1e-12)


def test_weights_must_be_the_same_in_both() -> None:
    a = count_labels(TARGET, TARGET, weights=WEIGHT, items=True)
    other = WEIGHT.copy()
    other[3] += 1
    b = count_labels(TARGET, TARGET, weights=other, items=True)
    with pytest.raises(InputError, match="1 of 120 items have other weights in a and b: item 3"):
        compare(a, b, "accuracy")


OF_CLASSES: dict[str, Metric] = {
    "roc_auc": lambda t, s, sample_weight: sk.roc_auc_score(
        t, s, multi_class="ovr", sample_weight=sample_weight
    ),
    "average_precision": sk.average_precision_score,
    "log_loss": sk.log_loss,
    "brier": lambda t, s, sample_weight: sk.brier_score_loss(
        t, s, sample_weight=sample_weight, scale_by_half=False
    ),
}


@pytest.mark.parametrize("name", OF_CLASSES)
def test_several_classes(name: str) -> None:
    state = count_scores(CLASS, CLASSES, items=True)
    assert values(state, name) == pytest.approx(again(OF_CLASSES[name], CLASS, CLASSES), abs=1e-12)
    order = np.random.default_rng(0).permutation(N)
    parts = [
        count_scores(CLASS[part], CLASSES[part], items=True, ids=part, labels=range(3))
        for part in np.split(order, [50])
    ]
    assert interval(sum(parts), name) == interval(state, name)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="of several classes needs the items"):
        interval(count_scores(CLASS, CLASSES), name)


def test_rows_of_labels_have_areas() -> None:
    state = count_scores(ROWS, CLASSES[:, [0, 1, 2, 0]], items=True)
    expected = again(sk.roc_auc_score, ROWS, CLASSES[:, [0, 1, 2, 0]])
    assert values(state, "roc_auc") == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InputError, match="no interval of 'brier'"):
        interval(state, "brier")


OF_ROWS: dict[str, Metric] = {"accuracy": sk.accuracy_score, "hamming_loss": sk.hamming_loss}


def averaged(score: Metric, average: str) -> Metric:
    return lambda t, p, sample_weight: score(
        t, p, average=average, sample_weight=sample_weight, zero_division=0
    )


for kind in ("macro", "micro", "weighted", "samples"):
    for own_name, score in {
        "precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score,
        "jaccard": sk.jaccard_score,
    }.items():  # fmt: skip
        OF_ROWS[f"{kind}_{own_name}"] = averaged(score, kind)


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_of_labels(name: str) -> None:
    state = count_labels(ROWS, GUESSED, items=True)
    assert values(state, name) == pytest.approx(again(OF_ROWS[name], ROWS, GUESSED), abs=1e-12)
    plain = count_labels(ROWS, GUESSED)
    if name in ("accuracy", "hamming_loss") or name.startswith("samples"):
        found, own = (interval(s, name, resamples=3000) for s in (plain, state))
        assert (found.low, found.high) == pytest.approx((own.low, own.high), abs=0.02)
    else:
        with pytest.raises(InputError, match="an average over labels needs the items"):
            interval(plain, name)


def test_specificity_of_rows_counts_the_rows_drawn() -> None:
    state = count_labels(ROWS, GUESSED, items=True)
    whole = state.value_of(
        "macro_specificity", state.resampling("macro_specificity").columns.sum(0)[None]
    )
    assert whole[0] == pytest.approx(state["macro_specificity"], abs=1e-12)


def test_a_histogram_is_spread_out() -> None:
    half = SCORE.astype(np.float16)
    found = interval(count_scores(TARGET, half), "roc_auc")
    own = interval(count_scores(TARGET, half.astype(np.float32)), "roc_auc")
    assert (found.low, found.high) == (own.low, own.high)
    binned = interval(count_scores_binned(TARGET, SCORE, bins=24), "average_precision")
    assert binned.low < binned.value < binned.high
    with pytest.raises(InputError, match="scores must be probabilities"):
        interval(count_scores_binned(TARGET, SCORE), "brier")


def test_partitions_change_nothing() -> None:
    order = np.random.default_rng(1).permutation(N)
    for weights in (None, WEIGHT):
        whole = count_scores(TARGET, SCORE, weights=weights)
        parts: Any = sum(
            count_scores(TARGET[p], SCORE[p], weights=None if weights is None else weights[p])
            for p in np.split(order, [30, 31])
        )
        assert intervals(parts, OF_SCORES) == intervals(whole, OF_SCORES)


def test_clusters_and_a_hand_worked_interval() -> None:
    state = count_scores([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], items=True)
    pairs = interval(state, "average_precision", cluster=["a", "a", "b", "b"], resamples=400)
    # {a, a}, {b, b}: 1; {a, b}: as it is. Both are often.
    assert (pairs.low, pairs.high, pairs.clusters) == (state.average_precision, 1.0, 2)


@pytest.mark.parametrize("name", ["ks", "ece", "mce"])
def test_distances_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"no interval of '{name}': it is a distance"):
        interval(count_scores(TARGET, SCORE), name)


def test_items_of_some_batches_are_no_items() -> None:
    mixed = count_labels([0, 1], [0, 1]) + count_labels([1], [0], items=True)
    with pytest.raises(InputError, match="items were kept of 1 of 3 only"):
        interval(mixed, "accuracy")
    scores = count_scores([0, 1], [0.1, 0.2]) + count_scores([1], [0.3], items=True)
    with pytest.raises(InputError, match="items were kept of 1 of 3 only"):
        interval(scores, "roc_auc")


def test_weights_do_not_add_over_shards() -> None:
    state = count_labels(TARGET, TARGET, weights=WEIGHT, items=True, labels=[0, 1])
    with pytest.raises(InputError, match="items with weights are not added up over shards"):
        bootstrap.poisson_bootstrap(state, ["accuracy"])
    parts = [
        bootstrap.poisson_bootstrap(
            count_scores(TARGET[p], SCORE[p], items=True, ids=p), ["brier", "log_loss"]
        )
        for p in np.split(np.arange(N), [70])
    ]
    assert interval(sum(parts), "brier").value == pytest.approx(  # type: ignore[arg-type]
        count_scores(TARGET, SCORE).brier, abs=1e-12
    )


# -- by formula ------------------------------------------------------------------------------------


def test_wilson_of_proportions() -> None:
    above = (SCORE >= 0.4).astype(int)
    (tn, fp), (fn, tp) = sk.confusion_matrix(TARGET, above)
    counted = count_labels(TARGET, above)
    for name, right, n in (
        ("recall", tp, tp + fn), ("precision", tp, tp + fp), ("specificity", tn, tn + fp),
        ("accuracy", tp + tn, N),
    ):  # fmt: skip
        found = interval(counted, name, method="wilson")
        assert (found.low, found.high, found.n) == (*wilson(int(right), int(n)), n)
    with pytest.raises(InputError, match="f1 is not a share of items that are right or wrong"):
        interval(counted, "f1", method="wilson")
    with pytest.raises(InputError, match="wilson: items count one by one"):
        interval(counted, "recall", method="wilson", cluster=TARGET)
    rows = interval(count_labels(ROWS, GUESSED), "accuracy", method="wilson")
    assert (rows.low, rows.high) == wilson(int((ROWS == GUESSED).all(1).sum()), N)


def test_wilson_of_many_labels_and_of_none() -> None:
    many = np.arange(200)
    found = interval(count_labels(many, many), "accuracy", method="wilson")
    assert (found.low, found.high) == wilson(200, 200)
    top = count_labels([0, 1], [[0.2, 0.8], [0.3, 0.7]], k=1)
    assert interval(top, "top_1_accuracy", method="wilson").value == 0.5
    never = count_labels([0, 0], [0, 0], positive=1)
    assert math.isnan(interval(never, "recall", method="wilson").low)
    assert interval(never, "specificity", method="wilson").high == 1.0
    with pytest.raises(InputError, match="items with weights are no proportion"):
        interval(count_labels([0, 1], [0, 1], weights=[1, 2]), "recall", method="wilson")


# -- files -----------------------------------------------------------------------------------------


def test_states_of_per_item_columns() -> None:
    columns = {"positive": TARGET == 1, "score": SCORE, "weight": WEIGHT,
               "target": TARGET, "prediction": (SCORE > 0.5).astype(int)}  # fmt: skip
    ids = np.arange(N)
    own = count_scores(TARGET, SCORE, weights=WEIGHT, items=True)
    for name in OF_SCORES:
        assert interval(state_of_items(name, ids, columns), name) == interval(own, name)
    labels = count_labels(TARGET, columns["prediction"], weights=WEIGHT, items=True)
    for name in ("accuracy", "f1"):
        assert interval(state_of_items(name, ids, columns), name) == interval(labels, name)
    names = np.array(["cat", "dog", "owl"])
    several = {"target": names[CLASS], **{f"score_{n}": c for n, c in zip(names, CLASSES.T)}}  # noqa: B905
    found = interval(state_of_items("roc_auc", ids, several), "roc_auc")
    assert found.low == interval(count_scores(CLASS, CLASSES, items=True), "roc_auc").low
    ranked = state_of_items("average_precision", [1, 2], {"average_precision": [0.5, 1.0]})
    assert ranked["average_precision"] == 0.75
