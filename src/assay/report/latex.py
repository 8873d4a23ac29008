"""A table as LaTeX, for the package booktabs."""

import re

from assay.report.pareto import best_rows
from assay.report.render import Table, printable, shown

__all__ = ["latex"]

# A bracket or star at the beginning of a row would be an argument of the line break before it.
_MEANING = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    **{sign: f"\\{sign}" for sign in "{}#$%&_"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},
}
_SPECIAL = re.compile("[" + re.escape("".join(_MEANING)) + "]")
_LIGATURE = re.compile(r"([-',])(?=\1)")


def latex(table: Table) -> str:
    """The table, its title as caption and its note below; of columns with a direction the best in
    bold, all of equal ones. Everything is escaped; letters outside ASCII stay, which pdfLaTeX knows
    some of, and LuaLaTeX and XeLaTeX all.

    >>> rows = [["a_1", 0.25], ["b", 0.5]]
    >>> print(latex(Table("", ["run", "wer"], rows, better={"wer": "lower"})))
    \\begin{table}
    \\centering
    \\begin{tabular}{lr}
    \\toprule
    run & wer \\\\
    \\midrule
    a\\_1 & \\textbf{0.2500} \\\\
    b & 0.5000 \\\\
    \\bottomrule
    \\end{tabular}
    \\end{table}
    <BLANKLINE>
    """
    table = table.for_people()
    bold = {
        (row, c)
        for c, name in enumerate(table.columns)
        for row in best_rows([row[c] for row in table.rows], table.better.get(name))
    }
    lines = [
        " & ".join(
            rf"\textbf{{{_number(cell)}}}" if (r, c) in bold else _number(cell)
            for c, cell in enumerate(row)
        )
        for r, row in enumerate(table.rows)
    ]
    caption = [rf"\caption{{{_escaped(table.title)}}}"] if table.title else []
    note = [rf"\par\smallskip{{\footnotesize {_escaped(table.note)}\par}}"] if table.note else []
    parts = [
        r"\begin{table}",
        r"\centering",
        *caption,
        rf"\begin{{tabular}}{{{''.join('r' if n else 'l' for n in table.numeric())}}}",
        r"\toprule",
        rf"{' & '.join(map(_escaped, table.columns))} \\",
        r"\midrule",
        *(rf"{line} \\" for line in lines),
        r"\bottomrule",
        r"\end{tabular}",
        *note,
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"


def _number(cell: str | int | float | None) -> str:
    """A cell, the sign of a negative number as one."""
    text = shown(cell)
    if isinstance(cell, (int, float)) and text.startswith("-"):
        return f"$-${_escaped(text[1:])}"
    return _escaped(text)


def _escaped(text: str) -> str:
    plain = _SPECIAL.sub(lambda found: _MEANING[found[0]], printable(text))
    return _LIGATURE.sub(r"\1{}", plain)  # two hyphens are a dash
