"""`assay demo`: a run for each sampling rate, and the page of all three."""

import os
from typing import Any

__all__ = ["show"]

FOLDER = "assay-demo"
RATE = "16k"  # whose single errors the page has
SHOWN = 5  # of the best items of a query
WORDS, CHARACTERS = ("wer", "sentence_error_rate"), ("cer",)  # that are logged
RANKED = ("recall@1", "recall@5", "recall@10", "map")


def show(console: Any) -> None:
    """Write the runs and the page into ./assay-demo, and print the path of the page. Without
    matplotlib or jinja2 say how to install it."""
    from assay.core.errors import MissingDependency
    from assay.core.optional import require

    try:
        for name in ("jinja2", "matplotlib"):
            require(name)
    except MissingDependency as error:
        console.out(f"A report: left out, as {error}")
        return
    path = _write(FOLDER)
    console.out("And as a page:", path)


def _write(folder: str) -> str:
    from assay.demo.transcripts import RATES
    from assay.report.page import write_page

    runs = [_logged(folder, rate) for rate in RATES]
    path = os.path.join(folder, "report.html")
    return write_page(path, runs, _explained(), title="assay demo", metric="wer")


def _logged(folder: str, rate: str) -> str:
    """The directory of the run of a sampling rate; a second demo says the same again."""
    from assay.demo import retrieval
    from assay.demo.transcripts import read_clips
    from assay.metrics.words import count_chars, count_words
    from assay.run.journal import Run

    clips = read_clips()
    texts = clips["reference"], clips[f"hypothesis_{rate}"]
    directory = os.path.join(folder, rate)
    with Run(directory, params={"rate_khz": int(rate.rstrip("k"))}, resume=True) as run:
        run.log(count_words(*texts).pick(*WORDS), step=0)
        run.log(count_chars(*texts).pick(*CHARACTERS), step=0)
        run.log(retrieval.ranked(rate).pick(*RANKED), step=0)
    return directory


def _explained() -> dict[str, Any]:
    from assay.core.errors import MissingDependency
    from assay.demo import classification, retrieval
    from assay.demo.transcripts import read_clips
    from assay.metrics.explain_labels import explain_labels
    from assay.metrics.explain_rankings import explain_rankings
    from assay.metrics.explain_transcripts import explain_transcripts

    clips = read_clips()
    texts, ids = clips["reference"], clips["id"]
    found = {
        f"Transcripts at {RATE}": explain_transcripts(
            texts, clips[f"hypothesis_{RATE}"], by={"voice": clips["voice"]}, ids=ids
        )
    }
    best = retrieval.nearest(RATE, SHOWN)
    rankings = {ids[q]: {texts[i]: s for i, s in rows} for q, rows in enumerate(best)}
    relevant = {name: [text] for name, text in zip(ids, texts, strict=True)}
    found[f"Sentences for speech at {RATE}"] = explain_rankings(rankings, relevant, shown=SHOWN)
    try:
        target, score, fold = classification.out_of_fold()
    except MissingDependency:
        return found
    found["Benign masses"] = explain_labels(target, score=score, by={"fold": fold})
    return found
