"""What a user types: paths with odd characters, globs, URLs, tables in memory, mistakes."""

import gc
import os
import pickle
import tracemalloc
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.errors import DataError, InputError, MissingDependency
from assay.core.protocols import Source
from assay.readers import FORMATS, read
from assay.readers.files import File
from readers_kit import rows

fsspec = pytest.importorskip("fsspec")

LINE = b'{"a": "%b"}\n'


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jsonl").write_bytes(LINE % name.encode())
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["a b", "a:b", "a?b", "[a]b", "*", "a%20b", "ü#", "s3:__x", "a::b", "~x", "-", "a\nb", "$HOME"],
)
def test_a_path_that_exists_is_that_file(folder, monkeypatch, name):
    name += ".jsonl"
    (folder / name).write_bytes(LINE % b"odd")
    assert rows(folder / name, "a") == [("odd",)]
    monkeypatch.chdir(folder)
    assert rows(name, "a") == [("odd",)]


def test_a_url_like_path_that_exists(tmp_path, monkeypatch):
    (tmp_path / "memory:" / "x").mkdir(parents=True)
    (tmp_path / "memory:" / "x" / "a.jsonl").write_bytes(LINE % b"local")
    monkeypatch.chdir(tmp_path)
    assert rows("memory://x/a.jsonl", "a") == [("local",)]


def test_globs_are_sorted_and_may_be_deep(folder):
    deep = folder / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "d.jsonl").write_bytes(LINE % b"d")
    (folder / "dir.jsonl").mkdir()
    assert rows(folder / "*.jsonl", "a") == [("a",), ("b",), ("c",)]
    assert rows(folder / "[ab].jsonl", "a") == [("a",), ("b",)]
    assert rows(folder / "**" / "*.jsonl", "a") == [("a",), ("b",), ("c",), ("d",)]
    assert rows([folder / "c.jsonl", folder / "a.jsonl"], "a") == [("c",), ("a",)]


@pytest.mark.parametrize("made_url", ["file://{}", "memory://box{}"])
def test_urls(folder, made_url):
    memory = fsspec.filesystem("memory")
    (folder / "a b").mkdir()
    (folder / "a b" / "[d] é.jsonl").write_bytes(LINE % b"d")
    if made_url.startswith("memory"):
        memory.put(f"{folder}/", f"box{folder}/", recursive=True)
    url = made_url.format(folder)
    try:
        assert rows(f"{url}/a.jsonl", "a") == [("a",)]
        assert rows(f"{url}/a b/[d] é.jsonl", "a") == [("d",)]
        assert rows(f"{url}/*.jsonl", "a") == [("a",), ("b",), ("c",)]
        assert rows(f"{url}/**/*.jsonl", "a") == [("d",), ("a",), ("b",), ("c",)]
        assert rows(f"{url}/*/*.jsonl", "a") == [("d",)]
        source = read(f"{url}/[bc].jsonl", "a")
        assert [part.name[-7:] for part in source.parts()] == ["b.jsonl", "c.jsonl"]
        assert all(part.name.startswith(url.partition("//")[0]) for part in source.parts())
        assert [part.size for part in source.parts()] == [11, 11]
        with pytest.raises(DataError, match=r"nothing.jsonl: no such file"):
            read(f"{url}/nothing.jsonl", "a")
        with pytest.raises(DataError, match=r"\*.nothing: no file matches"):
            read(f"{url}/*.nothing", "a")
        with pytest.raises(DataError, match="no file matches"):
            read(f"{url}/nowhere/*.jsonl", "a")
        with pytest.raises(DataError, match="a b: is a directory; name its files, as in"):
            read(f"{url}/a b", "a")
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("url", ["file://{}/t.parquet", "memory://t.parquet"])
def test_parquet_and_gzip_behind_a_url(tmp_path, url):
    table = pa.table({"a": ["x", "y", "z"]})
    url = url.format(tmp_path)
    with fsspec.open(url, "wb") as file:
        pq.write_table(table, file, row_group_size=2)
    with fsspec.open(url + ".csv.gz", "wb", compression="gzip") as file:
        file.write(b"a\nx\ny\n")
    source = pickle.loads(pickle.dumps(read(url, "a")))
    assert [part.rows for part in source.parts()] == [2, 1]
    assert rows(url, "a") == [("x",), ("y",), ("z",)]
    assert rows(url + ".csv.gz", "a") == [("x",), ("y",)]
    fsspec.filesystem("memory").store.clear()


