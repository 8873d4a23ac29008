"""The bytes of a state: what to_bytes() writes and from_bytes() reads.

magic, version, length of the header, header (JSON: kind, schema, names and shapes of arrays),
the arrays, a checksum of all that
"""

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import StateFormatError

__all__ = ["DIGEST", "HEAD", "checksum", "inflated", "pack", "parse"]

Schema = tuple[tuple[str, str], ...]

_MAGIC = b"assay.state\x00"
_VERSION = 1
HEAD = struct.Struct("<HI")  # version, length of the JSON header
DIGEST = 16
_DTYPES = {"<i8", "<f8", "<f4", "|u1"}


UNPACKED = 1 << 30  # bytes that a few may become, however many zeros they stand for
RATIO = 64


def inflated(data: bytes) -> bytes:
    """What zlib made of bytes; a StateFormatError where that is no end of it, or far more than
    counts become."""
    most = max(UNPACKED, RATIO * len(data))
    reader = zlib.decompressobj()
    try:
        found = reader.decompress(data, most)
    except zlib.error as error:
        raise StateFormatError(f"cannot be unpacked: {error}") from error
    if reader.unconsumed_tail:
        raise StateFormatError(f"{len(data):,} bytes unpack to more than {most:,}")
    if not reader.eof or reader.unused_data:
        raise StateFormatError("what is packed is cut short, or more follows")
    return found


def checksum(body: bytes) -> bytes:
    """What stands behind a body: DIGEST bytes."""
    return hashlib.blake2b(body, digest_size=DIGEST).digest()


def pack(kind: str, schema: Schema, arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """A self-describing, checksummed byte string."""
    header = json.dumps(
        {
            "kind": kind,
            "schema": schema,
            "arrays": [[k, a.dtype.str, a.shape] for k, a in arrays.items()],
        }
    ).encode()
    head = HEAD.pack(_VERSION, len(header))
    body = b"".join([_MAGIC, head, header, *(a.tobytes() for a in arrays.values())])
    return body + checksum(body)


def parse(data: bytes) -> tuple[str, Schema, dict[str, npt.NDArray[Any]]]:
    """Kind, schema and arrays; damaged, truncated or newer bytes are a StateFormatError."""
    start = len(_MAGIC) + HEAD.size
    if data[: len(_MAGIC)] != _MAGIC:
        raise StateFormatError("not an assay state: the first bytes differ")
    if len(data) < start + DIGEST:
        raise StateFormatError(f"state is cut short at {len(data)} bytes")
    version, length = HEAD.unpack_from(data, len(_MAGIC))
    if version > _VERSION:
        raise StateFormatError(
            f"state has format {version}, this assay reads up to {_VERSION}; upgrade assay"
        )
    body = data[:-DIGEST]
    if checksum(body) != data[-DIGEST:]:
        raise StateFormatError("state is damaged or cut short: its checksum does not match")
    try:
        header = json.loads(body[start : start + length])
        arrays, position = {}, start + length
        for name, dtype, shape in header["arrays"]:
            if dtype not in _DTYPES:
                raise StateFormatError(f"state holds an array of type {dtype!r}")
            if name in arrays or not all(type(n) is int and n >= 0 for n in shape):
                raise ValueError(f"{name!r:.40} is there twice, or of shape {shape!r:.40}")
            array = np.frombuffer(body, dtype, math.prod(shape), position)
            arrays[name] = array.reshape(shape)
            position += array.nbytes
        schema = tuple((str(name), str(kind)) for name, kind in header["schema"])
        return str(header["kind"]), schema, arrays
    except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise StateFormatError(f"state header cannot be read: {error!r}") from error
