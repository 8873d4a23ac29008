"""Cases of labels and scores, of meters that count them in a loop, and of resamples."""

from functools import partial

import classification
import loop
from case import SLOW, Case, Goal

__all__ = ["CASES"]

ITEMS = 2_000_000
READ = "read target and scores once"


def within_twice(item_bytes: int) -> Goal:
    """Memory of at most two times ITEMS items."""
    return Goal("memory", 2 * ITEMS * item_bytes / 2**20)


SCORED = within_twice(8 + 4)
columns = partial(
    Case, size=ITEMS, quick=200_000, warm=2_000, tolerance=1e-9, rule=SLOW
)  # whole columns at once

CASES = [
    columns(
        "scores_report",
        "accuracy, F1, macro-F1 on 7 thresholds, ROC-AUC and AP of n float32 scores",
        classification.report,
        READ,
        (Goal("faster", 100, 200, "scikit-learn"), SCORED),
    ),
    columns(
        "scores_report_weighted",
        "the same with a float64 weight each",
        classification.weighted_report,
        "read target, scores and weights once",
        (Goal("memory", 1.8 * ITEMS * (8 + 4 + 8) / 2**20),),
    ),
    columns(
        "roc_auc",
        "ROC-AUC of n float32 scores",
        classification.roc_auc,
        READ,
        (Goal("faster", 20, 45, "roc_auc_score"), SCORED),
    ),
    columns(
        "best_threshold",
        "the exact best macro-F1 threshold of n float32 scores",
        classification.best_threshold,
        READ,
        (Goal("faster", 6, 15, "confusion_matrix_at_thresholds"), SCORED),
    ),
    columns(
        "labels_report",
        "accuracy, macro-F1 and MCC of n labels of 50 classes",
        classification.labels_report,
        "one bincount of pairs",
        (within_twice(8 + 8),),
    ),
    Case(
        "labels_step",
        "binary counts of a batch of n items, one call",
        classification.step,
        "one bincount",
        (Goal("faster", 15, 50, "BinaryF1Score.update"), Goal("faster", 100, 500, "f1_score")),
        size=64,
        quick=64,
        warm=8,
        tolerance=1e-6,
    ),
    Case(
        "meter_update",
        "Meter.update for WER on a batch of 16 pairs, of an epoch of n pairs with its rate",
        loop.update,
        "count_words of all pairs at once, for each batch",
        (Goal("faster", 100, None, "WordErrorRate.update"),),
        size=20_000,
        quick=4_000,
        warm=320,
        tolerance=1e-6,
    ),
    Case(
        "meter_sync",
        "ten meters over 4 gloo processes, values included",
        loop.sync,
        "one reduction of as many numbers",
        (Goal("faster", 3, None, "MetricCollection"),),
        size=256,
        quick=256,
        warm=256,
        tolerance=1e-5,
    ),
    Case(
        "bootstrap",
        "1,000 resamples of macro-F1 and of ROC-AUC of n items; widths against theory",
        classification.bootstrap,
        "draw one resample's row numbers",
        (Goal("faster", 50, 200, "scikit-learn, resampled"),),
        size=100_000,
        quick=10_000,
        warm=500,
        tolerance=2e-3,
        rule=SLOW,
    ),
]
