"""Cases that are whole processes: start to first result, and a file through the command line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpus import parquet
from gate import Contender, Took, Work

__all__ = [
    "KINDS", "cached_start", "cold_start", "counts_of", "parquet_cli", "printed", "run_assay",
    "transcripts",
]  # fmt: skip

HERE = Path(__file__).parent
KINDS = ("hits", "substitutions", "deletions", "insertions")

FIRST_RESULT = """
import assay
counts = assay.count_words(["the cat sat"], ["the bat sat down"])
print([counts.hits, counts.substitutions, counts.deletions, counts.insertions])
"""
FIRST_TRUTH = {"counts": [2, 1, 0, 1]}
TRIVIAL = """
import numba
@numba.njit(cache=True)
def add_one(x):
    return x + 1
print([add_one(1)])
"""


def spawn(command: list[str], cwd: Path | None = None, **environment: str) -> Took:
    """Run a command: its times, standard output and peak bytes."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        launch = [sys.executable, "-I", "-S", str(HERE / "launch.py"), str(report)]
        done = subprocess.run(
            [*launch, *command],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise RuntimeError(f"exit code {done.returncode}: {last}")
        measured = json.loads(report.read_text())
    return Took(result=done.stdout, **measured)


def run_assay(*arguments: str, cwd: Path | None = None) -> Took:
    """The command line."""
    return spawn([sys.executable, "-m", "assay.cli", *arguments], cwd)


def transcripts(paths: object, *options: str) -> Took:
    """`assay score transcripts` of files as parquet() of corpus.py writes them."""
    columns = ("--reference", "text", "--hypothesis", "pred")
    return run_assay("score", "transcripts", str(paths), *columns, "--json", *options)


def printed(took: Took) -> Mapping[str, Any]:
    """What a command printed with --json."""
    found: Mapping[str, Any] = json.loads(took.result)
    return found


def counts_of(took: Took) -> Mapping[str, Any]:
    """Words that were hit, and errors of each kind."""
    scores = {(s["name"], s["unit"]): s["value"] for s in printed(took)["scores"] if not s["tags"]}
    return {"word": [scores[kind, "words"] for kind in KINDS]}


class _Scripts:
    """The start-up scripts as files (Numba caches only those), and a cache for their kernels."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="assay-bench-")
        self.cache = Path(self._folder.name, "cache")
        for name, text in (("first", FIRST_RESULT), ("trivial", TRIVIAL)):
            Path(self._folder.name, f"{name}.py").write_text(text)

    def run(self, name: str, *, cold: bool) -> Took:
        if cold:
            shutil.rmtree(self.cache, ignore_errors=True)
        script = str(Path(self._folder.name, f"{name}.py"))
        return spawn([sys.executable, script], NUMBA_CACHE_DIR=str(self.cache))


def _start(*, cold: bool) -> Work:
    scripts = _Scripts()
    return Work(
        ours=lambda: Contender(
            lambda: scripts.run("first", cold=cold),
            lambda took: {"counts": json.loads(took.result)},
        ),
        truth=lambda: FIRST_TRUTH,
        floor=lambda: scripts.run("trivial", cold=cold),
    )


def cold_start(n: int) -> Work:
    return _start(cold=True)


def cached_start(n: int) -> Work:
    return _start(cold=False)


def parquet_cli(n: int) -> Work:
    from assay.core.threads import thread_count

    path = parquet(n, HERE.parent / "build" / "bench")
    counted: list[Mapping[str, Any]] = []

    def floor() -> Took:
        took = spawn([sys.executable, str(HERE / "processes.py"), str(path)], ASSAY_THREADS="1")
        counted.append(json.loads(took.result))
        return Took(counted[-1]["cpu_s"] / thread_count(), took.result, cpu_s=counted[-1]["cpu_s"])

    def truth() -> Mapping[str, Any]:
        if not counted:
            floor()
        return {"word": counted[0]["word"]}

    return Work(
        ours=lambda: Contender(lambda: transcripts(path, "--unit", "word"), counts_of),
        truth=truth,
        floor=floor,
    )


def _decode_and_count(path: str) -> None:
    """Print the CPU seconds of decoding both columns and of the kernel, and what was counted."""
    import pyarrow.parquet as pq

    import assay

    assay.count_words(["warm up"], ["warmed up"])
    total: Any = 0
    start = time.process_time()
    batches = pq.ParquetFile(path).iter_batches(columns=["text", "pred"], use_threads=False)
    for batch in batches:
        total = total + assay.count_words(*batch.columns)
    cpu_s = time.process_time() - start
    word = [getattr(total, kind) for kind in KINDS]
    print(json.dumps({"cpu_s": cpu_s, "word": word}))


if __name__ == "__main__":
    _decode_and_count(sys.argv[1])
