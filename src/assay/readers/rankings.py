"""Runs and judgements from TREC's files or any table, as columns of one type.

A table may call its columns as other tools do: ALIASES. Queries and items are text, or, where
judgements are about rows of arrays, the numbers of those rows.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from assay.core.aliases import ALIASES, alias_among
from assay.core.errors import DataError, InputError
from assay.core.protocols import Batch
from assay.readers import FORMATS, read
from assay.readers.arrays import named_part
from assay.readers.columns import MissingColumn
from assay.readers.files import expand

__all__ = ["TABLES", "Rows", "read_ids", "read_judgements", "read_run"]

TABLES = ("trec", "jsonl", "csv", "tsv", "tsv-raw", "parquet")  # formats that have the columns

Where = Callable[[int], str]


class Rows(NamedTuple):
    """The rows of an array that judgements are about. ids: what they are called, text; None: by
    their numbers 0..size-1. source: the file that says so."""

    source: str
    size: int
    ids: pa.ChunkedArray | None = None


def read_run(path: str, format: str | None = None) -> pa.Table:
    """Columns query and item, text, and score, float64, none NaN.

    format: one of TABLES; by default what the name says, else TREC's.
    Errors: DataError with file and line.
    """
    columns = ("query", "item", "score")
    tables = []
    for (query, item, score), where in _columns(path, format, "trec-run", columns):
        sides = [_text(query, "query", where), _text(item, "item", where)]
        tables.append(pa.table([*sides, _numbers(score, "score", where)], columns))
    return _joined(path, tables)


def read_judgements(
    path: str,
    format: str | None = None,
    *,
    queries: Rows | None = None,
    items: Rows | None = None,
) -> pa.Table:
    """Columns query and item, and gain, float64 and none NaN, where the file has gains.

    Queries and items are text; or, with `queries` and `items`, int64 numbers of rows there.
    """
    columns = ("query", "item", "gain")
    tables = []
    for found, where in _columns(path, format, "qrels", columns, optional="gain"):
        sides = [
            _text(column, name, where) if rows is None else _places(column, name, rows, where)
            for name, column, rows in zip(columns, found, (queries, items), strict=False)
        ]
        gains = [_numbers(column, "gain", where) for column in found[2:]]
        tables.append(pa.table([*sides, *gains], columns[: len(found)]))
    return _joined(path, tables)


def read_ids(path: str, keep: Sequence[str] = ()) -> pa.Table:
    """What rows are called: column `id`, text and different, and the columns of `keep`.

    path: a file of lines, or a table: 'file:column', by default its column `id`.
    """
    name, column = named_part(path)
    lines = _format_of(name) in (None, "lines")
    if lines and (column or keep):
        raise InputError(
            f"{name}: lines have no column {column or keep[0]!r}; give a table (CSV, JSONL, …)"
        )
    asked = (column or "id", *keep)
    source = read(name, "id", format="lines") if lines else read(name, (), asked)
    seen: set[str] = set()
    tables = []
    for batch in _batches(source):
        ids = _text(batch.rows.column(0), asked[0], batch.where)
        if len(set(ids.to_pylist()) - seen) < len(ids):
            for row, value in enumerate(ids.to_pylist()):
                if value in seen:
                    raise DataError(
                        f"{batch.where(row)}: the id {value!r} stands there twice; "
                        "every row needs its own"
                    )
                seen.add(value)
        seen.update(ids.to_pylist())
        others = [batch.rows.column(1 + i) for i in range(len(keep))]
        tables.append(pa.table([ids, *others], ("id", *keep)))
    return _joined(name, tables)


def _joined(path: str, tables: list[pa.Table]) -> pa.Table:
    if not tables:
        raise DataError(f"{path}: no rows; was it written?")
    return pa.concat_tables(tables, promote_options="permissive")


def _batches(source: object) -> Iterator[Batch]:
    for part in source.parts():  # type: ignore[attr-defined]
        yield from source.batches(part)  # type: ignore[attr-defined]


def _format_of(path: str) -> str | None:
    """The format that the first file's extension means."""
    extension = expand(path)[0].extension
    return next((name for name, known in FORMATS.items() if extension in known.extensions), None)


