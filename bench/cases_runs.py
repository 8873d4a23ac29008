"""Cases of runs: what logging costs a loop, and what reports of it take."""

import page
import report
import tracking
from case import RARE, SLOW, Case, Goal
from timing import StopRule

__all__ = ["CASES"]

CASES = [
    Case(
        "run_log",
        "run.log of n scalars with three trackers, one of them dead",
        tracking.log,
        "the write of such a line",
        (
            Goal("seconds", 50e-6, 25e-6),
            Goal("tail", 1e-3, 0.2e-3),
            Goal("faster", 200, None, "mlflow.log_metrics"),
        ),
        size=10,
        quick=10,
        warm=10,
        rule=StopRule(min_rounds=5, max_rounds=20, budget_s=30.0, slice_s=0.02),
    ),
    Case(
        "summary",
        "tables of n runs of 1,000 points: runs, folds, an ablation; journals are read each time",
        report.summary,
        "json.loads of each line",
        (Goal("seconds", 2),),
        size=200,
        quick=20,
        warm=4,
        tolerance=1e-15,
        rule=StopRule(min_rounds=3, max_rounds=9, budget_s=20.0),
        size_matters=True,
    ),
    Case(
        "page",
        "a page of one run and n transcripts with their alignments, below 40 MiB",
        page.written,
        "gzip of the texts as JSON",
        (Goal("seconds", 30),),
        size=100_000,
        quick=5_000,
        rule=RARE,
        size_matters=True,
    ),
    Case(
        "page_opened",
        "that page in Chromium, from its address until it can be searched",
        page.opened,
        "an empty page",
        (Goal("seconds", 3),),
        size=100_000,
        quick=5_000,
        rule=SLOW,
        size_matters=True,
    ),
]
