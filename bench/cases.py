"""The cases as a table: what is compared, at which size, over which floor, and what must be met."""

import captions
import classification
import gpu
import loop
import normalise
import page
import probe
import processes
import ranking_scale
import report
import retrieval
import scale
import text
import tracking
from case import RARE, SLOW, Case, Goal
from timing import StopRule

__all__ = ["CASES"]

SGEMM = "the product alone, float32, torch"
FAISS = Goal("faster", 2, 3.5, "faiss IndexFlatIP")
LISTS = "join and encode both lists, read the bytes once"
READ = "read target and scores once"
SCORED = 2_000_000 * (8 + 4)  # bytes of targets and scores
COLUMNS = "read the columns' buffers once"

CASES = [
    Case(
        "count_words",
        "S/D/I/H of words, lists of str",
        text.count_words,
        LISTS,
        (Goal("faster", 80, 150, "jiwer.wer"),),
    ),
    Case(
        "count_words_arrow",
        "the same from Arrow string columns; jiwer from lists",
        text.count_words_arrow,
        COLUMNS,
        (Goal("faster", 120, 250, "jiwer.wer"),),
    ),
    Case(
        "count_words_kaldi",
        "S/D/I/H of words as kaldi splits them, lists of str",
        text.count_words_kaldi,
        LISTS,
        (Goal("faster", 15, 20, "kaldialign"),),
    ),
    Case(
        "cer",
        "character error rate, lists of str",
        text.cer,
        LISTS,
        (Goal("faster", 100, 200, "jiwer.cer"),),
    ),
    Case(
        "count_chars",
        "S/D/I/H of characters, lists of str",
        text.count_chars,
        LISTS,
        (Goal("faster", 60, 120, "jiwer.cer"),),
    ),
    Case(
        "align",
        "full alignments of words as arrays, lists of str",
        text.align,
        LISTS,
        (Goal("faster", 50, 100, "jiwer.process_words"),),
    ),
    Case(
        "confusions",
        "S/D/I/H of words and how often which was taken for which, lists of str",
        text.confusions,
        LISTS,
        (Goal("faster", 10, None, "jiwer, collected"),),
    ),
    Case(
        "char_distance",
        "one character distance a pair, lists of str",
        text.char_distance,
        LISTS,
        (Goal("faster", 2, 4, "rapidfuzz cpdist"),),
    ),
    Case(
        "long_counts",
        "S/D/I/H of one pair of 100,000 words; peers from lists split before",
        text.long_counts,
        LISTS,
        (
            Goal("faster", 1, 3, "rapidfuzz opcodes, words"),
            Goal("faster", 1, 3, "rapidfuzz opcodes, ids"),
            Goal("memory", 200),
        ),
        size=100_000,
        quick=20_000,
        warm=3_000,
    ),
    Case(
        "long_rate",
        "WER of one pair of 100,000 words; peers from lists split before",
        text.long_rate,
        LISTS,
        (
            Goal("faster", 1, 3, "rapidfuzz distance, words"),
            Goal("faster", 1, 3, "rapidfuzz distance, ids"),
            Goal("memory", 200),
        ),
        size=100_000,
        quick=20_000,
        warm=3_000,
    ),
    Case(
        "short_call",
        "S/D/I/H of 16 pairs, a training step's worth",
        text.count_words,
        LISTS,
        (Goal("faster", 5, 15, "jiwer.wer"),),
        size=16,
        quick=16,
        warm=8,
    ),
    Case(
        "compat_jiwer",
        "assay.compat.jiwer.wer, lists of str",
        text.jiwer_import,
        LISTS,
    ),
    Case(
        "normalise_ascii",
        "pack and normalise `basic`, ASCII",
        normalise.normalise_ascii,
        "join and encode the list, read the bytes once",
        (Goal("faster", 20, None, "Python regex"),),
    ),
    Case(
        "normalise_unicode",
        "pack and normalise `basic`, accents and typographic marks",
        normalise.normalise_unicode,
        "join and encode the list, read the bytes once",
        (Goal("faster", 20, None, "Python regex"),),
    ),
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
    Case(
        "scores_report",
        "accuracy, F1, macro-F1 on 7 thresholds, ROC-AUC and AP of n float32 scores",
        classification.report,
        READ,
        (Goal("faster", 100, 200, "scikit-learn"), Goal("memory", 2 * SCORED / 2**20)),
        size=2_000_000,
        quick=200_000,
        warm=2_000,
        tolerance=1e-9,
        rule=SLOW,
    ),
    Case(
        "roc_auc",
        "ROC-AUC of n float32 scores",
        classification.roc_auc,
        READ,
        (Goal("faster", 20, 45, "roc_auc_score"), Goal("memory", 2 * SCORED / 2**20)),
        size=2_000_000,
        quick=200_000,
        warm=2_000,
        tolerance=1e-9,
        rule=SLOW,
    ),
    Case(
        "best_threshold",
        "the exact best macro-F1 threshold of n float32 scores",
        classification.best_threshold,
        READ,
        (
            Goal("faster", 6, 15, "confusion_matrix_at_thresholds"),
            Goal("memory", 2 * SCORED / 2**20),
        ),
        size=2_000_000,
        quick=200_000,
        warm=2_000,
        tolerance=1e-9,
        rule=SLOW,
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
    *(
        Case(
            f"scope{name}",
            f"n scopes, `with timer(...)`, {what}",
            build,
            "an empty loop",
            (
                Goal("faster", 2, 3, "Python class"),
                Goal("faster", 2, 3, "Python class, by name"),
                Goal("faster", 5, 8, "contextlib"),
            ),
            size=100_000,
            quick=20_000,
        )
        for name, what, build in (
            ("", "by the clock", probe.scope),
            (
                "_fake_device",
                "on a device too: the binding over a fake driver",
                probe.scope_fake_device,
            ),
        )
    ),
    Case(
        "gpu_scope",
        "n scopes around a small kernel each, timed on a GPU",
        probe.scope_gpu,
        "the kernels alone",
        (Goal("faster", 2, None, "torch.cuda.Event"),),
        size=100_000,
        quick=10_000,
        gpu=True,
    ),
    Case(
        "gpu_peak",
        "n bytes of a GPU for 20 ms: the sampled peak is that of the allocator, but for a segment",
        probe.peak_gpu,
        "the blocks alone",
        size=1 << 30,
        quick=1 << 28,
        tolerance=32 << 20,
        gpu=True,
    ),
    Case(
        "memory_sampler",
        "a loop of n additions in Python beside a sampler of 1 ms",
        probe.sampler,
        "the loop alone",
        (Goal("over_floor", 1.01),),
        size=4_000_000,
        quick=1_000_000,
        size_matters=True,
    ),
    *(
        Case(
            f"caption_{name}",
            f"{what}, n items of five references of about twelve words, lists of str",
            build,
            LISTS,
            (Goal("faster", bound, None, peer),),
            size=50_000,
            quick=2_000,
            tolerance=1e-9,
            rule=RARE,
        )
        for name, what, build, peer, bound in (
            ("bleu", "corpus BLEU, tokeniser 13a", captions.bleu, "sacrebleu", 15),
            ("bleu_nltk", "corpus BLEU; nltk from lists of words", captions.bleu_nltk, "nltk", 60),
            ("chrf", "corpus chrF", captions.chrf, "sacrebleu", 20),
            ("rouge_l", "ROUGE-L", captions.rouge_l, "pycocoevalcap", 60),
            ("cider", "CIDEr-D and its document frequencies", captions.cider, "pycocoevalcap", 40),
            ("meteor", "METEOR, exact and stem; nltk from lists", captions.meteor, "nltk", 30),
            ("ter", "corpus TER", captions.ter, "sacrebleu", 10),
        )
    ),
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
    Case(
        "parquet_cli",
        "words of a Parquet file, `assay score transcripts --json`; checked against count_words",
        processes.parquet_cli,
        "CPU seconds of decoding both columns and of the kernel, over the cores",
        (Goal("over_floor", 1.15), Goal("memory", 1024)),
        size=5_000_000,
        quick=200_000,
        rule=StopRule(min_rounds=3, max_rounds=5, budget_s=60.0),
        quick_rule=StopRule(min_rounds=1, max_rounds=1),
        size_matters=True,
    ),
    Case(
        "scale_threads",
        "words and characters of a Parquet file, in bags for intervals, all cores",
        scale.threads,
        "both columns decoded by all cores",
        (Goal("faster", 1.7, None, "one thread"),),
        size=10_000_000,
        quick=200_000,
        rule=SLOW,
        size_matters=True,
    ),
    Case(
        "scale_grown",
        "the same: is the time ten times that of a tenth?",
        scale.grown,
        "a tenth of them, ten times",
        (Goal("over_floor", 1.1),),
        size=10_000_000,
        quick=200_000,
        rule=SLOW,
        size_matters=True,
    ),
    Case(
        "scale_ray",
        "the same by tasks of a Ray cluster on this machine, which has been started",
        scale.over_ray,
        "local, all cores",
        (Goal("over_floor", 1.2),),
        size=10_000_000,
        quick=200_000,
        rule=SLOW,
        size_matters=True,
    ),
    Case(
        "scale_resumed",
        "`assay score transcripts --work-dir` where one shard of ten is missing",
        scale.resumed,
        "`assay --version`",
        (Goal("faster", 1 / 0.15, None, "undisturbed"), Goal("memory", 1024)),
        size=100_000_000,
        quick=400_000,
        rule=RARE,
        quick_rule=StopRule(min_rounds=1, max_rounds=1),
        size_matters=True,
    ),
    Case(
        "scale_ranks",
        "ranks of 2,000 queries in a gallery of a file, read in blocks",
        ranking_scale.over_blocks,
        "a sum over the gallery",
        (Goal("faster", 0.8, None, "in one piece"),),
        size=1_000_000,
        quick=20_000,
        rule=SLOW,
        size_matters=True,
    ),
    Case(
        "cold_start",
        "process start to first result, nothing compiled before",
        processes.cold_start,
        "the same for a trivial kernel",
        (Goal("seconds", 5, 3),),
        size=1,
        quick=1,
        rule=StopRule(min_rounds=5, max_rounds=9, budget_s=30.0),
        quick_rule=StopRule(min_rounds=1, max_rounds=1),
    ),
    Case(
        "cached_start",
        "process start to first result, kernels cached",
        processes.cached_start,
        "the same for a trivial kernel",
        (Goal("above_floor", 0.2, 0.1),),
        size=1,
        quick=1,
        rule=StopRule(min_rounds=5, max_rounds=9, budget_s=30.0),
        quick_rule=StopRule(min_rounds=2, max_rounds=2),
    ),
]
