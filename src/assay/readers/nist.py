"""NIST's transcripts: trn, and stm with ctm.

    trn   words … (utterance-id)
    stm   file channel speaker begin end [<label>] words …
    ctm   file channel begin duration word [confidence …]

Lines that begin with ;; are comments. What stands between words is in `alternations.py`. Files of
stm and ctm are held in memory. Case is left as it is (sclite folds it): normalise both sides.
Source: sclite's infmts, NIST SCTK 2.4.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part
from assay.readers.alternations import nearest, refuse_marks
from assay.readers.columns import Columns, sliced
from assay.readers.files import File
from assay.readers.join import Joined
from assay.readers.lines import text_lines
from assay.readers.source import Rows
from assay.readers.texts import Where

__all__ = ["Segments", "Transcripts", "read_ctm", "read_stm", "read_trn"]

TRN = r"(?s)^(?P<text>.*?)\s*\((?P<id>[^()\s]+)\)\s*$"
IGNORED = "ignore_time_segment_in_scoring"
GAP = "inter_segment_gap"
ALTERNATIVES = ("<alt_begin>", "<alt>", "<alt_end>")


def read_trn(file: File, want: Columns, *, marks: bool = False) -> Iterator[Batch]:
    """The columns `id` and `text` of every utterance. marks: leave those between words in."""
    want.require(("id", "text"), file.name)
    first = 0
    for lines, numbers, consumed in _spoken(file):
        where = partial(_line, file.name, numbers)
        found = pc.extract_regex(lines, TRN)
        if found.null_count:
            row = found.is_null().index(True).as_py()
            raise DataError(
                f"{where(row)}: no utterance id; a line of trn is 'words … (utterance-id)'"
            )
        text = found.field("text")
        columns = {"id": found.field("id"), "text": text if marks else refuse_marks(text, where)}
        rows = pa.RecordBatch.from_pydict(columns)
        yield from sliced(want.take(rows, where), first, consumed, where)
        first += rows.num_rows


class Transcripts(Joined):
    """Two trn files by utterance id; a reference is its reading nearest to the hypothesis."""

    def batches(self, part: Part) -> Iterator[Batch]:
        for batch in super().batches(part):
            columns = batch.rows.columns
            columns[0] = nearest(columns[0], columns[1], batch.where)
            yield batch._replace(rows=pa.RecordBatch.from_arrays(columns, batch.rows.schema.names))


# -- segments and words on a time line -------------------------------------------------------------


class Segment(NamedTuple):
    """A line of stm; label: what stands in < >, else None."""

    file: str
    channel: str
    speaker: str
    begin: float
    end: float
    label: str | None
    text: str
    place: str

    @property
    def ignored(self) -> bool:
        return self.text.strip().casefold() == IGNORED


class Word(NamedTuple):
    """A line of ctm; at: the middle of its time."""

    at: float
    text: str
    place: str


KEPT = Segment._fields[:6]
SCHEMA = {"begin": pa.float64(), "end": pa.float64()}


def read_stm(file: File, want: Columns) -> Iterator[Batch]:
    """The columns of every segment that is scored, in the order of the file."""
    want.require((*KEPT, "text"), file.name)
    segments = [segment for segment in _segments(file) if not segment.ignored]

    def where(row: int) -> str:
        return segments[row].place

    columns = _columns(segments, [*KEPT, "text"])
    refuse_marks(columns["text"], where)
    rows = pa.RecordBatch.from_pydict(columns)
    yield from sliced(want.take(rows, where), 0, file.size or 0, where)


def read_ctm(file: File, want: Columns) -> Iterator[Batch]:
    """Never rows by themselves: words are put together by the segments of an stm file."""
    raise DataError(
        f"{file.name}: ctm has words without segments; give the stm file of the reference first, "
        "then this one"
    )


class Segments(Rows):
    """The segments of stm files, each with the words of ctm files whose middle lies in it.

    At a time where one segment ends and another begins a word belongs to the later one. Words
    outside of all segments are a row without reference, of the speaker inter_segment_gap; those in
    a segment that is ignored (ignore_time_segment_in_scoring) count nowhere.
    """

    def __init__(self, stm: Sequence[File], ctm: Sequence[File], want: Columns) -> None:
        if len(want.text) != 2:
            raise InputError(
                f"read: stm and ctm are a reference and a hypothesis, got columns {want.text}"
            )
        self.stm, self.ctm, self.want = tuple(stm), tuple(ctm), want
        want.require(KEPT, str(self), want.keep or KEPT)

    def __reduce__(self) -> Any:
        return Segments, (self.stm, self.ctm, self.want)

    def __str__(self) -> str:
        return " and ".join(file.name for file in (*self.stm, *self.ctm))

    def parts(self) -> Sequence[Part]:
        sizes = [file.size for file in (*self.stm, *self.ctm)]
        return [Part(0, str(self), size=None if None in sizes else sum(filter(None, sizes)))]

    def batches(self, part: Part) -> Iterator[Batch]:
        pairs = list(self._pairs())
        segments = [segment for segment, _ in pairs]

        def where(row: int) -> str:
            return segments[row].place

        reference, hypothesis = self.want.text
        columns = _columns(segments, [*self.want.keep, "text"])
        heard = pa.array([" ".join(words) for _, words in pairs], pa.string())
        said = nearest(columns.pop("text"), heard, where)
        rows = pa.RecordBatch.from_pydict({reference: said, hypothesis: heard, **columns})
        yield from sliced(self.want.take(rows, where), 0, part.size or 0, where)

    def _pairs(self) -> Iterator[tuple[Segment, list[str]]]:
        """Segments that are scored and what was heard in them, by time."""
        lines: dict[tuple[str, str], list[Segment]] = {}
        for file in self.stm:
            for segment in _segments(file):
                lines.setdefault((segment.file, segment.channel), []).append(segment)
        heard: dict[tuple[str, str], list[Word]] = {key: [] for key in lines}
        for file in self.ctm:
            words = list(_words(file))
            places = [word.place for _, word in words]
            refuse_marks(
                pa.array([word.text for _, word in words], pa.string()), places.__getitem__
            )
            for key, word in words:
                if key not in heard:
                    raise DataError(
                        f"{word.place}: no segment of file {key[0]!r}, channel {key[1]!r} in "
                        f"{', '.join(file.name for file in self.stm)}; add it, or drop the word"
                    )
                heard[key].append(word)
        for key, segments in lines.items():
            segments.sort(key=lambda segment: (segment.begin, segment.end))
            heard[key].sort(key=lambda word: word.at)
            yield from _timed(segments, heard[key])


def _timed(segments: list[Segment], words: list[Word]) -> Iterator[tuple[Segment, list[str]]]:
    """One time line: every segment that is scored, and gaps in which something was heard."""
    for before, after in pairwise(segments):
        if after.begin < before.end:
            raise DataError(
                f"{after.place}: begins at {after.begin:g} s, before the segment of "
                f"{before.place} ends at {before.end:g} s; segments of a channel must not overlap"
            )
    begins = [segment.begin for segment in segments]
    within: list[list[str]] = [[] for _ in segments]
    beyond: list[list[str]] = [[] for _ in range(len(segments) + 1)]  # before each, and at the end
    for word in words:
        at = bisect_right(begins, word.at) - 1
        inside = at >= 0 and word.at <= segments[at].end
        (within[at] if inside else beyond[at + 1]).append(word.text)
    for at, segment in enumerate(segments):
        if beyond[at]:
            yield _gap(segments[at - 1] if at else None, segment), beyond[at]
        if not segment.ignored:
            yield segment, within[at]
    if beyond[-1]:
        yield _gap(segments[-1], None), beyond[-1]


def _gap(before: Segment | None, after: Segment | None) -> Segment:
    """Between two segments, or beside one."""
    beside = before or after
    assert beside is not None
    return beside._replace(
        speaker=GAP,
        begin=before.end if before else 0.0,
        end=after.begin if after else math.inf,
        label=None,
        text="",
        place=f"{beside.place} ({GAP})",
    )


def _columns(segments: Sequence[Segment], names: Sequence[str]) -> dict[str, Any]:
    return {
        name: pa.array([getattr(one, name) for one in segments], SCHEMA.get(name, pa.string()))
        for name in names
    }


def _segments(file: File) -> Iterator[Segment]:
    for place, line in _python_lines(file):
        fields = line.split(None, 5)
        if len(fields) < 5:
            raise DataError(
                f"{place}: expected 'file channel speaker begin end [<label>] words …', got "
                f"{line[:60]!r}"
            )
        begin, end = (_seconds(fields[at], what, place) for at, what in ((3, "begin"), (4, "end")))
        if end < begin:
            raise DataError(f"{place}: the segment ends at {end:g} s, before it begins; mend it")
        text = fields[5] if len(fields) > 5 else ""
        label, rest = None, text.split(None, 1)
        if rest and rest[0].startswith("<") and rest[0].endswith(">"):
            label, text = rest[0][1:-1], rest[1] if len(rest) > 1 else ""
        file_of, channel, speaker = fields[:3]
        yield Segment(file_of, channel, speaker, begin, end, label, text.strip(), place)


def _words(file: File) -> Iterator[tuple[tuple[str, str], Word]]:
    for place, line in _python_lines(file):
        fields = line.split()
        if len(fields) >= 3 and fields[-1].casefold() in ALTERNATIVES:
            raise DataError(
                f"{place}: {fields[-1]} begins or parts alternatives of a hypothesis, expected one "
                "reading; keep the words of one"
            )
        if len(fields) < 5:
            raise DataError(
                f"{place}: expected 'file channel begin duration word [confidence]', got "
                f"{line[:60]!r}"
            )
        begin = _seconds(fields[2], "begin", place)
        duration = _seconds(fields[3], "duration", place)
        yield (fields[0], fields[1]), Word(begin + duration / 2, fields[4], place)


def _seconds(field: str, what: str, place: str) -> float:
    try:
        value = float(field) if "_" not in field else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise DataError(f"{place}: {what} is {field!r}, expected seconds from 0")
    return value


# -- lines -----------------------------------------------------------------------------------------


def _spoken(file: File) -> Iterator[tuple[pa.Array, Any, int]]:
    """(lines that are neither blank nor comments, their numbers, bytes consumed)."""
    for lines, first, consumed in text_lines(file):
        said = pc.invert(pc.match_substring_regex(lines, r"^\s*(;;.*)?$"))
        numbers = first + np.flatnonzero(said.to_numpy(zero_copy_only=False))
        if len(numbers):
            yield lines.filter(said), numbers, consumed


def _line(name: str, numbers: Any, row: int) -> str:
    return f"{name}: line {numbers[row]}"


def _python_lines(file: File) -> Iterator[tuple[str, str]]:
    for lines, numbers, _ in _spoken(file):
        where: Where = partial(_line, file.name, numbers)
        for row, line in enumerate(lines.to_pylist()):
            yield where(row), line
