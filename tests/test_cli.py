"""`assay score transcripts` held against jiwer: every form of input and output, every option."""

import csv
import io
import json
import os
import random
import re
from collections import Counter
from functools import partial

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import oracle
from cli_kit import (
    CLIPS,
    RATES,
    assay,
    records,
    refused,
    transcripts,
    truth,
    truth_of_groups,
    truth_of_items,
)

COLUMNS = ("--reference", "text", "--hypothesis", "pred")


@pytest.fixture(scope="module")
def rows():
    """300 pairs, some equal, some empty on a side, some not ASCII; speakers, some unknown."""
    rng = random.Random(7)
    words = ["the", "cat", "sat", "on", "a", "mat", "été", "日本", "don't", "x", "नमस्ते", "<unk>"]

    def pair(i):
        said = rng.choices(words, k=rng.choice([0, 1, 5, 12]))
        heard = [w for w in said if rng.random() > 0.1]
        heard = [rng.choice(words) if rng.random() < 0.2 else w for w in heard]
        heard += rng.choices(words, k=rng.choice([0, 0, 0, 2]))
        speaker = rng.choice(["ann", "bo b", "c,d", None])
        return {
            "id": f"u{i:03}",
            "text": " ".join(said),
            "pred": " ".join(heard),
            "speaker": speaker,
            "take": i % 2,
        }

    return [pair(i) for i in range(300)]


