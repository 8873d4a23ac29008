"""The file of a journal as its one writer has it: locked, whole lines only, never waiting.

A line is handed to the kernel before `append` returns, so nothing that was logged is lost when the
process is killed. `sync` puts it on the disk; a machine that loses power loses what was written
since. Where the disk is full or gone, lines wait in memory, in order, and are tried again.
"""

import json
import logging
import os
import time
from contextlib import suppress
from threading import RLock
from typing import Any

from assay.core.errors import DataError, InputError
from assay.core.journal_lines import JOURNAL, LINE_LIMIT

__all__ = ["JournalFile", "Lock", "encoded", "log"]

log = logging.getLogger("assay")

RETRY_S = 1.0  # between attempts to write to a disk that is full
WAITING_BYTES = 1 << 26  # of lines that wait for it
ATTEMPTS = 25  # to take a lock: who only looks whether it is held lets go at once
ATTEMPT_S = 0.02  # between them

_held: dict[str, int] = {}  # by this process: the open file of each path


class Lock:
    """A lock on a file, which the system lets go when the process ends, however it does.

    Where a file system has no locks, who wrote its number into the file is taken to hold it as
    long as a process of that number lives.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self._handle: int | None = None

    def take(self, attempts: int = ATTEMPTS) -> bool:
        """Take it; False where another holds it at each of so many attempts, which a machine that
        stands still does not use up."""
        if self.path in _held:
            return False
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        while not _locked(handle):
            attempts -= 1
            if attempts <= 0:
                os.close(handle)
                return False
            time.sleep(ATTEMPT_S)
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        except OSError:
            os.close(handle)
            raise
        self._handle = _held[self.path] = handle
        return True

    def release(self) -> None:
        """Let it go; nothing where it is not held."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None
            _held.pop(self.path, None)

    def is_free(self) -> bool:
        """Does nobody hold it?"""
        if self.path in _held:
            return False
        try:
            handle = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            return _locked(handle)
        finally:
            os.close(handle)

    def holder(self) -> str:
        """Who holds it, in words."""
        with suppress(OSError), open(self.path) as file:
            return f"process {file.read(20).strip() or 'unknown'}"
        return "another process"


def _locked(handle: int) -> bool:
    """Lock an open file, if nobody has."""
    try:
        import fcntl

        # Not lockf: its locks are gone as soon as anything in this process has read the file.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except (ImportError, OSError):  # Windows; Lustre and NFS where locks are off
        return not _lives(os.pread(handle, 20, 0))
    return True


def _let_go() -> None:
    """In a fork, as a worker of a data loader: it shares the lock, and would hold it on."""
    for handle in _held.values():
        with suppress(OSError):
            os.close(handle)
    _held.clear()  # the numbers may be those of other files when it forks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _lives(number: bytes) -> bool:
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        pass
    return True


def encoded(line: dict[str, Any]) -> bytes:
    """A line of the journal as bytes."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


class JournalFile:
    """Appends lines to the journal of a directory. strict: errors of the disk are raised."""

    def __init__(self, directory: str, strict: bool = False) -> None:
        self.path, self.strict = os.path.join(directory, JOURNAL), strict
        self.lost = 0  # lines for which there was no room left, nor memory
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._retry_at = 0.0
        self._unsynced = False
        self._deleted = ""  # what became of a file that was
        self._lock = RLock()
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._end = self._whole_lines()
            os.ftruncate(self._handle, self._end)
        except OSError as error:
            raise self._refused(error) from error

    def append(self, line: bytes) -> None:
        """Add a whole line."""
        if len(line) > LINE_LIMIT:
            raise InputError(
                f"{self.path}: a line holds at most {LINE_LIMIT:,} bytes, got {len(line):,}; "
                "log less at once, or write it to a file and log that as an artifact"
            )
        with self._lock:
            if self._waiting:
                self._wait(line)
                if time.monotonic() >= self._retry_at:
                    self.retry()
            elif not self._write(line):
                self._wait(line)

    def retry(self) -> None:
        """Write what waits, as far as there is room."""
        with self._lock:
            done = 0
            for line in self._waiting:
                if not self._write(line):
                    break
                done += 1
                self._waiting_bytes -= len(line)
            del self._waiting[:done]

    @property
    def waiting(self) -> int:
        """Lines that are in memory alone."""
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._end

    def losses(self) -> list[str]:
        """What is told at the end: lines for which there was no room, a file that was deleted."""
        told = []
        if self.lost:
            told.append(f"{self.path}: {self.lost:,} lines are lost: the disk had no room")
        if self._deleted:
            told.append(f"{self.path}: it was deleted during the run, and {self._deleted}")
        return told

    def sync(self) -> None:
        """Put on the disk what was written, if anything was; again, if the file was deleted."""
        if os.fstat(self._handle).st_nlink == 0:
            self._write_again()
        if self._unsynced:
            self._unsynced = False
            with suppress(OSError):  # the next write says so
                os.fsync(self._handle)

    def close(self) -> None:
        self.retry()
        self.sync()
        if self._waiting:
            self.lost += len(self._waiting)
        os.close(self._handle)

    def _write_again(self) -> None:
        """Give the open file, which has no name any more, its own again."""
        try:
            with self._lock:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
                handle, at = os.open(self.path, flags, 0o666), 0
                while part := os.pread(self._handle, 1 << 20, at):
                    at += os.write(handle, part)
                os.dup2(handle, self._handle)
                os.close(handle)
            self._deleted, self._unsynced = "was written again", True
        except OSError as error:
            self._deleted = f"cannot be written again: {error.strerror}"

    def _write(self, line: bytes) -> bool:
        try:
            written = os.write(self._handle, line)
            while written < len(line):  # a disk that is just full takes a part
                written += os.write(self._handle, line[written:])
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._handle, self._end)
            self._retry_at = time.monotonic() + RETRY_S
            if self.strict:
                raise self._refused(error) from error
            if not self._waiting:
                log.warning("%s; what is logged waits in memory", self._refused(error))
            return False
        self._end += len(line)
        self._unsynced = True
        return True

    def _wait(self, line: bytes) -> None:
        if self._waiting_bytes + len(line) > WAITING_BYTES:
            if not self.lost:
                log.warning("%s: no memory left for what is logged: it is lost", self.path)
            self.lost += 1
            return
        self._waiting.append(line)
        self._waiting_bytes += len(line)

    def _whole_lines(self) -> int:
        """Where the last whole line ends: a crash may have cut the one behind it."""
        end = os.fstat(self._handle).st_size
        while end:
            start = max(0, end - (1 << 16))
            found = os.pread(self._handle, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0

    def _refused(self, error: OSError) -> DataError:
        return DataError(f"{self.path}: cannot be written: {error.strerror or error}")
