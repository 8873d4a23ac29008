"""The per-item file of `assay score transcripts`: jiwer's counts of every pair, beside its tags."""

import os

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from cli_kit import refused, transcripts, truth_of_groups, truth_of_items
from transcripts_cli_kit import COLUMNS, ROWS


def test_per_item(pairs_file, tmp_path):
    path = tmp_path / "items.parquet"
    transcripts(pairs_file, *COLUMNS, "--by", "speaker", "--by", "take", "--per-item", path)
    found = pq.read_table(path)
    items = truth_of_items(ROWS, "text", "pred")
    assert found.schema.names == ["row", "speaker", "take", *list(items[0])[1:]]
    assert found.drop(["speaker", "take"]).to_pylist() == items
    assert found["speaker"].to_pylist() == [r["speaker"] for r in ROWS]
    assert found["take"].to_pylist() == [r["take"] for r in ROWS]
    assert found.schema.metadata[b"assay.items"] == b"1"
    assert os.listdir(tmp_path) == ["items.parquet"]


def test_per_item_of_one_unit_and_with_the_key(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    left, right, path = (tmp_path / name for name in ("r.parquet", "h.csv", "items.parquet"))
    pq.write_table(table.select(["id", "text", "speaker"]), left)
    pa.csv.write_csv(table.select(["id", "pred"]).take(list(range(299, -1, -1))), right)
    arguments = (*COLUMNS, "--key", "id", "--unit", "char", "--by", "speaker")
    transcripts(left, right, *arguments, "--per-item", path)
    found = pq.read_table(path)
    items = truth_of_items(ROWS, "text", "pred")
    chars = [name for name in items[0] if name.startswith("char_")]
    assert found.schema.names == ["row", "speaker", "id", *chars, "cer"]
    assert found["id"].to_pylist() == [r["id"] for r in ROWS]
    assert found["cer"].to_pylist() == [item["cer"] for item in items]


def test_per_item_with_pairs_left_out(pairs_file, tmp_path):
    path = tmp_path / "items.parquet"
    asked = ("--empty", "skip", "--by", "speaker", "--per-item", path, "--json")
    done = transcripts(pairs_file, *COLUMNS, *asked)
    kept = [row for row in ROWS if row["text"]]
    assert 0 < len(kept) < 300
    assert done.values == truth_of_groups(kept, "text", "pred", "speaker")
    found = pq.read_table(path)
    assert found["row"].to_pylist() == [i for i, row in enumerate(ROWS) if row["text"]]
    assert found["speaker"].to_pylist() == [row["speaker"] for row in kept]
    items = truth_of_items(ROWS, "text", "pred")
    assert found["wer"].to_pylist() == [items[i]["wer"] for i in found["row"].to_pylist()]


def test_one_column_may_be_asked_for_twice(pairs_file, tmp_path):
    path = tmp_path / "items.parquet"
    by = ("--by", "speaker", "--by", "speaker", "--by", "text")
    transcripts(pairs_file, *COLUMNS, *by, "--per-item", path)
    assert pq.read_schema(path).names[:4] == ["row", "speaker", "text", "word_hits"]


def test_a_column_with_a_name_of_the_file_itself(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / "data.parquet"
    pq.write_table(table.append_column("cer", table["id"]).append_column("row", table["id"]), path)
    items = ("--per-item", tmp_path / "items.parquet")
    for name in ("row", "cer"):
        assert refused(path, *COLUMNS, "--by", name, *items) == (
            f"--per-item: the file has a column {name!r} of its own; rename that of the input"
        )
    transcripts(path, *COLUMNS, "--by", "cer", "--unit", "word", *items)
    transcripts(path, *COLUMNS, "--by", "row")


def test_the_key_of_kaldi_files_is_in_the_items(tmp_path):
    for name, text in (("r", "u1 a b\nu2 c\n"), ("h", "u2 c\nu1 a\n")):
        (tmp_path / name).write_text(text)
    items = tmp_path / "i.parquet"
    transcripts(tmp_path / "r", tmp_path / "h", "--format", "kaldi", "--per-item", items)
    assert pq.read_table(items)["id"].to_pylist() == ["u1", "u2"]
