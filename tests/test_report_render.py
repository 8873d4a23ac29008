"""One table in five forms. Data cannot break one: not its cells, not a terminal, not a parser."""

import csv
import io
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from assay.core.score import Score
from assay.report import render
from assay.report.render import Table, printable

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")

NASTY = "[red]x[/red] |p| *b* <unk> `c` \\ \x1b[31mESC\x07 \x9b31m\nline\ttab \u202egnp\r"
STEERING = set(map(chr, [*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066, 0xD800]))


def table(*rows, columns=("name", "n", "rate"), **options):
    return Table("", columns, rows, **options)


def on_terminal(tables, width=100, color="standard"):
    """What a terminal of that width is sent."""
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, width=width, color_system=color, highlight=False,
        legacy_windows=False,
    )  # fmt: skip
    render.to_console([tables] if isinstance(tables, Table) else tables, console)
    return out.getvalue()


def plain(text):
    return ESCAPES.sub("", text)


def score(name, value, n=2, **tags):
    return Score(name, value, "fraction", "lower", n, tags, f"{name}|v1", {"assay": "0"})


# -- cells -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (1234567, "1,234,567"),
        (0, "0"),
        (0.12345, "0.1235"),
        (1234.5, "1,234.5"),
        (1000.0, "1,000.0"),
        (-999.5, "-999.5000"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-0.5, "-0.5000"),
    ],
)
def test_cells(cell, text):
    assert render.shown(cell) == text


def test_printable_spells_out_what_steers_a_terminal():
    assert printable("a\x1b[31m\n\t\x9b\x7f\u2028\ud800") == (
        "a\\x1b[31m\\n\\t\\x9b\\x7f\\u2028\\ud800"
    )
    assert printable("one\ntwo\r", keep="\n") == "one\ntwo\\r"


@pytest.mark.parametrize("text", ["نمی‌خواهم", "ক্ষ", "👩‍🚀", "e\u0301", "\xa0", "日本語", "don’t"])
def test_printable_leaves_scripts_alone(text):
    assert printable(text) == text


@given(st.text() | st.text(sorted(STEERING), max_size=5))
def test_nothing_that_steers_is_left(text):
    assert not STEERING & set(printable(text))
    for form in (table((text, 1, 0.5)).to_text(), table((text, 1, 0.5)).to_markdown()):
        assert not STEERING - {"\n"} & set(form)
        assert form.count("\n") == len(form.splitlines())


# -- plain text ------------------------------------------------------------------------------------


def test_plain_text_is_in_columns():
    rows = ("all", 1234, 0.5), ("a long name", 5, None)
    assert table(*rows).to_text() == (
        "name             n    rate\n"
        "all          1,234  0.5000\n"
        "a long name      5\n"
    )  # fmt: skip
    assert Table("title", ("only",), ()).to_text() == "title\nonly\n"


def test_plain_text_counts_the_width_of_wide_characters():
    lines = table(("日本", 1, 0.5), ("é", 22, 0.5)).to_text().splitlines()
    assert len(set(map(cell_len, lines))) == 1


@given(st.lists(st.tuples(st.text(), st.integers(), st.none() | st.floats()), max_size=4))
def test_a_row_is_a_line_whatever_it_holds(rows):
    lines = table(*rows).to_text().split("\n")
    assert len(lines) == len(rows) + 2
    assert lines[-1] == ""
    assert all(line == line.rstrip() for line in lines)


# -- Markdown --------------------------------------------------------------------------------------


def cells_of(line):
    """The cells of a line of a Markdown table, as GitHub takes it apart."""
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
    assert cells[0] == cells[-1] == ""
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells[1:-1]]


def test_markdown():
    assert table(("all", 1234, 0.5), ("a", None, None)).to_markdown() == (
        "| name | n | rate |\n"
        "|---|---:|---:|\n"
        "| all | 1,234 | 0.5000 |\n"
        "| a |  |  |\n"
    )  # fmt: skip
    assert Table("a *title*", ("x",), ()).to_markdown() == "**a \\*title\\***\n\n| x |\n|---|\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a|b", r"a\|b"),
        ("\\", r"\\"),
        ("a\\|b", r"a\\\|b"),
        ("<unk>", r"\<unk\>"),
        ("&lt;", r"\&lt;"),
        ("*a* `b` ~c~", r"\*a\* \`b\` \~c\~"),
        ("[x](y)", r"\[x\](y)"),
        ("sentence_error_rate", "sentence_error_rate"),
        ("_a_ __b", r"\_a\_ \_\_b"),
        ("two\nlines", r"two\\nlines"),
    ],
)
def test_markdown_shows_text_as_it_is(text, written):
    assert table((text, 1, 0.5)).to_markdown().splitlines()[2] == f"| {written} | 1 | 0.5000 |"


