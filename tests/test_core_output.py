"""Files that are whole or not there: what a reader sees, what a failure or a crash leaves."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.core.errors import DataError
from assay.core.output import whole_file, write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="no open file is replaced here")


@posix
def test_who_has_the_old_file_open_reads_it_on(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")
    with open(path, "rb") as reader:
        write_whole(str(path), b"newer", "t.csv")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"newer"


def _in_a_block(path: str, data: bytes, example: str) -> None:
    with whole_file(path, example) as temporary:
        Path(temporary).write_bytes(data)


@pytest.mark.parametrize("write", [write_whole, _in_a_block])
def test_it_is_on_the_disk_before_it_has_its_name(
    write: Callable[[str, bytes, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "table", []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(("synced", os.fstat(handle).st_size))
        fsync(handle)

    def replaced(source: str, target: str) -> None:
        done.append(("named", os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write(str(path), b"12345", "t.csv")
    assert done == [("synced", 5), ("named", 5)]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table"
    path.write_bytes(b"old")

    def fail_halfway() -> None:
        with whole_file(str(path), "t.csv") as temporary:
            Path(temporary).write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert [one.name for one in tmp_path.iterdir()] == ["table"]
    assert path.read_bytes() == b"old"


def test_a_name_it_cannot_get_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(source: str, target: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(DataError, match="table: cannot be written: Permission denied"):
        write_whole(str(tmp_path / "table"), b"new", "t.csv")
    assert not list(tmp_path.iterdir())


@posix
def test_a_link_stays_one_and_rights_are_those_of_any_new_file(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    before = os.umask(0o027)
    try:
        write_whole(str(link), b"new", "t.csv")
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