def test_a_query_is_no_part_of_the_name():
    file = File("u", "https://host/a.JSONL.gz?token=a.b", None)
    assert (file.extension, file.codec) == (".jsonl", "gzip")
    assert File("u", "/tmp/x?.csv", None).extension == ".csv"
    assert File("u", "/tmp/x.gz/text", None).extension == ""


def test_a_percent_escape_in_a_url(folder):
    (folder / "a b.jsonl").write_bytes(LINE % b"space")
    assert rows(f"file://{folder}/a%20b.jsonl", "a") == [("space",)]


def test_urls_that_need_no_fsspec(folder, monkeypatch):
    monkeypatch.setattr("assay.readers.files.require", None)
    (folder / "[a] b.jsonl").write_bytes(LINE % b"odd")
    assert rows(f"file://{folder}/[a] b.jsonl", "a") == [("odd",)]


def test_urls_nobody_can_open(monkeypatch):
    with pytest.raises(DataError, match=r"foo://x/y.jsonl: cannot be opened: Protocol not known"):
        read("foo://x/y.jsonl", "a")

    def missing(name):
        raise MissingDependency(f"{name} is not installed; install it with: pip install it")

    monkeypatch.setattr("assay.readers.files.require", missing)
    with pytest.raises(MissingDependency, match="fsspec is not installed; install it with"):
        read("memory://x/y.jsonl", "a")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.jsonl", "none.jsonl: no such file"),
        ("none/none.jsonl", "none.jsonl: no such file"),
        ("a.jsonl/x.jsonl", "x.jsonl: no such file"),
        ("none*.jsonl", r"none\*.jsonl: no file matches; check the folder and the pattern"),
        ("", r"is a directory; name its files, as in \S+/\*.parquet"),
        ("a\0b.jsonl", "a path cannot hold a null byte"),
        ("x" * 300 + ".jsonl", "x.jsonl: cannot be read .*too long"),
    ],
)
def test_no_such_thing(folder, path, message):
    with pytest.raises(DataError, match=message):
        read(f"{folder}/{path}", "a")


def test_permission_denied(folder, monkeypatch):
    path = folder / "a.jsonl"
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything

        def refuse(*args, **options):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("assay.readers.files.os.stat", refuse)
    with pytest.raises(DataError, match=r"a.jsonl: permission denied; make it readable for you"):
        rows(path, "a")
    monkeypatch.undo()
    path.chmod(0o600)


def test_the_file_goes_away_after_it_was_found(folder):
    source = read(folder / "a.jsonl", "a")
    (folder / "a.jsonl").unlink()
    with pytest.raises(DataError, match=r"a.jsonl: no such file"):
        list(source)


def test_the_format(folder):
    (folder / "text").write_bytes(LINE % b"x")
    (folder / "x.doc").write_bytes(LINE % b"x")
    assert rows(folder / "x.doc", "a", format="jsonl") == [("x",)]
    with pytest.raises(DataError, match=r"text: cannot tell the format without an extension; give"):
        read(folder / "text", "a")
    names = "jsonl, csv, tsv, tsv-raw, parquet, arrow, lines, kaldi, trec-run, qrels, "
    names += "trn, stm, ctm, coco"
    with pytest.raises(DataError, match=rf"from '.doc'; give format= \(--format\), one of {names}"):
        read(folder / "x.doc", "a")
    with pytest.raises(InputError, match=r"got 'json'; did you mean jsonl\?"):
        read(folder / "x.doc", "a", format="json")
    with pytest.raises(DataError, match=r"standard input: cannot tell the format"):
        read("-", "a")
    assert ", ".join(FORMATS) == names


def test_formats_that_do_not_go_together(folder):
    (folder / "h.txt").write_text("x\n")
    with pytest.raises(InputError, match=r"jsonl and lines files do not go together; give key="):
        read([folder / "a.jsonl", folder / "h.txt"])
    with pytest.raises(InputError, match="no paths; name at least one file"):
        read([])