@given(st.text(max_size=8), st.text("|\\\n ", max_size=6))
def test_markdown_keeps_cells_apart(name, other):
    line = Table("", ("a", "b"), [(name, other)]).to_markdown().splitlines()[2]
    assert cells_of(line) == [printable(name).strip(), printable(other).strip()]


# -- CSV -------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            st.integers(),
            st.none() | st.floats(allow_nan=False),
        )
    )
)
def test_csv_reads_back(rows):
    head, *read = csv.reader(io.StringIO(table(*rows).to_csv(), newline=""))
    assert head == ["name", "n", "rate"]
    found = [(name, int(n), float(rate) if rate else None) for name, n, rate in read]
    assert [row[1:] for row in found] == [row[1:] for row in rows]
    for (found_name, *_), (name, *_) in zip(found, rows, strict=True):
        assert found_name in (name, f"'{name}")  # of what would be a formula


def test_csv_has_numbers_in_full_and_data_as_it_is():
    assert table((NASTY, 1234567, 1 / 3)).to_csv() == (
        f'name,n,rate\n"{NASTY}",1234567,0.3333333333333333\n'
    )


# -- a terminal ------------------------------------------------------------------------------------


def test_a_terminal_gets_a_rule_and_no_markup_from_data():
    sent = on_terminal([table((NASTY, 1, 0.5)), Table(NASTY, (NASTY,), ())], width=400)
    assert "\x1b[1m" in sent  # heads are bold
    shown = plain(sent)
    assert shown.count(printable(NASTY)) == 3
    assert not STEERING - {"\n"} & set(shown)
    assert "─────" in shown


