"""FLOPs of nn.Bilinear and of distances, held against hand formulas."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from flops_kit import count, total
from models import NeedsValues


class Distance(nn.Module):
    """Of rows of two tensors, or of one."""

    def __init__(self, p: float, mode: str = "use_mm_for_euclid_dist_if_necessary") -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, a: Any, b: Any = None) -> Any:
        return F.pdist(a, self.p) if b is None else torch.cdist(a, b, self.p, self.mode)


@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
def test_bilinear(real: bool) -> None:
    b, i, j, o = 5, 3, 4, 2
    model: nn.Module = nn.Bilinear(i, j, o)
    x, y = torch.zeros(b, i), torch.zeros(b, j)
    found = count(NeedsValues(model) if real else model, (x, y), backward=True)
    assert total(found, "forward") == 2 * (b * o * i * j + b * o * j)
    assert total(found, "backward") == 2 * b * o * i * j  # of the weight alone
    assert not [name for name, kind in found.uncounted if kind == "unknown"]
    wanted = (x.requires_grad_(), y.requires_grad_())
    found = count(NeedsValues(model) if real else model, wanted, backward=True)
    assert total(found, "backward") == 2 * (3 * b * o * i * j + b * o * j)


def test_bilinear_of_more_dimensions() -> None:
    found = count(nn.Bilinear(3, 4, 2), (torch.zeros(6, 5, 3), torch.zeros(6, 5, 4)))
    assert total(found) == 2 * 30 * 2 * (3 * 4 + 4)


@pytest.mark.parametrize("mode", ["use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"])
@pytest.mark.parametrize("real", [False, True], ids=["meta", "cpu"])
@pytest.mark.parametrize("batch", [(), (2, 3)])
def test_euclidean_distances(mode: str, real: bool, batch: tuple[int, ...]) -> None:
    m, n, d = 7, 5, 4
    a = torch.rand(*batch, m, d, requires_grad=True)
    b = torch.rand(*batch, n, d, requires_grad=True)
    model: nn.Module = Distance(2.0, mode)
    found = count(NeedsValues(model) if real else model, (a, b), backward=True)
    pairs = math.prod(batch) * m * n
    assert total(found, "forward") == 2 * pairs * d
    assert total(found, "backward") == 2 * 2 * pairs * d  # of either side
    assert not [name for name, kind in found.uncounted if kind == "unknown"]


def test_distances_within() -> None:
    found = count(Distance(2.0), torch.rand(6, 4, requires_grad=True), backward=True)
    assert total(found, "forward") == 2 * 15 * 4
    assert total(found, "backward") == 2 * 2 * 15 * 4


@pytest.mark.parametrize("p", [1.0, 3.0, math.inf])
def test_other_distances_are_no_products_and_are_listed(p: float) -> None:
    for inputs in ((torch.zeros(7, 4), torch.zeros(5, 4)), (torch.zeros(6, 4),)):
        found = count(Distance(p), inputs)
        assert total(found) == 0
        name = "aten._cdist_forward" if len(inputs) == 2 else "aten._pdist_forward"
        assert found.uncounted[(name, "unknown")] == 1
