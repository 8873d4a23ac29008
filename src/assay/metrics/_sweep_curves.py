"""The curves of a sweep, and the area under a part of one."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import number
from assay.core.errors import InputError

__all__ = ["det", "partial_area", "precision_recall", "roc"]

Floats = npt.NDArray[Any]


def partial_area(sweep: Any, max_fpr: float) -> float:
    """See Sweep.partial_auc."""
    if not 0 < number(max_fpr, "max_fpr") <= 1:
        raise InputError(f"max_fpr must be above 0 and at most 1, got {max_fpr!r}")
    if max_fpr == 1 or not (sweep.negatives and sweep.positives):
        return float(sweep.roc_auc)
    fpr, tpr, _ = sweep.roc_curve()
    stop = int(np.searchsorted(fpr, max_fpr, "right"))
    edge = np.interp(max_fpr, fpr[stop - 1 : stop + 1], tpr[stop - 1 : stop + 1])
    area = np.trapezoid(np.append(tpr[:stop], edge), np.append(fpr[:stop], max_fpr))
    least = max_fpr * max_fpr / 2
    return float(0.5 * (1 + (area - least) / (max_fpr - least)))


def roc(sweep: Any) -> tuple[Floats, Floats, Floats]:
    """See Sweep.roc_curve."""
    score, fp, tp = sweep.curve()[:3]
    with np.errstate(invalid="ignore"):
        rates = [np.append(0.0, side) / np.float64(total)
                 for side, total in ((fp, sweep.negatives), (tp, sweep.positives))]  # fmt: skip
    return rates[0], rates[1], np.append(np.inf, score.astype(np.float64))


def precision_recall(sweep: Any) -> tuple[Floats, Floats, Floats]:
    """See Sweep.precision_recall_curve."""
    score, fp, tp = sweep.curve()[:3]
    with np.errstate(invalid="ignore"):
        recall = tp / np.float64(sweep.positives)
    precision = tp / (tp + fp)
    return (
        np.append(precision[::-1], 1.0),
        np.append(recall[::-1], 0.0),
        score[::-1].astype(np.float64),
    )


def det(sweep: Any) -> tuple[Floats, Floats, Floats]:
    """See Sweep.det_curve."""
    score, fp, tp = sweep.curve()[:3]
    fp, tp = np.append(0, fp), np.append(0, tp)
    first = int(np.searchsorted(fp, 0, "right")) - 1
    last = int(np.searchsorted(tp, tp[-1])) + 1
    with np.errstate(invalid="ignore"):
        fpr, fnr = fp / np.float64(sweep.negatives), (tp[-1] - tp) / np.float64(sweep.positives)
    columns = (fpr, fnr, np.append(np.inf, score.astype(np.float64)))
    fpr, fnr, threshold = (column[first:last][::-1] for column in columns)
    return fpr, fnr, threshold