@pytest.mark.parametrize("width", [20, 34, 46, 60, 200])
def test_numbers_are_never_cut(width):
    names = [f"score-{i}" for i in range(6)]
    rows = [(f"group-{r}", *(10_000_000 + r * i for i in range(6))) for r in range(3)]
    shown = plain(on_terminal(Table("", ("group", *names), rows, spare=5), width))
    assert "…" not in shown
    assert all(f"{row[1]:,}" in shown for row in rows)
    left_out = re.search(r"no room for (.*?): widen the terminal", " ".join(shown.split()))
    kept = [name for name in names if name in shown.split("no room")[0]]
    assert kept == names[: max(1, (width - 7) // 12)]
    assert (left_out[1].split(", ") if left_out else []) == names[len(kept) :]
    assert max(map(len, shown.splitlines())) <= width


def test_numbers_without_room_are_left_to_the_terminal_to_wrap():
    shown = plain(on_terminal(Table("", ("a", "b"), [(12345678, 87654321)]), width=12))
    assert "12,345,678  87,654,321\n" in shown


def test_text_is_folded_not_cut_where_there_is_no_room():
    words = "abcdefghij" * 8
    shown = plain(on_terminal(table((words, 123456, 0.5)), 40))
    assert "123,456" in shown
    assert "0.5000" in shown
    assert re.sub("[^a-j]", "", shown.split("─")[-1]) == words
    assert max(map(len, shown.splitlines())) <= 40


def test_tables_stand_apart():
    tables = [Table("one", ("a",), [("x",)]), Table("two", ("b",), [("y",)])]
    assert plain(on_terminal(tables)) == "one\na\n─\nx\n\ntwo\nb\n─\ny\n"
    out = io.StringIO()
    render.to_console(tables, Console(file=out))
    assert out.getvalue() == "one\na\nx\n\ntwo\nb\ny\n"


def test_no_color_no_codes():
    assert "\x1b" not in on_terminal([Table("t", ("a",), [("x",)])], color=None)


def test_long_lines_are_not_wrapped_where_output_is_piped():
    out = io.StringIO()
    render.to_console([table(("x" * 500, 1, 0.5))], Console(file=out, width=40))
    assert "x" * 500 + "  1  0.5000\n" in out.getvalue()


# -- scores ----------------------------------------------------------------------------------------


def test_scores_of_one_group():
    found = render.score_list([score("wer", 0.25), score("hits", 3)])
    assert found.to_text() == (
        "score   value  unit\nwer    0.2500  fraction\nhits        3  fraction\n"
    )


def test_scores_of_groups_have_a_row_each():
    scores = [
        *(score("wer", 0.5, 3), score("hits", 9, 3), score("substitutions", 2, 3)),
        *(score("wer", 0.25, 1, voice="a"), score("substitutions", 1, 1, voice="a")),
        *(score("wer", 0.75, 2, voice="(all)"), score("substitutions", 1, 2, voice="(all)")),
    ]
    found = render.scores_table(scores, "by voice")
    assert found.title == "by voice"
    assert found.columns == ("voice", "pairs", "wer", "sub")
    assert found.rows == [("(all)", 3, 0.5, 2), ("a", 1, 0.25, 1), ("(all)", 2, 0.75, 1)]
    assert found.spare == 1


def test_scores_of_characters_alone_have_their_counts():
    scores = [score("cer", 0.5), score("char_substitutions", 2), score("reference_characters", 7)]
    found = render.scores_table(scores)
    assert found.columns == ("pairs", "cer", "sub", "chars")
    both = render.scores_table([*scores, score("substitutions", 1)])
    assert both.columns == ("pairs", "cer", "sub", "chars")
    assert both.rows == [(2, 0.5, 1, 7)]


def test_a_score_that_a_group_lacks():
    scores = [score("wer", 0.5), score("cer", 0.5), score("cer", 0.25, voice="a")]
    assert render.scores_table(scores).rows[1] == ("a", 2, None, 0.25)


def test_scores_of_other_names_and_what_they_stand_on():
    scores = [
        score(name, value, rate=rate)
        for rate in ("8k", "6k")
        for name, value in (("recall@1", 0.5), ("mrr", 0.75), ("map", 0.25))
    ]
    table = render.scores_table(
        scores, columns={"map": "mAP", "wer": "wer", "recall@1": "R@1"}, items="queries"
    )
    assert table.columns == ("rate", "queries", "mAP", "R@1")
    assert table.rows == [("8k", 2, 0.25, 0.5), ("6k", 2, 0.25, 0.5)]
    assert table.spare == 1


def test_a_note_stands_under_the_table():
    noted = table(("a", 1, 0.5), note="a_b \x1b[31mred " + "word " * 30)
    assert noted.to_text().splitlines()[2].startswith(r"a_b \x1b[31mred word word")
    lines = noted.to_markdown().splitlines()
    assert lines[-2] == ""
    assert lines[-1].startswith(r"a\_b \\x1b\[31mred word") or lines[-1].startswith("a_b ")
    assert "red" not in noted.to_csv()
    shown = on_terminal(noted, width=40)
    assert "\x1b[2ma_b " in shown
    assert max(map(len, plain(shown).splitlines())) <= 40
    assert plain(shown).count("word") == 30


def test_scores_as_csv():
    scores = [score("wer", 0.5), score("wer", math.nan, voice="a,b")]
    assert render.scores_csv(scores) == (
        "voice,score,value,unit,better,n,signature\n"
        ",wer,0.5,fraction,lower,2,wer|v1\n"
        '"a,b",wer,nan,fraction,lower,2,wer|v1\n'
    )


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


def test_scores_as_json():
    values = [0.5, 3, math.nan, math.inf, -math.inf]
    text = render.scores_json([score("wer", v, voice=NASTY) for v in values], errors={"word": {}})
    found = json.loads(text, parse_constant=no_constant)
    assert [row["value"] for row in found["scores"]] == [0.5, 3, None, "inf", "-inf"]
    assert found["scores"][0] == {
        "name": "wer",
        "value": 0.5,
        "unit": "fraction",
        "better": "lower",
        "n": 2,
        "tags": {"voice": NASTY},
        "signature": "wer|v1",
    }
    assert found["provenance"] == {"assay": "0"}
    assert found["errors"] == {"word": {}}
    assert "\n" not in text
    assert json.loads(render.scores_json([])) == {"scores": [], "provenance": {}}
