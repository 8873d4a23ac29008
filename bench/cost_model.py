"""What a corpus costs, predicted from costs of single items, and held against whole commands.

    python bench/cost_model.py             measure costs, predict 3 sizes, run them, print tables
    python bench/cost_model.py --no-runs   measure and predict only

Costs are CPU seconds of one thread, which other work on the machine moves less than the clock's.
A count of n items by m machines of c cores takes about

    start + n (decode + count) / (m c) + ceil(log2 m) (state / network + merge)

and never less than its bytes take to arrive: n bytes / (m network).
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from corpus import corpus, parquet
from processes import HERE

SAMPLE, PIECE = 100_000, 12_500
SIZES = (100_000, 1_000_000, 10_000_000)
NETWORK = 1.25e9  # bytes a second of a machine: 10 Gbit/s
H100_DENSE = 989e12  # FLOP/s in bf16, as published
H100_SHARE = 0.4  # of it that a fused product and selection may reach; a guess
FOLDER = HERE.parent / "build" / "bench"


def cpu(call: Callable[[], Any], rounds: int = 3) -> float:
    """CPU seconds of a call, the least of some rounds after one to warm up."""
    call()
    found = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def costs() -> dict[str, tuple[float, float]]:
    """Nanoseconds and bytes of an item, by what is done with it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import assay
    from assay.cli.transcripts import count_transcripts
    from assay.metrics.words import count_and_bag
    from assay.readers import read
    from assay.run.totals import Adder

    path = parquet(SAMPLE, FOLDER)
    size = sum(
        pq.ParquetFile(path).metadata.row_group(0).column(i).total_compressed_size for i in (1, 2)
    ) / SAMPLE  # fmt: skip
    said, heard = corpus(SAMPLE).columns()
    text = (said.nbytes + heard.nbytes) / SAMPLE
    few = SAMPLE // 10
    lists = pa.ListArray.from_arrays(pa.array(range(few + 1), pa.int32()), said.slice(0, few))
    some = heard.slice(0, few)
    df = assay.count_document_frequency(lists)
    rng = np.random.default_rng(0)
    target, score = rng.random(10 * SAMPLE) < 0.1, rng.random(10 * SAMPLE, np.float32)
    label = rng.integers(0, 50, 10 * SAMPLE)

    plain = {"normalise": "none", "empty": "jiwer", "policy": "jiwer", "by": None, "items": False}

    def bagged(unit: str, rate: str) -> None:
        """In pieces as the command has them."""
        for i in range(0, SAMPLE, PIECE):
            texts = said.slice(i, PIECE), heard.slice(i, PIECE)
            count_and_bag(unit, *texts, [rate], **plain, confusions=False)

    source = read(path, ("text", "pred"))
    options = {**plain, "confusions": False}
    del options["by"]
    count = partial(count_transcripts, units=("word", "char"), extra=(), groups=0, options=options,
                    bagged=True)  # fmt: skip
    counted = [count(pa.table([said.slice(i, PIECE), heard.slice(i, PIECE)], names=["a", "b"]))
               for i in range(0, SAMPLE, PIECE)]  # fmt: skip

    def decode() -> None:
        for part in source.parts():
            for _ in source.batches(part):
                pass

    def add() -> None:
        adder = Adder()
        for answer in counted:
            adder.add(answer.total)
        adder.total()

    calls: dict[str, tuple[Callable[[], Any], int, float]] = {
        "decode Parquet": (decode, SAMPLE, size),
        "words, in bags": (partial(bagged, "word", "wer"), SAMPLE, text),
        "characters, in bags": (partial(bagged, "char", "cer"), SAMPLE, text),
        "add states": (add, SAMPLE, 0),
        "BLEU": (partial(assay.count_bleu, lists, some), few, text),
        "chrF": (partial(assay.count_chrf, lists, some), few, text),
        "ROUGE-L": (partial(assay.count_rouge_l, lists, some), few, text),
        "document frequency": (partial(assay.count_document_frequency, lists), few, text / 2),
        "CIDEr-D": (partial(assay.count_cider, lists, some, df=df), few, text),
        "labels": (partial(assay.count_labels, label, label), len(label), 16),
        "sweep of scores": (partial(assay.count_scores, target, score), len(score), 5),
    }
    os.environ["ASSAY_THREADS"] = "1"
    found = {name: (cpu(call) / n * 1e9, size) for name, (call, n, size) in calls.items()}
    del os.environ["ASSAY_THREADS"]
    return found


def flops() -> float:
    """FLOP/s of exact ranking with every core of this machine."""
    import assay

    q, g, d = 512, 50_000, 512
    rng = np.random.default_rng(0)
    query, gallery = (rng.standard_normal((n, d), np.float32) for n in (q, g))
    assay.topk(query[:8], gallery, 10)
    began = time.perf_counter()
    assay.topk(query, gallery, 10)
    return 2 * q * g * d / (time.perf_counter() - began)


def run(n: int) -> float:
    """CPU seconds of the command over n pairs."""
    command = [sys.executable, "-m", "assay", "score", "transcripts", str(parquet(n, FOLDER)),
               "--reference", "text", "--hypothesis", "pred", "--json"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    json.loads(process.stdout.read())
    _, _, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime


def time_of(
    n: float, item_ns: float, item_bytes: float, machines: int, cores: int,
    state_bytes: float = 0.92e6, merge_s: float = 0.004, start_s: float = 1.0,
) -> float:  # fmt: skip
    """Seconds of a count of n items."""
    work = n * item_ns * 1e-9 / (machines * cores)
    arrive = n * item_bytes / (machines * NETWORK)
    tree = math.ceil(math.log2(machines)) if machines > 1 else 0
    return start_s + max(work, arrive) + tree * (state_bytes / NETWORK + merge_s)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-runs", action="store_true")
    asked = parser.parse_args()
    found = costs()
    print("| step | ns an item | bytes an item | MB/s of a core |\n|---|--:|--:|--:|")
    for name, (ns, size) in found.items():
        print(f"| {name} | {ns:,.0f} | {size:,.0f} | {size / ns * 1e3:,.0f} |")
    steps = ("decode Parquet", "words, in bags", "characters, in bags", "add states")
    pair = sum(found[name][0] for name in steps)
    print(f"\na pair of transcripts: {pair:,.0f} ns; rankings: {flops() / 1e9:,.0f} GFLOP/s here")
    if not asked.no_runs:
        start = min(run(1000) for _ in range(3))
        print("\n| pairs | predicted CPU s | measured | error |\n|--:|--:|--:|--:|")
        for n in SIZES:
            guess = start + n * pair * 1e-9
            took = min(run(n) for _ in range(3 if n < SIZES[-1] else 2))
            print(f"| {n:,} | {guess:.2f} | {took:.2f} | {guess / took - 1:+.1%} |")
    size = found["decode Parquet"][1]
    print("\n| 10^10 pairs, predicted | seconds |\n|---|--:|")
    for machines, cores in ((1, 2), (1, 64), (16, 64), (100, 64)):
        took = time_of(1e10, pair, size, machines, cores)
        print(f"| {machines} machines of {cores} cores | {took:,.0f} |")
    print("\n| 10^7 x 10^9 rankings, width 512, predicted | hours |\n|---|--:|")
    work = 2 * 1e7 * 1e9 * 512
    for machines in (8, 64, 512):
        print(f"| {machines} H100 | {work / (machines * H100_DENSE * H100_SHARE) / 3600:,.1f} |")


if __name__ == "__main__":
    main()
