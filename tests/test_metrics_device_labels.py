"""Labels that are tensors on a device are counted as arrays are, to the byte."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import assay
from assay.core.errors import InputError
from assay.ops import _labels_torch
from device_kit import CUTS, FEW, SMALL, WEIGHTS, P, T, both, columns_of

pytestmark = pytest.mark.usefixtures("posing")
INTS = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


@FEW
@given(data=st.data(), dtype=st.sampled_from(INTS), cuts=CUTS, weighted=st.booleans())
def test_labels_equal_arrays(data: Any, dtype: Any, cuts: list[int], weighted: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1], [1, 0], [3], [0, 1, 2, 3], [5, 2, 3, 4, 0, 1]])
                      | st.just([-1, 1]).filter(lambda _: dtype != torch.uint8))  # fmt: skip
    one = st.sampled_from(known)
    t, p, w = data.draw(columns_of(one, one, st.sampled_from(WEIGHTS)))
    options: dict[str, Any] = {"labels": known}
    if known == [*range(len(known))] and data.draw(st.booleans()):
        options = {"num_classes": len(known)}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    both(assay.count_labels, [torch.tensor(x, dtype=dtype) for x in (t, p)], cuts, **options)


@FEW
@given(rows=columns_of(st.booleans(), st.booleans()), cuts=CUTS)
def test_bool_labels_need_no_names(rows: list[list[bool]], cuts: list[int]) -> None:
    both(assay.count_labels, [torch.tensor(x, dtype=torch.bool) for x in rows], cuts)


@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_best_classes_equal_arrays(data: Any, cuts: list[int], weighted: bool) -> None:
    known = data.draw(st.sampled_from([[0, 1, 2], [7, 3, -1], [4, 5]]))
    score = st.lists(st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, float("inf")]),
                     min_size=len(known), max_size=len(known))  # fmt: skip
    t, s, w = data.draw(columns_of(st.sampled_from(known), score, st.sampled_from(WEIGHTS)))
    dtype = data.draw(st.sampled_from([*SMALL, torch.int32]))
    scores = torch.tensor(s, dtype=torch.float64).reshape(-1, len(known))
    scores = scores.clamp(-9, 9).to(dtype)
    options: dict[str, Any] = {"labels": known, "k": data.draw(st.sampled_from([(), 1, (1, 2)]))}
    if weighted:
        options["weights"] = torch.tensor(w, dtype=torch.float64)
    both(assay.count_labels, [torch.tensor(t, dtype=torch.int64), scores], cuts, **options)


@FEW
@given(data=st.data(), cuts=CUTS, weighted=st.booleans())
def test_rows_of_labels_equal_arrays(data: Any, cuts: list[int], weighted: bool) -> None:
    row = st.lists(st.integers(0, 1), min_size=3, max_size=3)
    t, p, w = data.draw(columns_of(row, row, st.sampled_from(WEIGHTS)))
    dtype = data.draw(st.sampled_from([torch.bool, torch.int64, torch.float32]))
    given = [torch.tensor(x, dtype=dtype).reshape(-1, 3) for x in (t, p)]
    options = {"weights": torch.tensor(w, dtype=torch.float64)} if weighted else {}
    both(assay.count_labels, given, cuts, **options)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_classes_have_no_table(weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_labels_torch, "CELLS", 10)
    rng = np.random.default_rng(0)
    t, p = (torch.tensor(rng.integers(0, 9, 40)) for _ in range(2))
    options = {"weights": torch.tensor(rng.random(40))} if weighted else {}
    both(assay.count_labels, [t, p], [10, 10, 25], num_classes=9, **options)
    both(assay.count_labels, [t, torch.eye(9)[p]], [10], k=(1, 3), **options)


def test_num_classes_of_arrays_are_labels_from_0() -> None:
    given = T.numpy(), P.numpy()
    named, counted = (
        assay.count_labels(*given, **o) for o in ({"labels": [0, 1, 2]}, {"num_classes": 3})
    )
    assert named.to_bytes() == counted.to_bytes()
    with pytest.raises(InputError, match="not among the labels"):
        assay.count_labels(*given, num_classes=1)


def test_batches_of_many_items_are_folded_at_once() -> None:
    rng = np.random.default_rng(0)
    n = (1 << 18) + 5
    t, p = (torch.tensor(rng.integers(0, 3, 2 * n))[::2] for _ in range(2))
    both(assay.count_labels, [t, p], [7], num_classes=3)
