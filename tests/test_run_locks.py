"""Locks where things go wrong around them."""

import os
import resource
import subprocess
import sys

import pytest

from assay.run.journal_file import JournalFile, Lock


def test_a_lock_that_cannot_be_written_is_not_held(tmp_path):
    lock = Lock(str(tmp_path / "lock"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            lock.take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lock.is_free()
    assert lock.take()
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_of_a_fork_keeps_its_own_files():
    """The number of the lock's file, closed in the first, may be that of another in the second."""
    code = """
import os, sys, tempfile
from assay.run.journal_file import Lock
lock = Lock(tempfile.mktemp())
lock.take()
if os.fork() == 0:
    own = os.dup(0)
    if os.fork() == 0:
        try:
            os.fstat(own)
        except OSError:
            os._exit(1)
        os._exit(0)
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_disk_that_takes_a_line_in_small_parts(tmp_path, monkeypatch):
    journal = JournalFile(str(tmp_path))
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    journal.append(b"0123456789\n")
    monkeypatch.undo()
    journal.append(b"next\n")
    journal.close()
    assert (tmp_path / "journal.jsonl").read_bytes() == b"0123456789\nnext\n"
