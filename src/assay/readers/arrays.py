"""Vectors in files: a .npy is mapped into memory, an array of a .npz or a column is loaded.

Nothing is ever unpickled: a file of Python objects is refused.
"""

import os
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import DataError
from assay.readers import arrow_vectors
from assay.readers.columns import listed
from assay.readers.files import File, expand, readable

__all__ = ["BROKEN", "check_table", "damaged", "kind_of", "named_part", "read_vectors"]

MAGIC = {
    b"\x93NUMPY": ".npy", b"PK\x03\x04": ".npz", b"PK\x05\x06": ".npz", b"PAR1": ".parquet",
    b"ARROW1": ".arrow", b"\xff\xff\xff\xff": ".arrows",
}  # fmt: skip
# What NumPy has to say of a header that is none.
BROKEN = (
    ValueError, TypeError, EOFError, ArithmeticError, RuntimeError, SyntaxError,
    tokenize.TokenError,
)  # fmt: skip
KINDS = "fiub"  # floats, integers, booleans


def named_part(text: str) -> tuple[str, str | None]:
    """(file, part) of 'file:part', where no file is called so: an array of a .npz, a column.

    >>> named_part("clips.npz:text"), named_part("s3://bucket/clips.npy")
    (('clips.npz', 'text'), ('s3://bucket/clips.npy', None))
    """
    path, colon, part = text.rpartition(":")
    if os.path.exists(text) or not colon or len(path) < 2 or "/" in part or "\\" in part:
        return text, None
    return path, part


def read_vectors(path: str) -> npt.NDArray[Any]:
    """Vectors [rows, width] of a .npy, of a .npz ('file.npz:name' where it holds several), or of a
    column of lists of a Parquet or Arrow file ('file.parquet:column').

    A .npy stays on disk until it is read, as does an Arrow column of one piece. Errors: DataError
    for anything that is no table of numbers, cut short, not local, or without rows.
    """
    name, key = named_part(path)
    array = _load(name, key)
    check_table(path, array.dtype, array.shape)
    if not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def check_table(path: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """A DataError unless these are numbers [rows, width], some of them."""
    if dtype.kind not in KINDS:
        raise DataError(f"{path}: holds {dtype}, expected numbers; save it as float32")
    if len(shape) != 2:
        raise DataError(f"{path}: expected shape [rows, width], got {shape}")
    if min(shape) < 1:
        raise DataError(f"{path}: holds no vectors, its shape is {shape}; was it written?")


def kind_of(name: str, file: File) -> str:
    """What a file holds by its first bytes, as the extension it should have."""
    if file.once or not os.path.exists(file.path):
        raise DataError(
            f"{name}: arrays are read in place, from local files; copy it to disk first"
        )
    with readable(name), open(file.path, "rb") as raw:
        start = raw.read(6)
    if not start:
        raise DataError(f"{name}: the file is empty; was it written?")
    kind = MAGIC.get(start, MAGIC.get(start[:4]))
    if kind is None:
        raise DataError(
            f"{name}: not NumPy data, nor Parquet or Arrow; write it with np.save or np.savez"
        )
    return kind


def _load(name: str, key: str | None) -> npt.NDArray[Any]:
    found = expand(name)
    if len(found) > 1:
        raise DataError(f"{name}: {len(found)} files match, expected one")
    file = found[0]
    kind = kind_of(name, file)
    if kind in arrow_vectors.READERS:
        return arrow_vectors.READERS[kind](name, file.path, key)
    if kind == ".npz":
        return _of_npz(name, file.path, key)
    if key is not None:
        raise DataError(f"{name}: a .npy has no array {key!r}; leave :{key} away")
    try:
        with readable(name):
            array: npt.NDArray[Any] = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except DataError:
        raise
    except BROKEN as error:
        raise damaged(name, error) from error
    return array


def _of_npz(name: str, path: str, key: str | None) -> npt.NDArray[Any]:
    try:
        # np.load leaves a damaged file that it has opened itself open
        with readable(name), open(path, "rb") as raw, np.load(raw, allow_pickle=False) as arrays:
            names = list(arrays.files)
            if key is None and len(names) == 1:
                key = names[0]
            if key is None or key not in names:
                what = "holds several arrays" if key is None else f"no array {key!r}"
                there = f"there: {listed(names) or 'none'}"
                example = f"name one, as in {name}:{names[0]}" if names else "was it written?"
                raise DataError(f"{name}: {what}; {there}; {example}")
            array: npt.NDArray[Any] = arrays[key]
            if not isinstance(array, np.ndarray):  # bytes, of what does not begin as one
                raise ValueError("it does not begin as an array")
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(
            f"{name}:{key}: tells of more than memory holds; save it as a .npy, which is read in "
            f"place, or make it again if it is damaged ({error})"
        ) from error
    except (*BROKEN, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise damaged(f"{name}:{key}" if key else name, error) from error
    return array


def damaged(name: str, error: Exception) -> DataError:
    """The error for NumPy data that cannot be read."""
    message = str(error).split("\n")[0]
    if "Python objects" in message or "Object arrays" in message:
        return DataError(
            f"{name}: holds Python objects, which are not read; "
            "save rows of one width as np.asarray(rows, np.float32)"
        )
    return DataError(f"{name}: the file is cut short or damaged; copy or make it again ({message})")
