"""Whatever is wrong with the input or the options: one line that says what, where and how to mend
it, exit code 2, nothing on standard output, and no file made or changed."""

import gzip
import json
import os
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_kit import assay, refused, transcripts

OK = b'{"reference": "a b c", "hypothesis": "a x c", "id": "u1"}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def snapshot():
    """Every file here, with what it holds."""
    files = (Path(top, name) for top, _, names in os.walk(".") for name in names)
    return {str(file): file.read_bytes() for file in files}


def parquet(**columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def record(**fields):
    return OK * 3 + json.dumps({"reference": "a", "hypothesis": "b", "id": "u9"} | fields).encode()


MISSING = "no column 'nope'; there: 'reference', 'hypothesis', 'id'; name one of these"

# files, arguments, what the message begins with, what it has further on
CASES = {
    "null": (
        {"d.jsonl": record(reference=None)},
        ["d.jsonl"],
        "d.jsonl: line 4: field 'reference' is null, expected a string; write \"\"",
    ),
    "nan": (
        {"d.jsonl": OK + b'{"reference": NaN, "hypothesis": "b"}\n'},
        ["d.jsonl"],
        "d.jsonl: line 2: field 'reference' is a number (NaN), expected a string",
    ),
    "number": (
        {"d.jsonl": record(hypothesis=3)},
        ["d.jsonl"],
        "d.jsonl: line 4: field 'hypothesis' is a number (3), expected a string; put it in quotes",
    ),
    "null in parquet": (
        {"d.parquet": parquet(reference=["a", None], hypothesis=["b", "c"])},
        ["d.parquet"],
        "d.parquet: row 2: column 'reference' is null, expected text; write ''",
    ),
    "numbers in parquet": (
        {"d.parquet": parquet(reference=[1.5, 2.5], hypothesis=["b", "c"])},
        ["d.parquet"],
        "d.parquet: row 1: column 'reference' holds double, expected text",
    ),
    "not utf-8": (
        {"d.csv": b"reference,hypothesis\na,b\ncaf\xe9,b\n"},
        ["d.csv"],
        "d.csv: line 3: column 'reference' is not UTF-8: byte 0xe9 at offset 3 of the value; "
        "convert the file with iconv",
    ),
    "utf-16": (
        {"d.txt": "a\n".encode("utf-16"), "e.txt": b"a\n"},
        ["d.txt", "e.txt"],
        "d.txt: the file is UTF-16, expected UTF-8; convert it",
    ),
    "missing column": (
        {"d.jsonl": OK},
        ["d.jsonl", "--reference", "nope"],
        f"d.jsonl: line 1: {MISSING}",
    ),
    "missing column, nearly": (
        {"d.csv": b"Reference,hypothesis\na,b\n"},
        ["d.csv"],
        "d.csv: header: no column 'reference'; there: 'Reference', 'hypothesis'; "
        "did you mean 'Reference'?",
    ),
    "missing column to group by": (
        {"d.jsonl": OK},
        ["d.jsonl", "--by", "nope"],
        f"d.jsonl: line 1: {MISSING}",
    ),
    "a list to group by": (
        {"d.jsonl": record(tags=["x"]).splitlines()[-1]},
        ["d.jsonl", "--by", "tags"],
        "d.jsonl: rows 1 to 1: column 'tags' holds list<item: string>, expected text or numbers",
    ),
    "empty file": ({"d.jsonl": b""}, ["d.jsonl"], "d.jsonl: the file is empty; was it written?"),
    "blank lines": ({"d.jsonl": b"\n\n"}, ["d.jsonl"], "d.jsonl: no rows; was it written?"),
    "only a header": (
        {"d.csv": b"reference,hypothesis\n"},
        ["d.csv"],
        "d.csv: no rows; was it written?",
    ),
    "no rows in parquet": (
        {"d.parquet": parquet(reference=pa.array([], "string"), hypothesis=pa.array([], "string"))},
        ["d.parquet"],
        "d.parquet: no rows; was it written?",
    ),
    "truncated gzip": (
        {
            "d.jsonl.gz": gzip.compress(random.Random(0).randbytes(500).hex().encode() + OK * 500)[
                :-30
            ]
        },
        ["d.jsonl.gz"],
        "d.jsonl.gz: the file is cut short; copy or make it again",
    ),
    "not gzip": (
        {"d.jsonl.gz": OK},
        ["d.jsonl.gz"],
        "d.jsonl.gz: not whole gzip data; rename the file if it is not compressed",
    ),
    "gzip by another name": (
        {"d.jsonl": gzip.compress(OK)},
        ["d.jsonl"],
        "d.jsonl: the file is gzip data, expected text; name it .gz, or pipe it through gunzip",
    ),
    "parquet by another name": (
        {"d.jsonl": parquet(reference=["a"], hypothesis=["b"])},
        ["d.jsonl"],
        "d.jsonl: the file is Parquet, expected text; say --format parquet",
    ),
    "parquet in gzip": (
        {"d.parquet.gz": gzip.compress(parquet(reference=["a"], hypothesis=["b"]))},
        ["d.parquet.gz"],
        "d.parquet.gz: Parquet is compressed inside and read from its end; unpack the gzip around",
    ),
    "empty parquet": (
        {"d.parquet": b""},
        ["d.parquet"],
        "d.parquet: the file is empty; was it written?",
    ),
    "a list for a text": (
        {"d.jsonl": record(reference=["a"]).splitlines()[-1]},
        ["d.jsonl"],
        """d.jsonl: line 1: field 'reference' is an array (["a"]), expected a string; join its""",
    ),
    "truncated parquet": (
        {"d.parquet": parquet(reference=["a"], hypothesis=["b"])[:-9]},
        ["d.parquet"],
        "d.parquet: not a whole Parquet file; copy or make it again",
    ),
    "truncated jsonl": (
        {"d.jsonl": OK + OK[:20]},
        ["d.jsonl"],
        "d.jsonl: line 2: not one JSON object on one line",
    ),
    "a row of another width": (
        {"d.csv": b"reference,hypothesis\na,b\na\n"},
        ["d.csv"],
        "d.csv: line 3: expected 2 cells as in the header, got 1: 'a'",
    ),
    "no such file": ({}, ["d.jsonl"], "d.jsonl: no such file"),
    "no file matches": ({}, ["*.jsonl"], "*.jsonl: no file matches; check the folder"),
    "a folder": (
        {"d/e.jsonl": OK},
        ["d"],
        "d: is a directory; name its files, as in d/*.parquet",
    ),
    "unknown extension": (
        {"d.dat": OK},
        ["d.dat"],
        "d.dat: cannot tell the format from '.dat'; give format= (--format), one of jsonl, csv, "
        "tsv, tsv-raw, parquet, arrow, lines, kaldi",
    ),
    "different lengths": (
        {"r.txt": b"a b\nc\n", "h.txt": b"a b\n"},
        ["r.txt", "h.txt"],
        "line-aligned files need equal numbers of lines: r.txt has 2, h.txt has 1; write an empty",
    ),
    "one line file": ({"r.txt": b"a\n"}, ["r.txt"], "read: lines are one path for each text col"),
    "empty reference, refused": (
        {"d.jsonl": record(reference=" ")},
        ["d.jsonl", "--empty", "error"],
        "d.jsonl: line 4: the reference has no words; drop such pairs or choose another policy for",
    ),
    "types that change": (
        {"a.jsonl": record(id=7).splitlines()[-1], "b.jsonl": OK},
        ["a.jsonl", "b.jsonl", "--by", "id"],
        "items.parquet: column 'id' holds int64 up to row 1 of the input, then string; "
        "write one type throughout",
    ),
    "unit": ({}, ["d", "--unit", "x"], "--unit must be one of word, char, grapheme, both, got 'x'"),
    "normaliser": (
        {},
        ["d", "--normalise", "x"],
        "--normalise must be one of none, basic, whisper-basic, whisper-english, got 'x'",
    ),
    "policy": (
        {},
        ["d", "--empty", ""],
        "--empty must be one of jiwer, nan, inf, skip, error, got ''",
    ),
    "format": (
        {"d.jsonl": OK},
        ["d.jsonl", "--format", "jsno"],
        "read: format must be one of jsonl, csv, tsv, tsv-raw, parquet, arrow, lines, kaldi, "
        "trec-run, qrels, trn, stm, ctm, coco, got 'jsno'",
    ),
    "two forms": (
        {"d.jsonl": OK},
        ["d.jsonl", "--json", "--csv"],
        "--json, --csv and --markdown exclude each other; give one",
    ),
    "errors as csv": (
        {"d.jsonl": OK},
        ["d.jsonl", "--errors", "3", "--csv"],
        "--errors goes with the console, --json or --markdown, not with --csv",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_line_and_nothing_written(name):
    files, arguments, message = CASES[name]
    for file, data in files.items():
        os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
        with open(file, "wb") as out:
            out.write(data)
    before = snapshot()
    found = refused(*arguments, "--per-item", "items.parquet")
    assert found.startswith(message)
    assert "\n" not in found
    with open("items.parquet", "wb") as out:
        out.write(b"precious")
    assert refused(*arguments, "--per-item", "items.parquet") == found
    assert snapshot() == before | {"items.parquet": b"precious"}


def test_keys_are_listed():
    with open("r.csv", "w") as left, open("h.csv", "w") as right:
        left.write("id,reference\n1,a\n2,b\n2,c\n")
        right.write("id,hypothesis\n1,a\n3,b\n")
    assert refused("r.csv", "h.csv", "--key", "id") == (
        "cannot join by 'id': every key must stand once on either side; drop the rows "
        "of these keys, or add what is missing:\n"
        "  1 in r.csv but not in h.csv: '2'\n"
        "  1 in h.csv but not in r.csv: '3'\n"
        "  1 more than once in r.csv: '2'"
    )


def test_a_bad_row_far_on_leaves_no_part_of_a_file():
    with open("d.jsonl", "wb") as out:
        out.write(OK * 200_000 + b'{"reference": "a", "hypothesis": 1}\n')
    before = snapshot().keys()
    message = refused("d.jsonl", "--per-item", "items.parquet")
    assert message.startswith("d.jsonl: line 200001: field 'hypothesis' is a number (1)")
    assert snapshot().keys() == before


def test_the_earliest_error_is_told_for_any_number_of_threads():
    for number in range(12):
        with open(f"d{number:02}.jsonl", "wb") as out:
            out.write(OK * (500 * (12 - number)) + (b"{\n" if number > 3 else b""))
    found = {refused("d*.jsonl", ASSAY_THREADS=str(n)) for n in (1, 2, 8) for _ in range(4)}
    assert len(found) == 1
    assert found.pop().startswith("d04.jsonl: line 4001: ")


def test_a_name_cannot_steer_the_terminal():
    assert refused("\x9b31mred.jsonl").startswith("\\x9b31mred.jsonl: no such file")
    assert refused("\x1b[31m*").startswith("\\x1b[31m*: no file matches")


# -- where to write --------------------------------------------------------------------------------


@pytest.fixture
def data(folder):
    (folder / "d.jsonl").write_bytes(OK)
    return "d.jsonl"


@pytest.mark.parametrize("kind", ["itself", "symbolic link", "hard link", "other spelling", "url"])
def test_an_input_is_never_written_over(data, folder, kind):
    target = {"other spelling": f"../{folder.name}/d.jsonl"}.get(kind, "d.jsonl")
    given = (folder / "d.jsonl").as_uri() if kind == "url" else data
    if kind.endswith("link"):
        target = "link"
        (os.symlink if kind == "symbolic link" else os.link)(data, target)
    before = snapshot()
    message = f"--per-item: {target} is an input; name another file to write to"
    assert refused(given, "--per-item", target) == message
    assert refused("*.jsonl", "--per-item", target) == message
    assert snapshot() == before


def test_neither_side_of_a_join_is_written_over():
    for name, column in (("r.csv", "reference"), ("h.csv", "hypothesis")):
        with open(name, "w") as out:
            out.write(f"id,{column}\n1,a\n")
    for target in ("r.csv", "h.csv"):
        message = f"--per-item: {target} is an input; name another file to write to"
        assert refused("r.csv", "h.csv", "--key", "id", "--per-item", target) == message


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "'' is no file to write to; name one, as in items.parquet"),
        (".", "'.' is no file to write to; name one, as in items.parquet"),
        ("no/items.parquet", "no/items.parquet: there is no folder no; make it first"),
        ("/dev/null", "/dev/null: is no regular file; name one, as in items.parquet"),
        ("x" * 300, "x" * 300 + ": cannot be written: File name too long"),
    ],
    ids=["nothing", "folder", "no-folder", "device", "long"],
)
def test_places_that_cannot_be_written_to(data, target, message):
    before = snapshot()
    assert refused(data, "--per-item", target) == message
    assert snapshot() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no limits here")
def test_a_full_disk(data):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        done = assay("score", "transcripts", data, "--per-item", "items.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: items.parquet: cannot be written: ")
    assert os.listdir() == [data]


def test_options_are_checked_before_anything_is_written(data):
    for options in (["--errors", "1", "--csv"], ["--unit", "x"], ["--json", "--markdown"]):
        refused(data, *options, "--per-item", "items.parquet")
        assert os.listdir() == [data]
    transcripts(data, "--per-item", "items.parquet")
    assert sorted(os.listdir()) == [data, "items.parquet"]
