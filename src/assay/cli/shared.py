"""What the commands share: where output goes, how it is printed, what is refused."""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from assay.core.errors import DataError, InputError

__all__ = [
    "Csv",
    "Json",
    "Markdown",
    "as_options",
    "check_named",
    "check_output",
    "check_own_columns",
    "check_plain",
    "form_of",
    "no_rows",
    "on_terminal",
    "print_scores",
    "print_table",
    "printing",
    "status",
]

NO_READER = 141  # exit code, as a shell has it

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown.")]


@contextmanager
def printing() -> Iterator[None]:
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


def form_of(json: bool, csv: bool, markdown: bool) -> str:
    """The form asked for; "" is a table."""
    if json + csv + markdown > 1:
        raise InputError("--json, --csv and --markdown exclude each other; give one")
    return "json" * json or "csv" * csv or "markdown" * markdown


def check_named(*choices: tuple[str, str | None, Collection[str]]) -> None:
    """Refuse an option's value that is none of those known; None is the default."""
    for option, value, known in choices:
        if value is not None and value not in known:
            raise InputError(f"{option} must be one of {', '.join(known)}, got {value!r}")


def check_output(option: str, path: str, inputs: Sequence[str]) -> None:
    """Refuse to write over an input."""
    from assay.readers.files import expand

    for file in (file for given in inputs for file in expand(given)):
        if os.path.exists(path) and os.path.exists(file.path) and os.path.samefile(path, file.path):
            raise InputError(f"{option}: {path} is an input; name another file to write to")


def check_own_columns(extra: Collection[str], written: Collection[str]) -> None:
    """Refuse columns of the input that are called as one of the per-item file."""
    if clash := [name for name in extra if name in written]:
        raise InputError(
            f"--per-item: the file has a column {clash[0]!r} of its own; rename that of the input"
        )


def check_plain(columns: Iterable[tuple[str, Any]]) -> None:
    """Refuse named columns of lists or structures."""
    for name, column in columns:
        if column.type.num_fields:
            raise InputError(f"column {name!r} holds {column.type}, expected text or numbers")


def no_rows(source: Any) -> DataError:
    """The error for a source without rows."""
    return DataError(f"{source}: no rows; was it written?")


def on_terminal() -> bool:
    """Whether standard error is a terminal."""
    return bool(getattr(sys.stderr, "isatty", bool)())


def print_scores(
    form: str,
    scores: Sequence[Any],
    tables: Sequence[Any],
    intervals: Mapping[str, tuple[float, float]] | None = None,
    **more: Any,
) -> None:
    """Print all scores (and their intervals) as JSON (with `more`) or CSV, or the tables."""
    from assay.report import render

    _as_utf8(form)
    with printing():
        if form == "json":
            print(render.scores_json(scores, intervals or {}, **more))
        elif form == "csv":
            print(render.scores_csv(scores, intervals or {}), end="")
        elif form == "markdown":
            print("\n".join(table.to_markdown() for table in tables), end="")
        else:
            render.to_console(tables, render.console())


def print_table(form: str, table: Any, plain: Mapping[str, Any]) -> None:
    """Print a table, or `plain` as JSON."""
    import json

    from assay.report import render

    _as_utf8(form)
    with printing():
        if form == "json":
            print(json.dumps(plain, ensure_ascii=False))
        elif form == "csv":
            print(table.to_csv(), end="")
        elif form == "markdown":
            print(table.to_markdown(), end="")
        else:
            render.to_console([table], render.console())


def _as_utf8(form: str) -> None:
    """A program reads what has a form, whatever the locale says."""
    if form:
        with suppress(AttributeError):
            sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]


def as_options(message: str) -> str:
    """The message of a function as one of the command: options for its arguments."""
    return re.sub(r"\b(empty|ties|level)=", r"--\1", message)


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, on standard error, if that is a terminal."""
    if not on_terminal():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as line:
        yield line.update
