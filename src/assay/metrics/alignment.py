"""Alignments: arrays first, Python objects and pictures when asked for."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.metrics._pairs import PairInput
from assay.ops.edit import DELETE, EQUAL, INSERT, SUBSTITUTE, Edits

__all__ = ["Alignments", "Chunk"]

KINDS = {EQUAL: "equal", SUBSTITUTE: "substitute", DELETE: "delete", INSERT: "insert"}
_BLOCK = 4096

# operation -> (letter under the columns, ANSI colour of the reference, of the hypothesis)
_MARKS = {
    EQUAL: (" ", "", ""),
    SUBSTITUTE: ("S", "\x1b[33m", "\x1b[33m"),
    DELETE: ("D", "\x1b[31m", ""),
    INSERT: ("I", "", "\x1b[36m"),
}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of one operation: what stood in the reference, and in the hypothesis."""

    kind: str
    ref_start: int
    ref_end: int
    hyp_start: int
    hyp_end: int
    reference: list[str]
    hypothesis: list[str]


class Alignments:
    """The canonical alignments of n pairs.

    kind uint8 [c]: 0 equal, 1 substitute, 2 delete, 3 insert. ref_start, ref_end, hyp_start,
    hyp_end int32 [c]. offsets int64 [n + 1]: the chunks of pair i are offsets[i]..offsets[i + 1].
    `a[i]` gives them as Chunk objects, `a.text()` as a picture.
    """

    def __init__(self, edits: Edits, pairs: PairInput, unit: str) -> None:
        self._edits, self._pairs, self.unit = edits, pairs, unit

    @property
    def kind(self) -> npt.NDArray[np.uint8]:
        return self._edits.kinds

    @property
    def ref_start(self) -> npt.NDArray[np.int32]:
        return self._edits.spans[:, 0]

    @property
    def ref_end(self) -> npt.NDArray[np.int32]:
        return self._edits.spans[:, 1]

    @property
    def hyp_start(self) -> npt.NDArray[np.int32]:
        return self._edits.spans[:, 2]

    @property
    def hyp_end(self) -> npt.NDArray[np.int32]:
        return self._edits.spans[:, 3]

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        return self._edits.offsets

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """int64 [n, 4]: hits, substitutions, deletions, insertions of each pair."""
        return self._edits.counts

    def __len__(self) -> int:
        return self._pairs.n

    def tokens(self, index: int) -> tuple[list[str], list[str]]:
        """Words or characters of one pair: reference, hypothesis."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"alignment {index} of {len(self)}")
        index %= len(self)
        return self._pairs.items(index, index + 1)[0]

    def __getitem__(self, index: int) -> list[Chunk]:
        reference, hypothesis = self.tokens(index)
        return list(self._chunks(index % len(self), reference, hypothesis))

    def _chunks(self, index: int, reference: list[str], hypothesis: list[str]) -> Iterator[Chunk]:
        chosen = slice(int(self.offsets[index]), int(self.offsets[index + 1]))
        spans = self._edits.spans[chosen].tolist()
        for kind, (a, b, c, d) in zip(self.kind[chosen].tolist(), spans, strict=True):
            yield Chunk(KINDS[kind], a, b, c, d, reference[a:b], hypothesis[c:d])

    def confusions(self, chosen: npt.NDArray[np.int64] | None = None) -> dict[Any, int]:
        """How often which token was taken for which: (reference, hypothesis) -> times.

        A deleted token has None for its hypothesis, an inserted one None for its reference.
        chosen: indices of the pairs to look at, all by default.
        """
        group = np.full(len(self), -1)
        group[slice(None) if chosen is None else chosen] = 0
        return self.confusions_of(group, 1)[0]

    def confusions_of(self, group: npt.NDArray[np.int64], groups: int) -> list[dict[Any, int]]:
        """confusions() of the pairs of each group 0..groups - 1; group -1 is left out."""
        found: list[Counter[tuple[str | None, str | None]]] = [Counter() for _ in range(groups)]
        for start in range(0, len(self), _BLOCK):
            stop = min(start + _BLOCK, len(self))
            for index, sides in enumerate(self._pairs.items(start, stop), start):
                if group[index] < 0:
                    continue
                table = found[group[index]]
                for chunk in self._chunks(index, *sides):
                    if chunk.kind == "substitute":
                        table.update(zip(chunk.reference, chunk.hypothesis, strict=True))
                    elif chunk.kind == "delete":
                        table.update((token, None) for token in chunk.reference)
                    elif chunk.kind == "insert":
                        table.update((None, token) for token in chunk.hypothesis)
        return [dict(table) for table in found]

    def text(self, index: int | None = None, *, color: bool = False) -> str:
        """A picture of one alignment, or of all: reference, hypothesis, and S, D, I below.

        >>> import assay
        >>> print(assay.align(["the cat sat"], ["the dog sat down"]).text())
        REF: the cat sat ****
        HYP: the dog sat down
                 S       I
        """
        if index is None:
            return "\n\n".join(self.text(i, color=color) for i in range(len(self)))
        rows = [["REF:"], ["HYP:"], ["    "]]
        colors = [[""], [""], [""]]
        for chunk in self[index]:
            kind = next(k for k, name in KINDS.items() if name == chunk.kind)
            letter, ref_color, hyp_color = _MARKS[kind]
            size = max(len(chunk.reference), len(chunk.hypothesis))
            refs: list[str | None] = [_shown(t) for t in chunk.reference]
            hyps: list[str | None] = [_shown(t) for t in chunk.hypothesis]
            refs, hyps = refs or [None] * size, hyps or [None] * size
            for ref, hyp in zip(refs, hyps, strict=True):
                width = max(_width(ref or ""), _width(hyp or ""))
                for row, cell in zip(rows, (ref, hyp, letter), strict=True):
                    row.append(_pad("*" * width if cell is None else cell, width))
                for row, cell_color in zip(colors, (ref_color, hyp_color, ""), strict=True):
                    row.append(cell_color if color else "")
        gap = " " if self.unit == "word" else ""
        lines = []
        for row, row_colors in zip(rows, colors, strict=True):
            head, cells = row[0], zip(row[1:], row_colors[1:], strict=True)
            painted = [f"{c}{cell}{_RESET}" if c else cell for cell, c in cells]
            lines.append(f"{head} {gap.join(painted)}".rstrip())
        return "\n".join(lines)


def _shown(token: str) -> str:
    """A token as a terminal may print it: no control characters, no lone surrogates."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in token) or "''"


def _width(text: str) -> int:
    """Columns of a terminal that text takes."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
