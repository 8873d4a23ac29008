"""`assay demo`: what a recogniser makes of 240 sentences at three audio sampling rates."""

from importlib import resources
from typing import Any

__all__ = ["RATES", "read_clips", "show"]

RATES = ("16k", "8k", "6k")
WORST = 3
TOP = 8
HEAD = len("REF: ")


def read_clips() -> dict[str, list[Any]]:
    """The columns of the bundled clips."""
    import pyarrow as pa

    from assay.readers import read

    data = resources.files("assay.demo") / "clips.jsonl"
    with resources.as_file(data) as path:
        columns = ["reference", *(f"hypothesis_{rate}" for rate in RATES)]
        return dict(pa.Table.from_batches(read(path, columns, ["id", "voice"])).to_pydict())


def show(console: Any) -> None:
    """Print error rates by rate and by voice, the worst clips, and the top confusions."""
    from rich.text import Text

    from assay.metrics.words import align, count_chars, count_words
    from assay.report import render

    clips = read_clips()
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
    tables = [
        render.scores_table(totals, "Error rates by sampling rate"),
        render.scores_table(voices, "... and by voice"),
    ]
    render.to_console(tables, console)

    rate = RATES[0]
    texts = clips["reference"], clips[f"hypothesis_{rate}"]
    pictures = align(*texts)
    wers = states[rate].per_item("wer")
    console.print(Text(f"\nThe {WORST} worst clips at {rate}\n", style="bold"))
    for i in sorted(range(len(wers)), key=lambda i: (-wers[i], i))[:WORST]:
        console.print(f"{clips['id'][i]} ({clips['voice'][i]}), wer {render.shown(wers[i])}")
        _print_picture(pictures.text(i, color=True), console)
        console.print()

    tables = [
        render.Table(
            f"Most frequent {kind} at {rate}",
            ("reference", "heard", "times"),
            states[rate].top_confusions(kind, TOP),
        )
        for kind in ("substitutions", "deletions", "insertions")
    ]
    render.to_console(tables, console)


def _print_picture(picture: str, console: Any) -> None:
    """The lines of an alignment; where the terminal is narrow, in pieces cut between words."""
    from rich.text import Text

    lines = [Text.from_ansi(line) for line in picture.split("\n")]
    heads, bodies = [line[:HEAD] for line in lines], [line[HEAD:] for line in lines]
    length = max(map(len, bodies))
    room = console.width - HEAD if console.is_terminal else length
    between = [c for c in range(1, length) if all(b.plain[c : c + 1] in ("", " ") for b in bodies)]
    start = 0
    while start < length:
        stop = length
        if stop - start > room:
            stop = max((c for c in between if start < c <= start + room), default=start + room)
        for head, body in zip(heads, bodies, strict=True):
            piece = head + body[start:stop]
            piece.rstrip()
            console.print(piece, soft_wrap=True)
        start = stop + (stop in between)
