"""`assay score transcripts`: jiwer's numbers of every kind of file, by every option."""

import csv
import json
import random
import re
from collections import Counter

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import oracle
from cli_kit import CLIPS, RATES, records, transcripts, truth, truth_of_groups
from transcripts_cli_kit import COLUMNS, ROWS


@pytest.mark.parametrize("rate", RATES)
def test_the_clips_by_voice(rate):
    done = transcripts(CLIPS, "--hypothesis", f"hypothesis_{rate}", "--by", "voice", "--json")
    assert done.values == truth_of_groups(
        records(CLIPS), "reference", f"hypothesis_{rate}", "voice"
    )


def test_two_columns_to_group_by(pairs_file):
    done = transcripts(pairs_file, *COLUMNS, "--by", "speaker", "--by", "take", "--json")
    assert done.values == truth_of_groups(ROWS, "text", "pred", "speaker", "take")
    found = json.loads(done.out)["scores"]
    assert found[-1]["tags"].keys() == {"speaker", "take"}
    assert {s["tags"].get("speaker") for s in found} == {None, "ann", "bo b", "c,d", "(none)"}


def test_every_score_says_what_it_is(pairs_file):
    done = transcripts(pairs_file, *COLUMNS, "--json", "--normalise", "basic", "--empty", "nan")
    found = json.loads(done.out)
    assert found["provenance"].keys() == {"assay", "numpy", "numba"}
    for score in found["scores"]:
        assert score["n"] == 300
        assert score["signature"].startswith(f"{score['name']}|unit:")
        assert score["signature"].endswith("|normaliser:basic-1|ties:rapidfuzz|empty:nan")


@pytest.mark.parametrize("unit", ["word", "char", "both"])
def test_units(pairs_file, unit):
    expected = truth([r["text"] for r in ROWS], [r["pred"] for r in ROWS])
    chars = {name for name in expected if "char" in name or name == "cer"}
    wanted = {"word": expected.keys() - chars, "char": chars, "both": expected.keys()}[unit]
    found = transcripts(pairs_file, *COLUMNS, "--unit", unit, "--json").values
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


def test_errors_are_the_most_frequent_ones(pairs_file):
    done = transcripts(pairs_file, *COLUMNS, "--errors", "4", "--json")
    for unit in ("word", "char"):
        refs, hyps = (oracle.units([r[name] for r in ROWS], unit) for name in ("text", "pred"))
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


def test_every_kind_of_input_gives_the_same_numbers(pairs_file, tmp_path):
    table = pa.Table.from_pylist(ROWS)
    lines = pairs_file.read_bytes()
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
        said = [row[side] for row in ROWS]
        (tmp_path / f"{side}.txt").write_text("\n".join(said) + "\n", "utf-8")
        kaldi = [f"{row['id']} {row[side]}\n" for row in ROWS]
        (tmp_path / f"{side}.kaldi").write_text("".join(sorted(kaldi)), "utf-8")
    inputs = {
        "jsonl": (pairs_file,),
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
    expected = truth([r["text"] for r in ROWS], [r["pred"] for r in ROWS])
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
