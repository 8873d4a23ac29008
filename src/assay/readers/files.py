"""From what a user typed to files that can be read: paths, globs, URLs, standard input.

A path that exists is that file, whatever characters it has; only then is it a URL or a glob.
Globs are expanded here and sorted, so 'data/*.parquet' means the same rows in every shell.
"""

import glob
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from assay.core.errors import AssayError, DataError
from assay.core.optional import require

__all__ = ["File", "expand", "matching", "readable"]

CHUNK = 1 << 16  # bytes read at once to find an end of a line
CODECS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}

# what pyarrow says -> what it means and the fix
HINTS = {
    "Truncated compressed stream": "the file is cut short; copy or make it again",
    "inflate failed": "not whole gzip data; rename the file if it is not compressed",
    "ZSTD decompress failed": "not whole zstd data; rename the file if it is not compressed",
    "BZ2 decompress failed": "not whole bzip2 data; rename the file if it is not compressed",
    "Parquet file size is 0 bytes": "the file is empty; was it written?",
    "Parquet magic bytes not found": "not a whole Parquet file; copy or make it again",
    "Invalid UTF8 payload": "text that is not UTF-8; write the file again from valid text",
    "smaller than the size reported by footer": "the file is cut short; copy or make it again",
}
UNKNOWN = "cannot be read; copy or make it again"


@dataclass(frozen=True)
class File:
    """One file. name: what messages call it. size: bytes, if known. once: it can only be read
    from front to end, a single time (standard input, a pipe). span: the bytes of it that are meant,
    of a file of lines: those lines that begin in there."""

    name: str
    path: str
    system: Any
    size: int | None = None
    once: bool = False
    span: tuple[int, int] | None = None

    @property
    def suffixes(self) -> list[str]:
        """['.jsonl', '.gz'] of 'a.JSONL.gz', or of an address with a query behind it."""
        path = self.path.partition("?")[0] if "://" in self.path else self.path
        return [suffix.lower() for suffix in PurePosixPath(path).suffixes]

    @property
    def codec(self) -> str | None:
        """How the file is compressed, by its last suffix."""
        return CODECS.get("".join(self.suffixes[-1:]))

    @property
    def extension(self) -> str:
        """The suffix that tells the format: '.jsonl' of 'a.jsonl.gz'; '' if there is none."""
        suffixes = self.suffixes[:-1] if self.codec else self.suffixes
        return "".join(suffixes[-1:])

    @contextmanager
    def stream(self) -> Iterator[tuple[Any, Any]]:
        """(stream, tell): the bytes inside, decompressed; tell() is how far the file itself was
        read, None where that is the number of bytes the stream gave or does not matter."""
        codec = self.codec
        with readable(self.name):
            if self.path == "-":
                if sys.stdin is None:
                    raise DataError("standard input: it is closed; name a file or pipe one in")
                yield sys.stdin.buffer, None
            elif self.once:  # pyarrow seeks in what it opens, which a pipe cannot
                with open(self.path, "rb") as raw:
                    yield (pa.CompressedInputStream(raw, codec) if codec else raw), None
            elif codec:
                with self.system.open_input_file(self.path) as raw:
                    yield pa.CompressedInputStream(raw, codec), raw.tell
            elif self.span:
                with self.system.open_input_file(self.path) as raw:
                    yield _Lines(raw, *self.span), None
            else:
                with self.system.open_input_stream(self.path, compression=None) as raw:
                    yield raw, None

    def line(self, number: int) -> str:
        """What a message calls a line of the span, counted from 1."""
        if self.span and self.span[0]:
            with readable(self.name), self.system.open_input_file(self.path) as raw:
                number += _Lines(raw, 0, self.span[0]).count()
        return f"{self.name}: line {number}"

    def seekable(self, kind: str = "Parquet") -> Any:
        """The file opened for reading at any place; kind: what a message calls its format."""
        if self.once:
            raise DataError(
                f"{self.name}: {kind} is read from its end, which a pipe does not have; "
                "write it to a file first"
            )
        if self.codec:
            raise DataError(
                f"{self.name}: {kind} is compressed inside and read from its end; "
                f"unpack the {self.codec} around it"
            )
        return self.system.open_input_file(self.path)


