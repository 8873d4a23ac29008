"""Locks where things go wrong around them."""

import os
import resource
import subprocess
import sys

import pytest

from assay.run import journal_file
from assay.run.journal_file import JournalFile, Lock
from waiting_kit import wait_until

LOOKS = """
import sys, time
from assay.run import journal_file
locked = journal_file._locked
journal_file._locked = lambda own: (locked(own), time.sleep(0.001))[0]  # or it is hardly ever met
look = journal_file.Lock(sys.argv[1]).is_free
print(look(), flush=True)
while True:
    time.sleep(0.02)
    look()
"""


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


def test_who_only_looks_does_not_keep_a_run_out(tmp_path, monkeypatch):
    lock, locked, met = Lock(str(tmp_path / "lock")), journal_file._locked, []
    monkeypatch.setattr(journal_file, "_locked", lambda own: locked(own) or met.append(own))

    def taken():
        for _ in range(50):
            assert lock.take()
            lock.release()
        return met  # it was looked at, at such a moment

    command = [sys.executable, "-c", LOOKS, lock.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"True\n"
            wait_until(taken)
        finally:
            process.kill()


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
