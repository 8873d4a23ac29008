"""The command line: parses, binds rooms together, prints. No arithmetic of its own.

Exit codes: 0 done; 2 the input or the options are wrong (one line on standard error says what and
how to mend it); 130 interrupted; 1 a bug of ours, with its traceback.
"""

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Any

import typer

from assay.core.errors import AssayError, DataError, InputError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact, fast metrics for machine-learning evaluation.",
)
score = typer.Typer(no_args_is_help=True, help="Score files of references and predictions.")
app.add_typer(score, name="score")

UNITS = {"word": ("word",), "char": ("char",), "both": ("word", "char")}


def main() -> None:
    """Entry point of the `assay` command."""
    try:
        app()
    except AssayError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nothing is left to say
        sys.exit(141)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


# -- assay score transcripts -----------------------------------------------------------------------


@score.command()
def transcripts(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files, globs, URLs, or - for standard input. Two line-aligned or Kaldi files, or "
            "two files with --key, are reference and hypothesis."
        ),
    ],
    reference: Annotated[str, typer.Option(help="Column of the references.")] = "reference",
    hypothesis: Annotated[str, typer.Option(help="Column of the hypotheses.")] = "hypothesis",
    unit: Annotated[str, typer.Option(help="word, char or both.")] = "both",
    normalise: Annotated[str, typer.Option(help="Normaliser of both sides: none, basic.")] = "none",
    empty: Annotated[
        str,
        typer.Option(help="What a pair without reference means: jiwer, nan, inf, skip, error."),
    ] = "jiwer",
    by: Annotated[
        list[str] | None, typer.Option(help="Column to group by; may be given again.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Column that joins a reference and a hypothesis file.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="File format, where the name does not say.")
    ] = None,
    per_item: Annotated[
        str | None, typer.Option(help="Write the counts of every pair to this Parquet file.")
    ] = None,
    errors: Annotated[
        int, typer.Option(min=0, help="Also list this many of the most frequent errors.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Word and character error rates of recognised text, as jiwer counts them."""
    from assay.readers import read

    if json + csv + markdown > 1:
        raise InputError("--json, --csv and --markdown exclude each other; give one")
    if unit not in UNITS:
        raise InputError(f"--unit must be one of {', '.join(UNITS)}, got {unit!r}")
    by = by or []
    extra = [*by, key] if key and per_item and key not in by else by
    inputs = paths[0] if len(paths) == 1 else paths
    source = read(inputs, (reference, hypothesis), extra, key=key, format=format)
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
    _print_transcripts(states, errors, "json" * json or "csv" * csv or "markdown" * markdown)


def count_transcripts(
    rows: Any, units: tuple[str, ...], extra: tuple[str, ...], groups: int, options: dict[str, Any]
) -> tuple[Any, ...]:
    """One State for each unit from a batch of reference, hypothesis and further columns, the
    first `groups` of which group the counts. With items=True, the further columns come back too.
    """
    from assay.metrics.words import count_chars, count_words

    counters = {"word": count_words, "char": count_chars}
    columns = {name: rows.column(2 + i) for i, name in enumerate(extra)}
    by = {name: columns[name] for name in extra[:groups]}
    states = (counters[u](rows.column(0), rows.column(1), by=by, **options) for u in units)
    return columns if options["items"] else {}, *states


def _add_up(source: Any, count: Any, per_item: str | None) -> list[Any]:
    """The States of all rows; the counts of every pair go to a file as they come."""
    from assay.run.items import ItemFile
    from assay.run.shards import scan

    totals: list[Any] = []
    with _progress(source) as progress, ItemFile.maybe(per_item) as items:
        for counted in scan(source, count):
            columns, *states = counted.result
            if items is not None:
                for state in states:
                    columns |= state.item_columns()
                items.write(columns)
                states = [state.totals() for state in states]
            totals = list(map(operator.add, totals, states)) if totals else states
            progress(counted, states[0].pairs)
        if not totals or not totals[0].pairs + totals[0].empty_references:
            raise DataError(f"{source}: no rows")
    return totals


@contextmanager
def _progress(source: Any) -> Iterator[Callable[[Any, int], None]]:
    """A bar with rows, rate and time left on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda counted, rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    sizes = [part.size for part in source.parts()]
    total = None if None in sizes else sum(sizes) or None
    columns = (
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %" if total else ""),
        TextColumn("{task.fields[rows]:,} pairs, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    read: dict[int, int] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, rows=0, rate=0.0)

        def advance(counted: Any, rows: int) -> None:
            read[counted.part.index] = counted.consumed
            done = bar.tasks[0].fields["rows"] + rows
            rate = done / max(bar.tasks[0].elapsed or 0.0, 1e-3)
            bar.update(task, completed=sum(read.values()), rows=done, rate=rate)

        yield advance


def _print_transcripts(states: list[Any], errors: int, form: str) -> None:
    from assay.report import render

    scores = [score for state in states for score in state.scores()]
    kinds = ("substitutions", "deletions", "insertions")
    tables = [
        render.Table(
            f"most frequent {kind} of {state.unit}s",
            ("reference", "hypothesis", "times"),
            state.top_confusions(kind, errors),
        )
        for state in states
        for kind in kinds
        if errors
    ]
    if form == "json":
        found = {
            t.title: [dict(zip(t.columns, row, strict=True)) for row in t.rows] for t in tables
        }
        print(render.scores_json(scores, **({"errors": found} if errors else {})))
        return
    if form == "csv":
        if errors:
            raise InputError("--errors goes with the console, --json or --markdown, not with --csv")
        print(render.scores_csv(scores), end="")
        return
    grouped = any(score.tags for score in scores)
    tables.insert(0, (render.scores_table if grouped else render.score_list)(scores))
    if form == "markdown":
        print(
            "\n".join((f"**{t.title}**\n\n" if t.title else "") + t.to_markdown() for t in tables),
            end="",
        )
        return
    console = render.console()
    for table in tables:
        render.to_console(table, console)


# -- assay env, assay demo -------------------------------------------------------------------------


@app.command()
def env(
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile the kernels now, so that no later call waits.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What a bug report needs: versions, threads, the kernel cache, the native module."""
    from assay.ops.environment import describe, warm_kernels

    facts = describe()
    if warm:
        facts["kernels compiled in (s)"] = f"{warm_kernels():.1f}"
    if json:
        import json as jsonlib

        print(jsonlib.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value}")


@app.command()
def demo() -> None:
    """Score the 240 bundled transcripts of a real speech recogniser."""
    from assay.demo.transcripts import show

    show()


if __name__ == "__main__":
    main()
