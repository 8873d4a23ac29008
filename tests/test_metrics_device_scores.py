"""Scores that are tensors on a device are counted as arrays are, to the byte."""

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.ops import _sweep_torch
from device_kit import CUTS, FEW, SMALL, S, T, both, columns_of, on_host, same

pytestmark = pytest.mark.usefixtures("posing")


def values_of(dtype: Any) -> st.SearchStrategy[float]:
    wide = 16 if dtype in (torch.float16, torch.bfloat16) else 32
    some = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, SMALL[dtype], -SMALL[dtype]])
    return some | st.floats(-1, 1, width=wide)


@pytest.mark.parametrize("dtype", SMALL)
@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_scores_equal_arrays(dtype: Any, data: Any, cuts: list[int], weighted: bool) -> None:
    kinds = {"ints": [0, 1], "signs": [-1, 1], "one": [1], "bools": [False, True]}
    kind = data.draw(st.sampled_from([*kinds, "floats", "named"]))
    one = st.sampled_from(kinds.get(kind, [0, 1]))
    t, s, w = data.draw(columns_of(one, values_of(dtype), st.sampled_from([0.0, 0.1, 2.0, 1e300])))
    whole = torch.bool if kind == "bools" else torch.float32 if kind == "floats" else torch.int64
    options: dict[str, Any] = {"positive": 0} if kind == "named" else {}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    given = [torch.tensor(t, dtype=whole), torch.tensor(s, dtype=dtype)]
    both(assay.count_scores, given, cuts, **options)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_whole_scores_equal_arrays(dtype: Any) -> None:
    t, s = torch.tensor([0, 1, 1, 0, 1]), torch.tensor([3, 200, 3, 0, 1], dtype=dtype)
    both(assay.count_scores, [t, s], [2])


def test_thresholds_curves_and_calibration_equal_arrays() -> None:
    rng = np.random.default_rng(1)
    t = torch.tensor(rng.integers(0, 2, 3000))
    s = torch.tensor(rng.integers(0, 200, 3000) / 200, dtype=torch.float32)
    device, host = assay.count_scores(t, s), on_host(assay.count_scores, [t, s], {})
    for metric in ("macro_f1", "accuracy", "f1"):
        ours, theirs = device.best_threshold(metric), host.best_threshold(metric)
        assert (ours.threshold, ours.value) == (theirs.threshold, theirs.value)
    assert device.best_threshold(grid="0.3:0.6:0.05").value == host.best_threshold(
        grid="0.3:0.6:0.05").value  # fmt: skip
    for ours, theirs in zip(device.roc_curve(), host.roc_curve(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert device.partial_auc(0.2) == host.partial_auc(0.2)
    same(device.at(0.4), host.at(0.4))


@FEW
@given(data=st.data(), cuts=CUTS, several=st.booleans())
def test_scores_of_classes_equal_arrays(data: Any, cuts: list[int], several: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1, 2], [7, 3, -1]]))
    part = st.sampled_from([0.0, -0.0, 0.25, 0.5, 0.7503, 0.249, 0.251, 1.0, -0.5, 1e-45])
    one = st.lists(st.integers(0, 1), min_size=3, max_size=3) if several else st.sampled_from(known)
    t, s = data.draw(columns_of(one, st.lists(part, min_size=3, max_size=3)))
    dtype = data.draw(st.sampled_from([*SMALL]))
    target = torch.tensor(t, dtype=torch.int64)
    target = target.reshape(-1, 3) if several else target
    scores = torch.tensor(s, dtype=torch.float64).reshape(-1, 3).to(dtype)
    both(assay.count_scores, [target, scores], cuts, labels=known)


def test_columns_are_sorted_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sweep_torch, "BLOCK", 90)
    scores = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(5), 40), dtype=torch.float32)
    both(assay.count_scores, [torch.arange(40) % 5, scores], [11])


@FEW
@given(data=st.data(), cuts=CUTS, bins=st.sampled_from([1, 3, 10, 49, 1000]))
def test_bins_equal_arrays(data: Any, cuts: list[int], bins: int) -> None:
    edge = st.integers(0, bins).map(lambda i: i / bins) | st.floats(0, 1)
    t, s = data.draw(columns_of(st.integers(0, 1), edge))
    dtype = data.draw(st.sampled_from([*SMALL]))
    given = [torch.tensor(t, dtype=torch.int64), torch.tensor(s, dtype=dtype)]
    both(partial(assay.count_scores_binned, bins=bins), given, cuts)


def test_zeros_have_no_sign() -> None:
    state = assay.count_scores(T, -torch.zeros(4))
    assert not any(np.signbit(pool).any() for pool in state.pools.values())


def test_a_state_that_was_read_goes_on() -> None:
    whole = on_host(assay.count_scores, [T.repeat(3), S.repeat(3)], {})
    first = assay.count_scores(T, S)
    assert first.roc_auc == on_host(assay.count_scores, [T, S], {}).roc_auc
    total = first + assay.count_scores(T, S)
    total.scores()
    same(total + first, whole)
    same(copy.deepcopy(total) + first, whole)


def test_gradients_and_strides_do_not_matter() -> None:
    s = torch.stack([S, S], 1).requires_grad_()[:, 1]
    same(assay.count_scores(T, s), on_host(assay.count_scores, [T, S], {}))
    one = torch.tensor([[0.5, 0.25]])[:, 1]
    same(assay.count_scores(T[:1], one), on_host(assay.count_scores, [T[:1], one], {}))


@pytest.mark.usefixtures("needs_cuda")
@pytest.mark.parametrize("dtype", SMALL)
def test_a_gpu_sorts_as_the_host(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    t = torch.tensor(rng.integers(0, 2, 300_000))
    s = torch.tensor(rng.normal(size=300_000)).to(dtype)
    s[:9] = torch.tensor([0.0, -0.0, 1, SMALL[dtype], -SMALL[dtype], 0.5, 0.5, -1, 1]).to(dtype)
    same(assay.count_scores(t.cuda(), s.cuda()), on_host(assay.count_scores, [t, s], {}))
