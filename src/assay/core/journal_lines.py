"""The lines of a journal, read from any place on, while somebody may be writing to it."""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from assay.core.errors import DataError

__all__ = [
    "JOURNAL",
    "LINE_LIMIT",
    "VERSION",
    "Line",
    "NewerJournal",
    "check_version",
    "damaged",
    "journal_lines",
]

JOURNAL = "journal.jsonl"
VERSION = 1
LINE_LIMIT = 1 << 22  # bytes; what a damaged file may make us hold


_decoded = json.JSONDecoder().raw_decode


class NewerJournal(DataError):
    """A journal of a later version."""


class Line(NamedTuple):
    """number: from 1, counted from where reading began. end: the byte behind it. data: None where
    it is no JSON object."""

    number: int
    end: int
    data: dict[str, Any] | None


def journal_lines(directory: str, start: int = 0, number: int = 0) -> Iterator[Line]:
    """The whole lines from the byte `start` on, which is the end of line `number`. One that has no
    end yet is not there."""
    path = os.path.join(directory, JOURNAL)
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror}; name a run's directory"
        ) from error
    with file:
        file.seek(start)
        while (text := file.readline(LINE_LIMIT + 1)).endswith(b"\n") or len(text) > LINE_LIMIT:
            cut = len(text)
            while not text.endswith(b"\n"):  # longer than any line of ours: it is passed over
                text = file.readline(LINE_LIMIT + 1)
                cut += len(text)
                if not text:
                    return
            number, start = number + 1, start + cut
            yield Line(number, start, _parsed(text) if cut == len(text) else None)


def damaged(directory: str, number: int, why: str = "") -> DataError:
    """The error for a line that is not one of a journal."""
    path = os.path.join(directory, JOURNAL)
    return DataError(
        f"{path}: line {number} is damaged{why and f' ({why})'}; "
        "what stands before and after it is read once that line is taken out"
    )


def check_version(directory: str, data: dict[str, Any]) -> None:
    """Refuse a journal of a later version."""
    version = data.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise NewerJournal(
            f"{os.path.join(directory, JOURNAL)}: has version {version}, this assay reads up to "
            f"{VERSION}; upgrade assay"
        )


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        # As we write it, without space around; json.loads looks for that, which takes as long.
        line = text.decode("utf-8", "surrogatepass")
        data, end = _decoded(line) if line[0] == "{" else (None, 0)
        if end + 1 < len(line):
            data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
