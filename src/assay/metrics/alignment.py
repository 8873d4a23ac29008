"""Alignments: arrays first, Python objects and pictures when asked for."""

import operator
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.metrics._pairs import PairInput
from assay.ops.edit import DELETE, EQUAL, INSERT, SUBSTITUTE, Edits

__all__ = ["Alignments", "Chunk"]

KINDS = {EQUAL: "equal", SUBSTITUTE: "substitute", DELETE: "delete", INSERT: "insert"}
_BLOCK = 1 << 16  # pairs whose errors are counted at once

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
        index = self._checked(index)
        return self._pairs.items(index, index + 1)[0]

    def _checked(self, index: int) -> int:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"alignment {index} of {len(self)}")
        return index % len(self)

    def __getitem__(self, index: int) -> list[Chunk]:
        return list(self._chunks(self._checked(index), *self.tokens(index)))

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
        found: list[dict[Any, int]] = [{} for _ in range(groups)]
        for start in range(0, len(self), _BLOCK):
            stop = min(start + _BLOCK, len(self))
            for own, table in self._errors(start, stop, group[start:stop]):
                if found[own]:
                    for key, times in table.items():
                        found[own][key] = found[own].get(key, 0) + times
                else:
                    found[own] = table
        return found

    def _errors(
        self, start: int, stop: int, group: npt.NDArray[np.int64]
    ) -> Iterator[tuple[int, dict[Any, int]]]:
        """The errors of some pairs: each group that has any, and its table."""
        chunks = slice(int(self.offsets[start]), int(self.offsets[stop]))
        rows = np.repeat(np.arange(stop - start), np.diff(self.offsets[start : stop + 1]))
        chosen = (self.kind[chunks] != EQUAL) & (group[rows] >= 0)
        rows, kind, spans = rows[chosen], self.kind[chunks][chosen], self._edits.spans[chunks]
        ref_start, ref_end, hyp_start, hyp_end = spans[chosen].astype(np.int64).T
        # One entry for each token of a chunk, with its place on either side.
        sizes = np.maximum(ref_end - ref_start, hyp_end - hyp_start)
        inner = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows, kind = np.repeat(rows, sizes), np.repeat(kind, sizes)
        has_ref, has_hyp = kind != INSERT, kind != DELETE
        ref_place = (np.repeat(ref_start, sizes) + inner)[has_ref]
        hyp_place = (np.repeat(hyp_start, sizes) + inner)[has_hyp]
        places = (rows[has_ref], ref_place, rows[has_hyp], hyp_place)
        (ref_codes, refs), (hyp_codes, hyps) = self._pairs.at(start, stop, *places)
        left, right = np.zeros((2, len(rows)), np.int64)  # 0: nothing on that side
        left[has_ref], right[has_hyp] = ref_codes + 1, hyp_codes + 1
        errors = (group[rows] * (len(refs) + 1) + left) * (len(hyps) + 1) + right
        used, times = np.unique(errors, return_counts=True)
        rest, right = np.divmod(used, len(hyps) + 1)
        own, left = np.divmod(rest, len(refs) + 1)
        keys = list(zip(_named(refs, left), _named(hyps, right), strict=True))
        counts = times.tolist()
        ends = np.flatnonzero(np.diff(own, append=-1)) + 1
        for begin, end in pairwise([0, *ends.tolist()]):
            yield int(own[begin]), dict(zip(keys[begin:end], counts[begin:end], strict=True))

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


def _named(names: list[str], codes: npt.NDArray[np.int64]) -> Iterator[str | None]:
    """The name of each code from 1; None for 0."""
    return map([None, *names].__getitem__, codes.tolist())


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
