"""What tables say to people and not to programs: spreads, marks, LaTeX, and JSON."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report.latex import latex
from assay.report.render import Marked, Table, printable

# LaTeX as it would be read: what each command that we write prints.
_READ = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^",
    r"\textasciigrave{}": "`", r"\textless{}": "<", r"\textgreater{}": ">", r"\textbar{}": "|",
    r"$\pm$": "±", **{f"\\{sign}": sign for sign in "{}#$%&_"},
    **{f"{{{sign}}}": sign for sign in "[]*"}, "{}": "",
}  # fmt: skip
_TOKEN = re.compile("|".join(map(re.escape, sorted(_READ, key=len, reverse=True))))


def read(text):
    """What LaTeX prints for escaped text; nothing special may be left of it."""
    rest = _TOKEN.sub("", text)
    assert not re.search(r"[\\{}#$%&_~^<>|`*\[\]]", rest), rest
    assert not re.search(r"--|''|,,", text), text
    return _TOKEN.sub(lambda found: _READ[found[0]], text)


def body(text):
    """Rows of a table as LaTeX has them, the head first."""
    inside = text.split("\\toprule\n")[1].split("\\bottomrule")[0].replace("\\midrule\n", "")
    return [re.split(r"(?<!\\)&", line.removesuffix(" \\\\")) for line in inside.splitlines()]


@given(st.text(), st.text())
def test_latex_is_read_as_the_text_it_was(head, cell):
    text = latex(Table(cell, [head, "n"], [[cell, 1]], note=head))
    (first, _), (second, _) = body(text)
    assert read(first.strip(" ")) == printable(head).strip(" ")
    assert read(second.strip(" ")) == printable(cell).strip(" ")
    for line in text.splitlines():
        assert not line.startswith(("[", "*"))


def test_latex_as_a_whole():
    table = Table("A & B", ["run", "wer"], [["x", 0.25], ["y", -1.5]], note="100 %")
    assert table.to_latex() == (
        "\\begin{table}\n\\centering\n\\caption{A \\& B}\n\\begin{tabular}{lr}\n\\toprule\n"
        "run & wer \\\\\n\\midrule\nx & 0.2500 \\\\\ny & $-$1.5000 \\\\\n\\bottomrule\n"
        "\\end{tabular}\n\\par\\smallskip{\\footnotesize 100 \\%\\par}\n\\end{table}\n"
    )


@pytest.mark.parametrize(
    ("cells", "better", "bold"),
    [
        ([1.5, 2.5, 0.5], "higher", [1]),
        ([1.5, 2.5, 0.5], "lower", [2]),
        ([0.5, 0.5, 0.7], "lower", [0, 1]),
        ([0.5, 0.5, None], "lower", []),  # nor are equal ones
        ([math.nan, None, 0.5], "lower", []),  # one number is no best
        ([math.nan, 0.7, 0.5], "lower", [2]),
        ([math.inf, 3, "text"], "higher", [0]),
        ([1.5, 2.5, 0.5], None, []),
    ],
)
def test_the_best_is_bold(cells, better, bold):
    rows = [[f"r{i}", cell] for i, cell in enumerate(cells)]
    lines = body(Table("", ["run", "x"], rows, better={"x": better}).to_latex())[1:]
    assert [i for i, line in enumerate(lines) if r"\textbf" in line[1]] == bold


SPREAD = Table(
    "", ["run", "wer", "wer std", "empty"],
    [["a", 0.25, 0.0125, None], ["b", 0.5, math.nan, None], ["c", 0.125, 0.00001, None],
     ["d", None, None, None], ["e", 0.75, 0.0, None]],
    spare=3, spread={"wer": "wer std"}, better={"wer": "lower"},
)  # fmt: skip


def test_people_see_spreads_behind_means():
    rows = ["a  0.2500 ± 0.0125", "b  0.5000", "c  0.1250 ± 1e-05", "d", "e  0.7500 ± 0.0000"]
    text = [re.sub(" +", " ", line).strip() for line in SPREAD.to_text().splitlines()]
    assert text == ["run wer", *(re.sub(" +", " ", row) for row in rows)]
    assert "| a | 0.2500 ± 0.0125 |" in SPREAD.to_markdown()
    assert r"c & \textbf{0.1250 $\pm$ 1e-05} \\" in SPREAD.to_latex()
    seen = SPREAD.for_people()
    assert (seen.columns, seen.spare, seen.spread) == (["run", "wer"], 1, {})
    assert seen.for_people() == seen


def test_programs_see_numbers():
    assert SPREAD.to_csv().splitlines()[:2] == ["run,wer,wer std,empty", "a,0.25,0.0125,"]
    plain = json.loads(SPREAD.to_json())
    assert plain["columns"] == ["run", "wer", "wer std", "empty"]
    assert plain["rows"][1] == ["b", 0.5, None, None]
    assert json.loads(Table("t", ["x"], [[math.inf]], note="n").to_json()) == {
        "title": "t", "columns": ["x"], "rows": [["inf"]], "note": "n"
    }  # fmt: skip


def test_a_mark_is_for_people():
    table = Table("", ["size"], [[Marked(260.0, "260 (sparse)")], [420]])
    assert table.to_csv() == "size\n260.0\n420\n"
    assert json.loads(table.to_json())["rows"] == [[260.0], [420]]
    assert "260 (sparse)" in table.to_text()
    assert "|---:|" in table.to_markdown()


def test_a_table_without_rows_keeps_its_columns():
    table = Table("", ["a", "b"], [])
    assert table.to_text() == "a  b\n"
    assert table.to_csv() == "a,b\n"
    assert body(table.to_latex()) == [["a ", " b"]]
