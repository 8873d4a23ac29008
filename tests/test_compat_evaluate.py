"""compat.evaluate: the values, shapes and complaints of Hugging Face evaluate's metrics."""

import jiwer
import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.compat import evaluate
from assay.core.errors import InputError

WORDS = st.lists(st.sampled_from(["a", "b", "cat", "the", "mat"]), min_size=1, max_size=6)
TEXTS = st.lists(st.tuples(WORDS.map(" ".join), WORDS.map(" ".join)), min_size=1, max_size=5)
LABELS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20)


@given(pairs=TEXTS, joined=st.booleans())
def test_error_rates_are_sums_of_jiwers_counts(pairs: list[tuple[str, str]], joined: bool) -> None:
    truth, guess = zip(*pairs, strict=True)
    for name, process in (("wer", jiwer.process_words), ("cer", jiwer.process_characters)):
        counts = [process(t, g) for t, g in pairs]
        errors = sum(c.substitutions + c.deletions + c.insertions for c in counts)
        total = sum(c.substitutions + c.deletions + c.hits for c in counts)
        value = evaluate.load(name).compute(
            predictions=list(guess), references=list(truth), concatenate_texts=joined
        )
        assert type(value) is float
        assert value == errors / total


@given(pairs=LABELS, average=st.sampled_from(["macro", "micro", "weighted", None]))
def test_label_metrics_are_those_of_scikit_learn(
    pairs: list[tuple[int, int]], average: str
) -> None:
    truth, guess = zip(*pairs, strict=True)
    for name in ("f1", "precision", "recall"):
        options = {"average": average} | ({} if name == "f1" else {"zero_division": 0})
        with np.errstate(all="ignore"):
            theirs = getattr(sk, f"{name}_score")(truth, guess, **{"zero_division": 0, **options})
        options["zero_division"] = 0
        ours = evaluate.load(name).compute(predictions=guess, references=truth, **options)
        np.testing.assert_allclose(ours[name], theirs, rtol=1e-15)
        assert isinstance(ours[name], float) == (np.size(theirs) == 1)
    accuracy = evaluate.load("accuracy")
    assert accuracy.compute(predictions=guess, references=truth) == {
        "accuracy": sk.accuracy_score(truth, guess)
    }
    right = accuracy.compute(predictions=guess, references=truth, normalize=False)["accuracy"]
    assert isinstance(right, float)
    assert right == sk.accuracy_score(truth, guess, normalize=False)


def test_batches_and_single_items_add_up_and_compute_starts_anew() -> None:
    metric = evaluate.load("f1")
    metric.add_batch(predictions=torch.tensor([1, 0]), references=np.array([1, 1]))
    metric.add(prediction=1, reference=0)
    assert len(metric) == 3
    expected = sk.f1_score([1, 1, 0, 1], [1, 0, 1, 1])
    assert metric.compute(predictions=[1], references=[1]) == {"f1": expected}
    assert len(metric) == 0
    with pytest.raises(InputError, match="f1: nothing was added; give predictions and references"):
        metric.compute()


def test_roc_auc_of_each_configuration_reads_float32() -> None:
    rng = np.random.default_rng(4)
    truth, score = rng.integers(0, 2, 60), rng.random(60)
    metric = evaluate.load("roc_auc")
    metric.add(prediction_scores=score[0], reference=truth[0])
    metric.add_batch(prediction_scores=score[1:], references=truth[1:])
    expected = sk.roc_auc_score(truth, score.astype(np.float32))
    assert metric.compute() == {"roc_auc": pytest.approx(expected, rel=1e-15)}
    # equal as float32, and so a tie
    tied = evaluate.load("roc_auc").compute(references=[0, 1], prediction_scores=[0.5, 0.5 + 1e-9])
    assert tied == {"roc_auc": 0.5}
    many, of_classes = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60).astype(np.float32)
    value = evaluate.load("roc_auc", "multiclass").compute(
        references=many, prediction_scores=of_classes, multi_class="ovr"
    )
    expected = sk.roc_auc_score(many, of_classes, multi_class="ovr")
    assert value == {"roc_auc": pytest.approx(expected, rel=1e-12)}
    rows = np.eye(3, dtype=int)[many]
    value = evaluate.load("roc_auc", "multilabel").compute(
        references=rows, prediction_scores=of_classes, average=None
    )["roc_auc"]
    np.testing.assert_allclose(value, sk.roc_auc_score(rows, of_classes, average=None), rtol=1e-12)


def test_combined_metrics_share_items_and_take_prefixes() -> None:
    both = evaluate.combine(["accuracy", "f1"])
    both.add_batch(predictions=[0, 1], references=[1, 1])
    both.add(prediction=1, reference=1)
    assert both.compute() == {"accuracy": 2 / 3, "f1": 0.8}
    named = evaluate.combine({"a": "accuracy", "b": evaluate.load("f1")}, force_prefix=True)
    found = named.compute(predictions=[0, 1], references=[1, 1])
    assert found == {"a_accuracy": 0.5, "b_f1": 2 / 3}
    twice = evaluate.combine({"a": "f1", "b": "f1"}).compute(predictions=[1], references=[1])
    assert twice == {"a_f1": 1.0, "b_f1": 1.0}
    rates = evaluate.combine(["wer", "cer"]).compute(predictions=["a b"], references=["a c"])
    assert rates == {"wer": 0.5, "cer": 1 / 3}
    with pytest.raises(InputError, match="has a metric twice"):
        evaluate.combine(["f1", "f1"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate.load("meteor9"), "load: there is no 'meteor9' here; there are wer, cer"),
        (lambda: evaluate.load("f1", num_process=2), "num_process must be 1"),
        (
            lambda: evaluate.load("f1").compute(predictions=[1], references=[1, 0]),
            "f1: 1 predictions and 2 references; give one of each for every item",
        ),
        (
            lambda: evaluate.load("f1").add_batch(predictions=[1], refs=[1]),
            r"f1 needs predictions and references, got \['predictions', 'refs'\]",
        ),
        (
            lambda: evaluate.load("wer").compute(predictions="a", references=["a"]),
            "predictions must be a list, array or tensor, got str",
        ),
        (
            lambda: evaluate.load("wer").compute(predictions=["a"]),
            "references must be a list, array or tensor, got NoneType",
        ),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]