@pytest.fixture(scope="module")
def table(rows):
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def data(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


# -- the numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_the_clips_by_voice(rate):
    done = transcripts(CLIPS, "--hypothesis", f"hypothesis_{rate}", "--by", "voice", "--json")
    assert done.values == truth_of_groups(
        records(CLIPS), "reference", f"hypothesis_{rate}", "voice"
    )


def test_two_columns_to_group_by(data, rows):
    done = transcripts(data, *COLUMNS, "--by", "speaker", "--by", "take", "--json")
    assert done.values == truth_of_groups(rows, "text", "pred", "speaker", "take")
    found = json.loads(done.out)["scores"]
    assert found[-1]["tags"].keys() == {"speaker", "take"}
    assert {s["tags"].get("speaker") for s in found} == {None, "ann", "bo b", "c,d", "(none)"}


def test_every_score_says_what_it_is(data):
    done = transcripts(data, *COLUMNS, "--json", "--normalise", "basic", "--empty", "nan")
    found = json.loads(done.out)
    assert found["provenance"].keys() == {"assay", "numpy", "numba"}
    for score in found["scores"]:
        assert score["n"] == 300
        assert score["signature"].startswith(f"{score['name']}|unit:")
        assert score["signature"].endswith("|normaliser:basic-1|ties:rapidfuzz|empty:nan")


@pytest.mark.parametrize("unit", ["word", "char", "both"])
def test_units(data, rows, unit):
    expected = truth([r["text"] for r in rows], [r["pred"] for r in rows])
    chars = {name for name in expected if "char" in name or name == "cer"}
    wanted = {"word": expected.keys() - chars, "char": chars, "both": expected.keys()}[unit]
    found = transcripts(data, *COLUMNS, "--unit", unit, "--json").values
    assert found == {(name,): expected[name] for name in wanted}


def test_normalise(tmp_path):
    refs = ["Hello, WORLD!", "it's   fine...", "ÉTÉ; 5€"]
    hyps = ["hello world", "its fine", "été 5"]
    path = tmp_path / "data.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("reference", "hypothesis"), *zip(refs, hyps, strict=True)])
    plain = [re.sub(r"[^\w\s']|€", " ", ref.lower()) for ref in refs]
    plain = [" ".join(ref.split()) for ref in plain]
    found = transcripts(path, "--normalise", "basic", "--json").values
    assert found == {(name,): value for name, value in truth(plain, hyps).items()}
    assert found != transcripts(path, "--json").values


def test_errors_are_the_most_frequent_ones(data, rows):
    done = transcripts(data, *COLUMNS, "--errors", "4", "--json")
    for unit in ("word", "char"):
        refs, hyps = (oracle.units([r[name] for r in rows], unit) for name in ("text", "pred"))
        found = oracle.confusions(zip(refs, hyps, strict=True))
        for kind, wanted in (
            ("substitutions", lambda ref, hyp: ref and hyp),
            ("deletions", lambda ref, hyp: hyp is None),
            ("insertions", lambda ref, hyp: ref is None),
        ):
            table = [
                {"reference": ref or "", "hypothesis": hyp or "", "times": times}
                for (ref, hyp), times in found.items()
                if wanted(ref, hyp)
            ]
            table.sort(key=lambda e: (-e["times"], e["reference"], e["hypothesis"]))
            assert json.loads(done.out)["errors"][unit][kind] == table[:4]


# -- the per-item file -----------------------------------------------------------------------------


def test_per_item(data, rows, tmp_path):
    path = tmp_path / "items.parquet"
    transcripts(data, *COLUMNS, "--by", "speaker", "--by", "take", "--per-item", path)
    found = pq.read_table(path)
    items = truth_of_items(rows, "text", "pred")
    assert found.schema.names == ["row", "speaker", "take", *list(items[0])[1:]]
    assert found.drop(["speaker", "take"]).to_pylist() == items
    assert found["speaker"].to_pylist() == [r["speaker"] for r in rows]
    assert found["take"].to_pylist() == [r["take"] for r in rows]
    assert found.schema.metadata[b"assay.items"] == b"1"
    assert os.listdir(tmp_path) == ["items.parquet"]


def test_per_item_of_one_unit_and_with_the_key(rows, table, tmp_path):
    left, right, path = (tmp_path / name for name in ("r.parquet", "h.csv", "items.parquet"))
    pq.write_table(table.select(["id", "text", "speaker"]), left)
    pa.csv.write_csv(table.select(["id", "pred"]).take(list(range(299, -1, -1))), right)
    arguments = (*COLUMNS, "--key", "id", "--unit", "char", "--by", "speaker")
    transcripts(left, right, *arguments, "--per-item", path)
    found = pq.read_table(path)
    items = truth_of_items(rows, "text", "pred")
    chars = [name for name in items[0] if name.startswith("char_")]
    assert found.schema.names == ["row", "speaker", "id", *chars, "cer"]
    assert found["id"].to_pylist() == [r["id"] for r in rows]
    assert found["cer"].to_pylist() == [item["cer"] for item in items]


def test_per_item_with_pairs_left_out(data, rows, tmp_path):
    path = tmp_path / "items.parquet"
    done = transcripts(
        data, *COLUMNS, "--empty", "skip", "--by", "speaker", "--per-item", path, "--json"
    )
    kept = [row for row in rows if row["text"]]
    assert 0 < len(kept) < 300
    assert done.values == truth_of_groups(kept, "text", "pred", "speaker")
    found = pq.read_table(path)
    assert found["row"].to_pylist() == [i for i, row in enumerate(rows) if row["text"]]
    assert found["speaker"].to_pylist() == [row["speaker"] for row in kept]
    items = [item for item, row in zip(truth_of_items(rows, "text", "pred"), rows, strict=True)]
    assert found["wer"].to_pylist() == [items[i]["wer"] for i in found["row"].to_pylist()]


def test_one_column_may_be_asked_for_twice(data, tmp_path):
    path = tmp_path / "items.parquet"
    by = ("--by", "speaker", "--by", "speaker", "--by", "text")
    transcripts(data, *COLUMNS, *by, "--per-item", path)
    assert pq.read_schema(path).names[:4] == ["row", "speaker", "text", "word_hits"]


def test_a_column_with_a_name_of_the_file_itself(table, tmp_path):
    path = tmp_path / "data.parquet"
    pq.write_table(table.append_column("cer", table["id"]).append_column("row", table["id"]), path)
    items = ("--per-item", tmp_path / "items.parquet")
    for name in ("row", "cer"):
        assert refused(path, *COLUMNS, "--by", name, *items) == (
            f"--per-item: the file has a column {name!r} of its own; rename that of the input"
        )
    transcripts(path, *COLUMNS, "--by", "cer", "--unit", "word", *items)
    transcripts(path, *COLUMNS, "--by", "row")


# -- what can be read ------------------------------------------------------------------------------


def test_every_kind_of_input_gives_the_same_numbers(rows, table, data, tmp_path):
    lines = data.read_bytes()
    for suffix in ("gz", "zst", "bz2"):
        name = tmp_path / f"d.jsonl.{suffix}"
        with pa.CompressedOutputStream(
            str(name), {"gz": "gzip", "zst": "zstd"}.get(suffix, suffix)
        ) as out:
            out.write(lines)
    texts = table.select(["id", "text", "pred"])
    pa.csv.write_csv(texts, tmp_path / "d.csv")
    pa.csv.write_csv(texts, tmp_path / "d.tsv", pa.csv.WriteOptions(delimiter="\t"))
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=70)
    pq.write_table(texts, tmp_path / "refs.parquet")
    for number, start in enumerate(range(0, 300, 100)):
        part = b"".join(lines.splitlines(keepends=True)[start : start + 100])
        (tmp_path / f"part-{number}.jsonl").write_bytes(part)
    for side in ("text", "pred"):
        said = [row[side] for row in rows]
        (tmp_path / f"{side}.txt").write_text("\n".join(said) + "\n", "utf-8")
        kaldi = [f"{row['id']} {row[side]}\n" for row in rows]
        (tmp_path / f"{side}.kaldi").write_text("".join(sorted(kaldi)), "utf-8")
    inputs = {
        "jsonl": (data,),
        "gzip": (tmp_path / "d.jsonl.gz",),
        "zstd": (tmp_path / "d.jsonl.zst",),
        "bzip2": (tmp_path / "d.jsonl.bz2",),
        "csv": (tmp_path / "d.csv",),
        "tsv": (tmp_path / "d.tsv",),
        "parquet": (tmp_path / "d.parquet",),
        "glob": (tmp_path / "part-*.jsonl",),
        "files": tuple(tmp_path / f"part-{i}.jsonl" for i in range(3)),
        "url": ((tmp_path / "d.parquet").as_uri(),),
        "url of a glob": (f"{tmp_path.as_uri()}/part-*.jsonl",),
        "lines": (tmp_path / "text.txt", tmp_path / "pred.txt"),
        "kaldi": (tmp_path / "text.kaldi", tmp_path / "pred.kaldi", "--format", "kaldi"),
        "join": (tmp_path / "refs.parquet", tmp_path / "d.jsonl.gz", "--key", "id"),
        "standard input": ("-", "--format", "jsonl"),
    }
    expected = truth([r["text"] for r in rows], [r["pred"] for r in rows])
    expected = {(name,): value for name, value in expected.items()}
    found = {
        name: transcripts(*paths, *COLUMNS, "--json", stdin=lines).values
        for name, paths in inputs.items()
    }
    assert found == dict.fromkeys(inputs, expected)


