"""Pictures that runs have kept, as data inside a page: PNG and JPEG, as many as it has room for."""

import base64
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assay.core.errors import DataError
from assay.core.paths import path_inside
from assay.core.record import File, RunRecord
from assay.report.groups import listed

__all__ = ["Picture", "pictures"]

PICTURES = 24
LARGE = 2 << 20  # bytes of one
ROOM = 12 << 20  # bytes of all
TOLD = 6  # names of those that are left out

KINDS: Mapping[bytes, str] = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class Picture(NamedTuple):
    """What it is called, and its bytes as a data: URI."""

    title: str
    uri: str


def pictures(records: Sequence[RunRecord]) -> tuple[list[Picture], list[str]]:
    """The figures and artifacts of runs that are pictures, of several steps the last one; and what
    is left out."""
    latest: dict[tuple[int, str, str], tuple[RunRecord, File]] = {}
    earlier = 0
    for record in records:
        for file in (*record.figures, *record.artifacts):
            if file.kind == "figure" or file.path.lower().endswith((".png", ".jpg", ".jpeg")):
                key = id(record), file.name, repr(sorted(file.tags.items()))
                earlier += key in latest
                before = latest.get(key)
                if before is None or (before[1].step or 0) <= (file.step or 0):
                    latest[key] = record, file
    found: list[Picture] = []
    left: list[str] = []
    room = ROOM
    for record, file in latest.values():
        title = _title(record, file, len(records) > 1)
        data, why = _read(record.directory, file.path)
        if not why and (len(found) == PICTURES or len(data) > room):
            why = f"there is room for {PICTURES} pictures of {ROOM >> 20} MiB"
        if why:
            left.append(f"{title} ({why})")
            continue
        room -= len(data)
        kind = next(kind for magic, kind in KINDS.items() if data.startswith(magic))
        found.append(Picture(title, f"data:{kind};base64,{base64.b64encode(data).decode()}"))
    notes = [f"{earlier:,} pictures of earlier steps are left out."] * bool(earlier)
    if left:
        notes.append(f"Left out: {listed(left, TOLD)}.")
    return found, notes


def _title(record: RunRecord, file: File, several: bool) -> str:
    told = [record.name] if several else []
    told += [file.name, *(f"{tag} {value}" for tag, value in file.tags.items())]
    return ", ".join(told + ([] if file.step is None else [f"step {file.step}"]))


def _read(directory: str, path: str) -> tuple[bytes, str]:
    """A picture, or why there is none."""
    try:
        path = path_inside(directory, path)
        if (size := os.path.getsize(path)) > LARGE:
            return b"", f"{size / 2**20:.1f} MiB"
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"
    except DataError as error:
        return b"", str(error)
    return data, "" if data.startswith(tuple(KINDS)) else "neither PNG nor JPEG"
