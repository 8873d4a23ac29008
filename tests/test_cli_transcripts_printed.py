"""What `assay score transcripts` prints: one set of numbers in every form, whatever the data is."""

import csv
import io
import json
import re
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import transcripts
from transcripts_cli_kit import COLUMNS


def line(reference, hypothesis, **more):
    return json.dumps({"reference": reference, "hypothesis": hypothesis, **more}).encode() + b"\n"


def test_all_forms_have_the_same_numbers(pairs_file):
    arguments = (pairs_file, *COLUMNS, "--by", "speaker", "--empty", "skip", "--interval", "none")
    by_json = transcripts(*arguments, "--json").values
    rows = list(csv.DictReader(io.StringIO(transcripts(*arguments, "--csv").out)))
    by_csv = {
        (r["score"], *([r["speaker"]] if r["speaker"] else [])): float(r["value"]) for r in rows
    }
    assert by_csv == by_json
    assert {r["n"] for r in rows if not r["speaker"]} == {rows[0]["n"]}
    plain = transcripts(*arguments).out.splitlines()
    assert re.split(" {2,}", plain[0]) == (
        ["speaker", "pairs", "wer", "cer", "ser", "sub", "del", "ins", "words", "chars"]
    )
    markdown = transcripts(*arguments, "--markdown").out.splitlines()
    del markdown[1]
    in_markdown = [re.split(r" \| ", line.strip("| ")) for line in markdown]
    assert in_markdown == [re.split(" {2,}", line) for line in plain]
    assert [line[0] for line in in_markdown[1:]] == ["(all)", "(none)", "ann", "bo b", "c,d"]
    for name, _, wer, cer, ser, subs, *_ in in_markdown[1:]:
        tags = () if name == "(all)" else (name,)
        rates = ("wer", "cer", "sentence_error_rate")
        assert [wer, cer, ser] == [f"{by_json[(rate, *tags)]:.4f}" for rate in rates]
        assert subs == f"{by_json[('substitutions', *tags)]:,}"


def test_without_groups_every_score_has_a_row(pairs_file):
    asked = (pairs_file, *COLUMNS, "--interval", "none")
    names = ["score", *(name for (name,) in transcripts(*asked, "--json").values)]
    assert [row.split()[0] for row in transcripts(*asked).out.splitlines()] == names
    markdown = transcripts(*asked, "--markdown").out.splitlines()
    del markdown[1]
    assert [row.strip("| ").split()[0] for row in markdown] == names


def test_error_tables_in_each_form(pairs_file):
    asked = (pairs_file, *COLUMNS, "--unit", "word", "--errors", "2")
    plain = transcripts(*asked).out
    assert plain.count("\n\nmost frequent ") == 3
    assert re.search(
        r"^most frequent deletions of words\nreference +hypothesis +times$", plain, re.M
    )
    markdown = transcripts(*asked, "--markdown").out
    assert markdown.count("\n\n**most frequent ") == 3
    nothing = transcripts("-", "--format", "jsonl", "--errors", "2", stdin=line("a", "a")).out
    assert "most frequent" not in nothing


def test_a_value_that_is_no_number():
    stdin = line("", "x") + line("", "")
    for policy, value, text in (
        ("nan", None, "nan"), ("inf", "inf", "inf"), ("skip", None, "nan"), ("jiwer", 1, "1")
    ):  # fmt: skip
        arguments = ("-", "--format", "jsonl", "--unit", "word", "--empty", policy)
        done = transcripts(*arguments, "--json", stdin=stdin)
        json.loads(done.out, parse_constant=pytest.fail)
        assert done.values["wer",] == value
        assert transcripts(*arguments, stdin=stdin).out.splitlines()[1].split()[1] == text
        assert f"\nwer,{text}," in transcripts(*arguments, "--csv", stdin=stdin).out


NASTY = "[red]x[/red] |p| \x1b[31mESC \x9b31m\x07 <unk> a\nb\tc"


@pytest.mark.parametrize("form", ["terminal", "piped", "--markdown", "--csv", "--json"])
def test_data_cannot_break_what_is_printed(form):
    stdin = line(NASTY, "[/bad]", group=NASTY) + line("a", "b", group="=1+1")
    arguments = ["-", "--format", "jsonl", "--by", "group", "--unit", "word"]
    arguments += [] if form == "--csv" else ["--errors", "9"]
    arguments += [form] if form.startswith("--") else []
    environment = {"TERM": "xterm", "COLUMNS": "200", "FORCE_COLOR": "1"}
    done = transcripts(*arguments, stdin=stdin, **(environment if form == "terminal" else {}))
    if form == "--json":
        assert json.loads(done.out)["scores"][-1]["tags"] == {"group": NASTY}
    elif form == "--csv":
        assert [*csv.DictReader(io.StringIO(done.out, newline=""))][-1]["group"] == NASTY
    else:
        printed = re.sub(r"\x1b\[[0-9;]*m", "", done.out) if form == "terminal" else done.out
        assert (form == "terminal") == ("\x1b[1m" in done.out)
        assert "\x1b[31m" not in done.out
        assert not set(printed) & set("\x1b\x9b\x07\t\r")
        assert "x1b" in printed
        assert "ESC" in printed


def test_words_that_are_no_markup_on_a_terminal():
    done = transcripts(
        "-", "--format", "jsonl", "--errors", "9", "--unit", "word",
        stdin=line("[red]x[/red]", "[/bad]"), FORCE_COLOR="1", TERM="xterm",
    )  # fmt: skip
    assert re.search(r"\[red\]x\[/red\] +\[/bad\] +1", re.sub(r"\x1b\[[0-9;]*m", "", done.out))


def test_a_group_that_is_called_like_the_total():
    stdin = line("a", "b", g="(all)") + line("a", "a", g="zz") + line("b", "b", g=None)
    out = transcripts("-", "--format", "jsonl", "--by", "g", "--unit", "word", stdin=stdin).out
    assert [row.split()[:3] for row in out.partition("\n\n")[0].splitlines()[1:]] == [
        ["(all)", "3", "0.3333"],
        ["(all)", "1", "1.0000"],
        ["(none)", "1", "0.0000"],
        ["zz", "1", "0.0000"],
    ]


def test_the_group_of_the_empty_text_is_not_the_total():
    stdin = line("a", "b", g="") + line("a", "a", g="zz")
    ask = partial(transcripts, "-", "--format", "jsonl", "--by", "g", "--unit", "word", stdin=stdin)
    first = [row.split()[0] for row in ask().out.partition("\n\n")[0].splitlines()[1:]]
    assert first == ["(all)", "(empty)", "zz"]
    groups = [row["g"] for row in csv.DictReader(io.StringIO(ask("--csv").out))]
    assert list(dict.fromkeys(groups)) == ["", "(empty)", "zz"]
    tags = [score["tags"].get("g") for score in json.loads(ask("--json").out)["scores"]]
    assert list(dict.fromkeys(tags)) == [None, "", "zz"]


def test_thousands_of_groups(tmp_path):
    path = tmp_path / "data.parquet"
    ids = [f"id-{i:05}" for i in range(5000)]
    texts = [f"word {i}" for i in range(5000)]
    pq.write_table(pa.table({"id": ids, "reference": texts, "hypothesis": texts[::-1]}), path)
    asked = (path, "--by", "id", "--unit", "word", "--interval", "none")
    rows = transcripts(*asked).out.splitlines()
    assert len(rows) == 5002
    assert rows[1].split()[:3] == ["(all)", "5,000", "0.5000"]
    assert [row.split()[0] for row in rows[2:]] == ids
