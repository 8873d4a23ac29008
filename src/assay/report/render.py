"""One table, many forms: console, plain text, Markdown, LaTeX, CSV, JSON.

Numbers stay numbers until a form prints them. Text that came from data is never read as markup,
and where people read it, it cannot steer their terminal: control characters are spelled out.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from assay.core.csv_text import csv_text
from assay.core.score import Better, Score

__all__ = [
    "Marked",
    "Table",
    "console",
    "json_value",
    "printable",
    "score_list",
    "scores_csv",
    "scores_json",
    "scores_table",
    "to_console",
    "typed",
]

Cell = str | int | float | None
Ends = tuple[float, float]  # of an interval

_NONE: Mapping[str, Ends] = {}

ALL = "(all)"  # what the row of the total says where others have the value of a group
EMPTY = "(empty)"  # the group of the empty text, which would look like the total

FOLDED = 20  # columns of a narrow terminal that text gets at least
GAP = 2  # between columns

# What a table of groups of pairs has room for, under short heads. CSV and JSON have it all.
_GROUP_COLUMNS = {
    "wer": "wer",
    "cer": "cer",
    "sentence_error_rate": "ser",
    "substitutions": "sub",
    "deletions": "del",
    "insertions": "ins",
    "char_substitutions": "sub",
    "char_deletions": "del",
    "char_insertions": "ins",
    "reference_words": "words",
    "reference_characters": "chars",
}

# Control characters, line and paragraph separators, what turns the direction of text, and lone
# surrogates. Joiners stay: Persian, Indic scripts and emoji are written with them.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKDOWN = re.compile(r"[\\`*<>|&~\[\]]|(?<![^\W_])_|_(?![^\W_])")

# What a spreadsheet would take for a formula, and is no number; also in their full width.
_FORMULA = re.compile(r"\s*(?:[=@＝＠＋－]|[-+](?!\d*\.?\d+(?:[eE][-+]?\d+)?$))", re.ASCII)


class Marked(float):
    """A number, and the text that people read for it: `260 (sparse)`, `0.8312 ± 0.0104`."""

    text: str

    def __new__(cls, value: float, text: str) -> "Marked":
        made = super().__new__(cls, value)
        made.text = text
        return made


def typed(value: Cell) -> Cell:
    """A setting, which people read as it was typed: 0.75 and 1e-05, not 0.7500; 16000 with a comma.

    >>> Table("", ["lr"], [[typed(0.75)], [typed(0.00012345)]]).to_text().split()
    ['lr', '0.75', '0.00012345']
    """
    return Marked(value, repr(value)) if isinstance(value, float) else value


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of cells. spare: how many of the last columns a narrow
    terminal may go without. note: what people are told under the table. spread: column of means ->
    the one of their standard deviations, which people see behind the mean and programs apart.
    better: column -> which way is better, for those whose best is worth a look."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    spare: int = 0
    note: str = ""
    spread: Mapping[str, str] = field(default_factory=dict)
    better: Mapping[str, Better] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """A GitHub-flavoured table; numbers to the right."""
        seen = self.for_people()
        lines = [
            "| " + " | ".join(map(_markdown, seen.columns)) + " |",
            "|" + "|".join("---:" if n else "---" for n in seen.numeric()) + "|",
        ]
        lines += ["| " + " | ".join(_markdown(shown(c)) for c in row) + " |" for row in seen.rows]
        title = f"**{_markdown(self.title)}**\n\n" if self.title else ""
        note = f"\n{_markdown(self.note)}\n" if self.note else ""
        return title + "\n".join(lines) + "\n" + note

    def to_text(self) -> str:
        """Bare columns two spaces apart; numbers to the right."""
        from rich.cells import cell_len

        seen = self.for_people()
        head = [printable(name) for name in seen.columns]
        lines = [head, *([printable(shown(cell)) for cell in row] for row in seen.rows)]
        widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
        numeric = seen.numeric()

        def padded(line: Sequence[str]) -> Iterator[str]:
            for cell, width, right in zip(line, widths, numeric, strict=True):
                gap = " " * (width - cell_len(cell))
                yield gap + cell if right else cell + gap

        title = f"{printable(self.title)}\n" if self.title else ""
        note = f"{printable(self.note)}\n" if self.note else ""
        body = "".join((" " * GAP).join(padded(line)).rstrip() + "\n" for line in lines)
        return title + body + note

    def to_csv(self) -> str:
        """Comma-separated, numbers in full. Text that a spreadsheet would take for a formula has
        an apostrophe before it."""
        return csv_text(map(_inert, (self.columns, *self.rows)))

    def to_latex(self) -> str:
        """A table of the package booktabs, the best of a column in bold."""
        from assay.report.latex import latex

        return latex(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON: title, columns, rows, note; nan is null there."""
        rows = [list(map(json_value, row)) for row in self.rows]
        return {"title": self.title, "columns": [*self.columns], "rows": rows, "note": self.note}

    def to_json(self) -> str:
        """as_dict() as JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def for_people(self) -> "Table":
        """The same, with standard deviations behind their means and no column without a value."""
        columns = [*self.columns]
        place = {name: columns.index(name) for name in columns}
        beside = {place[name]: place[std] for name, std in self.spread.items()}
        rows = [
            [
                _with_spread(cell, row[beside[c]]) if c in beside else cell
                for c, cell in enumerate(row)
            ]
            for row in self.rows
        ]
        kept = [
            c
            for c in range(len(columns))
            if c not in beside.values()
            and (not self.rows or any(row[c] is not None for row in self.rows))
        ]
        spare = sum(c >= len(columns) - self.spare for c in kept)
        picked = [[row[c] for c in kept] for row in rows]
        return replace(
            self, columns=[columns[c] for c in kept], rows=picked, spare=spare, spread={}
        )

    def narrower(self) -> "Table":
        """The same without its last column."""
        rows = [row[:-1] for row in self.rows]
        return replace(self, columns=self.columns[:-1], rows=rows, spare=self.spare - 1)

    def numeric(self) -> list[bool]:
        """Which columns hold numbers, and nothing else."""
        cells = [[row[c] for row in self.rows] for c in range(len(self.columns))]
        kinds = [{type(cell) for cell in column if cell is not None} for column in cells]
        return [bool(found) and str not in found for found in kinds]


def shown(cell: Cell) -> str:
    """A cell as people read it: counts in full with commas, fractions to four places, and what is
    far from one as exactly."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Marked):
        return cell.text
    if isinstance(cell, int):
        return f"{cell:,}"
    if math.isnan(cell):
        return "nan"
    if 0 < abs(cell) < 1e-3:
        return f"{cell:.3g}"
    return f"{cell:,.1f}" if abs(cell) >= 1000 else f"{cell:.4f}"


