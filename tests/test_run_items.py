"""The per-item file: whole or not there, in the order of the input, one type a column."""

import itertools
import os
import stat
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.core.errors import DataError
from assay.run.items import ItemFile

COLUMNS = {"speaker": pa.array(["a", "b"]), "wer": np.array([0.5, np.nan])}


def write(path, *batches):
    with ItemFile.maybe(str(path)) as items:
        for columns in batches:
            items.write(columns, np.arange(2), 2)


def test_no_path_means_no_file():
    with ItemFile.maybe(None) as items:
        assert items is None


def test_rows_are_numbered_through_all_batches(tmp_path):
    path = tmp_path / "items.parquet"
    write(path, COLUMNS, COLUMNS)
    table = pq.read_table(path)
    assert table.schema.names == ["row", "speaker", "wer"]
    assert table.schema.field("row").type == pa.int64()
    assert table.schema.metadata == {b"assay.items": b"1"}
    assert table["row"].to_pylist() == [0, 1, 2, 3]
    assert table["speaker"].to_pylist() == ["a", "b", "a", "b"]
    assert os.listdir(tmp_path) == ["items.parquet"]


def test_rows_left_out_keep_their_number(tmp_path):
    path = tmp_path / "items.parquet"
    with ItemFile.maybe(str(path)) as items:
        items.write({"x": [10, 12]}, np.array([0, 2]), 5)
        items.write({"x": []}, np.array([], np.int64), 3)
        items.write({"x": [19]}, np.array([1]), 2)
    assert pq.read_table(path).to_pydict() == {"row": [0, 2, 9], "x": [10, 12, 19]}


def test_the_file_may_be_read_by_others(tmp_path):
    previous = os.umask(0o027)
    try:
        write(tmp_path / "items.parquet", COLUMNS)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(tmp_path / "items.parquet").st_mode) == 0o640


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, DataError])
@pytest.mark.parametrize("before", [b"precious", None], ids=["over-a-file", "new"])
def test_a_failure_leaves_everything_as_it_was(tmp_path, kind, before):
    path = tmp_path / "items.parquet"
    if before:
        path.write_bytes(before)

    def use():
        with ItemFile.maybe(str(path)) as items:
            items.write(COLUMNS, np.arange(2), 2)
            assert len(os.listdir(tmp_path)) == 1 + bool(before)
            raise kind("stop")

    with pytest.raises(kind, match="stop"):
        use()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before] * bool(before)


def test_success_replaces_what_was_there(tmp_path):
    path = tmp_path / "items.parquet"
    path.write_bytes(b"old")
    write(path, COLUMNS)
    assert pq.read_metadata(path).num_rows == 2


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "runs").mkdir()
    target, link = tmp_path / "runs" / "3.parquet", tmp_path / "latest.parquet"
    link.symlink_to(target)
    write(link, COLUMNS)
    assert link.is_symlink()
    assert pq.read_metadata(target).num_rows == 2
    assert os.listdir(tmp_path / "runs") == ["3.parquet"]


def test_a_name_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("items.parquet", COLUMNS)
    assert os.listdir() == ["items.parquet"]


# -- what is refused -------------------------------------------------------------------------------


def refusal(path):
    with pytest.raises(DataError) as caught:
        write(path, COLUMNS)
    return str(caught.value)


def test_places_that_are_no_file_to_write_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    os.mkfifo("pipe")
    assert refusal("folder") == "'folder' is no file to write to; name one, as in items.parquet"
    assert refusal("") == "'' is no file to write to; name one, as in items.parquet"
    assert refusal("pipe") == "pipe: is no regular file; name one, as in items.parquet"
    assert refusal("no/where.parquet") == ("no/where.parquet: there is no folder no; make it first")
    assert refusal("x" * 300).endswith("cannot be written: File name too long")
    assert sorted(os.listdir()) == ["folder", "pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no devices here")
def test_a_device_is_not_replaced():
    assert refusal("/dev/null") == "/dev/null: is no regular file; name one, as in items.parquet"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o555)
    assert refusal(tmp_path / "items.parquet").endswith("cannot be written: Permission denied")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits here")
@pytest.mark.parametrize("limit", [2, 3000, 900_000], ids=lambda n: f"{n}-bytes")
def test_a_full_disk(tmp_path, monkeypatch, limit):
    """A limit on the size of files stands for it: the same error at the same calls."""
    import resource

    path = tmp_path / "items.parquet"
    path.write_bytes(b"precious")
    columns = {"x": np.random.default_rng(0).random(50_000)}

    def use():
        with ItemFile.maybe(str(path)) as items:
            for _ in range(3):
                items.write(columns, np.arange(50_000), 50_000)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(DataError) as caught:
            use()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value).startswith(f"{path}: cannot be written: ")
    assert "File too large" in str(caught.value)
    assert os.listdir(tmp_path) == ["items.parquet"]
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (pa.array([1, 2]), pa.array(["x", "y"])),
        (pa.array([1, 2]), pa.array([1.5, 2.0])),
        (pa.array([1, 2], pa.int32()), pa.array([1 << 40, 2])),
    ],
    ids=["text", "fractions", "large"],
)
def test_a_column_of_several_types(tmp_path, first, then):
    with pytest.raises(DataError) as caught:
        write(tmp_path / "items.parquet", {"id": first}, {"id": then})
    assert str(caught.value) == (
        f"{tmp_path}/items.parquet: column 'id' holds {first.type} up to row 2 of the input, "
        f"then {then.type}; write one type throughout"
    )
    assert not os.listdir(tmp_path)


def test_types_that_fit_are_made_one(tmp_path):
    texts = pa.array(["a", "b"])
    kinds = [texts, texts.cast(pa.large_string()), texts.dictionary_encode()]
    for batches in itertools.permutations(kinds):
        write(tmp_path / "items.parquet", *({"id": column} for column in batches))
        assert pq.read_table(tmp_path / "items.parquet")["id"].to_pylist() == ["a", "b"] * 3
