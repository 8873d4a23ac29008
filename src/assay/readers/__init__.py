"""Files and URLs as batches of Arrow columns, behind `core.protocols.Source`.

`read` finds the files, FORMATS says how each kind is cut into parts and decoded. To add a format,
write a function that yields its batches and give it a row there.
"""

import difflib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch, Part, Source
from assay.readers.arrow_table import read_arrow
from assay.readers.coco import Coco, read_coco
from assay.readers.columns import Columns
from assay.readers.delimited import read_delimited
from assay.readers.files import File, expand
from assay.readers.join import Joined
from assay.readers.jsonl import json_ranges
from assay.readers.lines import read_kaldi, read_lines
from assay.readers.nist import Segments, Transcripts, read_ctm, read_stm, read_trn
from assay.readers.parquet import row_groups
from assay.readers.ray_dataset import RayDataset
from assay.readers.source import Aligned, Files, Split, Table
from assay.readers.trec import QRELS, RUN, read_trec

__all__ = ["FORMATS", "Format", "read"]


class Format(NamedTuple):
    """extensions: names that mean this format. split: the parts of a file."""

    extensions: tuple[str, ...]
    split: Split


def _whole(
    decode: Callable[[File, Columns], Iterator[Batch]], file: File, want: Columns
) -> Sequence[tuple[Part, Callable[[], Iterator[Batch]]]]:
    """A text file is one part: only reading it tells where its rows begin."""
    return [(Part(0, file.name, size=file.size), partial(decode, file, want))]


_CSV = partial(read_delimited, delimiter=",", quoting=True)
_TSV = partial(read_delimited, delimiter="\t", quoting=True)
_TSV_RAW = partial(read_delimited, delimiter="\t", quoting=False)

FORMATS = {
    "jsonl": Format((".jsonl", ".ndjson", ".json"), json_ranges),
    "csv": Format((".csv",), partial(_whole, _CSV)),
    "tsv": Format((".tsv", ".tab"), partial(_whole, _TSV)),
    "tsv-raw": Format((), partial(_whole, _TSV_RAW)),
    "parquet": Format((".parquet", ".pq"), row_groups),
    "arrow": Format((".arrow", ".feather"), partial(_whole, read_arrow)),
    "lines": Format((".txt",), partial(_whole, read_lines)),
    "kaldi": Format((), partial(_whole, read_kaldi)),
    "trec-run": Format((".run", ".trec"), partial(_whole, partial(read_trec, names=RUN))),
    "qrels": Format((".qrels",), partial(_whole, partial(read_trec, names=QRELS))),
    "trn": Format((".trn",), partial(_whole, read_trn)),
    "stm": Format((".stm",), partial(_whole, read_stm)),
    "ctm": Format((".ctm",), partial(_whole, read_ctm)),
    "coco": Format((), partial(_whole, read_coco)),
}
APART = {"lines", "kaldi", "trn", "stm", "ctm", "coco"}  # they are no table with any other format
UNNAMED = {"kaldi", "trn"}  # tables of id and text
MARKED_TRN = partial(_whole, partial(read_trn, marks=True))

Paths = str | os.PathLike[str]