def _with_spread(cell: Cell, spread: Cell) -> Cell:
    if not isinstance(cell, float) or not isinstance(spread, float) or math.isnan(spread):
        return cell
    rounded = shown(spread) if spread and spread < 5e-5 else f"{spread:,.4f}"
    return Marked(cell, f"{shown(cell)} ± {rounded}")


def printable(text: str, keep: str = "") -> str:
    r"""The text with characters that would steer a terminal spelled out, but for those to keep.

    >>> print(printable("\x1b[31mred\nline"))
    \x1b[31mred\nline
    """

    def spelled(found: re.Match[str]) -> str:
        character = found[0]
        return character if character in keep else ascii(character)[1:-1]

    return _UNPRINTABLE.sub(spelled, text)


def console() -> Any:
    """A rich console on standard output, which raises where its reader has gone."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  called where BrokenPipeError is being handled

    return Screen(highlight=False)


def to_console(tables: Iterable[Table], console: Any) -> None:
    """Print one below the other: with rich on a terminal, as bare columns where output is piped."""
    from rich.text import Text

    for number, table in enumerate(table.for_people() for table in tables):
        if number:
            console.out("")
        if not console.is_terminal:
            console.out(table.to_text(), end="")
            continue
        if table.title:
            console.print(Text(printable(table.title), style="bold"))
        left_out: list[str] = []
        drawn, width = _drawn(table)
        while table.spare and width > console.width:
            left_out.insert(0, table.columns[-1])
            table = table.narrower()
            drawn, width = _drawn(table)
        console.print(drawn, crop=False)  # a number is never cut: rather let the terminal wrap
        if left_out:
            hint = f"no room for {', '.join(left_out)}: widen the terminal"
            console.print(Text(hint, style="dim"))
        if table.note:
            console.print(Text(printable(table.note), style="dim"))


def _drawn(table: Table) -> tuple[Any, int]:
    """The table as rich draws it, and the columns of a terminal it needs at least: numbers stand
    in full, text may be folded."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0)
    )
    least = []
    for c, (name, numeric) in enumerate(zip(table.columns, table.numeric(), strict=True)):
        cells = [printable(name), *(printable(shown(row[c])) for row in table.rows)]
        longest = max(map(cell_len, cells))
        least.append(longest if numeric else min(longest, FOLDED))
        drawn.add_column(
            Text(cells[0]),
            justify="right" if numeric else "left",
            no_wrap=numeric,
            overflow="fold",
            min_width=least[-1],
        )
    for row in table.rows:
        drawn.add_row(*(Text(printable(shown(cell))) for cell in row))
    return drawn, sum(least) + GAP * (len(least) - 1)


