"""Columns of strings of Arrow, and of pandas and polars through it, as packed UTF-8 rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops.columns import is_arrow

__all__ = ["packed_strings", "padded", "string_array"]

MAX_PLAIN = 2**31 - 1  # bytes an Arrow string array can hold


def padded(data: bytes) -> npt.NDArray[np.uint8]:
    """Bytes as an array; at least eight, for kernels read eight at a time."""
    return np.frombuffer(data if len(data) >= 8 else data.ljust(8, b"\0"), np.uint8)


def string_array(data: Any) -> Any:
    """The Arrow array behind a column, or None where it is not a column of strings."""
    import pyarrow as pa

    if hasattr(data, "to_arrow"):  # polars
        data = data.to_arrow()
    elif not is_arrow(data):  # pandas
        try:
            data = pa.array(data, from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
            return None  # mixed objects or lone surrogates: the list path says what is wrong
    return data


def packed_strings(column: Any, what: str) -> Ragged:
    """An Arrow column of strings where it lies."""
    import pyarrow as pa

    if not isinstance(column, (pa.Array, pa.ChunkedArray)):
        raise InputError(f"{what} must be a column of strings, got {type(column).__name__}")
    if isinstance(column, pa.ChunkedArray):
        if pa.types.is_string(column.type) and column.nbytes > MAX_PLAIN:
            column = column.cast(pa.large_string())
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        if pa.types.is_string_view(column.type.value_type):  # pyarrow cannot decode these yet
            column = column.cast(pa.dictionary(column.type.index_type, pa.large_string()))
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_null(column.type) and len(column) == 0:
        column = column.cast(pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(f"{what} must be a column of strings, got {column.type}")
    if column.null_count:
        index = column.is_null().index(True).as_py()
        raise InputError(
            f"{what}[{index}] is null ({column.null_count} of {len(column)} are); "
            "drop those rows or fill them with ''"
        )
    wide = pa.types.is_large_string(column.type)
    _, offsets_buffer, data = column.buffers()
    if len(column) == 0:
        offsets = np.zeros(1, np.int64)
    else:
        offsets = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)
        offsets = offsets[column.offset : column.offset + len(column) + 1].astype(np.int64)
    values = np.frombuffer(data if data is not None else b"", np.uint8)
    if values.size < 8:
        values = padded(values.tobytes())
    values = values.view()
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)
