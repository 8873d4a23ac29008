"""The state file: what was counted of a shard, with what it takes to add it to others safely.

magic, version u16, length of the header u32, header (JSON), the states (to_bytes(), packed by
zlib), errors (JSON lines, packed by zlib), a checksum of all that.

The header says which assay wrote it, the command and its definition, the inputs, the shard, and
what was left out. Files that differ in any of the first four do not add.
"""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from assay.core.checks import whole
from assay.core.errors import DataError, StateFormatError
from assay.core.fitting import misfit
from assay.core.output import write_whole
from assay.core.score import provenance
from assay.core.state import State
from assay.core.state_bytes import DIGEST, HEAD, checksum, inflated
from assay.run.frequencies import Frequencies
from assay.run.jobs import Done, LeftOut, Shard
from assay.run.totals import Total

__all__ = ["Origin", "is_whole", "pack", "parse", "read_state_file", "write_state_file"]

MAGIC = b"assay.shard\x00"
VERSION = 1
QUICK = 1  # zlib's level: bags of few items are mostly zeros


@dataclass(frozen=True)
class Origin:
    """What was asked of which inputs. definition: all that decides what is counted; shown: all that
    only decides what is printed. inputs: name, size, mtime and digest of each file."""

    command: str
    definition: Mapping[str, Any]
    shown: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]]
    assay: str = ""

    def __post_init__(self) -> None:
        if not self.assay:
            object.__setattr__(self, "assay", provenance()["assay"])


def pack(done: Done, origin: Origin) -> bytes:
    """The bytes of a state file; equal for equal counts."""
    blobs = [zlib.compress(state.to_bytes(), QUICK) for state in done.total.states.values()]
    blobs.append(done.errors.to_bytes())
    header = json.dumps(
        {
            "assay": origin.assay,
            "command": origin.command,
            "definition": origin.definition,
            "shown": origin.shown,
            "inputs": list(origin.inputs),
            "shard": done.shard,
            "items": done.total.items,
            "left_out": done.left_out,
            "states": [[n, type(s).__name__] for n, s in done.total.states.items()],
            "sizes": [len(blob) for blob in blobs],
        }
    ).encode()
    body = b"".join([MAGIC, HEAD.pack(VERSION, len(header)), header, *blobs])
    return body + checksum(body)


def parse(data: bytes) -> tuple[Done, Origin]:
    """What pack() made bytes of; a StateFormatError of anything else."""
    header, start = _header(data)
    if checksum(data[:-DIGEST]) != data[-DIGEST:]:
        raise StateFormatError("is damaged or cut short: its checksum does not match")
    try:
        facts = json.loads(header)
        if facts["assay"] != (ours := provenance()["assay"]):
            raise StateFormatError(
                f"was written by assay {facts['assay']}, this is {ours}; counts of two versions do "
                "not add: count again, or use one version for all"
            )
        blobs = []
        for size in facts["sizes"]:
            blobs.append(data[start : start + whole(size, "size", 0)])
            start += size
        if start != len(data) - DIGEST:
            raise StateFormatError(f"has {len(data) - DIGEST:,} bytes, and tells of {start:,}")
        states = {
            name: State.named(kind).from_bytes(inflated(blob))
            for (name, kind), blob in zip(facts["states"], blobs[:-1], strict=True)
        }
        errors = Frequencies.from_bytes(blobs[-1])
        left_out = tuple(LeftOut(*one) for one in facts["left_out"])
        done = Done(Shard(*facts["shard"]), Total(facts["items"], states), errors, left_out)
        keys = ("command", "definition", "shown", "inputs", "assay")
        origin = Origin(*(facts[key] for key in keys))
        for own in (done, done.shard, done.total, *left_out, origin):
            if told := misfit(own):
                raise StateFormatError(f"cannot be read: {told}")
        return done, origin
    except StateFormatError:
        raise
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise StateFormatError(f"cannot be read: {error}") from error


def _header(data: bytes) -> tuple[bytes, int]:
    start = len(MAGIC) + HEAD.size
    if data[: len(MAGIC)] != MAGIC:
        raise StateFormatError("is no state file; write one with --state-out")
    if len(data) < start + DIGEST:
        raise StateFormatError(f"is cut short at {len(data)} bytes")
    version, length = HEAD.unpack_from(data, len(MAGIC))
    if version > VERSION:
        raise StateFormatError(f"has format {version}, this assay reads {VERSION}; upgrade assay")
    return data[start : start + length], start + length


def write_state_file(path: str, done: Done, origin: Origin) -> None:
    """Write a state file; it is whole or not there."""
    write_whole(path, pack(done, origin), "s7.state")


def is_whole(path: str) -> bool:
    """Whether there is a state file, every byte of it."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        _header(data)
    except (OSError, StateFormatError):
        return False
    return checksum(data[:-DIGEST]) == data[-DIGEST:]


def read_state_file(path: str) -> tuple[Done, Origin]:
    """Read a state file; a DataError that names it where that is not possible."""
    with _named(path):
        with open(path, "rb") as file:
            data = file.read()
        return parse(data)


@contextmanager
def _named(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except StateFormatError as error:
        raise DataError(f"{path}: {error}") from error
