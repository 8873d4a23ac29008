"""Parquet: row groups as parts, bounded memory, no trust in what the file claims."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import DataError
from assay.readers import read
from readers_kit import rows

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@pytest.fixture
def write(tmp_path):
    def write(table, name="data.parquet", **options):
        table = pa.table(table) if isinstance(table, dict) else table
        pq.write_table(table, tmp_path / name, **options)
        return tmp_path / name

    return write


def damaged(values):
    """A string array of bytes that need not be UTF-8."""
    values = pa.array(values, pa.binary())
    return pa.StringArray.from_buffers(len(values), values.buffers()[1], values.buffers()[2])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(TEXT, TEXT)),
    st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]),
    st.integers(1, 7),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, pairs, kind, group, dictionary):
    path = tmp_path_factory.mktemp("parquet") / "data.parquet"
    a, b = ([pair[i] for pair in pairs] for i in (0, 1))
    table = pa.table({"a": pa.array(a, kind), "n": range(len(a)), "b": pa.array(b, kind)})
    pq.write_table(table, path, row_group_size=group, use_dictionary=dictionary)
    assert rows(path, ["b", "a"], keep="n") == [(b, a, n) for n, (a, b) in enumerate(pairs)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(), pa.large_string(), pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string()),
    ],
)  # fmt: skip
def test_text_comes_as_string_or_large_string(write, kind):
    table = pa.table({"a": pa.array(["x", "", "x"]).cast(kind)})
    try:
        sources = [table, write(table)]
    except pa.ArrowNotImplementedError:  # a string_view, before pyarrow 21
        sources = [table]
    for source in sources:
        (batch,) = read(source, "a")
        assert batch.schema.types[0] in (pa.string(), pa.large_string())
        assert batch["a"].to_pylist() == ["x", "", "x"]


def test_kept_columns_keep_their_type(write):
    kinds = {"i": pa.int32(), "f": pa.float32(), "t": pa.date32(), "l": pa.list_(pa.string())}
    columns = {name: pa.array([None], kind) for name, kind in kinds.items()}
    (batch,) = read(write({"a": ["x"], **columns, "b.c": ["z"]}), "a", keep=[*kinds, "b.c"])
    assert batch.schema.types[1:] == [*kinds.values(), pa.string()]
    assert batch["b.c"].to_pylist() == ["z"]


def test_each_row_group_is_a_part(write):
    path = write({"a": [str(i) for i in range(10)], "b": ["q" * 1000] * 10}, row_group_size=4)
    source = read(path, "a")
    parts = source.parts()
    assert [(part.index, part.rows) for part in parts] == [(0, 4), (1, 4), (2, 2)]
    assert parts[1].name == f"{path}, row group 1"
    assert all(0 < part.size < 200 for part in parts)  # the column asked for, not the other
    for part, want in reversed(list(zip(parts, ["0123", "4567", "89"], strict=True))):
        (batch,) = source.batches(part)
        assert "".join(batch.rows["a"].to_pylist()) == want
        assert (batch.first_row, batch.consumed) == (0, part.size)


def test_no_rows_and_no_row_groups(write, tmp_path):
    assert rows(write({"a": pa.array([], pa.string())}), "a") == []
    schema = pa.schema([("a", pa.string())])
    pq.ParquetWriter(tmp_path / "none.parquet", schema).close()
    assert read(tmp_path / "none.parquet", "a").parts() == []


def test_parts_are_read_by_several_threads_at_once(write):
    table = {"a": [f"{i} word" for i in range(40_000)], "n": range(40_000)}
    source = read(write(table, row_group_size=1000), "a", keep="n")
    start = threading.Barrier(8)

    def numbers(parts):
        start.wait()
        return [n for part in parts for b in source.batches(part) for n in b.rows["n"].to_pylist()]

    with ThreadPoolExecutor(8) as pool:
        shares = [source.parts()[i::8] for i in range(8)]
        found = [n for share in pool.map(numbers, shares) for n in share]
    assert sorted(found) == list(range(40_000))


@pytest.mark.parametrize("repeated", [False, True], ids=["distinct", "repeated"])
def test_batches_are_bounded_in_bytes(write, repeated):
    """A repeated value is stored once: the footer does not tell how large the rows come out."""
    values = [f"{0 if repeated else i:>50000}" for i in range(2000)]
    source = read(write({"a": values}, compression="zstd"), "a")
    (part,) = source.parts()
    batches = list(source.batches(part))
    assert max(batch.rows.nbytes for batch in batches) < 9 << 20
    assert [batch.first_row for batch in batches[:2]] == [0, batches[0].rows.num_rows]
    assert [batch.consumed for batch in batches] == sorted(batch.consumed for batch in batches)
    assert sum(batch.rows.num_rows for batch in batches) == 2000


PEAK = """
import sys
import pyarrow
from assay.readers import read
total = sum(batch.nbytes for batch in read(sys.argv[1], ["a", "b"]))
print(total, pyarrow.default_memory_pool().max_memory())
"""


@pytest.mark.parametrize("repeated", [False, True], ids=["distinct", "repeated"])
def test_a_row_group_is_not_held_in_memory(write, repeated):
    values = [f"{0 if repeated else i:>5000}" for i in range(20_000)]
    column = pa.array(values, pa.string())
    path = write({"a": column, "b": column}, compression="none")
    run = [sys.executable, "-c", PEAK, str(path)]
    total, peak = map(int, subprocess.check_output(run, text=True).split())
    assert total > 200e6
    assert peak < 70e6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array(["x", "y", None]), r"row 3: column 'a' is null, expected text; write '' where"),
        (pa.nulls(3), r"row 1: column 'a' is null, expected text"),
        (pa.array([1, 2, 3]), r"row 1: column 'a' holds int64, expected text; store it as strings"),
        (pa.array([b"x"] * 3), r"row 1: column 'a' holds binary, expected text"),
        (pa.array([["x"]] * 3), r"row 1: column 'a' holds list<\w+: string>, expected text"),
        (damaged([b"x", b"y", b"z\xff"]), r"row 3: column 'a' is not UTF-8: byte 0xff at offset 1"),
        (
            pa.DictionaryArray.from_arrays(pa.array([0, 0, 1]), damaged([b"x", b"\xc3("])),
            r"(row 3: column 'a' is not UTF-8: byte 0xc3|text that is not UTF-8; write the file)",
        ),
    ],
)
@pytest.mark.parametrize("group", [1, 2, 100])
def test_what_is_wrong_with_a_value(write, values, message, group):
    if group < 3:  # the row is counted over row groups
        values = pa.concat_arrays([values[:0], values])
    path = write({"a": values}, row_group_size=group)
    with pytest.raises(DataError, match=rf"data.parquet(, row group \d)?: {message}"):
        rows(path, "a")


def test_a_kept_column_that_is_not_utf8(write):
    path = write({"a": ["x", "y"], "k": damaged([b"x", b"\xff"])})
    with pytest.raises(DataError, match=r"row 2: column 'k' is not UTF-8: byte 0xff"):
        rows(path, "a", keep="k")


def test_missing_columns(write):
    path = write({"text": ["x"], "pred": ["y"]})
    with pytest.raises(DataError, match=r"no column 'txt'; there: 'text', 'pred'; did you"):
        read(path, ["txt", "pred"]).parts()
    twice = pa.Table.from_arrays([pa.array(["x"])] * 2, names=["a", "a"])
    with pytest.raises(DataError, match="2 columns are named 'a'; rename all but one"):
        read(write(twice), "a").parts()


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda data: data[:-1], "not whole Parquet|not a whole Parquet file"),
        (lambda data: data[: len(data) // 2], "not a whole Parquet file; copy or make it again"),
        (lambda data: data[-200:], "the file is cut short|cannot be read"),
        (lambda data: b"a,b\nx,y and more\n", "not a whole Parquet file"),
    ],
)
def test_damaged_files(write, cut, message):
    path = write({"a": ["x" * 10] * 1000})
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(DataError, match=rf"data.parquet: ({message})"):
        rows(path, "a")


def test_damaged_pages(write):
    path = write({"a": [f"{i}" for i in range(10_000)]}, compression="gzip", row_group_size=5000)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 200] = b"\xff" * 200
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"data.parquet, row group 1: "):
        rows(path, "a")
