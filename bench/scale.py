"""Large corpora: all cores against one, ten times the pairs, what is gone on with, and Ray."""

import os
import shutil
from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from corpus import parquet
from gate import Contender, Took, Work
from processes import HERE, KINDS, counts_of, run_assay, transcripts
from tracking import folder

__all__ = ["grown", "over_ray", "resumed", "threads"]

COPIES = 10  # of a file that stands for a longer corpus
WARM = 200_000  # pairs that are counted first
RAY_SHARDS = 64  # as the command line cuts what is not larger
LEFT = 10  # every how many-th shard was not finished when the process was killed


def data(n: int) -> Path:
    return parquet(n, HERE.parent / "build" / "bench")


def job_of(path: Path) -> Any:
    """The counts of words and characters, with bags for intervals, as the command line has them."""
    from assay.cli.transcripts import count_transcripts
    from assay.readers import read
    from assay.run.jobs import Job

    options = {"normalise": "none", "empty": "jiwer", "policy": "jiwer", "confusions": False}
    count = partial(
        count_transcripts, units=("word", "char"), extra=(), groups=0,
        options={**options, "items": False}, bagged=True,
    )  # fmt: skip
    return Job(read(path, ("text", "pred")), count)


def counted(path: Path) -> Mapping[str, Any]:
    """What all threads count."""
    from assay.run.jobs import cut, local

    job = job_of(path)
    return added(done.total for done in local(job, cut(job.source.parts(), 1)))


def by_one_thread(path: Path) -> Mapping[str, Any]:
    """The same by a loop that reads, counts and adds in turn."""
    job = job_of(path)
    before = os.environ.get("ASSAY_THREADS")
    os.environ["ASSAY_THREADS"] = "1"
    try:
        batches = (batch for part in job.source.parts() for batch in job.source.batches(part))
        return added(job.count(batch.rows).total for batch in batches)
    finally:
        os.environ.pop("ASSAY_THREADS")
        os.environ.update({} if before is None else {"ASSAY_THREADS": before})


def on_ray(path: Path) -> Mapping[str, Any]:
    """The same by tasks of the cluster that this process is connected to."""
    from assay.run.jobs import cut
    from assay.run.ray_engine import ray

    job = job_of(path)
    parts = job.source.parts()
    return added(done.total for done in ray(job, cut(parts, min(len(parts), RAY_SHARDS))))


def added(found: Iterable[Any]) -> Mapping[str, Any]:
    """Counts of all parts together."""
    from assay.run.totals import Adder

    adder = Adder()
    for total in found:
        adder.add(total)
    states = adder.total().states
    return totals({name: states[name] for name in ("word", "char")})


def decoded(path: Path) -> int:
    """Rows of a file that all cores read."""
    from assay.readers import read
    from assay.run.shards import scan

    return sum(found.result for found in scan(read(path, ("text", "pred")), len_of))


def len_of(rows: Any) -> int:
    return int(rows.num_rows)


def totals(states: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: [getattr(state, kind) for kind in KINDS] for name, state in states.items()}


@cache
def whole(n: int) -> Mapping[str, Any]:
    """The truth: the columns of each row group, counted by hand."""
    import pyarrow.parquet as pq

    import assay

    words: Any = 0
    chars: Any = 0
    for rows in pq.ParquetFile(data(n)).iter_batches(100_000, columns=["text", "pred"]):
        words += assay.count_words(*rows.columns)
        chars += assay.count_chars(*rows.columns)
    return totals({"word": words, "char": chars})


def threads(n: int) -> Work:
    """Reading and counting with all cores, and in one thread."""
    path = data(n)
    return Work(
        ours=lambda: Contender(lambda: counted(path), dict),
        truth=lambda: whole(n),
        floor=lambda: decoded(path),
        peers={"one thread": lambda: Contender(lambda: by_one_thread(path), dict)},
    )


def grown(n: int) -> Work:
    """n pairs, over ten times a tenth of them."""
    path, tenth = data(n), data(n // 10)
    return Work(
        ours=lambda: Contender(lambda: counted(path), dict),
        truth=lambda: whole(n),
        floor=lambda: [counted(tenth) for _ in range(10)],
    )


def over_ray(n: int) -> Work:
    """Tasks of Ray on as many CPUs as there are threads, of a cluster that has been started."""
    path = data(n)

    def warm() -> Contender:
        import ray

        from assay.core.threads import thread_count

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        if not ray.is_initialized():
            ray.init("local", num_cpus=thread_count(), include_dashboard=False, log_to_driver=False)
        for _ in range(2):  # whichever worker comes first
            on_ray(data(WARM))
        return Contender(lambda: on_ray(path), dict)

    return Work(ours=warm, truth=lambda: whole(n), floor=lambda: counted(path))


def resumed(n: int) -> Work:
    """A work folder in which nine of ten shards are finished, and one that is empty."""
    files = folder() / f"resumed-{n}"
    files.mkdir()
    for copy in range(COPIES):
        (files / f"{copy}.parquet").symlink_to(data(n // COPIES))
    begun, work = files / "begun", files / "work"
    outputs: list[str] = []

    def count(work: Path) -> Took:
        return transcripts(files / "*.parquet", "--work-dir", str(work))

    def run(resume: bool) -> Took:
        if resume and not begun.exists():
            outputs.append(count(begun).result)
            for state in sorted((begun / "shards").iterdir())[::LEFT]:
                state.unlink()
        shutil.rmtree(work, ignore_errors=True)
        if resume:
            shutil.copytree(begun, work)
        return count(work)

    def read(took: Took) -> Mapping[str, Any]:
        if not outputs:
            outputs.append(took.result)
        return {**counts_of(took), "same": took.result == outputs[0]}

    def truth() -> Mapping[str, Any]:
        once = whole(n // COPIES)
        return {"word": [COPIES * count for count in once["word"]], "same": True}

    return Work(
        ours=lambda: Contender(lambda: run(True), read),
        truth=truth,
        floor=lambda: run_assay("--version"),
        peers={"undisturbed": lambda: Contender(lambda: run(False), read)},
    )