def test_one_side_from_standard_input(tmp_path):
    (tmp_path / "ref.txt").write_text("a b\nc\n")
    done = transcripts(tmp_path / "ref.txt", "-", "--format", "lines", "--json", stdin=b"a b\nd\n")
    assert done.values["wer",] == 1 / 3


# -- what is printed -------------------------------------------------------------------------------


def test_all_forms_have_the_same_numbers(data):
    arguments = (data, *COLUMNS, "--by", "speaker", "--empty", "skip", "--interval", "none")
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


def test_without_groups_every_score_has_a_row(data):
    found = transcripts(data, *COLUMNS, "--json").values
    lines = transcripts(data, *COLUMNS, "--interval", "none").out.splitlines()
    assert [line.split()[0] for line in lines] == ["score", *(name for (name,) in found)]
    markdown = transcripts(data, *COLUMNS, "--interval", "none", "--markdown").out.splitlines()
    assert len(markdown) == 2 + len(found)


def test_error_tables_in_each_form(data):
    plain = transcripts(data, *COLUMNS, "--unit", "word", "--errors", "2").out
    assert plain.count("\n\nmost frequent ") == 3
    assert re.search(
        r"^most frequent deletions of words\nreference +hypothesis +times$", plain, re.M
    )
    markdown = transcripts(data, *COLUMNS, "--unit", "word", "--errors", "2", "--markdown").out
    assert markdown.count("\n\n**most frequent ") == 3
    nothing = transcripts("-", "--format", "jsonl", "--errors", "2", stdin=line("a", "a")).out
    assert "most frequent" not in nothing


