"""JSON Lines: what is read, what is refused, and where the message points."""

import bz2
import gzip
import io
import json
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay.readers.blocks
from assay.core.errors import DataError
from assay.readers import read
from readers_kit import rows

ODD = [*'\u2028\x0b\x0c\x1c\x85\r\n\x00\t"\\\ufeff']
TEXT = st.lists(
    st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=5
).map("".join)


@pytest.fixture
def write(tmp_path):
    def write(data, name="data.jsonl"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


@pytest.fixture(params=[16, 8 << 20], ids=["tiny-blocks", "blocks"])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", request.param)


@pytest.mark.parametrize("block", [1, 24, 8 << 20])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT)), st.booleans(), st.sampled_from(["\n", "\r\n", "\n \n\n"]))
def test_round_trip(tmp_path_factory, block, pairs, ascii, end):
    path = tmp_path_factory.mktemp("jsonl") / "data.jsonl"
    lines = [json.dumps({"n": 1, "b": b, "a": a}, ensure_ascii=ascii) for a, b in pairs]
    path.write_text("".join(line + end for line in lines) or "\n", "utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assay.readers.blocks, "BLOCK_BYTES", block)
        assert rows(path, ["a", "b"]) == pairs


def test_columns_come_in_the_order_asked_and_may_repeat(write):
    path = write('{"a": "x", "b": "y", "n": 1}\n')
    assert rows(path, ["b", "a", "b"], keep="n") == [("y", "x", "y", 1)]
    batch = next(iter(read(path, ["b", "a"], keep=["n"])))
    assert batch.schema.names == ["b", "a", "n"]
    assert batch.schema.types == [pa.string(), pa.string(), pa.int64()]


def test_fields_that_are_not_asked_for_do_not_matter(write, block_bytes):
    lines = [
        '{"a": "x", "j": 1}',
        '{"j": {"a": [{"a": 1}]}, "a": "y"}',
        '{"a": "z", "j": [1, "q"]}',
    ]
    assert rows(write("\n".join(lines)), "a") == [("x",), ("y",), ("z",)]


def test_a_deeply_nested_field_does_not_matter(write):
    deep = "[" * 100_000 + "]" * 100_000
    assert rows(write(f'{{"a": "x", "j": {deep}}}\n'), "a") == [("x",)]


def test_a_line_far_longer_than_a_block(write, monkeypatch):
    fetch, sizes = assay.readers.blocks._read, []

    def counting(stream, rest, size):
        sizes.append(size)
        return fetch(stream, rest, size)

    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(assay.readers.blocks, "_read", counting)
    long = "word " * 4_000_000  # 20 MB
    data = "".join(json.dumps({"a": text}) + "\n" for text in ("x", long, "y"))
    assert rows(write(data), "a") == [("x",), (long,), ("y",)]
    assert len(sizes) < 20  # it grows by doubling


def test_a_record_without_an_end_is_refused(write, monkeypatch):
    monkeypatch.setattr(assay.readers.blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(assay.readers.blocks, "RECORD_BYTES", 1 << 20)
    with pytest.raises(DataError, match="line 2: no record ends within 1 MiB"):
        rows(write('{"a": "x"}\n{"a": "' + "x" * (5 << 20)), "a")


def test_blank_lines_are_no_records_and_still_count_as_lines(write, block_bytes):
    data = '\n{"a": "x"}\n\n   \n\r\n{"a": "y"}\n\n'
    assert rows(write(data), "a") == [("x",), ("y",)]
    with pytest.raises(DataError, match="line 8: field 'a' is null"):
        rows(write(data + '{"a": null}'), "a")
    assert rows(write("\n\n"), "a") == []


def test_a_byte_order_mark_is_left_out(write, block_bytes):
    assert rows(write('\ufeff{"a": "x"}\n'), "a") == [("x",)]


def test_no_final_newline(write, block_bytes):
    assert rows(write('{"a": "x"}\n{"a": "y"}'), "a") == [("x",), ("y",)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": null}', r"field 'a' is null, expected a string; write \"\" where nothing was said"),
        ('{"b": "x"}', r"no column 'a'; there: 'b'; name one of these"),
        ('{"aa": "x"}', r"no column 'a'; there: 'aa'; did you mean 'aa'\?"),
        ("{}", r"no column 'a'; there: none"),
        ('{"a": 1.5}', r"field 'a' is a number \(1.5\), expected a string; put it in quotes"),
        ('{"a": true}', r"field 'a' is a boolean \(true\), expected a string"),
        ('{"a": ["x"]}', r"field 'a' is an array \(\[\"x\"\]\), expected a string"),
        ('{"a": {"b": 1}}', r"field 'a' is an object \({\"b\": 1}\), expected a string"),
        ('["x"]', r"found an array, expected an object; .*jq -c '.\[\]'"),
        ("null", "found null, expected an object"),
        ('"x"', "found a string, expected an object"),
        ('{"a": "x"', "not one JSON object on one line"),
        ('{"a": "x",}', "not one JSON object on one line"),
        ('{"a": "x"} {"a": "y"}', "not one JSON object on one line"),
        ('{\n"a": "x"\n}', "not one JSON object on one line"),
        ('{"a": "x", "a": "y"}', r".*Column\(/a\) was specified twice; name each field once"),
        (r'{"a": "\ud800"}', ".*surrogate pair in string is invalid; half a character is"),
        (b'{"a": "x\xff"}', r"column 'a' is not UTF-8: byte 0xff at offset 1 of the value"),
        (b'{"b": "\xff", "a": 1}', "not UTF-8: byte 0xff at offset 7 of the line"),
    ],
)
def test_what_is_wrong_with_a_line(write, block_bytes, line, message):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(b'{"a": "x"}\n' * 7 + line + b"\n" + b'{"a": "y"}\n' * 5)
    with pytest.raises(DataError, match=rf"data.jsonl: line 8: {message}"):
        rows(path, "a")


