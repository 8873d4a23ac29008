"""Mixed calls from several threads, for long: the same results as one thread has, and no memory
that is not given back.

ASSAY_SOAK_SECONDS: how long, 6 by default; an hour is ASSAY_SOAK_SECONDS=3600.
"""

import ctypes
import gc
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import assay
import forged_kit
from assay import State
from assay.metrics.cider import count_document_frequency
from assay.readers import read

SECONDS = float(os.environ.get("ASSAY_SOAK_SECONDS", "6"))
THREADS = 8
CALLS = 15  # of each thread in a round, after which the memory is looked at
ROUNDS = 9  # at least, on a slow machine too; in the first third caches and pools of memory grow
TOLERANCE = 48 << 20  # bytes: arenas of a thread come and go
JOBS = 15


def jobs(folder: Path) -> list[Callable[[], Any]]:
    """Calls that give the same each time, as bytes or plain values."""
    rng = np.random.default_rng(3)
    refs = [" ".join(map(str, rng.integers(0, 30, rng.integers(1, 20)))) for _ in range(300)]
    hyps = refs[1:] + refs[:1]
    lists = [[ref, hyp] for ref, hyp in zip(refs, hyps, strict=True)]
    target, score = rng.integers(0, 2, 3000), rng.random(3000)
    query, gallery = (rng.standard_normal((n, 24)).astype(np.float32) for n in (40, 500))
    relevant = rng.integers(0, 500, 40)
    path = folder / "a.jsonl"
    path.write_text(
        "".join(f'{{"r": "{r}", "h": "{h}"}}\n' for r, h in zip(refs, hyps, strict=True))
    )
    table = str(folder / "a.parquet")
    pq.write_table(pa.table({"r": refs, "h": hyps}), table, row_group_size=50)
    ranked = {f"q{n}": rng.permutation(40)[:20].astype(str).tolist() for n in range(30)}
    judged = {query: {"3": 1, "7": 2, "11": 1} for query in ranked}
    groups = {query: query[-1] for query in ranked}
    kept = assay.count_words(refs, hyps, items=True)
    states = [state.to_bytes() for state in forged_kit.samples().values()]
    half = len(refs) // 2

    def halves() -> bytes:
        parts = [assay.count_words(refs[s], hyps[s]) for s in (slice(half), slice(half, None))]
        return (parts[0] + parts[1]).to_bytes()

    def again() -> list[bool]:
        return [State.from_bytes(data).to_bytes() == data for data in states]

    def from_file() -> bytes:
        batches = [batch.to_pydict() for batch in read(str(path), ("r", "h"))]
        return sum(assay.count_words(batch["r"], batch["h"]) for batch in batches).to_bytes()

    def found() -> list[Any]:
        best = assay.topk(query, gallery, 5)
        return [best.index.tolist(), best.scores.tolist()]

    def aligned() -> str:
        return assay.align(refs[:20], hyps[:20]).text()

    return [
        halves,
        from_file,
        lambda: assay.count_chars(refs, hyps, by={"g": [ref[:1] for ref in refs]}).to_bytes(),
        lambda: assay.count_bleu(lists, hyps).to_bytes(),
        lambda: count_document_frequency(lists).to_bytes(),
        lambda: assay.count_scores(target, score).as_dict(),
        lambda: assay.count_labels(target, score > 0.5).as_dict(),
        found,
        lambda: assay.count_ranks(query, gallery, relevant).to_bytes(),
        again,
        aligned,
        lambda: assay.count_ter(lists, hyps).to_bytes(),
        lambda: assay.count_rankings(ranked, judged, by={"g": groups}).to_bytes(),
        lambda: str(assay.interval(kept, "wer", resamples=50)),
        lambda: sum(batch.num_rows for batch in read(table, ("r", "h"))),
    ]


def give_free_heap_back() -> None:
    gc.collect()
    pa.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc
        trim(0)


def test_threads_count_as_one_does_and_give_memory_back(tmp_path):
    calls = jobs(tmp_path)
    assert len(calls) == JOBS
    wanted = [repr(call()) for call in calls]
    process, end = psutil.Process(), time.monotonic() + SECONDS
    wrong: list[str] = []
    sizes: list[int] = []

    def work(number: int) -> None:
        rng = random.Random(f"{number} {len(sizes)}")
        for at in rng.choices(range(len(calls)), k=CALLS):
            try:
                if repr(calls[at]()) != wanted[at]:
                    wrong.append(f"call {at} gave another result in thread {number}")
            except Exception as error:  # told by the main thread
                wrong.append(f"call {at} in thread {number}: {error!r}")

    while len(sizes) < ROUNDS or time.monotonic() < end:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]
        give_free_heap_back()
        sizes.append(process.memory_info().rss)
    third = len(sizes) // 3
    first, last = (
        min(sizes[third:-third]),
        min(sizes[-third:]),
    )  # what stays, whatever comes and goes
    calls_made = len(sizes) * THREADS * CALLS
    told = f"{calls_made:,} calls: {first / 2**20:.0f} MiB became {last / 2**20:.0f} MiB"
    print(told)
    assert last - first < TOLERANCE, told


@pytest.mark.parametrize("at", range(JOBS))
def test_no_call_keeps_memory(tmp_path, at):
    """Objects of Python that are left behind by a call, many times over."""
    call = jobs(tmp_path)[at]
    for _ in range(3):
        call()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(5):
        call()
    gc.collect()
    assert len(gc.get_objects()) - before < 50
