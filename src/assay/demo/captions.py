"""`assay demo`: what caption metrics make of the recognised clips, against what was said."""

from collections.abc import Callable
from typing import Any

__all__ = ["show"]

TITLE = "Caption metrics by sampling rate: what was recognised, as captions"


def show(console: Any) -> None:
    """Print BLEU, chrF, ROUGE-L, METEOR, TER and CIDEr-D, a line each. Without nltk say how to
    install it."""
    from assay.core.errors import MissingDependency
    from assay.demo.transcripts import RATES, read_clips
    from assay.report import render

    clips = read_clips()
    rows: list[tuple[str | float, ...]] = []
    note = (
        "one reference each; words between spaces, of BLEU as 13a cuts them; of TER less is better"
    )
    for name, metric in _metrics().items():
        try:
            values = [metric(clips["reference"], clips[f"hypothesis_{rate}"]) for rate in RATES]
        except MissingDependency as error:
            note += f"; {name} left out, as {error}"
            continue
        rows.append((name, *values))
    render.to_console([render.Table(TITLE, ("metric", *RATES), rows, note=note)], console)


def _metrics() -> dict[str, Callable[..., float]]:
    from assay.metrics.bleu import bleu
    from assay.metrics.chrf import chrf
    from assay.metrics.cider import cider
    from assay.metrics.meteor import meteor
    from assay.metrics.rouge import rouge_l
    from assay.metrics.ter import ter

    return {
        "BLEU": bleu,
        "chrF": chrf,
        "ROUGE-L": rouge_l,
        "METEOR (exact, stem)": lambda *texts: meteor(*texts, synonyms="none"),
        "TER": ter,
        "CIDEr-D": cider,
    }
