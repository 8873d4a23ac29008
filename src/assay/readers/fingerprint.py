"""What tells whether a file is still the one that was read before."""

import hashlib
from collections.abc import Sequence
from typing import Any

from assay.core.errors import InputError
from assay.readers.files import expand, readable

__all__ = ["fingerprints"]

ENDS = 64 << 10  # bytes at each end, which hold the header and the footer of any format


def fingerprints(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Of each file: name, size, mtime in nanoseconds (None where there is none), and a digest of
    its first and last 64 KiB.

    Errors: InputError of what can be read only once; DataError of what cannot be read.
    """
    found = []
    for file in (file for path in paths for file in expand(path)):
        if file.once or file.size is None:
            raise InputError(
                f"{file.name}: cannot be read again, so its count cannot be cut into shards or "
                "resumed; write it to a file first"
            )
        with readable(file.name), file.system.open_input_file(file.path) as handle:
            ends = handle.read_at(min(ENDS, file.size), 0)
            ends += handle.read_at(min(ENDS, file.size), file.size - min(ENDS, file.size))
            mtime = file.system.get_file_info(file.path).mtime_ns
        digest = hashlib.blake2b(ends, digest_size=16).hexdigest()
        found.append({"name": file.name, "size": file.size, "mtime_ns": mtime, "digest": digest})
    return found