def test_shards_of_several_formats_are_one_table(folder):
    (folder / "d.csv").write_text("b,a\n1,d\n")
    pq.write_table(pa.table({"a": ["e", "f"]}), folder / "e.parquet", row_group_size=1)
    source = read([folder / "a.jsonl", folder / "d.csv", folder / "e.parquet"], "a")
    assert [part.index for part in source.parts()] == [0, 1, 2, 3]
    assert [row["a"] for batch in source for row in batch.to_pylist()] == ["a", "d", "e", "f"]


TABLE = pa.table({"a": ["x", "y"], "b": ["p", "q"], "n": [1, 2]})


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.to_batches()[0],
        TABLE.to_reader(),
        pd.DataFrame({"a": ["x", "y"], "b": ["p", "q"], "n": [1, 2]}, index=[7, 8]),
        pl.DataFrame({"a": ["x", "y"], "b": ["p", "q"], "n": [1, 2]}),
    ],
    ids=["table", "batch", "reader", "pandas", "polars"],
)
def test_tables_in_memory(table):
    assert rows(table, ["b", "a"], keep="n") == [("p", "x", 1), ("q", "y", 2)]


def test_what_is_wrong_with_a_table_in_memory():
    with pytest.raises(DataError, match=r"table: index 1: column 'a' is null, expected text"):
        rows(pd.DataFrame({"a": ["x", None]}), "a")
    with pytest.raises(DataError, match=r"table: index 70000: column 'a' is null"):
        rows(pa.table({"a": ["x"] * 70_000 + [None]}), "a")
    with pytest.raises(DataError, match=r"table: no column 'c'; there: 'a', 'b', 'n'"):
        rows(TABLE, "c")
    with pytest.raises(InputError, match="key and format belong to files, got a table"):
        read(TABLE, "a", key="b")
    reader = read(TABLE.to_reader(), "a")
    assert len(list(reader)) == 1
    with pytest.raises(InputError, match="a RecordBatchReader can only be read once"):
        list(reader)


def test_a_table_in_memory_comes_in_bounded_batches():
    source = read(pa.table({"a": ["x" * 1000] * 100_000}), "a")
    (part,) = source.parts()
    assert part.rows == 100_000
    batches = list(source.batches(part))
    assert max(batch.rows.nbytes for batch in batches) < 9 << 20
    assert [batch.first_row for batch in batches][:2] == [0, batches[0].rows.num_rows]


def test_a_source_is_a_source(folder):
    source: Source = read(folder / "a.jsonl", "a")
    for part in source.parts():
        assert sum(batch.rows.num_rows for batch in source.batches(part)) == 1


def test_what_messages_call_a_source(folder):
    a, b = folder / "a.jsonl", folder / "b.jsonl"
    (folder / "r.txt").write_text("x\n")
    assert str(read(a)) == str(a)
    assert str(read(folder / "*.jsonl")) == f"{a} and 2 more"
    assert str(read([a, b], key="id")) == f"{a} and {b}"
    assert str(read([folder / "r.txt"] * 2)) == f"{folder / 'r.txt'} and {folder / 'r.txt'}"
    assert str(read(TABLE)) == "table"


def test_a_reader_left_halfway_closes_its_file(folder):
    batches = iter(read(folder / "a.jsonl", "a"))
    next(batches)
    path, place = os.path.realpath(folder / "a.jsonl"), Path("/proc/self/fd")

    def is_open():
        return place.is_dir() and path in map(os.path.realpath, place.iterdir())

    assert is_open() is place.is_dir()
    batches.close()
    assert not is_open()


def test_a_long_text_file_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("assay.readers.blocks.BLOCK_BYTES", 1 << 18)
    path = tmp_path / "long.jsonl"
    path.write_bytes(LINE % b"word " * 400_000)
    allocated = pa.total_allocated_bytes()
    gc.collect()
    tracemalloc.start()
    peak = 0
    for _ in read(path, "a"):
        peak = max(peak, pa.total_allocated_bytes() - allocated)
    _, python_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size == 6_000_000
    assert peak + python_peak < 3_000_000


def test_a_file_name_that_is_not_utf8_is_refused_by_name(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.jsonl")
    with open(path, "wb") as file:
        file.write(b'{"reference": "a", "hypothesis": "a"}\n')
    with pytest.raises(DataError, match=r"caf\\udce9\.jsonl: the file's name is not UTF-8"):
        list(read(os.fsdecode(path)))
