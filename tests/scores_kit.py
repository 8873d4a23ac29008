"""Targets and scores that tests of count_scores draw."""

from typing import Any

import numpy as np

KINDS = ("float16", "float32", "float64")


def drawn(seed: int, kind: str = "float64") -> tuple[Any, Any]:
    """Targets with both classes, and scores with many ties."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    score = np.round(rng.random(n), int(rng.integers(0, 4))).astype(kind)
    target = rng.integers(0, 2, n)
    target[:2] = 0, 1
    return target, score
