"""The command line: parses, binds rooms together, prints. No arithmetic of its own.

Exit codes: 0 done; 2 the input, the options or the place to write to are wrong (standard error says
what, where and how to mend it, on one line where that is possible); 130 interrupted; 143 or 129
told to end by SIGTERM or SIGHUP; 141 whoever read the output has gone; 1 a bug of ours, with its
traceback.
"""

import operator
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Annotated, Any

import typer

from assay.core.errors import AssayError, DataError, InputError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Exact, fast metrics for machine-learning evaluation.",
)
score = typer.Typer(no_args_is_help=True, help="Score files of references and predictions.")
app.add_typer(score, name="score")

UNITS = {"word": ("word",), "char": ("char",), "both": ("word", "char")}
INTERRUPTED, NO_READER = 130, 141  # exit codes, as a shell has them
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

_UsageError: Any = typer.BadParameter.__base__  # click's, which typer carries under its own name


def main() -> None:
    """Entry point of the `assay` command."""
    from assay.run.shards import THREADS

    with suppress(AttributeError):  # a stream that a host program has put there
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with _ended_by_signals():
        code, message = _outcome()
    if message:
        from assay.report.render import printable

        with suppress(AttributeError):  # None where it is closed
            sys.stderr.write(printable(message, keep="\n") + "\n")
            sys.stderr.flush()
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        os._exit(code)  # it hangs in a read, on which Python's own end would wait or abort
    sys.exit(code)


class _Ended(BaseException):
    """Told to end, by a signal."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Where a signal ends the command, what is half-written is taken away first."""

    def end(number: int, frame: Any) -> None:
        raise _Ended(128 + number)

    before = {}
    with suppress(ValueError):  # only the main thread may ask for signals
        before = {number: signal.signal(number, end) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _outcome() -> tuple[int, str]:
    """Run the command: its exit code, and what standard error has to say."""
    try:
        code = app(prog_name="assay", standalone_mode=False) or 0
        with _printing():
            pass  # a help page is still in the buffer
    except typer.Exit as end:
        code = end.exit_code
    except _UsageError as error:
        return error.exit_code, _usage(error)
    except AssayError as error:
        return 2, f"error: {error}"
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except _Ended as end:
        return end.code, ""
    return code, "interrupted" if code == INTERRUPTED else ""


def _usage(error: Any) -> str:
    """One line for a command that was typed wrongly; nothing for one without arguments, whose
    help has been printed."""
    message = error.format_message().strip()
    command = error.ctx.command_path if error.ctx else "assay"
    stop = "" if message.endswith((".", "?")) else "."
    return message and f"error: {message}{stop} See {command} --help"


@contextmanager
def _printing() -> Iterator[None]:
    """Around whatever writes to standard output: a full disk is an error, and a reader who has
    seen enough (`| head`) is none."""
    try:
        yield
        with suppress(AttributeError):  # None where it is closed
            sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):  # or Python would try again at its end, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(NO_READER) from None
        raise DataError(f"standard output: cannot be written: {error.strerror}") from error


@app.callback(invoke_without_command=True)
def assay(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, and nothing else.")
    ] = False,
) -> None:
    if version:
        from importlib import metadata

        print(f"assay {metadata.version('assay')}")
        raise typer.Exit


# -- assay score transcripts -----------------------------------------------------------------------


@score.command()
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
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Word and character error rates of recognised text, as jiwer counts them."""
    from assay.metrics.edit_counts import EMPTY
    from assay.ops.normalise import NAMED
    from assay.readers import read

    if json + csv + markdown > 1:
        raise InputError("--json, --csv and --markdown exclude each other; give one")
    if errors and csv:
        raise InputError("--errors goes with the console, --json or --markdown, not with --csv")
    for option, value, known in (
        ("--unit", unit, UNITS),
        ("--normalise", normalise, NAMED),
        ("--empty", empty, EMPTY),
    ):
        if value not in known:
            raise InputError(f"{option} must be one of {', '.join(known)}, got {value!r}")
    by = by or []
    inputs = paths[0] if len(paths) == 1 else paths
    open_source = partial(read, inputs, (reference, hypothesis), key=key, format=format)
    source, extra = open_source(by), by
    key = getattr(source, "key", None)  # Kaldi files have one without asking
    if key and per_item and key not in by:
        extra = [*by, key]
        source = open_source(extra)
    if per_item:
        _check_item_file(per_item, paths, extra, UNITS[unit])
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


def _check_item_file(
    path: str, inputs: Sequence[str], extra: Collection[str], units: Sequence[str]
) -> None:
    """Refuse to write over an input, and columns that would bear one name."""
    from assay.metrics.edit_counts import EditCounts
    from assay.readers.files import expand

    for file in (file for given in inputs for file in expand(given)):
        if os.path.exists(path) and os.path.exists(file.path) and os.path.samefile(path, file.path):
            raise InputError(f"--per-item: {path} is an input; name another file to write to")
    empty = (EditCounts.zero(unit=unit, detail=("items",)) for unit in units)
    written = {"row", *(name for state in empty for name in state.item_columns())}
    if clash := [name for name in extra if name in written]:
        raise InputError(
            f"--per-item: the file has a column {clash[0]!r} of its own; rename that of the input"
        )


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


def _print_transcripts(states: list[Any], errors: int, form: str) -> None:
    from assay.report import render

    scores = [score for state in states for score in state.scores()]
    kinds = ("substitutions", "deletions", "insertions")
    head = ("reference", "hypothesis", "times")
    found = {
        state.unit: {kind: state.top_confusions(kind, errors) for kind in kinds}
        for state in states
        if errors
    }
    if form:
        with suppress(AttributeError):  # a program reads it, whatever the locale says
            sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    with _printing():
        if form == "json":
            named = {
                unit: {
                    kind: [dict(zip(head, row, strict=True)) for row in rows]
                    for kind, rows in lists.items()
                }
                for unit, lists in found.items()
            }
            print(render.scores_json(scores, **({"errors": named} if errors else {})))
            return
        if form == "csv":
            print(render.scores_csv(scores), end="")
            return
        grouped = any(score.tags for score in scores)
        tables = [(render.scores_table if grouped else render.score_list)(scores)]
        tables += [
            render.Table(f"most frequent {kind} of {unit}s", head, rows)
            for unit, lists in found.items()
            for kind, rows in lists.items()
            if rows
        ]
        if form == "markdown":
            print("\n".join(table.to_markdown() for table in tables), end="")
            return
        render.to_console(tables, render.console())


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
    with _printing():
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

    with _printing():
        show()


if __name__ == "__main__":
    main()
