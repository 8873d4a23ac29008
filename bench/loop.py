"""Meters in a training loop: an update, and the sum of ten of them over four gloo processes."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from corpus import corpus
from gate import Contender, Took, Work

__all__ = ["sync", "update"]

HERE = Path(__file__).parent
RANKS = 4
BATCH = 16
ITEMS = 64  # a rank's, in sync()


@cache
def texts(n: int) -> tuple[list[str], list[str]]:
    refs, hyps = (column.to_pylist() for column in corpus(n).columns())
    return refs, hyps


def update(n: int) -> Work:
    """An epoch of n pairs in batches of BATCH, and then the rate: its time over the batches. The
    peer's update is timed on a few batches, and its time taken for all."""
    refs, hyps = texts(n)
    batches = [(refs[i : i + BATCH], hyps[i : i + BATCH]) for i in range(0, n, BATCH)]

    def ours() -> Contender:
        import assay

        def run() -> Took:
            meter = assay.Meter(assay.count_words)
            start = time.perf_counter()
            for own in batches:
                meter.update(*own)
            rate = meter.compute()["wer"]  # what updates left to do
            return Took((time.perf_counter() - start) / len(batches), rate)

        return Contender(run, lambda took: {"wer": took.result})

    def peer() -> Contender:
        from torchmetrics.text import WordErrorRate

        some = batches[:10]

        def run() -> Took:
            metric = WordErrorRate()
            start = time.perf_counter()
            for reference, hypothesis in some:
                metric.update(hypothesis, reference)
            took = (time.perf_counter() - start) / len(some)
            return Took(took, float(metric.compute()))

        return Contender(run, lambda took: {"wer_of_some": took.result})

    def truth() -> Mapping[str, Any]:
        import jiwer

        some = slice(0, 10 * BATCH)
        return {"wer": jiwer.wer(refs, hyps), "wer_of_some": jiwer.wer(refs[some], hyps[some])}

    def floor() -> Took:
        import assay

        start = time.perf_counter()
        assay.count_words(refs, hyps)
        return Took((time.perf_counter() - start) / len(batches), None)

    return Work(ours=ours, peers={"WordErrorRate.update": peer}, truth=cache(truth), floor=floor)


# -- over ranks ------------------------------------------------------------------------------------


class _Ranks:
    """Four processes of this file that answer lines: what to sync, and how often."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, str(HERE / "loop.py"), f"tcp://127.0.0.1:{port}"]
        self._processes = [
            subprocess.Popen(
                [*command, str(rank)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "ASSAY_THREADS": "1"},
            )
            for rank in range(RANKS)
        ]  # fmt: skip

    def ask(self, what: str) -> Took:
        """Seconds of the slowest rank, and the first one's values."""
        for process in self._processes:
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in self._processes]
        return Took(max(seconds for seconds, _ in answers), answers[0][1])

    def __del__(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@cache
def _ranks() -> _Ranks:
    return _Ranks()


def sync(n: int) -> Work:
    """Values of ten metrics over four ranks, whose batches are counted already."""

    def asked(what: str) -> Callable[[], Contender]:
        return lambda: Contender(lambda: _ranks().ask(what), lambda took: took.result)

    return Work(
        ours=asked("ours"),
        peers={"MetricCollection": asked("peer")},
        truth=cache(_alone),
        floor=lambda: _ranks().ask("floor"),
    )


def _data(rank: int) -> tuple[list[str], list[str], Any, Any, Any]:
    refs, hyps = texts(RANKS * ITEMS)
    rng = np.random.default_rng([3, rank])
    target, guess = rng.integers(0, 2, (2, ITEMS))
    rows = slice(rank * ITEMS, (rank + 1) * ITEMS)
    return refs[rows], hyps[rows], target, guess, rng.random(ITEMS)


NAMES = ("wer", "cer", "accuracy", "f1", "precision", "recall", "specificity", "mcc",
         "cohen_kappa", "loss")  # fmt: skip


def _alone() -> Mapping[str, float]:
    """The same in one process, from jiwer, scikit-learn and NumPy."""
    import jiwer
    from sklearn import metrics

    refs, hyps, target, guess, loss = zip(*map(_data, range(RANKS)), strict=True)
    texts = [row for own in refs for row in own], [row for own in hyps for row in own]
    columns = np.concatenate(target), np.concatenate(guess)
    scores = (metrics.accuracy_score, metrics.f1_score, metrics.precision_score,
              metrics.recall_score, partial(metrics.recall_score, pos_label=0),
              metrics.matthews_corrcoef, metrics.cohen_kappa_score)  # fmt: skip
    values = [jiwer.wer(*texts), jiwer.cer(*texts), *(float(score(*columns)) for score in scores)]
    return dict(zip(NAMES, [*values, float(np.concatenate(loss).mean())], strict=True))


def _our_meters(rank: int) -> Callable[[], Mapping[str, float]]:
    import assay

    refs, hyps, target, guess, loss = _data(rank)
    counts = dict.fromkeys(NAMES, assay.count_labels)
    counts |= {"wer": assay.count_words, "cer": assay.count_chars, "loss": assay.count_mean}
    meters = assay.Meters({k: assay.Meter(own, prefix=f"{k}:") for k, own in counts.items()})
    for name in NAMES:
        own = (refs, hyps) if name in NAMES[:2] else (target, guess)
        meters[name].update(*((loss,) if name == "loss" else own))

    def run() -> Mapping[str, float]:
        found = meters.compute()
        return {name: found[f"{name}:{name}"] for name in NAMES}

    return run


def _peer_meters(rank: int) -> Callable[[], Mapping[str, float]]:
    import torch
    from torchmetrics import MeanMetric, MetricCollection, text
    from torchmetrics import classification as labels

    refs, hyps, target, guess, loss = _data(rank)
    kinds = (text.WordErrorRate, text.CharErrorRate, labels.BinaryAccuracy, labels.BinaryF1Score,
             labels.BinaryPrecision, labels.BinaryRecall, labels.BinarySpecificity,
             labels.BinaryMatthewsCorrCoef, labels.BinaryCohenKappa, MeanMetric)  # fmt: skip
    metrics = MetricCollection({k: own() for k, own in zip(NAMES, kinds, strict=True)})
    tensors = torch.tensor(guess), torch.tensor(target)
    for name in NAMES:
        own = (hyps, refs) if name in NAMES[:2] else tensors
        metrics[name].update(*((torch.tensor(loss),) if name == "loss" else own))

    def run() -> Mapping[str, float]:
        for metric in metrics.values():
            metric._computed = None  # else the first value is kept
        return {name: float(value) for name, value in metrics.compute().items()}

    return run


def _floor(rank: int) -> Callable[[], Mapping[str, float]]:
    """One reduction of as many numbers."""
    import torch
    import torch.distributed as dist

    numbers = torch.zeros(200, dtype=torch.int64)

    def run() -> Mapping[str, float]:
        dist.all_reduce(numbers)
        return {}

    return run


def _serve(store: str, rank: int) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=RANKS)
    known: dict[str, Callable[[], Mapping[str, float]]] = {
        name: make(rank) for name, make in
        {"ours": _our_meters, "peer": _peer_meters, "floor": _floor}.items()
    }  # fmt: skip
    for line in sys.stdin:
        run = known[line.strip()]
        dist.barrier()
        start = time.perf_counter()
        values = run()
        print(json.dumps([time.perf_counter() - start, values]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
