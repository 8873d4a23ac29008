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
from assay.readers.columns import Columns
from assay.readers.delimited import read_delimited
from assay.readers.files import File, expand
from assay.readers.join import Joined
from assay.readers.jsonl import read_jsonl
from assay.readers.lines import read_kaldi, read_lines
from assay.readers.parquet import row_groups
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
    "jsonl": Format((".jsonl", ".ndjson", ".json"), partial(_whole, read_jsonl)),
    "csv": Format((".csv",), partial(_whole, _CSV)),
    "tsv": Format((".tsv", ".tab"), partial(_whole, _TSV)),
    "tsv-raw": Format((), partial(_whole, _TSV_RAW)),
    "parquet": Format((".parquet", ".pq"), row_groups),
    "arrow": Format((".arrow", ".feather"), partial(_whole, read_arrow)),
    "lines": Format((".txt",), partial(_whole, read_lines)),
    "kaldi": Format((), partial(_whole, read_kaldi)),
    "trec-run": Format((".run", ".trec"), partial(_whole, partial(read_trec, names=RUN))),
    "qrels": Format((".qrels",), partial(_whole, partial(read_trec, names=QRELS))),
}

Paths = str | os.PathLike[str]


def read(
    paths: Paths | Sequence[Paths] | Any,
    text: str | Sequence[str] = ("reference", "hypothesis"),
    keep: str | Sequence[str] = (),
    *,
    key: str | None = None,
    format: str | None = None,
) -> Source:
    """Rows of text, and what goes along with them, from files of almost any kind.

    paths: what to read. One or more paths, globs, URLs, or "-" for standard input; or a table in
        memory with an Arrow stream (pyarrow, pandas, polars). Several files of one format are one
        table, in the order given. Two files are the two sides of a table if `key` is given, or if
        they are `lines` or `kaldi`: first the reference, then the hypothesis.
    text: names of the text columns: valid UTF-8, never null, never another type turned into text.
        `lines` and `kaldi` have no names: there they name the columns of the answer.
    keep: names of further columns, in the type the file gives them. CSV has no types: text.
        TREC's are query, iteration, item, then rank, score, tag of a run or gain of judgements.
        Of two sides, they come from the reference's.
    key: the column that joins the two sides ("id" for `kaldi`). Every key stands once on either
        side, in any order; the answer is in the order of the reference.
    format: one of FORMATS, when the name does not say. A .gz, .zst or .bz2 behind the extension is
        decompressed.

    Returns a Source whose batches have the columns of `text`, then of `keep`, in the order asked;
    batches hold at most 65,536 rows and about 8 MiB of a file. Iterating over it yields them all.
    Each row group of a Parquet file is a part that can be read at the same time as the others.

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
    text, keep = _names(text), _names(keep)
    if hasattr(paths, "__arrow_c_stream__"):
        if key or format:
            raise InputError("read: key and format belong to files, got a table")
        return Table(paths, Columns(text, keep))
    typed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not typed:
        raise InputError("read: no paths; name at least one file")
    sides = [[(file, _format(file, format)) for file in expand(path)] for path in typed]
    names = list(dict.fromkeys(name for side in sides for _, name in side))
    files = [[(file, FORMATS[name].split) for file, name in side] for side in sides]
    if names == ["kaldi"]:
        key = key or "id"
    if key:
        if len(sides) != 2 or len(text) != 2:
            raise InputError(
                "read: a join needs two paths and two text columns, reference then hypothesis; "
                f"got {len(sides)} and {len(text)}"
            )
        left, right = ("text", "text") if names == ["kaldi"] else text
        reference = Files(files[0], Columns((left,), keep))
        return Joined(reference, Files(files[1], Columns((right,))), key, text + keep)
    if names == ["lines"]:
        if len(sides) != len(text) or keep:
            raise InputError(
                f"read: lines are one path for each text column and nothing else; got {len(sides)} "
                f"paths for {', '.join(text + keep)}; name that many, or give format= (--format)"
            )
        return Aligned([Files(side, Columns(("text",))) for side in files], text)
    if {"lines", "kaldi"} & set(names):
        raise InputError(
            f"read: {' and '.join(names)} files do not go together; give key= (--key) to join two "
            "tables, or format= (--format) if the extension misleads"
        )
    return Files([file for side in files for file in side], Columns(text, keep))


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
