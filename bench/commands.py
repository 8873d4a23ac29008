"""Commands as a user types them, over corpora that are long, in many groups or full of errors."""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gate import Contender, Took, Work
from processes import KINDS, counts_of, printed, run_assay, transcripts
from scale import data, whole
from tracking import folder

__all__ = ["demo", "errors", "groups", "grown"]

SPEAKERS = 10_000
LISTED = 20  # errors of a kind
SLICE = 100_000  # pairs
RATES = ("16k", "8k", "6k")


def grown(n: int) -> Work:
    """n pairs, and a hundredth of them: peaks are what is compared."""
    few = data(n // 100)
    return Work(
        ours=lambda: Contender(lambda: transcripts(data(n)), counts_of),
        truth=lambda: {"word": whole(n)["word"]},
        floor=lambda: transcripts(few),
    )


# -- groups ----------------------------------------------------------------------------------------


@cache
def spoken(n: int) -> tuple[Path, Mapping[str, Any]]:
    """A file of n pairs by SPEAKERS in turn, and how many errors each of them has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import assay

    names, total = pa.array([f"s{i}" for i in range(SPEAKERS)]), np.zeros(SPEAKERS)
    path = folder() / f"spoken-{n}.parquet"
    source = pq.ParquetFile(data(n))
    schema = source.schema_arrow.append(pa.field("speaker", pa.string()))
    with pq.ParquetWriter(path, schema) as writer:
        for rows in source.iter_batches(SLICE):
            own = rows["id"].to_numpy() % SPEAKERS
            writer.write_batch(rows.append_column("speaker", names.take(pa.array(own))))
            counts = assay.count_words(rows["text"], rows["pred"], items=True)
            each = sum(counts.per_item(kind) for kind in KINDS[1:])
            total += np.bincount(own, each, SPEAKERS)
    return path, {"errors": total}


def groups(n: int) -> Work:
    path, truth = spoken(n)

    def read(took: Took) -> Mapping[str, Any]:
        total = np.zeros(SPEAKERS)
        for score in printed(took)["scores"]:
            if score["tags"] and score["name"] in KINDS[1:]:
                total[int(score["tags"]["speaker"][1:])] += score["value"]
        return {"errors": total}

    return Work(
        ours=lambda: Contender(
            lambda: transcripts(path, "--unit", "word", "--by", "speaker"), read
        ),
        truth=lambda: truth,
        floor=lambda: transcripts(path, "--unit", "word"),
    )


# -- errors ----------------------------------------------------------------------------------------


@cache
def misheard(n: int) -> Path:
    """n pairs of two words, the second of each another word that is taken for another."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder() / f"misheard-{n}.parquet"
    schema = pa.schema([("text", pa.string()), ("pred", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, SLICE):
            some = range(start, min(start + SLICE, n))
            sides = ([f"said {letter}{i}" for i in some] for letter in "ab")
            writer.write_table(pa.table([*map(pa.array, sides)], schema=schema))
    return path


def errors(n: int) -> Work:
    path = misheard(n)

    def read(took: Took) -> Mapping[str, Any]:
        found = printed(took)["errors"]["word"]
        times = [[row["times"] for row in found[kind]] for kind in KINDS[1:]]
        return {**counts_of(took), "times": times[0], "others": len(times[1] + times[2])}

    return Work(
        ours=lambda: Contender(
            lambda: transcripts(path, "--unit", "word", "--errors", str(LISTED)), read
        ),
        truth=lambda: {"word": [n, n, 0, 0], "times": [1] * LISTED, "others": 0},
        floor=lambda: transcripts(path, "--unit", "word"),
    )


# -- the demo --------------------------------------------------------------------------------------


def demo(n: int) -> Work:
    """In an empty folder, where it leaves a page, and runs whose rates are checked."""

    def run() -> Took:
        where = Path(tempfile.mkdtemp(dir=folder()))
        return run_assay("demo", cwd=where)._replace(result=where / "assay-demo")

    def read(took: Took) -> Mapping[str, Any]:
        from assay.core.record import read_journal

        runs = [read_journal(str(took.result / rate)) for rate in RATES]
        pages = len([*took.result.glob("*.html")])
        return {"wer": [run.best("wer").value for run in runs], "pages": pages}

    def truth() -> Mapping[str, Any]:
        import jiwer

        from assay.demo.transcripts import read_clips

        clips = read_clips()
        said = clips["reference"]
        rates = [jiwer.wer(said, clips[f"hypothesis_{rate}"]) for rate in RATES]
        return {"wer": rates, "pages": 1}

    return Work(
        ours=lambda: Contender(run, read),
        truth=truth,
        floor=lambda: run_assay("--version"),
    )