def score_list(
    scores: Iterable[Score],
    title: str = "",
    *,
    note: str = "",
    intervals: Mapping[str, Ends] = _NONE,
) -> Table:
    """One row for each score: for a single group. intervals: flat name of a score -> its ends."""
    heads = ("low", "high") if intervals else ()
    rows = [
        (s.name, s.value, *(intervals.get(s.key(), (None, None)) if heads else ()), s.unit)
        for s in scores
    ]
    return Table(title, ("score", "value", *heads, "unit"), rows, note=note)


def scores_table(
    scores: Sequence[Score],
    title: str = "",
    *,
    columns: Mapping[str, str] = _GROUP_COLUMNS,
    items: str = "pairs",
    note: str = "",
) -> Table:
    """One row for each group of scores, told apart by tags; the total has none.

    columns: score -> the head of its column, in this order; of two scores with one head the first
    that there is. items: what the scores stand on.
    """
    tags = list(dict.fromkeys(tag for score in scores for tag in score.tags))
    names = {score.name for score in scores}
    heads: dict[str, str] = {}  # head -> score
    for name, head in columns.items():
        if name in names:
            heads.setdefault(head, name)
    groups: dict[tuple[str | None, ...], dict[str, Score]] = {}
    for score in scores:
        key = tuple(score.tags.get(tag) for tag in tags)
        groups.setdefault(key, {})[score.name] = score
    rows = [
        (
            *(ALL if value is None else value or EMPTY for value in key),
            next(iter(found.values())).n,
            *(found[name].value if name in found else None for name in heads.values()),
        )
        for key, found in groups.items()
    ]
    kept = sum(head in ("wer", "cer", "ser") for head in heads) or 1
    return Table(title, (*tags, items, *heads), rows, spare=max(len(heads) - kept, 0), note=note)


def scores_csv(scores: Sequence[Score], intervals: Mapping[str, Ends] = _NONE) -> str:
    """One line for each score, all of them, with tags as columns; those of the total are empty."""
    tags = list(dict.fromkeys(tag for score in scores for tag in score.tags))
    heads = ("low", "high") if intervals else ()
    columns = (*tags, "score", "value", *heads, "unit", "better", "n", "signature")
    rows = [
        (
            *(s.tags[t] or EMPTY if t in s.tags else None for t in tags),
            s.name,
            s.value,
            *(intervals.get(s.key(), (None, None)) if heads else ()),
            s.unit,
            s.better,
            s.n,
            s.signature,
        )
        for s in scores
    ]
    return Table("", columns, rows).to_csv()


def scores_json(scores: Sequence[Score], intervals: Mapping[str, Ends] = _NONE, **more: Any) -> str:
    """All scores as JSON; a value that is no number is null there, as JSON knows no nan."""
    plain = [score.as_dict() for score in scores]
    for score, row in zip(scores, plain, strict=True):
        row["value"] = json_value(row["value"])
        if score.key() in intervals:
            row["low"], row["high"] = map(json_value, intervals[score.key()])
    provenance = dict(scores[0].provenance) if scores else {}
    return json.dumps({"scores": plain, "provenance": provenance, **more}, ensure_ascii=False)


def json_value(value: Any) -> Any:
    """A number as JSON can hold it: null for nan, and infinity by name."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def _inert(row: Sequence[Cell]) -> list[Cell]:
    """Cells as no spreadsheet takes them for a formula."""
    return [f"'{c}" if isinstance(c, str) and _FORMULA.match(c) else c for c in row]


def _markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))
