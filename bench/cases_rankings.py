"""Cases of rankings, by similarity and of given runs, and those of a GPU."""

import gpu
import retrieval
from case import SLOW, Case, Goal

__all__ = ["CASES"]

SGEMM = "the product alone, float32, torch"
FAISS = Goal("faster", 2, 3.5, "faiss IndexFlatIP")

CASES = [
    *(
        Case(
            f"topk_{kind}_{k}",
            f"{k} best of n rows for 1,000 queries of width 384, {kind} vectors",
            retrieval.top(kind, k),
            SGEMM,
            (*goals, Goal("memory", 300)),
            size=100_000,
            quick=10_000,
            warm=500,
            tolerance=1e-5,
            rule=SLOW,
        )
        for kind, k, goals in (
            ("gaussian", 10, (FAISS, Goal("over_floor", 0.7, 0.4))),
            ("encoder", 10, (FAISS, Goal("over_floor", 0.7, 0.4))),
            ("gaussian", 100, (Goal("over_floor", 1.0, 0.6),)),
            ("encoder", 100, (Goal("over_floor", 1.0, 0.6),)),
        )
    ),
    *(
        Case(
            f"ranks_{kind}",
            f"mAP and R@1,5,10 at full depth, both directions, n queries, 5 n rows, {kind}",
            retrieval.ranks(kind),
            SGEMM,
            (*goals, Goal("memory", 300)),
            size=5_000,
            quick=1_000,
            warm=100,
            tolerance=1e-5,
            rule=SLOW,
        )
        for kind, goals in (
            ("encoder", (Goal("over_floor", 0.8, 0.5), Goal("faster", 8, None, "torch argsort"))),
            ("gaussian", (Goal("over_floor", 1.3, 0.8),)),
            ("random", (Goal("over_floor", 2.0, 1.2),)),
        )
    ),
    *(
        Case(
            f"ranks_map_{width}",
            f"mAP of n queries, 5 n rows of width {width}; torchmetrics from scores",
            retrieval.against_torchmetrics(width),
            SGEMM,
            (Goal("faster", 100, 500, "torchmetrics RetrievalMAP"),),
            size=1_000,
            quick=200,
            warm=50,
            tolerance=1e-6,
            rule=SLOW,
        )
        for width in (128, 512)
    ),
    *(
        Case(
            f"given_run_{name}",
            f"six measures of n queries with n ranked items each, {name} in",
            retrieval.given_run(name == "arrays"),
            "sort the scores of each query, read the items once",
            (Goal("faster", bound, None, "pytrec_eval from dicts"),),
            size=1_000,
            quick=300,
            warm=60,
            tolerance=1e-9,
        )
        for name, bound in (("arrays", 20), ("dicts", 1))
    ),
    *(
        Case(
            f"gpu_{name}_{kind}",
            f"{name} on a GPU, bfloat16, {queries:,} queries of width {width}",
            build(kind),
            "the product alone, bfloat16, torch, on the GPU",
            size=200_000,
            quick=20_000,
            warm=500,
            tolerance=1e-2,
            rule=SLOW,
            gpu=True,
        )
        for name, build in (("topk", gpu.top), ("ranks", gpu.ranks))
        for kind, (queries, width) in gpu.SIZES.items()
    ),
]
