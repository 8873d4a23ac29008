"""Files that are whole or not there: written beside their final name and moved there at the end.

A run that fails leaves no file, and one that was there before stays as it was.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from assay.core.errors import DataError

__all__ = ["whole_file", "write_whole", "writing"]


@contextmanager
def whole_file(path: str, example: str) -> Iterator[str]:
    """The name to write to, which becomes `path` if the block ends well; else it is removed. What
    was written is on the disk before it has that name. example: a good name, for messages."""
    target = os.path.realpath(path)  # a link stays one, as with any other way to write
    temporary = _beside(path, target, example)
    try:
        yield temporary
        with writing(path):
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes it private
            os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def write_whole(path: str, data: bytes | bytearray | memoryview, example: str) -> None:
    """Write a file that is whole or not there."""
    with whole_file(path, example) as temporary, writing(path), open(temporary, "wb") as file:
        file.write(data)


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Whatever goes wrong while `path` is written becomes a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise _refused(path, error) from error


def _beside(path: str, target: str, example: str) -> str:
    """A new empty file in the folder of the target, if that is a place to write a file to."""
    folder, name = os.path.split(target)
    if not path or os.path.isdir(target):
        raise DataError(f"{path!r} is no file to write to; name one, as in {example}")
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        raise DataError(f"{path}: is no regular file; name one, as in {example}")
    if "://" in path:
        raise DataError(f"{path}: only a local file can be written; copy it there afterwards")
    if not os.path.isdir(folder):
        raise DataError(f"{path}: there is no folder {os.path.dirname(path)}; make it first")
    try:
        handle, temporary = tempfile.mkstemp(".partial", name + ".", folder)
    except OSError as error:
        raise _refused(path, error) from error
    os.close(handle)
    return temporary


def _refused(path: str, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written: {error.strerror or error}")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
