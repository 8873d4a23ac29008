"""`assay demo`: what a recogniser makes of 240 sentences at three audio sampling rates."""

from importlib import resources
from typing import Any

__all__ = ["show"]

RATES = ("16k", "8k", "6k")
WORST = 3
TOP = 8


def show() -> None:
    """Print error rates by rate and by voice, the worst clips, and the top confusions."""
    from rich.text import Text

    from assay.metrics.words import align, count_chars, count_words
    from assay.readers import read
    from assay.report import render

    console = render.console()
    data = resources.files("assay.demo") / "clips.jsonl"
    with resources.as_file(data) as path:
        columns = ["reference", *(f"hypothesis_{rate}" for rate in RATES)]
        clips = _columns(read(path, columns, ["id", "voice"]))

    scores = []
    states = {}
    for rate in RATES:
        texts = clips["reference"], clips[f"hypothesis_{rate}"]
        by = {"voice": clips["voice"]}
        words = count_words(*texts, by=by, items=True, confusions=True)
        states[rate] = words
        for state in (words, count_chars(*texts, by=by)):
            scores += [score.tagged(rate=rate) for score in state.scores()]
    console.print(f"{len(clips['id'])} sentences, three voices, three audio sampling rates\n")
    totals = [s for s in scores if "voice" not in s.tags]
    voices = [s for s in scores if "voice" in s.tags]
    render.to_console(render.scores_table(totals, "Error rates by sampling rate"), console)
    render.to_console(render.scores_table(voices, "... and by voice"), console)

    rate = RATES[0]
    texts = clips["reference"], clips[f"hypothesis_{rate}"]
    pictures = align(*texts)
    wers = states[rate].per_item("wer")
    console.print(Text(f"The {WORST} worst clips at {rate}", style="italic"), "")
    for i in sorted(range(len(wers)), key=lambda i: (-wers[i], i))[:WORST]:
        console.print(f"{clips['id'][i]} ({clips['voice'][i]}), wer {wers[i]:.3f}")
        picture = pictures.text(i, color=console.is_terminal)
        console.print(Text.from_ansi(picture, no_wrap=True, overflow="fold"), "")

    for kind in ("substitutions", "deletions", "insertions"):
        rows = states[rate].top_confusions(kind, TOP)
        title = f"Most frequent {kind} at {rate}"
        render.to_console(render.Table(title, ("reference", "heard", "times"), rows), console)
    console.print("\nNow your own: assay score transcripts FILE --reference COL --hypothesis COL")


def _columns(source: Any) -> dict[str, list[Any]]:
    import pyarrow as pa

    return dict(pa.Table.from_batches(source).to_pydict())
