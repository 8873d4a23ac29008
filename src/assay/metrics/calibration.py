"""Whether scores are probabilities: losses, and how far scores are from what happens."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import whole
from assay.core.errors import InputError
from assay.core.optional import require
from assay.ops.sweep import Runs

__all__ = ["EPSILON", "Reliability", "losses", "reliability"]

# bits of a score -> how far log loss keeps it from 0 and 1
EPSILON = {n: float(np.finfo(f"float{n}").eps) for n in (16, 32, 64)}

MOST_BINS = 1 << 24

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of equal width: edges [bins + 1]; count, mean score and share of positives [bins], nan
    where a bin is empty. A bin holds scores from its lower edge to below its upper one; 1 is in
    the last."""

    edges: Floats
    count: npt.NDArray[Any]
    score: Floats
    positives: Floats

    @property
    def ece(self) -> float:
        """The mean distance of score and share of positives, over items; nan without items."""
        total = self.count.sum()
        if not total:
            return math.nan
        there = self.count > 0
        gaps = np.abs(self.score - self.positives)[there]
        return float((gaps * self.count[there]).sum() / total)

    @property
    def mce(self) -> float:
        """The largest distance of a bin; nan without items."""
        there = self.count > 0
        return float(np.abs(self.score - self.positives)[there].max()) if there.any() else math.nan

    def to_pandas(self) -> Any:
        """One row for each bin."""
        pd = require("pandas")

        return pd.DataFrame(
            {"from": self.edges[:-1], "to": self.edges[1:], "count": self.count,
             "mean_score": self.score, "share_positive": self.positives}
        )  # fmt: skip


def losses(sweep: Any) -> tuple[float, float]:
    """Brier score and log loss of a sweep."""
    _refuse(sweep, "brier and log_loss")
    total = sweep.negatives + sweep.positives
    if not total:
        return math.nan, math.nan

    def some(runs: Runs) -> tuple[float, float]:
        fp, tp = _steps(runs)
        score = runs.score.astype(np.float64)
        epsilon = EPSILON[sweep.width or 64]
        kept = np.clip(score, float(epsilon), 1 - float(epsilon))
        squares = tp * (1 - score) ** 2 + fp * score**2
        logs = tp * np.log(kept) + fp * np.log1p(-kept)
        return float(squares.sum()), -float(logs.sum())

    parts = zip(*sweep.over_runs(some), strict=True)
    brier, log = (math.fsum(part) / total for part in parts)
    return brier, log


def reliability(sweep: Any, bins: int) -> Reliability:
    """See Sweep.calibration."""
    _refuse(sweep, "calibration")
    bins = whole(bins, "bins", 1, MOST_BINS)
    edges = np.arange(bins + 1) / bins

    def some(runs: Runs) -> Floats:
        fp, tp = _steps(runs)
        score = runs.score.astype(np.float64)
        place = np.minimum(np.searchsorted(edges, score, "right") - 1, bins - 1)
        sums = (fp + tp, tp, (fp + tp) * score)
        return np.stack([np.bincount(place, side, minlength=bins) for side in sums])

    parts = [*sweep.over_runs(some)]
    sums = np.array([[math.fsum(cell) for cell in zip(*rows, strict=True)]
                     for rows in zip(*parts, strict=True)]).reshape(3, -1)  # fmt: skip
    count, positives, score = sums if parts else np.zeros((3, bins))
    with np.errstate(invalid="ignore", divide="ignore"):
        return Reliability(edges, count, score / count, positives / count)


def _steps(runs: Runs) -> tuple[Floats, Floats]:
    """Negatives and positives at each score."""
    before = runs.before
    fp, tp = (np.diff(side, prepend=first) for side, first in zip(runs[1:3], before, strict=True))
    return fp.astype(np.float64), tp.astype(np.float64)


def _refuse(sweep: Any, what: str) -> None:
    if not sweep.are_probabilities:
        raise InputError(f"{what}: scores must be probabilities in 0..1; map them there first")
