"""Tensors on a device that are refused: at once, or, for their values, when a state is read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import assay
from assay.core.errors import InputError, MergeError
from device_kit import NoWait, P, S, T

pytestmark = pytest.mark.usefixtures("posing")


@pytest.mark.parametrize(("count", "given", "options", "message"), [
    (assay.count_labels, (T, P), {}, "name them with num_classes= or labels= for tensors on cpu"),
    (assay.count_labels, (T.bool(), P), {}, "num_classes="),
    (assay.count_labels, (T, P), {"labels": ["a", "b"]}, "labels of tensors are integers"),
    (assay.count_labels, (T, P), {"labels": [0, 2**63]}, r"in -2\^62..2\^62, got 922"),
    (assay.count_scores, (T, S), {"positive": -(2**70)}, r"in -2\^62..2\^62, got -1180"),
    (assay.count_scores, (T, S), {"positive": "a"}, "of another type"),
    (assay.count_labels, (T, P), {"num_classes": 2, "labels": [0, 1]}, "not both"),
    (assay.count_labels, (T, P), {"num_classes": 0}, "num_classes must be a whole number"),
    (assay.count_labels, (T, S), {"num_classes": 2}, "prediction: labels must be integers or bool"),
    (assay.count_labels, (T, P), {"num_classes": 2, "positive": "a"}, "of another type"),
    (assay.count_labels, (T, P), {"num_classes": 2, "by": {"a": [1] * 4}}, "by, items and ids"),
    (assay.count_labels, (T, P), {"num_classes": 2, "items": True}, r"target.cpu\(\)"),
    (assay.count_labels, (T, P), {"num_classes": 2, "k": 1}, "k needs scores"),
    (assay.count_labels, (T, P[:2]), {"num_classes": 2}, "one length: target has 4, prediction"),
    (assay.count_labels, (T, P.numpy()), {"num_classes": 2}, "must be a tensor on cpu .* ndarray"),
    (assay.count_labels, (T, P.to("meta")), {"num_classes": 2}, "got Tensor on meta"),
    (assay.count_labels, (T, P[:, None]), {"num_classes": 2}, "the column itself"),
    (assay.count_labels, (T, P), {"num_classes": 2, "weights": [1, 2, 3, 4]}, "weights must be"),
    (assay.count_labels, (T, torch.eye(2)[P]), {"num_classes": 3}, "scores of 3 classes"),
    (assay.count_labels, (T, torch.eye(2)[P]), {"k": 3}, r"k must be in 1..2"),
    (assay.count_scores, (T, S.to(torch.complex64)), {}, "complex64 is not counted on a device"),
    (assay.count_scores, (S, S), {"positive": 1}, "target: labels must be integers"),
    (assay.count_scores, (T[:, None].expand(4, 2), S), {}, r"target must be labels \[n\]"),
    (assay.count_scores, (T, torch.eye(4)), {"positive": 1}, "without positive"),
    (assay.count_scores, (T, torch.eye(4)), {"weights": S}, "counted without"),
    (assay.count_scores, (T, torch.eye(4)), {"labels": [1, 2]}, "labels must be 4"),
    (assay.count_scores_binned, (T, torch.eye(4)), {}, r"score must be a column \[n\]"),
    (assay.count_scores_binned, (T, S), {"by": {"a": T}}, "by, items and ids"),
])  # fmt: skip
def test_refused_at_once(count: Any, given: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message), NoWait():
        count(*given, **options)


# -- values, which nothing looks at before somebody asks -------------------------------------------

READS: dict[str, Callable[[Any], Any]] = {
    "scores": lambda state: state.scores(),
    "n": lambda state: state.n,
    "bytes": lambda state: state.to_bytes(),
    "a value": lambda state: state.accuracy if hasattr(state, "accuracy") else state.roc_auc,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(("count", "given", "options", "message"), [
    (assay.count_labels, (T, P + 5), {"num_classes": 2}, r"prediction\[0\] is 5, which is not among"
     r" the labels \(0, 1\); 4 of 4 rows counted there are bad"),
    (assay.count_labels, (T * 2**40, T), {"labels": [-1, 0, 1]}, r"target\[1\] is 1099511627776"),
    (assay.count_labels, (T, T), {"labels": [0, 2]}, r"target\[1\] is 1, which is not among"),
    (assay.count_labels, (T, T), {"num_classes": 2, "weights": torch.tensor([1, 2, torch.nan, 3])},
     r"weights\[2\] must be finite, got nan"),
    (assay.count_labels, (T, torch.tensor([[1.0, 0]] * 3 + [[0, torch.nan]])), {},
     r"prediction\[3\] holds NaN"),
    (assay.count_labels, (T, torch.eye(2)[T]), {"labels": [1, 2], "k": 1}, r"target\[0\] is 0, "),
    (assay.count_scores, (T, S.log().where(T == 1, -torch.inf)), {}, r"score\[0\] is -inf; drop"),
    (assay.count_scores, (T * 3, S), {}, r"target\[1\] is 3; with labels other than 0 and 1"),
    (assay.count_scores, (T.half() / 2, S), {}, r"target\[1\] is 0.5; with labels other"),
    (assay.count_scores, (T * 3, S.half()), {}, r"target\[1\] is 3; with labels other"),
    (assay.count_scores, (T, (S / 0).bfloat16()), {}, r"score\[0\] is inf; .*4 of 4 rows"),
    (assay.count_scores, (torch.tensor([1, 0, -1, 1]), S), {}, "labels are -1, 0 and 1; name"),
    (assay.count_scores, (torch.tensor([1, 0, -1, 1]), S.half()), {}, "labels are -1, 0 and 1"),
    (assay.count_scores, (T, S), {"weights": -S}, r"weights\[0\] must be finite and at least 0"),
    (assay.count_scores_binned, (T, S * 2), {}, r"score\[1\] must be in 0..1, got 1.79"),
    (assay.count_scores_binned, (T - 1, S * 2), {}, r"score\[1\] must be in 0..1, got 1.79"),
])  # fmt: skip
def test_bad_rows_are_found_when_the_state_is_read(
    count: Any, given: Any, options: dict[str, Any], message: str, read: Any
) -> None:
    with NoWait():
        state = count(*given, **options)
    for _ in range(2):
        with pytest.raises(InputError, match=message):
            read(state)


@pytest.mark.parametrize(("given", "message"), [
    ((T * 3, torch.eye(3)[[0, 1, 2, 0]]), r"target\[1\] is 3, which is not among the labels"),
    ((T, torch.eye(3)[[0, 1, 2, 0]].log()), r"score\[0\] is \[0.0, -inf, -inf\]"),
    ((torch.eye(3)[[0, 1, 2, 0]] * 2, torch.eye(3)[[0, 1, 2, 0]]), r"target\[0\] must hold 0 an"),
])  # fmt: skip
def test_bad_rows_of_several_columns(given: Any, message: str) -> None:
    with NoWait():
        state = assay.count_scores(*given)
    for read in (state.scores, state.to_bytes, lambda: state.roc_auc):
        with pytest.raises(InputError, match=message):
            read()


def test_bad_rows_are_counted_over_all_batches() -> None:
    with NoWait():
        good, bad = (assay.count_labels(T, p, num_classes=2) for p in (P, P + 2))
        total = good + good + (good + bad) + bad
    message = r"prediction\[12\] is 2, .*; 8 of 20 rows counted there are bad"
    with pytest.raises(InputError, match=message):
        total.scores()
    with pytest.raises(InputError, match=message) as raised:
        total.to_bytes()
    assert raised.value.row == 12


# -- adding ----------------------------------------------------------------------------------------


def test_states_of_other_definitions_do_not_add() -> None:
    two, three = (assay.count_labels(T, P, num_classes=k) for k in (2, 3))
    with pytest.raises(MergeError, match="labels"):
        two + three
    with pytest.raises(MergeError, match="mode"):
        assay.count_scores(T, S) + assay.count_scores(T, S, weights=S)