class _Lines:
    """A stream of the lines that begin in the bytes start:stop of a file."""

    def __init__(self, raw: Any, start: int, stop: int) -> None:
        self.raw, self.size = raw, raw.size()
        self.end = self._line_from(stop)
        raw.seek(self._line_from(start))

    def _line_from(self, at: int) -> int:
        """Where the first line begins that does not begin before `at`."""
        at = min(at, self.size)
        while 0 < at < self.size:
            found = self.raw.read_at(CHUNK, at - 1).find(b"\n")
            if found >= 0:
                return at + int(found)
            at = min(at + CHUNK, self.size)
        return at

    def readinto(self, view: Any) -> int:
        left = self.end - self.raw.tell()
        return self.raw.readinto(view[:left]) if left > 0 else 0

    def count(self) -> int:
        """How many lines there are."""
        buffer, lines = bytearray(CHUNK), 0
        while filled := self.readinto(memoryview(buffer)):
            lines += buffer.count(b"\n", 0, filled)
        return lines


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Whatever goes wrong while `name` is read becomes a DataError that names it."""
    try:
        yield
    except AssayError:
        raise
    except FileNotFoundError:
        raise DataError(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise _directory(name) from None
    except PermissionError:
        raise DataError(f"{name}: permission denied; make it readable for you") from None
    except UnicodeEncodeError:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise DataError(f"{shown}: the file's name is not UTF-8; rename it") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        message = str(error).strip().split("\n")[0]
        known = (hint for sign, hint in HINTS.items() if sign in message)
        hint = next(known, "cannot be read" if getattr(error, "errno", None) else UNKNOWN)
        raise DataError(f"{name}: {hint} ({message})") from error


def expand(path: str | os.PathLike[str]) -> list[File]:
    """The files that a path, glob, URL or '-' stands for, sorted. None is a DataError."""
    text = os.fspath(path)
    if text == "-":
        return [File("standard input", "-", None, once=True)]
    with readable(text):
        if found := _local(text):
            return [found]
        if re.match(r"[A-Za-z][\w+.-]*(://|::)", text):
            return _remote(text)
    return [file for name in matching(text) if (file := _local(name))]


def matching(text: str) -> list[str]:
    """The local files that a path or a glob stands for, sorted. None is a DataError."""
    if os.path.exists(text):
        return [text]
    names = [name for name in sorted(glob.glob(text, recursive=True)) if not os.path.isdir(name)]
    if names:
        return names
    if glob.has_magic(text):
        raise DataError(f"{text}: no file matches; check the folder and the pattern")
    raise DataError(f"{text}: no such file; check the path")


def _directory(name: str) -> DataError:
    return DataError(f"{name}: is a directory; name its files, as in {name.rstrip('/')}/*.parquet")


def _local(path: str) -> File | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        raise DataError(f"{path!r}: a path cannot hold a null byte") from None
    if stat.S_ISDIR(status.st_mode):
        raise _directory(path)
    once = not stat.S_ISREG(status.st_mode)
    size = None if once else status.st_size
    return File(path, os.path.abspath(path), fs.LocalFileSystem(), size, once)


def _remote(url: str) -> list[File]:
    system, path = _filesystem(url)
    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return [File(url, path, system, info.size)]
    if info.type == fs.FileType.Directory:
        raise _directory(url)
    pattern = path.split("/")
    fixed = next((i for i, part in enumerate(pattern) if re.search(r"[*[]", part)), None)
    if fixed is None:
        raise DataError(f"{url}: no such file; check the path")
    deep = "**" in pattern or fixed < len(pattern) - 1
    folder = fs.FileSelector("/".join(pattern[:fixed]) or "/", allow_not_found=True, recursive=deep)
    files = [
        File(f"{url.partition('://')[0]}://{entry.path}", entry.path, system, entry.size)
        for entry in sorted(system.get_file_info(folder), key=lambda entry: entry.path)
        if entry.type == fs.FileType.File
        and _matches(entry.path.strip("/").split("/"), path.strip("/").split("/"))
    ]
    if not files:
        raise DataError(f"{url}: no file matches; check the folder and the pattern")
    return files


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """fnmatch, folder by folder; ** stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _filesystem(url: str) -> tuple[Any, str]:
    """pyarrow's own filesystem for the URL, else fsspec's."""
    try:
        # a URL as people type it has spaces and brackets; % stays: it may be an escape already
        return fs.FileSystem.from_uri(quote(url, safe=":/?@!$&'()*+,;=~%"))  # type: ignore[no-any-return]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ImportError):
        pass
    try:
        system, path = require("fsspec").core.url_to_fs(url)
    except (ValueError, ImportError) as error:  # no such protocol, or its package is missing
        if isinstance(error, AssayError):
            raise
        raise DataError(f"{url}: cannot be opened: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path
