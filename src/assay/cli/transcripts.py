"""`assay score transcripts`."""

import operator
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer

from assay.cli.intervals import DEFAULT, NONE, IntervalOption, Intervals, drawn, resamples_of
from assay.cli.progress import progress
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
RATES = {"word": ("wer", "mer", "wil", "wip", "sentence_error_rate"), "char": ("cer",)}


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
    interval: IntervalOption = DEFAULT,
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
    resamples = resamples_of(interval)
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
        bagged=resamples > 0,
    )
    states, bags = _add_up(source, count, per_item)
    found = drawn([(of, {}) for of in bags], resamples, "pairs") if resamples else NONE
    _print(states, errors, form, found)


class Counts(NamedTuple):
    """Of a batch: the arguments of ItemFile.write or None; a State for each unit; where intervals
    are wanted, its pairs in bags."""

    written: tuple[Any, ...] | None
    states: list[Any]
    bags: list[Any]


def count_transcripts(
    rows: Any,
    units: tuple[str, ...],
    extra: tuple[str, ...],
    groups: int,
    options: dict[str, Any],
    bagged: bool = False,
) -> Counts:
    """Count a batch of reference, hypothesis and further columns, the first `groups` of which
    group the counts.

    With items=True the pairs that were counted, with their further columns, are to be written.
    bagged: they are also put into bags.
    """
    from assay.metrics.words import count_and_bag, count_chars, count_words

    for name, column in zip(extra, rows.columns[2:], strict=True):
        if column.type.num_fields:
            raise InputError(f"column {name!r} holds {column.type}, expected text or numbers")
    counters = {"word": count_words, "char": count_chars}
    by = {name: rows.column(2 + i) for i, name in enumerate(extra[:groups])}
    texts = rows.column(0), rows.column(1)
    if bagged:
        found = [count_and_bag(unit, *texts, RATES[unit], by=by, **options) for unit in units]
        states, bags = map(list, zip(*found, strict=True))
    else:
        states, bags = [counters[unit](*texts, by=by, **options) for unit in units], []
    if not options["items"]:
        return Counts(None, states, bags)
    places = states[0].per_item("id")
    columns = {name: rows.column(2 + i).take(places) for i, name in enumerate(extra)}
    for state in states:
        columns |= state.item_columns()
    totals = [state.totals() for state in states]
    return Counts((columns, places, rows.num_rows), totals, bags)


def _add_up(source: Any, count: Any, per_item: str | None) -> tuple[list[Any], list[Any]]:
    """The States and the bags of all rows; the counts of every pair go to a file as they come."""
    from assay.run.items import ItemFile
    from assay.run.shards import scan

    totals: list[Any] = []
    bags: list[Any] = []
    with ItemFile.maybe(per_item) as items, progress(source, "pairs") as advance:
        for counted in scan(source, count):
            written, states, more = counted.result
            if items is not None:
                items.write(*written)
            before = [state.pairs for state in totals] or [0] * len(states)
            more = [of.shifted(pairs) for of, pairs in zip(more, before, strict=bool(more))]
            totals = list(map(operator.add, totals, states)) if totals else states
            bags = list(map(operator.add, bags, more)) if bags else more
            advance(counted, states[0].pairs)
        if not totals or not totals[0].pairs + totals[0].empty_references:
            raise DataError(f"{source}: no rows; was it written?")
    return totals, bags


def _print(states: Sequence[Any], errors: int, form: str, found: Intervals) -> None:
    from assay.report import render

    scores = [score for state in states for score in state.scores()]
    kinds = ("substitutions", "deletions", "insertions")
    head = ("reference", "hypothesis", "times")
    wrong = {
        state.unit: {kind: state.top_confusions(kind, errors) for kind in kinds}
        for state in states
        if errors
    }
    grouped = any(score.tags for score in scores)
    if grouped:
        tables = [render.scores_table(scores), *found.beside(scores)]
    else:
        tables = [render.score_list(scores, note=found.note, intervals=found.ends)]
    tables += [
        render.Table(f"most frequent {kind} of {unit}s", head, rows)
        for unit, lists in wrong.items()
        for kind, rows in lists.items()
        if rows
    ]
    named = {
        unit: {
            kind: [dict(zip(head, row, strict=True)) for row in rows] for kind, rows in of.items()
        }
        for unit, of in wrong.items()
    }
    more: dict[str, Any] = {"errors": named} if errors else {}
    print_scores(form, scores, tables, found.ends, **more, **found.as_json())
