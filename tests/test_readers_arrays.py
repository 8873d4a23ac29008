"""Vectors in .npy and .npz files: what is read, what is refused and how."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from assay.core.errors import DataError
from assay.readers.arrays import named_part, read_vectors


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_a_npy_is_mapped():
    np.save("a.npy", ROWS)
    found = read_vectors("a.npy")
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, ROWS)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i1", "u1", "i8", "?", ">f4", ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_types_and_orders(kind, order):
    rows = np.asarray(ROWS.astype(kind), order=order)
    np.save("a.npy", rows)
    np.savez_compressed("a.npz", rows)
    for name in ("a.npy", "a.npz"):
        found = read_vectors(name)
        assert found.dtype == np.dtype(kind).newbyteorder("=")
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, rows)


def test_a_npz_of_several_arrays():
    np.savez("a.npz", text=ROWS, speech=ROWS + 1)
    np.testing.assert_array_equal(read_vectors("a.npz:speech"), ROWS + 1)
    np.savez("one.npz", text=ROWS)
    np.testing.assert_array_equal(read_vectors("one.npz"), ROWS)
    np.testing.assert_array_equal(read_vectors("one.npz:text"), ROWS)


def test_the_content_says_what_a_file_is():
    with open("vectors", "wb") as out:
        np.save(out, ROWS)
    with open("more.npy", "wb") as out:
        np.savez(out, ROWS)
    for name in ("vectors", "more.npy"):
        np.testing.assert_array_equal(read_vectors(name), ROWS)


def test_a_name_with_a_colon():
    np.save("a:b.npy", ROWS)
    assert named_part("a:b.npy") == ("a:b.npy", None)
    np.testing.assert_array_equal(read_vectors("a:b.npy"), ROWS)
    assert named_part("c:b.npz:x") == ("c:b.npz", "x")
    assert named_part("s3://bucket/a.npz") == ("s3://bucket/a.npz", None)


def refusal(name):
    with pytest.raises(DataError) as caught:
        read_vectors(name)
    return str(caught.value)


def test_objects_are_never_unpickled():
    rows = np.array([[1, 2], [3]], object)
    np.save("a.npy", rows, allow_pickle=True)
    np.savez("a.npz", x=rows)
    message = "holds Python objects, which are not read; save rows of one width as np.asarray("
    assert refusal("a.npy").startswith(f"a.npy: {message}")
    assert refusal("a.npz").startswith(f"a.npz:x: {message}")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "expected shape [rows, width], got (5,)"),
        (np.zeros((2, 3, 4)), "expected shape [rows, width], got (2, 3, 4)"),
        (np.float32(1), "expected shape [rows, width], got ()"),
        (np.zeros((0, 4)), "holds no vectors, its shape is (0, 4); was it written?"),
        (np.zeros((4, 0)), "holds no vectors, its shape is (4, 0); was it written?"),
        (np.zeros((2, 2), "c8"), "holds complex64, expected numbers; save it as float32"),
        (np.array([["a"]]), "holds <U1, expected numbers; save it as float32"),
        (np.zeros((2, 2), "M8[s]"), "holds datetime64[s], expected numbers; save it as float32"),
    ],
    ids=["1-d", "3-d", "0-d", "no-rows", "no-width", "complex", "text", "times"],
)
def test_what_is_no_table_of_numbers(array, message):
    np.save("a.npy", array)
    np.savez("a.npz", x=array)
    assert refusal("a.npy") == f"a.npy: {message}"
    assert refusal("a.npz") == f"a.npz: {message}"


@pytest.mark.parametrize("size", [7, 20, 127, 128, 140, -1])
def test_a_file_that_is_cut_short(size):
    np.save("a.npy", ROWS)
    data = Path("a.npy").read_bytes()
    Path("b.npy").write_bytes(data[:size])
    assert refusal("b.npy").startswith(
        "b.npy: the file is cut short or damaged; copy or make it again ("
    )


def test_a_damaged_npz():
    np.savez_compressed("a.npz", x=np.random.default_rng(0).random((50, 3)))
    data = Path("a.npz").read_bytes()
    cut = "the file is cut short or damaged; copy or make it again ("
    Path("b.npz").write_bytes(data[:-30])
    assert refusal("b.npz").startswith(f"b.npz: {cut}")
    Path("b.npz").write_bytes(data[:300] + b"\0\0\0\0" + data[304:])
    assert refusal("b.npz").startswith(f"b.npz:x: {cut}")


def test_a_missing_array_is_named():
    np.savez("a.npz", text=ROWS, speech=ROWS)
    there = "there: 'text', 'speech'; name one, as in a.npz:text"
    assert refusal("a.npz") == f"a.npz: holds several arrays; {there}"
    assert refusal("a.npz:audio") == f"a.npz: no array 'audio'; {there}"
    with zipfile.ZipFile("none.npz", "w"):
        pass
    assert refusal("none.npz:x") == "none.npz: no array 'x'; there: none; was it written?"
    np.save("a.npy", ROWS)
    assert refusal("a.npy:x") == "a.npy: a .npy has no array 'x'; leave :x away"


def test_places_that_are_no_array(folder):
    Path("empty.npy").touch()
    Path("text.npy").write_text("1 2 3\n")
    os.mkdir("d")
    os.mkfifo("pipe")
    np.save("a1.npy", ROWS)
    np.save("a2.npy", ROWS)
    assert refusal("empty.npy") == "empty.npy: the file is empty; was it written?"
    assert refusal("text.npy") == (
        "text.npy: not NumPy data, nor Parquet or Arrow; write it with np.save or np.savez"
    )
    assert refusal("nope.npy") == "nope.npy: no such file; check the path"
    assert refusal("d").startswith("d: is a directory")
    assert refusal("pipe").startswith("pipe: arrays are read in place, from local files")
    assert refusal("-").startswith("-: arrays are read in place, from local files")
    assert refusal("a*.npy") == "a*.npy: 2 files match, expected one"
    np.testing.assert_array_equal(read_vectors((folder / "a1.npy").as_uri()), ROWS)


LISTS = [ROWS[0].tolist(), ROWS[1].tolist(), ROWS[2].tolist(), ROWS[3].tolist()]


def test_a_stream_of_arrow_batches():
    table = pa.table({"embedding": LISTS})
    with pa.OSFile("a.arrow", "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    np.testing.assert_array_equal(read_vectors("a.arrow"), ROWS)


def write_table(column, name="embedding", **others):
    table = pa.table({name: column, **others})
    pq.write_table(table, "a.parquet", row_group_size=3)
    with pa.OSFile("a.arrow", "wb") as out, pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return "a.parquet", "a.arrow"


@pytest.mark.parametrize("value", [pa.float16(), pa.float32(), pa.float64(), pa.int8()])
@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda value: pa.list_(value, 3)])
def test_a_column_of_lists(kind, value):
    rows = ROWS.astype(value.to_pandas_dtype())
    column = pa.chunked_array([pa.array(list(rows), kind(value))])
    for name in write_table(column, id=list("abcd")):
        for part in ("", ":embedding"):
            found = read_vectors(name + part)
            assert found.dtype == rows.dtype
            np.testing.assert_array_equal(found, rows)
        np.testing.assert_array_equal(read_vectors(name), rows)
    sliced = pa.table({"embedding": column.slice(1, 2)})
    pq.write_table(sliced, "part.parquet")
    np.testing.assert_array_equal(read_vectors("part.parquet"), rows[1:3])


def test_an_arrow_column_of_one_piece_is_mapped():
    pa.feather.write_feather(pa.table({"v": LISTS}), "a.feather", compression="uncompressed")
    before = pa.total_allocated_bytes()
    found = read_vectors("a.feather")
    assert pa.total_allocated_bytes() == before
    np.testing.assert_array_equal(found, ROWS)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0]], ":x: row 4 has 1 numbers, the first has 2"),
        ([[1.0], None], ":x: row 2 is null; every row must be one list of numbers, all as long"),
        ([[1.0, 2.0], [3.0, None]], ":x: row 2 holds a null"),
        ([["a"]], ":x: lists hold string, expected numbers"),
        ([1.0], ": holds no column of lists; there: 'x', 'id'; vectors are a list in "),
        (pa.array([], pa.list_(pa.float32())), ": holds no vectors, its shape is (0, 0)"),
    ],
)
def test_columns_that_are_no_vectors(column, message):
    for name in write_table(column, "x", id=list("abcd")[: len(column)]):
        assert refusal(name).startswith(name + message)


def test_a_missing_column_is_named():
    for name in write_table(LISTS, more=LISTS, id=list("abcd")):
        assert refusal(name) == (
            f"{name}: holds several columns of lists; there: 'embedding', 'more'; name one, as in "
            f"{name}:embedding"
        )
        assert refusal(f"{name}:x") == f"{name}: no column 'x'; there: 'embedding', 'more', 'id'"
        assert refusal(f"{name}:id") == (
            f"{name}:id: holds string, expected a list of numbers in each row"
        )


def test_a_parquet_or_arrow_file_that_is_cut_short():
    for name in write_table(LISTS):
        data = Path(name).read_bytes()
        Path(name).write_bytes(data[:-20])
        assert refusal(name).startswith(f"{name}: ")
