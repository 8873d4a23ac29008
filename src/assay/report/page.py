"""The page of one run or many: one file of HTML that needs nothing else, and loads nothing.

Style, scripts, data and diagrams are in it, and a policy that forbids all else. What comes from
data is escaped, or is text by the way it is put there.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata, resources
from typing import Any, NamedTuple

from assay.core.explained import Explained
from assay.core.optional import require
from assay.core.output import write_whole
from assay.core.record import RunRecord
from assay.report.groups import Records, as_records
from assay.report.page_data import embedded, policy
from assay.report.page_figures import Figure
from assay.report.page_sections import (
    Section,
    Significance,
    comparison,
    details,
    sections_of,
    when,
)
from assay.report.pareto import best_rows
from assay.report.render import Cell, Table, printable, shown

__all__ = ["page", "write_page"]

SCRIPTS = ("base.js", "tables.js", "compare.js", "explorer.js", "kinds.js", "start.js")


def page(
    records: Records,
    explorers: Mapping[str, Explained] | None = None,
    *,
    title: str | None = None,
    metric: str | None = None,
    positive: str = "positive",
    figures: Sequence[Figure] = (),
    notes: Sequence[str] = (),
    significance: Significance | None = None,
) -> str:
    """A page of HTML: overview, tables, diagrams, runs side by side, and explorers of errors.

    records: a run, its directory, or several of either. explorers: name -> the rows that a function
    of metrics.explain_… made. title: by default the name of the run. metric: what runs are judged
    by; by default val_macro_f1 or what is logged first and says which way is better. positive: what
    the class is called that F1 is of. figures: more diagrams, as SVG. notes: what people must know
    besides, in the last section. significance: from the runs of a pipeline to p-values as stages()
    takes them, and a note.

    The same records give the same bytes. Tables and diagrams say what they leave out. InputError of
    no run, and for a metric that none has.
    """
    rows = explorers or {}
    several = _told_apart(as_records(records, "page") if records or not rows else [])
    found = sections_of(several, metric, positive, figures, significance)
    data = [(f"explorer-{number}", *embedded(_plain(own))) for number, own in
            enumerate(rows.values(), 1)]  # fmt: skip
    for number, (name, own) in enumerate(rows.items(), 1):
        told = f"The {len(own):,} worst of {own.total:,} items; the others are not here."
        left = [told] * (len(own) < own.total)
        found.append(Section(f"explorer-{number}", name, notes=left, explorer=True))
    if several:
        found.append(details(several, notes))
    if len(several) > 1:
        data.append(("compare", *embedded(comparison(several, metric))))
    return _filled(several, found, data, title)


def write_page(
    path: str | os.PathLike[str],
    records: Records,
    explorers: Mapping[str, Explained] | None = None,
    **options: Any,
) -> str:
    """Write page(records, explorers, …) whole, or not at all; the path. DataError where it cannot
    be written.

    A run whose block goes on is unfinished there; behind it, `assay report RUN_DIR --log` keeps the
    page in the run and sends it to its trackers.
    """
    path = os.fspath(path)
    text = page(records, explorers, **options)
    write_whole(path, text.encode("utf-8", "replace"), "report.html")
    return path


def _told_apart(records: list[RunRecord]) -> list[RunRecord]:
    """Runs of one name are called by their directories."""
    names = Counter(record.name for record in records)
    return [replace(own, name=own.directory) if names[own.name] > 1 else own for own in records]


def _plain(rows: Explained) -> dict[str, Any]:
    groups = {name: list(column) for name, column in rows.groups.items()}
    return {"kind": rows.kind, "columns": dict(rows.columns), "groups": groups,
            "facts": dict(rows.facts)}  # fmt: skip


class _Seen(NamedTuple):
    """A table as the template has it. best: (row, column) of cells to mark."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: Sequence[bool]
    best: frozenset[tuple[int, int]]


def _filled(
    records: Sequence[Any], found: Sequence[Section], data: Sequence[Any], title: str | None
) -> str:
    jinja2 = require("jinja2")
    markup = require("markupsafe").Markup
    folder = resources.files("assay.report") / "templates"
    texts = {name: (folder / name).read_text("utf-8") for name in (*SCRIPTS, "page.css")}
    script, style = "\n".join(texts[name] for name in SCRIPTS), texts["page.css"]
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"printable": printable, "shown": _shown, "key": _key}
    template = environment.from_string((folder / "page.html").read_text("utf-8"))
    names = [record.name for record in records]
    own = title or (names[0] if len(names) == 1 else f"{len(names)} runs" if names else "Errors")
    sections = [
        {
            **section._asdict(),
            "tables": [_seen(table) for table in section.tables],
            "figures": [{"svg": markup(figure.svg.decode())} for figure in section.figures],
            "pictures": [picture._asdict() for picture in section.pictures],
        }
        for section in found
    ]
    return str(
        template.render(
            title=own,
            lead=_lead(records),
            version=metadata.version("assay"),
            policy=policy(style, script),
            style=markup(style),
            script=markup(script),
            sections=sections,
            data=[(name, markup(text), packed) for name, text, packed in data],
        )
    )


def _seen(table: Table) -> _Seen:
    table = table.for_people()
    best = frozenset(
        (row, column)
        for column, name in enumerate(table.columns)
        for row in best_rows([own[column] for own in table.rows], table.better.get(name))
    )
    return _Seen(table.title, table.note, table.columns, table.rows, table.numeric(), best)


def _shown(cell: Cell) -> str:
    return printable(shown(cell))


def _key(cell: Cell) -> str:
    """What a number is sorted by."""
    return "" if cell is None else repr(float(cell)) if isinstance(cell, float) else repr(cell)


def _lead(records: Sequence[Any]) -> str:
    """A line under the title."""
    if len(records) != 1:
        several = [f"{len(records)} runs"] * bool(records)
        for status in ("finished", "failed", "unfinished"):
            number = sum(record.status == status for record in records)
            several += [f"{number} {status}"] * bool(number)
        return ", ".join(several)
    record = records[0]
    told = [record.status, f"begun {when(record.started)}", record.directory]
    return " · ".join(part for part in told if part)