def read(
    paths: Paths | Sequence[Paths] | Any,
    text: str | Sequence[str] = ("reference", "hypothesis"),
    keep: str | Sequence[str] = (),
    *,
    lists: str | Sequence[str] = (),
    key: str | None = None,
    format: str | None = None,
) -> Source:
    """Rows of text, and what goes along with them, from files of almost any kind.

    paths: what to read. One or more paths, globs, URLs, or "-" for standard input; or a table in
        memory with an Arrow stream (pyarrow, pandas, polars), or a Dataset of Ray, whose blocks are
        parts. Several files of one format are one table, in the order given. Two files are the two
        sides of a table if `key` is given, or if they are `lines`, `kaldi`, `trn`, `stm` and `ctm`,
        or `coco` (annotations, results): first the reference, then the hypothesis.
    text: names of the text columns: valid UTF-8, never null, never another type turned into text.
        `lines` and `kaldi` have no names: there they name the columns of the answer.
    keep: names of further columns, in the type the file gives them. CSV has no types: text.
        TREC's are query, iteration, item, then rank, score, tag of a run or gain of judgements;
        trn has id, stm file, channel, speaker, begin, end, label, COCO image_id.
        Of two sides, they come from the reference's.
    lists: names of columns of lists of texts, for several references an item. A column of texts is
        one of lists of one; what a table has as columns NAME_1, NAME_2, … (or NAME1, NAME2, …) is
        one of lists of those that are neither null nor empty; "references" may also be called
        reference, refs or ref. Of two sides, the list is the
        reference and `text` names the hypothesis; of `lines`, all paths before those of `text` are
        references.
    key: the column that joins the two sides ("id" for `kaldi` and `trn`). Every key stands once on
        either side, in any order; the answer is in the order of the reference.
    format: one of FORMATS, when the name does not say (`stm` of two paths: stm, then ctm). A .gz,
        .zst or .bz2 behind the extension is decompressed.

    Returns a Source whose batches have the columns of `lists`, of `text`, then of `keep`, in the
    order asked; batches hold at most 65,536 rows and about 8 MiB of a file. Iterating over it
    yields them all. Each row group of a Parquet file is a part that can be read at the same time
    as the others.

    Errors: InputError for arguments that do not go together, DataError (an InputError) for a file:
    missing, empty, cut short, not UTF-8, a column that is not there, a null or a number in a text
    column, a row of the wrong width. It names the file and the line, or for Parquet the row,
    counted from 1. Paths and formats are checked at once, the rest when parts() or batches() come
    to it.

    >>> import pyarrow as pa
    >>> table = pa.table({"id": [1, 2], "said": ["a b", "c"], "heard": ["a", "c"]})
    >>> for batch in read(table, ["said", "heard"], keep="id"):
    ...     print(batch.schema.names, batch.to_pydict()["heard"])
    ['said', 'heard', 'id'] ['a', 'c']
    """
    text, keep, lists = _names(text), _names(keep), _names(lists)
    if hasattr(paths, "__arrow_c_stream__"):
        if key or format:
            raise InputError("read: key and format belong to files, got a table")
        return Table(paths, Columns(text, keep, lists))
    if hasattr(paths, "to_arrow_refs"):
        if key or format:
            raise InputError("read: key and format belong to files, got a Dataset of Ray")
        return RayDataset(paths, Columns(text, keep, lists))
    typed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not typed:
        raise InputError("read: no paths; name at least one file")
    sides = [[(file, _format(file, format)) for file in expand(path)] for path in typed]
    names = list(dict.fromkeys(name for side in sides for _, name in side))
    files = [[(file, FORMATS[name].split) for file, name in side] for side in sides]
    want = Columns(text, keep, lists)
    if len(sides) == 2 and (names in (["coco"], ["stm", "ctm"]) or format in ("stm", "ctm")):
        first, second = ([file for file, _ in side] for side in files)
        if names == ["coco"]:
            return Coco(first, second, want)
        return Segments(first, second, want)
    if key or names == ["kaldi"] or (names == ["trn"] and len(sides) == 2):
        return _joined(sides, key or "id", want)
    if names == ["lines"]:
        together = len(sides) - len(text) if lists else 0
        if len(sides) != len(text) + together or keep or (lists and together < 1):
            raise InputError(
                f"read: lines are one path for each text column and nothing else; got {len(sides)} "
                f"paths for {', '.join(lists + text + keep)}; name that many, or give format= "
                "(--format)"
            )
        texts = [Files(side, Columns(("text",))) for side in files]
        return Aligned(texts, lists + text, together)
    if len(names) > 1 and APART & set(names):
        mend = (
            "give key= (--key) to join two tables, or format= (--format) if the extension misleads"
        )
        if names == ["ctm", "stm"]:
            mend = "name the stm file first"
        raise InputError(f"read: {' and '.join(names)} files do not go together; {mend}")
    return Files([file for side in files for file in side], want)


def _joined(sides: Sequence[Sequence[tuple[File, str]]], key: str, want: Columns) -> Source:
    """Two sides of a table, reference and hypothesis, by key."""
    names = want.lists + want.text
    if len(sides) != 2 or len(names) != 2:
        raise InputError(
            "read: a join needs two paths and two text columns, reference then hypothesis; "
            f"got {len(sides)} and {len(names)}"
        )
    formats = [{format for _, format in side} for side in sides]
    left, right = (
        "text" if own <= UNNAMED else name for own, name in zip(formats, names, strict=True)
    )
    marked = formats[0] == {"trn"} and not want.lists
    splits = [
        [
            (file, MARKED_TRN if marked and not at else FORMATS[format].split)
            for file, format in side
        ]
        for at, side in enumerate(sides)
    ]
    columns = Columns((), want.keep, (left,)) if want.lists else Columns((left,), want.keep)
    reference = Files(splits[0], columns)
    joined = Transcripts if marked else Joined
    return joined(reference, Files(splits[1], Columns((right,))), key, want.names)


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _format(file: File, name: str | None) -> str:
    """The format asked for, else the one its extension means."""
    if name is not None and name not in FORMATS:
        close = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError(f"read: format must be one of {', '.join(FORMATS)}, got {name!r}{hint}")
    for known, format in FORMATS.items():
        if name == known or (name is None and file.extension in format.extensions):
            return known
    ending = f"from {file.extension!r}" if file.extension else "without an extension"
    raise DataError(
        f"{file.name}: cannot tell the format {ending}; give format= (--format), one of "
        f"{', '.join(FORMATS)}"
    )