def _columns(
    path: str, format: str | None, trec: str, columns: tuple[str, ...], optional: str = ""
) -> Iterator[tuple[list[pa.Array], Where]]:
    """The columns of each batch, whatever the table calls them; the optional one may be absent."""
    found = format or _format_of(path)
    found = trec if found in (None, "lines", "trec", "trec-run", "qrels") else found
    called = {name: name for name in columns}
    while True:
        source = read(path, (), list(called.values()), format=found)
        batches = _batches(source)
        try:
            head = list(next(([batch] for batch in batches), []))
            break
        except MissingColumn as error:
            column = next(name for name, there in called.items() if there == error.name)
            other = next((name for name in ALIASES[column] if name in error.present), None)
            if getattr(source, "once", False) or (other is None and column != optional):
                raise DataError(
                    f"{error}; TREC's own columns have no header: --format trec"
                ) from None
            if other is None:
                _refuse_unknown(column, error.present, path)
                del called[column]
            else:
                called[column] = other
    for batch in chain(head, batches):
        yield batch.rows.columns, batch.where


def _refuse_unknown(column: str, present: Sequence[str], path: str) -> None:
    try:
        alias_among(column, present, path)
    except InputError as error:
        raise DataError(str(error)) from None


def _text(values: pa.Array, name: str, where: Where) -> pa.Array:
    """Text, or whole numbers as they are written."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    whole = pa.types.is_integer(kind)
    if not (whole or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"{where(0)}: column {name!r} holds {kind}, expected text or whole numbers")
    _refuse_null(values, name, where)
    return values.cast(kind).cast(pa.string())


def _places(values: pa.Array, name: str, rows: Rows, where: Where) -> pa.Array:
    """The numbers of the rows meant."""
    if rows.ids is not None:
        text = _text(values, name, where)
        found = pc.index_in(text, value_set=rows.ids)
        if found.null_count:
            row = found.is_null().index(True).as_py()
            raise DataError(f"{where(row)}: {name} {text[row].as_py()!r} is not in {rows.source}")
        return found.cast(pa.int64())
    text = _text(values, name, where)
    try:
        found = text.cast(pa.int64())
    except pa.ArrowInvalid:
        row = next(i for i, value in enumerate(text.to_pylist()) if not _is_whole(value))
        raise DataError(
            f"{where(row)}: {name} {text[row].as_py()!r} is no row number of {rows.source}; "
            f"name the rows with --query-ids and --gallery-ids"
        ) from None
    bad = pc.or_(pc.less(found, 0), pc.greater_equal(found, rows.size))
    if pc.any(bad).as_py():
        row = pc.index(bad, True).as_py()
        raise DataError(
            f"{where(row)}: {name} {found[row].as_py()} must be a row of {rows.source}, "
            f"0..{rows.size - 1}"
        )
    return found


def _is_whole(text: str) -> bool:
    try:
        pa.scalar(text).cast(pa.int64())
    except pa.ArrowInvalid:
        return False
    return True


def _numbers(values: pa.Array, name: str, where: Where) -> pa.Array:
    """float64, none of them missing or NaN."""
    _refuse_null(values, name, where)
    try:
        numbers = values.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        numbers = pa.array(
            [_number(v, name, where, row) for row, v in enumerate(values.to_pylist())]
        )
    nan = pc.is_nan(numbers)
    if pc.any(nan).as_py():
        raise DataError(
            f"{where(pc.index(nan, True).as_py())}: {name} is NaN, expected a number; drop the "
            "line or give it one"
        )
    return numbers


def _number(value: Any, name: str, where: Where, row: int) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"{where(row)}: {name} is {value!r}, expected a number") from None


def _refuse_null(values: pa.Array, name: str, where: Where) -> None:
    if values.null_count:
        row = values.is_null().index(True).as_py()
        raise DataError(f"{where(row)}: column {name!r} is null; drop the row or fill it in")
