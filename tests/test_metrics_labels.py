"""count_labels: against scikit-learn on random labels, weights and rows of labels; bad input."""

import itertools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay import State, accuracy, count_labels, f1, macro_f1
from assay.core.errors import InputError, MergeError

AVERAGED = {
    "precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score,
    "jaccard": sk.jaccard_score,
}  # fmt: skip
WHOLE = {
    "accuracy": sk.accuracy_score, "balanced_accuracy": sk.balanced_accuracy_score,
    "mcc": sk.matthews_corrcoef, "cohen_kappa": sk.cohen_kappa_score,
}  # fmt: skip
NAMES = ("no", "yes", "maybe", "often", "ever")


def quiet(function: Any, *arguments: Any, **options: Any) -> Any:
    """scikit-learn's value, where its warning says that it is not defined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["int", "str", "bool"])
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_equals_scikit_learn(kind: str, weighted: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(1, 40)), 2 if kind == "bool" else int(rng.integers(2, 6))
    target, guess = rng.integers(0, size, (2, n))
    if kind == "str":
        target, guess = np.array(NAMES)[target], np.array(NAMES)[guess]
    if kind == "bool":
        target, guess = target > 0, guess > 0
    weights = np.round(rng.random(n), 2) + 0.01 if weighted else None
    found = count_labels(target, guess, weights=weights)
    options = {"sample_weight": weights}
    assert np.allclose(found.matrix, quiet(sk.confusion_matrix, target, guess, **options))
    for (name, peer), average in itertools.product(
        AVERAGED.items(), ("micro", "macro", "weighted")
    ):
        truth = quiet(peer, target, guess, average=average, zero_division=0, **options)
        assert found[f"{average}_{name}"] == pytest.approx(truth, abs=1e-12)
    for name, peer in WHOLE.items():
        truth = quiet(peer, target, guess, **options)
        assert found[name] == pytest.approx(truth, abs=1e-9, nan_ok=True)
    columns = found.per_class()
    labels = columns["label"].tolist()
    truth = quiet(sk.precision_recall_fscore_support, target, guess, zero_division=0, **options)
    for name, own in zip(("precision", "recall", "f1", "support"), truth, strict=True):
        assert np.allclose(columns[name], own)
    assert labels == sorted({*target.tolist(), *guess.tolist()})


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_rows_of_labels_equal_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(1, 20)), int(rng.integers(2, 5))
    target, guess = rng.integers(0, 2, (2, n, size))
    weights = np.round(rng.random(n), 2) + 0.01 if seed % 2 else None
    found = count_labels(target, guess, weights=weights)
    for (name, peer), average in itertools.product(
        AVERAGED.items(), ("micro", "macro", "weighted", "samples")
    ):
        truth = quiet(peer, target, guess, average=average, zero_division=0, sample_weight=weights)
        if average == "weighted" and not target.any():
            assert np.isnan(found[f"{average}_{name}"])
            continue
        assert found[f"{average}_{name}"] == pytest.approx(truth, abs=1e-12)
    for name, peer in (("accuracy", sk.accuracy_score), ("hamming_loss", sk.hamming_loss)):
        truth = peer(target, guess, sample_weight=weights)
        assert found[name] == pytest.approx(truth, abs=1e-12)
    halves = [count_labels(target[s], guess[s], weights=None if weights is None else weights[s])
              for s in (slice(0, n // 2), slice(n // 2, n))]  # fmt: skip
    assert sum(halves).to_bytes() == found.to_bytes()


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_top_k_and_the_best_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, size = int(rng.integers(1, 30)), int(rng.integers(2, 6))
    target, scores = rng.integers(0, size, n), rng.integers(0, 4, (n, size)) / 4
    weights = rng.random(n) if seed % 2 else None
    k = [*range(1, size + 1)]
    found = count_labels(target, scores, k=k, weights=weights)
    ranks = np.argsort(-scores, axis=1, kind="stable").argsort(axis=1)[np.arange(n), target]
    for cut in k:
        truth = np.average(ranks < cut, weights=weights)
        assert found[f"top_{cut}_accuracy"] == pytest.approx(truth, abs=1e-12)
        assert found.top_accuracy(cut) == found[f"top_{cut}_accuracy"]
    plain = count_labels(target, scores.argmax(axis=1), labels=range(size), weights=weights)
    assert plain.matrix.tolist() == found.matrix.tolist()
    assert found["top_1_accuracy"] == pytest.approx(found.accuracy)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_need_no_matrix(weighted: bool) -> None:
    rng = np.random.default_rng(7)
    target = rng.integers(0, 10**6, 3000)
    guess = np.where(rng.random(3000) < 0.5, target, rng.integers(0, 10**6, 3000))
    weights = rng.random(3000) if weighted else None
    found = count_labels(target, guess, weights=weights)
    options = {"sample_weight": weights, "average": "macro", "zero_division": 0}
    assert found.macro_f1 == pytest.approx(sk.f1_score(target, guess, **options))
    assert found.accuracy == pytest.approx(np.average(target == guess, weights=weights))
    assert "matrix" not in vars(found)


def test_f_beta() -> None:
    target, guess = [0, 1, 2, 0, 1, 2, 1], [0, 2, 1, 0, 0, 1, 1]
    found = count_labels(target, guess)
    for beta in (0.5, 2.0, np.inf):
        for average in ("micro", "macro", "weighted"):
            truth = sk.fbeta_score(target, guess, beta=beta, average=average)
            assert found.f_beta(beta, average) == pytest.approx(truth)
    assert count_labels([1, 1, 0], [1, 0, 1]).f_beta(2.0) == pytest.approx(
        sk.fbeta_score([1, 1, 0], [1, 0, 1], beta=2.0)
    )


def test_a_hand_worked_example() -> None:
    """Seven clips: tp 2, fn 1, fp 1, tn 3."""
    c = count_labels(list("hhhnnnn"), list("hhnhnnn"), positive="h")
    assert (c.precision, c.recall, c.specificity) == (2 / 3, 2 / 3, 3 / 4)
    assert c.f1 == 4 / 6
    assert c.macro_f1 == (4 / 6 + 6 / 8) / 2
    assert c.accuracy == 5 / 7
    assert c["jaccard"] == 2 / 4
    assert c["youden"] == pytest.approx(2 / 3 + 3 / 4 - 1)
    assert c.classes == ("h", "n")
    assert c.matrix.tolist() == [[2, 1], [1, 3]]
    tagged = {(s.name, s.tags["class"]): s.value for s in c.scores() if s.tags}
    assert tagged["recall", "n"] == 3 / 4
    assert c["items"] == 7


def test_what_is_not_defined() -> None:
    """Undefined cases of the table in ARCHITECTURE.md."""
    nothing = count_labels([], [])
    assert np.isnan([nothing.accuracy, nothing.macro_f1, nothing["mcc"]]).all()
    negatives = count_labels([0, 0], [0, 0])
    assert (negatives.f1, negatives.precision, negatives.recall) == (0, 0, 0)
    assert (negatives.specificity, negatives.macro_f1, negatives.mcc) == (1, 1, 0)
    assert np.isnan(negatives.cohen_kappa)
    assert negatives.balanced_accuracy == 1
    missed = count_labels([1, 1], [0, 0])
    assert (missed.precision, missed.recall, missed.f1, missed.macro_f1) == (0, 0, 0, 0)


FORMS = {
    "list": list, "tuple": tuple, "numpy": np.array, "int8": lambda v: np.array(v, np.int8),
    "pandas": pd.Series, "polars": pl.Series, "arrow": pa.array,
    "chunked": lambda v: pa.chunked_array([v[:2], v[2:]]), "torch": torch.tensor,
    "object": lambda v: np.array(v, object),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_any_form(form: str) -> None:
    target, guess = [1, 0, 1, 1, 0], [1, 1, 1, 0, 0]
    found = count_labels(FORMS[form](target), FORMS[form](guess))
    assert found.to_bytes() == count_labels(target, guess).to_bytes()
    if form not in ("torch", "int8"):
        words = [["no", "yes"][v] for v in target], [["no", "yes"][v] for v in guess]
        found = count_labels(*map(FORMS[form], words), positive="yes")
        assert found.f1 == f1(target, guess)


def test_batches_of_other_labels_add() -> None:
    a, b = count_labels([0, 1], [1, 1]), count_labels([2], [0])
    assert (a + b).to_bytes() == count_labels([0, 1, 2], [1, 1, 0]).to_bytes()
    assert a.f1 == 2 / 3
    with pytest.raises(InputError, match=r"f1 is of one class; name it with positive="):
        (a + b).f1  # noqa: B018
    with pytest.raises(KeyError, match="f1 is of one class"):
        (a + b)["f1"]
    with pytest.raises(MergeError, match="labels differs"):
        count_labels([0], [0], labels=[0, 1]) + count_labels([0], [0], labels=[0, 2])


def test_groups_items_and_weights_add_exactly() -> None:
    rng = np.random.default_rng(5)
    n = 200
    target, guess = rng.integers(0, 3, (2, n))
    weights, ids = rng.standard_normal(n) * 1e3, rng.permutation(10_000)[:n]
    site = rng.choice(["a", "b"], n)
    whole = count_labels(target, guess, weights=weights, by={"site": site}, items=True, ids=ids)
    order = rng.permutation(n)
    parts = [
        count_labels(target[p], guess[p], weights=weights[p], by={"site": site[p]}, items=True,
                     ids=ids[p])
        for p in np.array_split(order, 7)
    ]  # fmt: skip
    assert sum(parts).to_bytes() == whole.to_bytes()
    for name in "ab":
        own = count_labels(*(c[site == name] for c in (target, guess)),
                           weights=weights[site == name])  # fmt: skip
        assert whole.groups[name,].accuracy == own.accuracy
    rows = State.from_bytes(whole.to_bytes())
    assert rows.per_item("id").tolist() == sorted(ids.tolist())
    assert rows.per_item("accuracy").tolist() == (target == guess)[np.argsort(ids)].tolist()
    assert rows.per_item("target").tolist() == target[np.argsort(ids)].tolist()


def test_items_of_strings_keep_their_names() -> None:
    found = count_labels(["x", "y"], ["y", "y"], items=True)
    assert found.per_item("target").tolist() == ["x", "y"]
    assert found.per_item("prediction").tolist() == ["y", "y"]
    with pytest.raises(InputError, match="no column 'score'; there are"):
        found.per_item("score")
    with pytest.raises(InputError, match="count with items=True"):
        count_labels([1], [1]).per_item("id")


def test_one_line_functions() -> None:
    target, guess = ["a", "b", "b"], ["a", "a", "b"]
    assert accuracy(target, guess) == 2 / 3
    assert f1(target, guess, positive="b") == 2 / 3
    assert macro_f1(target, guess) == 2 / 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_labels([1, 0], [1]), "one length: target has 2, prediction has 1"),
        (lambda: count_labels([1.5], [1]), "labels must be integers or strings, got float64"),
        (lambda: count_labels([1], ["a"]), "all integers or all strings"),
        (lambda: count_labels([1], [1], weights=[np.nan]), r"weights\[0\] must be finite, got nan"),
        (lambda: count_labels([1], [1], weights=["a"]), "weights must be 1 numbers"),
        (lambda: count_labels([3], [1], labels=[0, 1]), r"target\[0\] is 3, which is not among"),
        (lambda: count_labels([1], [1], k=2), r"k needs scores of classes \[n, C\]"),
        (lambda: count_labels([1], [[0.2, 0.8]], k=3), r"k must be in 1..2, the classes, got 3"),
        (lambda: count_labels([1], [[0.2, np.nan]]), r"prediction\[0\] holds NaN"),
        (lambda: count_labels([1], [[0.2, 0.8]], labels=[1]), "labels must be 2, one a column"),
        (lambda: count_labels([[1, 0]], [[1, 2]]), r"prediction\[0\] must hold 0 and 1 only"),
        (lambda: count_labels([[1, 0]], [[1, 0, 1]]), r"one shape, got \(1, 2\) and \(1, 3\)"),
        (lambda: count_labels(np.zeros((1, 1, 1)), [1]), r"target must be a column \[n\] or rows"),
        (lambda: count_labels("ab", "ab"), "target must be a column of values, got str"),
        (lambda: count_labels([1], [1], ids=[1]), "ids go with items=True"),
        (lambda: count_labels([1, 1], [1, 1], items=True, ids=[3, 3]), "an id occurs twice"),
        (
            lambda: count_labels([1], [1], items=True, ids=np.array([2**63], np.uint64)),
            "ids must fit in int64, got 9223372036854775808",
        ),
        (lambda: count_labels([1], [1], by=["a"]), "by must be a mapping"),
        (lambda: count_labels(pa.array([1, None]), [1, 1]), "target holds 1 nulls"),
        (lambda: count_labels([1, 0], [1, 0])["nope"], "there is no metric 'nope'"),
        (lambda: f1(["a", "b"], ["a", "b"]), "f1 is of one class; name it with positive="),
        (lambda: f1(["a", "b"], ["a", "b"], positive="A"), "'A' is not among the labels"),
        (lambda: count_labels([0, 1], [[1], [0]]), r"give the column itself, prediction\[:, 0\]"),
        (lambda: count_labels(["a", None], ["a", "a"]), r"target\[1\] is missing; drop that row"),
        (lambda: count_labels(np.array([2**64 - 1], np.uint64), [1]), "must fit into int64"),
        (lambda: count_labels([[1, 0]], [[1, 1]], k=1), "counted without positive and k"),
        (lambda: count_labels([1], [[0.2, 0.8]], k=[1.5]), "k must be whole numbers, got 1.5"),
        (lambda: count_labels([1], [1], labels=[0, 0]), "labels must differ"),
        (lambda: count_labels([1], [1], labels=[0, "a"]), "all integers or all strings"),
        (lambda: count_labels([1], [1], labels=2), "labels must be several, got 2"),
        (lambda: count_labels([1], [1], labels=[0.5]), "must be an integer or a string, got 0.5"),
        (lambda: count_labels([1], [1]).f_beta(-1), "beta must be at least 0"),
        (
            lambda: (count_labels([0], [0], labels=[0]) + count_labels([2], [2])).accuracy,
            "label 2 is not among those declared",
        ),
        (
            lambda: (count_labels([0], [0]) + count_labels(["a"], ["a"])).accuracy,
            "integers in one batch and strings in another",
        ),
    ],
)  # fmt: skip
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises((InputError, KeyError), match=message):
        call()
