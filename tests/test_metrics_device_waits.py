"""Counting tensors on a device waits for nothing, and a real GPU gives the same."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

import assay
from assay.ops import _held_torch
from device_kit import NoWait, P, S, T, on_host, same

pytestmark = pytest.mark.usefixtures("posing")
EYE, W, B = torch.eye(4), S.double(), T.bool()
# count, what is given, options, how many operations a call launches
CALLS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any], int]] = {
    "labels": (assay.count_labels, (T, P), {"num_classes": 2}, 1),
    "other labels": (assay.count_labels, (T, P), {"labels": [1, 7, 0]}, 1),
    "bools": (assay.count_labels, (B, P.bool()), {}, 1),
    "weights": (assay.count_labels, (T, P), {"num_classes": 2, "weights": W}, 1),
    "many classes": (assay.count_labels, (T, P), {"num_classes": 5000}, 1),
    "best classes": (assay.count_labels, (T, EYE), {}, 4),
    "top": (assay.count_labels, (T, EYE), {"k": (1, 2)}, 17),
    "rows of labels": (assay.count_labels, (EYE, EYE), {}, 1),
    "scores": (assay.count_scores, (T, S), {}, 1),
    "scores with weights": (assay.count_scores, (T, S), {"weights": W}, 1),
    "float16": (assay.count_scores, (T, S.half()), {}, 1),
    "bfloat16": (assay.count_scores, (T, S.bfloat16()), {"positive": 0}, 1),
    "bins": (assay.count_scores_binned, (T, S), {}, 1),
    "scores of classes": (assay.count_scores, (T, EYE), {}, 1),
}


@pytest.mark.parametrize(("count", "given", "options", "launches"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_loop_waits_for_nothing(
    count: Any, given: Any, options: Any, launches: int, device: str, posing: str
) -> None:
    given = [x.to(device) for x in given]
    options = {k: v.to(device) if k == "weights" else v for k, v in options.items()}
    with NoWait() as seen:
        total = count(*given, **options)
        # "small" makes every batch a large one, which is folded at once.
        if posing != "small":
            assert len(seen.launched) <= launches, seen.launched
        for _ in range(9):
            total = total + count(*given, **options)
            copy.copy(total), repr(total)
    if device == "cpu":
        whole = sum(on_host(count, given, options) for _ in range(10))
        assert total.to_bytes() == whole.to_bytes()


def test_batches_are_joined_once_in_many(posing: str) -> None:
    with NoWait() as seen:
        total = assay.count_labels(T, P, num_classes=2)
        for _ in range(600):
            total = total + assay.count_labels(T, P, num_classes=2)
    if posing == "usual":
        assert len(seen.launched) <= 601 + 2 * 25
    assert total["accuracy"] == 0.75


def test_what_is_given_may_change_afterwards() -> None:
    t, s, rows = T.clone(), S.clone(), EYE.clone()
    wide = _held_torch.ITEMS + 1
    large = torch.zeros(wide, dtype=torch.int64)
    states = [
        assay.count_labels(t, t, num_classes=2), assay.count_scores(t, s),
        assay.count_scores(t, rows), assay.count_labels(t, rows, k=1),
        assay.count_labels(large, large, num_classes=2),
    ]  # fmt: skip
    before = [copy.deepcopy(state).to_bytes() for state in states]
    for tensor in (t, s, rows, large):
        tensor.fill_(7)
    assert [state.to_bytes() for state in states] == before


def test_fields_of_a_state_are_counted_together() -> None:
    states = [assay.count_labels(T, EYE, k=1, weights=W) for _ in range(3)]
    total = sum(states)
    sources = {id(s) for f in ("cells", "weights", "top") for s in getattr(total, f)._sources}
    assert len(sources) == 1
    total = sum(assay.count_scores(T, EYE) for _ in range(3))
    sweeps = [*total.columns.values(), *total.top.values()]
    assert len({id(s) for sweep in sweeps for s in sweep.pools._sources}) == 1


# -- the guard itself ------------------------------------------------------------------------------

WAITING: list[Callable[[Any], Any]] = [
    lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: x.unique(),
    lambda x: x.to("meta"), torch.bincount, lambda x: bool(x.any()),
    lambda x: torch.tensor([1, 2]), lambda x: x.masked_select(x > 0),
]  # fmt: skip


@pytest.mark.parametrize("waits", WAITING)
def test_the_guard_sees_what_waits(waits: Any) -> None:
    with pytest.raises(AssertionError, match=r"waits for the device|copies between"), NoWait():
        waits(T)


def test_the_guard_sees_lists_of_what_has_no_data() -> None:
    # On the CPU a list is made without any operation: that is why loops run on meta too.
    meta = T.to("meta")
    with pytest.raises(AssertionError, match="copies between"), NoWait():
        meta.tolist()


# -- a GPU -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("needs_cuda")
@pytest.mark.parametrize(("count", "given", "options", "launches"), CALLS.values(), ids=CALLS)
def test_a_gpu_gives_the_same(count: Any, given: Any, options: Any, launches: int) -> None:
    there = [x.cuda() for x in given]
    known = {k: v.cuda() if k == "weights" else v for k, v in options.items()}
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        total = sum(count(*there, **known) for _ in range(600))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    same(total, sum(on_host(count, given, options) for _ in range(600)))
