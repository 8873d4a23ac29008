"""`assay score transcripts`."""

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import typer

from assay.cli.shared import (
    Csv,
    Json,
    Markdown,
    check_named,
    check_output,
    check_own_columns,
    form_of,
    print_scores,
)
from assay.core.errors import DataError, InputError

__all__ = ["count_transcripts", "transcripts"]

UNITS = {"word": ("word",), "char": ("char",), "both": ("word", "char")}


def transcripts(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Files, globs, URLs, or - for standard input. Two line-aligned or Kaldi files, or "
            "two files with --key, are reference and hypothesis.",
        ),
    ],
    reference: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the references.")
    ] = "reference",
    hypothesis: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the hypotheses.")
    ] = "hypothesis",
    unit: Annotated[str, typer.Option(metavar="UNIT", help="word, char or both.")] = "both",
    normalise: Annotated[
        str, typer.Option(metavar="NAME", help="Normaliser of both sides: none, basic.")
    ] = "none",
    empty: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="What a pair without reference means: jiwer, nan, inf, skip, error.",
        ),
    ] = "jiwer",
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column to group by; may be given again."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that joins a reference and a hypothesis file."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="File format, where the name does not say: jsonl, csv, tsv, tsv-raw, parquet, "
            "lines, kaldi.",
        ),
    ] = None,
    per_item: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the counts of every pair to this Parquet file."),
    ] = None,
    errors: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Also list this many of the most frequent errors of a kind."
        ),
    ] = 0,
    json: Json = False,
    csv: Csv = False,
    markdown: Markdown = False,
) -> None:
    """Word and character error rates of recognised text, as jiwer counts them."""
    from assay.metrics.edit_counts import EMPTY, EditCounts
    from assay.ops.normalise import NAMED
    from assay.readers import read

    form = form_of(json, csv, markdown)
    if errors and csv:
        raise InputError("--errors goes with the console, --json or --markdown, not with --csv")
    check_named(
        ("--unit", unit, UNITS), ("--normalise", normalise, NAMED), ("--empty", empty, EMPTY)
    )
    by = by or []
    inputs = paths[0] if len(paths) == 1 else paths
    open_source = partial(read, inputs, (reference, hypothesis), key=key, format=format)
    source, extra = open_source(by), by
    key = getattr(source, "key", None)  # Kaldi files have one without asking
    if key and per_item and key not in by:
        extra = [*by, key]
        source = open_source(extra)
    if per_item:
        check_output("--per-item", per_item, paths)
        zeros = (EditCounts.zero(unit=name, detail=("items",)) for name in UNITS[unit])
        check_own_columns(extra, {"row", *(name for zero in zeros for name in zero.item_columns())})
    count = partial(
        count_transcripts,
        units=UNITS[unit],
        extra=tuple(extra),
        groups=len(by),
        options={
            "normalise": normalise,
            "empty": empty,
            "confusions": errors > 0,
            "items": per_item is not None,
        },
    )
    states = _add_up(source, count, per_item)
    _print(states, errors, form)


def count_transcripts(
    rows: Any, units: tuple[str, ...], extra: tuple[str, ...], groups: int, options: dict[str, Any]
) -> tuple[Any, ...]:
    """What to write about the single pairs of a batch, and one State for each unit, from its
    reference, hypothesis and further columns, the first `groups` of which group the counts.

    With items=True, what to write are the arguments of ItemFile.write: the pairs that were
    counted have their further columns and their counts; else it is None.
    """
    from assay.metrics.words import count_chars, count_words

    for name, column in zip(extra, rows.columns[2:], strict=True):
        if column.type.num_fields:
            raise InputError(f"column {name!r} holds {column.type}, expected text or numbers")
    counters = {"word": count_words, "char": count_chars}
    by = {name: rows.column(2 + i) for i, name in enumerate(extra[:groups])}
    states = [counters[u](rows.column(0), rows.column(1), by=by, **options) for u in units]
    if not options["items"]:
        return None, *states
    places = states[0].per_item("id")
    columns = {name: rows.column(2 + i).take(places) for i, name in enumerate(extra)}
    for state in states:
        columns |= state.item_columns()
    return (columns, places, rows.num_rows), *(state.totals() for state in states)


def _add_up(source: Any, count: Any, per_item: str | None) -> list[Any]:
    """The States of all rows; the counts of every pair go to a file as they come."""
    from assay.run.items import ItemFile
    from assay.run.shards import scan

    totals: list[Any] = []
    with ItemFile.maybe(per_item) as items, _progress(source) as progress:
        for counted in scan(source, count):
            pairs, *states = counted.result
            if items is not None:
                items.write(*pairs)
            totals = list(map(operator.add, totals, states)) if totals else states
            progress(counted, states[0].pairs)
        if not totals or not totals[0].pairs + totals[0].empty_references:
            raise DataError(f"{source}: no rows; was it written?")
    return totals


@contextmanager
def _progress(source: Any) -> Iterator[Callable[[Any, int], None]]:
    """A bar with rows, rate and time left on standard error, if that is a terminal."""
    if not getattr(sys.stderr, "isatty", bool)():
        yield lambda counted, rows: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    sizes = [part.size for part in source.parts()]
    total = None if None in sizes else sum(sizes) or None
    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:.0f} %," if total else "", style="progress.percentage"),
        TextColumn("{task.fields[rows]:,} pairs, {task.fields[rate]:,.0f}/s,"),
        TimeRemainingColumn() if total else TimeElapsedColumn(),
        TextColumn("left" if total else "so far"),
    )
    read: dict[int, int] = {}  # bytes of each part
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rows=0, rate=0.0)

        def advance(counted: Any, rows: int) -> None:
            fresh = counted.consumed - read.get(counted.part.index, 0)
            read[counted.part.index] = counted.consumed
            done = bar.tasks[0].fields["rows"] + rows
            rate = done / max(bar.tasks[0].elapsed or 0.0, 1e-3)
            bar.update(task, advance=fresh, rows=done, rate=rate)

        yield advance


def _print(states: Sequence[Any], errors: int, form: str) -> None:
    from assay.report import render

    scores = [score for state in states for score in state.scores()]
    kinds = ("substitutions", "deletions", "insertions")
    head = ("reference", "hypothesis", "times")
    found = {
        state.unit: {kind: state.top_confusions(kind, errors) for kind in kinds}
        for state in states
        if errors
    }
    grouped = any(score.tags for score in scores)
    tables = [(render.scores_table if grouped else render.score_list)(scores)]
    tables += [
        render.Table(f"most frequent {kind} of {unit}s", head, rows)
        for unit, lists in found.items()
        for kind, rows in lists.items()
        if rows
    ]
    named = {
        unit: {
            kind: [dict(zip(head, row, strict=True)) for row in rows] for kind, rows in of.items()
        }
        for unit, of in found.items()
    }
    print_scores(form, scores, tables, **({"errors": named} if errors else {}))