def line(reference, hypothesis, **more):
    return json.dumps({"reference": reference, "hypothesis": hypothesis, **more}).encode() + b"\n"


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


def test_the_key_of_kaldi_files_is_in_the_items(tmp_path):
    for name, text in (("r", "u1 a b\nu2 c\n"), ("h", "u2 c\nu1 a\n")):
        (tmp_path / name).write_text(text)
    items = tmp_path / "i.parquet"
    transcripts(tmp_path / "r", tmp_path / "h", "--format", "kaldi", "--per-item", items)
    assert pq.read_table(items)["id"].to_pylist() == ["u1", "u2"]


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


# -- threads ---------------------------------------------------------------------------------------


def test_threads_change_nothing(tmp_path):
    rng = random.Random(3)
    words = [f"w{i}" for i in range(40)]
    texts = [" ".join(rng.choices(words, k=rng.randrange(9))) for _ in range(4000)]
    table = pa.table(
        {
            "reference": texts,
            "hypothesis": texts[1:] + texts[:1],
            "speaker": [f"s{i % 7}" for i in range(4000)],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=130)
    pq.write_table(table.slice(0, 900), tmp_path / "b.parquet")
    items = tmp_path / "items"  # not among the inputs of the next turn
    found = Counter()
    for threads in ("1", "2", "8"):
        done = transcripts(
            tmp_path / "*.parquet", "--by", "speaker", "--errors", "5", "--per-item", items,
            "--json", ASSAY_THREADS=threads,
        )  # fmt: skip
        found[done.out, items.read_bytes()] += 1
    assert list(found.values()) == [3]
    assert pq.read_table(items)["row"].to_pylist() == list(range(4900))


# -- the command itself ----------------------------------------------------------------------------


def test_version():
    import importlib.metadata

    assert assay("--version") == (0, f"assay {importlib.metadata.version('assay')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--help"], ["env", "demo", "score", "--version"]),
        (["score", "-h"], ["transcripts"]),
        (
            ["score", "transcripts", "--help"],
            ["--unit", "--normalise", "--by", "--per-item", "--json", "none, basic", "word, char"],
        ),
        (["env", "--help"], ["--warm", "--json"]),
        (["demo", "--help"], ["240"]),
        (["probe", "--help"], ["--train-step", "--batch-sizes", "--device", "--json"]),
        (["resync", "--help"], ["--follow"]),
    ],
)
def test_help(arguments, wanted):
    done = assay(*arguments, TERMINAL_WIDTH="100")
    assert (done.code, done.err) == (0, "")
    assert all(text in done.out for text in wanted)


@pytest.mark.parametrize("arguments", [[], ["score"]])
def test_without_a_command_there_is_help(arguments):
    done = assay(*arguments)
    assert done.code == 2
    assert "Usage" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scor"], "No such command 'scor'. Did you mean 'score'? See assay --help"),
        (["score", "transcripts"], "Missing argument 'FILE'. See assay score transcripts --help"),
        (
            ["score", "transcripts", "x", "--refrence", "a"],
            "No such option: --refrence (Possible options: --force, --reference). "
            "See assay score transcripts --help",
        ),
        (["score", "transcripts", "x", "--errors", "-1"], "Invalid value for '--errors'"),
        (["score", "transcripts", "x", "--errors", "many"], "Invalid value for '--errors'"),
        (["env", "--wram"], "No such option: --wram"),
    ],
)
def test_a_command_typed_wrongly(arguments, message):
    done = assay(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert done.err.count("\n") == 1


def test_env():
    facts = json.loads(assay("env", "--json").out)
    assert {"python", "system", "cpus", "assay", "numba", "kernel cache", "native module"} <= (
        facts.keys()
    )
    plain = assay("env").out.splitlines()
    assert [row.split("  ")[0] for row in plain] == list(facts)
    assert all(row.endswith(value) for row, value in zip(plain, facts.values(), strict=True))
