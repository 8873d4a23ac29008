"""Cases of the command line and of large corpora, and what starting a process takes."""

from functools import partial

import commands
import processes
import ranking_scale
import scale
from case import RARE, SLOW, Case, Goal
from timing import StopRule

__all__ = ["CASES"]

ONCE, TWICE = StopRule(min_rounds=1, max_rounds=1), StopRule(min_rounds=2, max_rounds=2)
STARTS = StopRule(min_rounds=5, max_rounds=9, budget_s=30.0)
in_process = partial(Case, size=10_000_000, quick=200_000, rule=SLOW, size_matters=True)
command = partial(Case, rule=RARE, quick_rule=ONCE, size_matters=True)

CASES = [
    command(
        "parquet_cli",
        "words of a Parquet file, `assay score transcripts --json`; checked against count_words",
        processes.parquet_cli,
        "CPU seconds of decoding both columns and of the kernel, over the cores",
        (Goal("over_floor", 1.15), Goal("memory", 1024)),
        size=5_000_000,
        quick=200_000,
        rule=StopRule(min_rounds=3, max_rounds=5, budget_s=60.0),
        quick_rule=StopRule(min_rounds=3, max_rounds=3),  # one call of the floor varies twofold
    ),
    in_process(
        "scale_threads",
        "words and characters of a Parquet file, in bags for intervals, all cores",
        scale.threads,
        "both columns decoded by all cores",
        (Goal("faster", 1.7, None, "one thread"),),
    ),
    in_process(
        "scale_grown",
        "the same: is the time ten times that of a tenth?",
        scale.grown,
        "a tenth of them, ten times",
        (Goal("over_floor", 1.1),),
    ),
    in_process(
        "scale_ray",
        "the same by tasks of a Ray cluster on this machine, which has been started",
        scale.over_ray,
        "local, all cores",
        (Goal("over_floor", 1.2),),
    ),
    command(
        "scale_memory",
        "`assay score transcripts`: is the memory that of a hundredth of the pairs?",
        commands.grown,
        "a hundredth of them",
        (Goal("peak_over_floor", 1.1 / 0.9), Goal("memory", 1024)),  # 10 % around the middle
        size=10_000_000,
        quick=200_000,
    ),
    command(
        "scale_groups",
        "`assay score transcripts --by` 10,000 groups",
        commands.groups,
        "the same without groups",
        (Goal("memory", 1024),),
        size=1_000_000,
        quick=40_000,
    ),
    command(
        "scale_errors",
        "`assay score transcripts --errors` where no error occurs twice",
        commands.errors,
        "the same without a table of errors",
        (Goal("memory", 1024),),
        size=1_000_000,
        quick=40_000,
    ),
    command(
        "scale_resumed",
        "`assay score transcripts --work-dir` where one shard of ten is missing",
        scale.resumed,
        "`assay --version`",
        (Goal("faster", 1 / 0.15, None, "undisturbed"), Goal("memory", 1024)),
        size=100_000_000,
        quick=400_000,
    ),
    in_process(
        "scale_ranks",
        "ranks of 2,000 queries in a gallery of a file, read in blocks",
        ranking_scale.over_blocks,
        "a sum over the gallery",
        (Goal("faster", 0.8, None, "in one piece"), Goal("memory", 300)),
        size=1_000_000,
        quick=20_000,
    ),
    Case(
        "demo",
        "`assay demo`, a report at its end",
        commands.demo,
        "`assay --version`",
        (Goal("seconds", 60),),
        size=240,
        quick=240,
        rule=RARE,
        quick_rule=ONCE,
    ),
    Case(
        "cold_start",
        "process start to first result, nothing compiled before",
        processes.cold_start,
        "the same for a trivial kernel",
        (Goal("seconds", 5, 3),),
        size=1,
        quick=1,
        rule=STARTS,
        quick_rule=ONCE,
    ),
    Case(
        "cached_start",
        "process start to first result, kernels cached",
        processes.cached_start,
        "the same for a trivial kernel",
        (Goal("above_floor", 0.2, 0.1),),
        size=1,
        quick=1,
        rule=STARTS,
        quick_rule=TWICE,
    ),
]
