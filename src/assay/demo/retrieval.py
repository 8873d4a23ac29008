"""`assay demo`: what recognition errors do to retrieval between sentences and recognised speech."""

from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["nearest", "ranked", "show"]

RATES = ("16k", "8k", "6k")
CUTS = (1, 5, 10)
DIRECTIONS = ("text_to_speech", "speech_to_text")


def show(console: Any) -> None:
    """Print recall and mAP by rate, in both directions; row i of every array is clip i."""
    from assay.report import render

    scores, note = [], ""
    for rate in RATES:
        found = ranked(rate)
        scores += [score.tagged(rate=rate) for score in found.scores()]
        note = found.statement
    columns = {f"recall@{k}": f"R@{k}" for k in CUTS} | {"map": "mAP"}
    title = "Retrieval by sampling rate: sentences and what was recognised, as embeddings"
    table = render.scores_table(scores, title, columns=columns, items="queries", note=note)
    render.to_console([table], console)


def ranked(rate: str) -> Any:
    """The ranks of clips by their sentences, and the reverse."""
    from assay.metrics.ranks import count_ranks

    text = _vectors("text")
    right = np.arange(len(text))
    options: Any = {"k": CUTS, "both_directions": True, "directions": DIRECTIONS}
    return count_ranks(text, _vectors(f"speech_{rate}"), right, **options)


def nearest(rate: str, k: int) -> list[list[tuple[int, float]]]:
    """For each clip the numbers of the k sentences that are most like it, and how much."""
    from assay.ops.similarity import topk

    found = topk(_vectors(f"speech_{rate}"), _vectors("text"), k, metric="cosine")
    pairs = zip(found.index.tolist(), found.scores.tolist(), strict=True)
    return [list(zip(index, scores, strict=True)) for index, scores in pairs]


def _vectors(name: str) -> npt.NDArray[Any]:
    """float16 [240, 384], unit vectors of a MiniLM sentence encoder."""
    with resources.as_file(resources.files("assay.demo") / f"clips_{name}.npy") as path:
        vectors: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    return vectors
