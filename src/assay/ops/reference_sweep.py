"""The slow twin of sweep.py, in plain loops: the oracle of the tests, and a readable definition."""

import math
from typing import Any

__all__ = ["cut", "merge"]


def cut(target: Any, score: Any) -> tuple[Any, Any, int]:
    """Scores of label 0 and of label 1, each sorted upwards, and the first row with another label
    or a score that is not finite, or -1."""
    import numpy as np

    sides: tuple[list[float], list[float]] = ([], [])
    for row, (label, own) in enumerate(zip(target.tolist(), score.tolist(), strict=True)):
        if label not in (0, 1) or not math.isfinite(own):
            return score[:0], score[:0], row
        sides[label].append(own + 0.0)  # -0.0 becomes 0.0
    negatives, positives = (np.array(sorted(side), score.dtype) for side in sides)
    return negatives, positives, -1


def merge(negatives: Any, positives: Any, fp: int, tp: int) -> tuple[Any, Any, Any]:
    """The distinct scores, best first, and how many of each class are at least that, fp and tp of
    them above."""
    import numpy as np

    classes = negatives.tolist(), positives.tolist()
    scores = sorted({*classes[0], *classes[1]}, reverse=True)
    counts = [
        [above + sum(own >= score for own in side) for score in scores]
        for side, above in zip(classes, (fp, tp), strict=True)
    ]
    return np.array(scores, negatives.dtype), *np.array(counts, np.int64).reshape(2, -1)