def test_the_kept_columns_have_the_type_of_the_first_records(write):
    lines = [
        {"a": "x", "i": 1, "f": 1, "s": "u", "b": True, "l": ["p"]},
        {"a": "y", "i": None, "f": 2.5},
    ]
    path = write("".join(json.dumps(line) + "\n" for line in lines))
    batch = next(iter(read(path, "a", keep=["i", "f", "s", "b", "l"])))
    assert batch.schema.types[1:] == [
        pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.list_(pa.string()),
    ]  # fmt: skip
    assert batch.to_pylist()[1] == {"a": "y", "i": None, "f": 2.5, "s": None, "b": None, "l": None}


def test_a_list_that_begins_with_null_is_right_or_refused(write):
    """pyarrow makes arrays of it whose offsets point outside."""
    path = write('{"a": "x", "l": [null, 1]}\n')
    try:
        assert rows(path, "a", keep="l") == [("x", [None, 1])]
    except DataError as error:
        assert "line 1: column 'l' cannot be used" in str(error)  # noqa: PT017


def test_a_kept_column_that_is_not_there_or_changes_its_type(write, monkeypatch):
    path = write('{"a": "x", "n": 1}\n{"a": "x", "n": 0.5}\n')
    with pytest.raises(DataError, match=r"line 1: no column 'm'; there: 'a', 'n'"):
        rows(path, "a", keep="m")
    assert rows(path, "a", keep="n") == [("x", 1.0), ("x", 0.5)]
    monkeypatch.setattr("assay.readers.jsonl.SAMPLE", 1)
    with pytest.raises(
        DataError, match=r"line 2: .*'n' as int64 was expected: write one type throughout"
    ):
        rows(path, "a", keep="n")
    half = write('{"a": "x", "n": "\\ud800"}\n')
    with pytest.raises(DataError, match=r"line 1: .*surrogate pair in string is invalid; half"):
        rows(half, "a", keep="n")
    monkeypatch.undo()
    mixed = write('{"a": "x", "n": 1}\n{"a": "x", "n": "1"}\n')
    with pytest.raises(DataError, match="field 'n' holds values of several types"):
        rows(mixed, "a", keep="n")


def test_a_kept_column_may_begin_with_nulls(write):
    nulls = '{"a": "x", "n": null}\n' * 1500
    assert rows(write(nulls + '{"a": "x", "n": 5}\n'), "a", keep="n")[-1] == ("x", 5)
    assert rows(write(nulls), "a", keep="n")[-1] == ("x", None)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.ndjson.zst", "a.json.bz2", "a.JSONL.GZ"])
def test_compressed(write, name):
    data = b'{"a": "x"}\n' * 1000
    assert rows(write(compress(data, name), name), "a") == [("x",)] * 1000
    # what gzip and zstd themselves take for one file
    assert rows(write(compress(data, name) * 2, name), "a") == [("x",)] * 2000


def compress(data, name):
    if name.lower().endswith(".gz"):
        return gzip.compress(data)
    if name.endswith(".bz2"):
        return bz2.compress(data)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("cut", [0.01, 0.5, 0.999])
def test_truncated(write, name, cut):
    lines = "".join(json.dumps({"a": str(i**9)}) + "\n" for i in range(5000))
    data = compress(lines.encode(), name)
    with pytest.raises(DataError, match=rf"{name}: the file is cut short; copy or make it again"):
        rows(write(data[: int(len(data) * cut)], name), "a")


@pytest.mark.parametrize(("name", "kind"), [("a.jsonl.gz", "gzip"), ("a.jsonl.zst", "zstd")])
def test_not_compressed_after_all(write, name, kind):
    with pytest.raises(DataError, match=f"{name}: not whole {kind} data; rename the file"):
        rows(write('{"a": "x"}\n', name), "a")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.txt", "a.parquet"])
def test_empty_file(write, name):
    paths = write("", name)
    with pytest.raises(DataError, match=rf"{name}: .*(empty|is 0 bytes)"):
        rows([paths] * 2 if name == "a.txt" else paths)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_named(write, encoding):
    data = ('\ufeff{"a": "x"}\n').encode(encoding)
    with pytest.raises(DataError, match="the file is UTF-16, expected UTF-8; convert it"):
        rows(write(data), "a")


def test_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(b'{"a": "x"}\n{"a": "y"}')

    monkeypatch.setattr(sys, "stdin", Stdin)
    source = read("-", "a", format="jsonl")
    assert [row["a"] for batch in source for row in batch.to_pylist()] == ["x", "y"]
    with pytest.raises(ValueError, match="standard input: a pipe can only be read once"):
        list(source)


def test_batches_are_bounded_and_know_where_they_stand(write):
    path = write('{"a": ""}\n' * 200_000)
    source = read(path, "a")
    (part,) = source.parts()
    assert (part.name, part.rows, part.size) == (str(path), None, 2_000_000)
    batches = list(source.batches(part))
    assert [batch.first_row for batch in batches] == [0, 65536, 131072, 196608]
    assert batches[-1].consumed == part.size
    assert sum(batch.rows.num_rows for batch in batches) == 200_000


def test_consumed_of_a_compressed_file_is_counted_in_the_file(write):
    lines = "".join(json.dumps({"a": str(i**9)}) + "\n" for i in range(300_000))
    source = read(write(gzip.compress(lines.encode(), 1), "a.jsonl.gz"), "a")
    (part,) = source.parts()
    consumed = [batch.consumed for batch in source.batches(part)]
    assert len(consumed) > 1
    assert consumed == sorted(consumed)
    assert consumed[-1] == part.size
