"""Bars on standard error: while a source is read, and of steps that have names."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from assay.cli.shared import on_terminal

__all__ = ["progress", "steps"]


@contextmanager
def progress(source: Any, things: str) -> Iterator[Callable[[Any, int], None]]:
    """Advance by what was counted, and how many `things` that are; silent where standard error is
    no terminal."""
    if not on_terminal():
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
    told = f"{{task.fields[rows]:,}} {things}, {{task.fields[rate]:,.0f}}/s,"
    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:.0f} %," if total else "", style="progress.percentage"),
        TextColumn(told),
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


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """Say what begins, one step of `total`; silent where standard error is no terminal."""
    if not on_terminal():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, completed=-1)

        def begin(text: str) -> None:
            bar.update(task, advance=1, description=text)

        yield begin
