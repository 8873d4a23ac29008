"""Squared distances that differ by less than a float32 of their size can tell."""

from typing import Any

import numpy as np
import pytest
import torch

from assay.ops._similarity_torch import topk_device
from assay.ops.similarity import topk
from similarity_kit import WAYS

N, WIDTH, K = 600, 8, 9


def far_from_a_small_query(rng: Any) -> tuple[Any, Any]:
    """Norms of 2^27 whose last digits decide, and a query that adds nothing to them."""
    return np.zeros((2, WIDTH)), 4096.0 + rng.integers(0, 2, (N, WIDTH))


def near_zero_and_a_large_query(rng: Any) -> tuple[Any, Any]:
    """Small rows at a right angle to a query of 2^26, whose square drowns theirs."""
    x, y = np.zeros((2, WIDTH)), rng.integers(0, 4, (N, WIDTH)).astype(float)
    x[:, 0], y[:, 0] = 8191.0, 0.0
    return x, y


CASES = [far_from_a_small_query, near_zero_and_a_large_query]


@pytest.mark.parametrize("made", CASES)
@pytest.mark.parametrize("way", [*WAYS, "torch"])
def test_the_nearest_by_whole_numbers(made: Any, way: Any) -> None:
    x, y = made(np.random.default_rng(0))
    distances = ((x[:, None] - y[None]) ** 2).sum(-1)
    expected = np.argsort(distances, axis=1, kind="stable")[:, :K]
    x, y = x.astype(np.float32), y.astype(np.float32)
    if way == "torch":
        index = topk_device(torch.from_numpy(x), torch.from_numpy(y), K, "l2")[1]
    else:
        index = topk(x, y, K, metric="l2", precision=way).index
    assert index.tolist() == expected.tolist()
