"""jiwer's pictures: alignments under each other, and tables of the most frequent errors."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from assay.compat.jiwer.process import AlignmentChunk, CharacterOutput, WordOutput

__all__ = ["collect_error_counts", "visualize_alignment", "visualize_error_counts"]

Output = WordOutput | CharacterOutput

_LABELS = ("REF: ", "HYP: ", "     ")
_LETTERS = {"equal": " ", "substitute": "S", "delete": "D", "insert": "I"}


def visualize_alignment(
    output: Output,
    show_measures: bool = True,
    skip_correct: bool = True,
    line_width: int | None = None,
) -> str:
    """Reference over hypothesis for each pair, with S, D and I below the errors.

    show_measures: end with counts and rates. skip_correct: leave out pairs without an error.
    line_width: begin a new block before a token that would go beyond it.

    >>> from assay.compat.jiwer.process import process_words
    >>> out = process_words("the big cat sat", "the cat sat down")
    >>> print(visualize_alignment(out, show_measures=False))
    === SENTENCE 1 ===
    <BLANKLINE>
    REF: the big cat sat ****
    HYP: the *** cat sat down
               D            I
    <BLANKLINE>
    """
    space = not isinstance(output, CharacterOutput)
    parts = []
    rows = zip(output.references, output.hypotheses, output.alignments, strict=False)
    for number, (ref, hyp, chunks) in enumerate(rows, 1):
        if skip_correct and (not chunks or (len(chunks) == 1 and chunks[0].type == "equal")):
            continue
        parts.append(f"=== SENTENCE {number} ===\n\n")
        parts.append(_picture(ref, hyp, chunks, space, line_width))
        parts.append("\n")
    if not show_measures:
        return "".join(parts)[:-1]
    parts.append(
        f"=== SUMMARY ===\nnumber of sentences: {len(output.alignments)}\n"
        f"substitutions={output.substitutions} deletions={output.deletions} "
        f"insertions={output.insertions} hits={output.hits}\n"
    )
    names = ("mer", "wil", "wip", "wer") if space else ("cer",)
    parts += [f"\n{name}={getattr(output, name) * 100:.2f}%" for name in names]
    return "".join(parts) + "\n"


def _picture(
    ref: list[str],
    hyp: list[str],
    chunks: list[AlignmentChunk],
    space: bool,
    line_width: int | None,
) -> str:
    """Blocks of three lines; `space` between tokens, that is, for words."""
    gap = " " if space else ""
    blocks = []
    lines: list[list[str]] = [[], [], []]
    width = len(_LABELS[0])

    def block() -> str:
        texts = (label + "".join(line) for label, line in zip(_LABELS, lines, strict=True))
        return "\n".join(text[:-1] if space else text for text in texts) + "\n"

    for chunk in chunks:
        above, below, letter = _columns(ref, hyp, chunk)
        for top, bottom in zip(above, below, strict=False):
            wide = max(len(top), len(bottom), 1)
            if line_width is not None and width + wide > line_width:
                blocks.append(block() + "\n")
                lines = [[], [], []]
                width = len(_LABELS[0])
            # A lone asterisk is drawn as wide as its column, one that was spoken included.
            if top == "*":
                top = "*" * wide
            elif bottom == "*":
                bottom = "*" * wide
            for line, text in zip(lines, (top, bottom, letter), strict=True):
                line.append(text.rjust(wide) + gap)
            width += wide + len(gap)
    return "".join(blocks) + block()


def _columns(
    ref: list[str], hyp: list[str], chunk: AlignmentChunk
) -> tuple[list[str], list[str], str]:
    """The tokens above and below of one chunk, and its letter."""
    if chunk.type not in _LETTERS:
        raise ValueError(f"unparseable op name={chunk.type}")
    above = ref[chunk.ref_start_idx : chunk.ref_end_idx]
    below = hyp[chunk.hyp_start_idx : chunk.hyp_end_idx]
    if chunk.type == "delete":
        below = ["*"] * len(above)
    elif chunk.type == "insert":
        above = ["*"] * len(below)
    return above, below, _LETTERS[chunk.type]


def collect_error_counts(
    output: Output,
) -> tuple[dict[tuple[str, str], int], dict[str, int], dict[str, int]]:
    """How often each stretch of words (or characters) was substituted, inserted, deleted.

    Keys of the substitutions are (said, recognised). A chunk of several words is one key.

    >>> from assay.compat.jiwer.process import process_words
    >>> out = process_words("the big cat sat", "the cat sat down")
    >>> subs, inserted, deleted = collect_error_counts(out)
    >>> dict(subs), dict(inserted), dict(deleted)
    ({}, {'down': 1}, {'big': 1})
    """
    gap = " " if isinstance(output, WordOutput) else ""
    substituted: dict[tuple[str, str], int] = defaultdict(int)
    inserted: dict[str, int] = defaultdict(int)
    deleted: dict[str, int] = defaultdict(int)
    references, hypotheses = output.references, output.hypotheses
    for row, chunks in enumerate(output.alignments):
        ref, hyp = references[row], hypotheses[row]
        for chunk in chunks:
            if chunk.type == "equal":
                continue
            said = gap.join(ref[chunk.ref_start_idx : chunk.ref_end_idx])
            heard = gap.join(hyp[chunk.hyp_start_idx : chunk.hyp_end_idx])
            if chunk.type == "substitute":
                substituted[said, heard] += 1
            elif chunk.type == "insert":
                inserted[heard] += 1
            elif chunk.type == "delete":
                deleted[said] += 1
    return substituted, inserted, deleted


def visualize_error_counts(
    output: Output,
    show_substitutions: bool = True,
    show_insertions: bool = True,
    show_deletions: bool = True,
    top_k: int | None = None,
) -> str:
    """The errors of collect_error_counts as text, most frequent first, `top_k` of each kind.

    >>> from assay.compat.jiwer.process import process_words
    >>> out = process_words("the big cat sat", "the cat sat down")
    >>> print(visualize_error_counts(out, show_substitutions=False))
    === INSERTIONS ===
    down = 1x
    <BLANKLINE>
    === DELETIONS ===
    big = 1x
    """
    substituted, inserted, deleted = collect_error_counts(output)
    text = ""
    for show, title, errors in (
        (show_substitutions, "SUBSTITUTIONS", substituted),
        (show_insertions, "INSERTIONS", inserted),
        (show_deletions, "DELETIONS", deleted),
    ):
        if show:
            text += ("\n" if text else "") + f"=== {title} ===\n" + _table(errors, top_k)
    return text.removesuffix("\n")


def _table(errors: Mapping[Any, int], top_k: int | None) -> str:
    """Lines of key = count, keys padded to the longest one shown; "none" and no line end if empty.

    jiwer's edges are kept: a top_k of 0 fails in max(), a negative one shows nothing.
    """
    if not errors:
        return "none"
    ranked = sorted(errors.items(), key=lambda item: item[1], reverse=True)
    if top_k is not None:
        ranked = ranked[:top_k]
    width = max(len(k) if isinstance(k, str) else max(map(len, k)) for k, _ in ranked)
    if top_k is not None and top_k < 0:
        return ""
    lines = []
    for key, count in ranked:
        said = " --> ".join(k.ljust(width) for k in ([key] if isinstance(key, str) else key))
        lines.append(f"{said} = {count}x\n")
    return "".join(lines)
