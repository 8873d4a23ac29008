"""One table, many forms: console, Markdown, CSV, JSON.

Numbers stay numbers until a form prints them. Text that came from data is never read as markup.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.score import Score

__all__ = [
    "Table",
    "console",
    "score_list",
    "scores_csv",
    "scores_json",
    "scores_table",
    "to_console",
]

Cell = str | int | float | None

# What a table of groups has room for, in this order, under short heads. CSV and JSON have it all.
_GROUP_COLUMNS = {
    "wer": "wer",
    "cer": "cer",
    "sentence_error_rate": "ser",
    "substitutions": "sub",
    "deletions": "del",
    "insertions": "ins",
    "reference_words": "words",
    "reference_characters": "chars",
}


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of cells."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def to_markdown(self) -> str:
        """A GitHub-flavoured table; numbers to the right."""
        numeric = [self._numeric(c) for c in range(len(self.columns))]
        lines = [
            "| " + " | ".join(map(_escaped, self.columns)) + " |",
            "|" + "|".join("---:" if n else "---" for n in numeric) + "|",
        ]
        lines += ["| " + " | ".join(_escaped(shown(c)) for c in row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """Comma-separated, numbers in full."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(["" if c is None else c for c in row] for row in self.rows)
        return out.getvalue()

    def _numeric(self, column: int) -> bool:
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and not any(isinstance(cell, str) for cell in cells)


def shown(cell: Cell) -> str:
    """A cell as people read it: counts in full with a thin grouping, fractions to four places."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    if math.isnan(cell):
        return "nan"
    return f"{cell:.4f}"


def console() -> Any:
    """A rich console on standard output; where that is no terminal, lines are never cut."""
    from rich.console import Console

    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=1 << 16)


def to_console(table: Table, console: Any) -> None:
    """Print with rich: boxes on a terminal, bare columns where output is piped."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    terminal = console.is_terminal
    drawn = RichTable(
        title=Text(table.title) if table.title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        show_edge=terminal,
    )
    for c, name in enumerate(table.columns):
        numeric = table._numeric(c)
        drawn.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    for row in table.rows:
        drawn.add_row(*(Text(shown(cell)) for cell in row))
    console.print(drawn)


def score_list(scores: Iterable[Score], title: str = "") -> Table:
    """One row for each score: for a single group."""
    rows = [(s.name, s.value, s.unit) for s in scores]
    return Table(title, ("score", "value", "unit"), rows)


def scores_table(scores: Sequence[Score], title: str = "") -> Table:
    """One row for each group of scores, told apart by tags; the first has none and is the total."""
    tags = list(dict.fromkeys(tag for score in scores for tag in score.tags))
    names = {score.name for score in scores}
    columns = [name for name in _GROUP_COLUMNS if name in names]
    groups: dict[tuple[str, ...], dict[str, Score]] = {}
    for score in scores:
        key = tuple(score.tags.get(tag, "all") for tag in tags)
        groups.setdefault(key, {})[score.name] = score
    rows = [
        (
            *key,
            next(iter(found.values())).n,
            *(found[name].value if name in found else None for name in columns),
        )
        for key, found in groups.items()
    ]
    heads = (_GROUP_COLUMNS[name] for name in columns)
    return Table(title, (*tags, "pairs", *heads), rows)


def scores_csv(scores: Sequence[Score]) -> str:
    """One line for each score, all of them, with tags as columns."""
    tags = list(dict.fromkeys(tag for score in scores for tag in score.tags))
    columns = (*tags, "score", "value", "unit", "better", "n", "signature")
    rows = [
        (*(s.tags.get(t) for t in tags), s.name, s.value, s.unit, s.better, s.n, s.signature)
        for s in scores
    ]
    return Table("", columns, rows).to_csv()


def scores_json(scores: Sequence[Score], **more: Any) -> str:
    """All scores as JSON; a value that is no number is null there, as JSON knows no nan."""
    plain = [score.as_dict() for score in scores]
    for row in plain:
        if not math.isfinite(row["value"]):
            row["value"] = None if math.isnan(row["value"]) else str(row["value"])
    provenance = dict(scores[0].provenance) if scores else {}
    return json.dumps({"scores": plain, "provenance": provenance, **more}, ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
