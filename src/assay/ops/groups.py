"""Groups of items by the values of one or more columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["group_codes"]

NULL = "(none)"


def group_codes(
    by: Mapping[str, Any], n: int
) -> tuple[list[tuple[str, ...]], npt.NDArray[np.int64]]:
    """The groups that occur, as tuples of the columns' values, and the group of each item.

    by: column name -> n values (a sequence, NumPy or Arrow array). Values are compared and shown
    as text; a missing one is the group "(none)".

    >>> keys, codes = group_codes({"voice": ["slt", "awb", "slt"]}, 3)
    >>> keys, codes.tolist()
    ([('slt',), ('awb',)], [0, 1, 0])
    """
    import pyarrow as pa

    values: list[list[str]] = []
    codes = np.zeros(n, np.int64)
    for name, data in by.items():
        column = data if isinstance(data, (pa.Array, pa.ChunkedArray)) else pa.array(list(data))
        if len(column) != n:
            raise InputError(f"by: column {name!r} must have {n} values, got {len(column)}")
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        distinct = [NULL if v is None else str(v) for v in column.dictionary.to_pylist()]
        own = column.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
        values.append([*distinct, NULL])
        codes = codes * (len(distinct) + 1) + own.astype(np.int64)
    keys: dict[tuple[str, ...], int] = {}
    used, first, dense = np.unique(codes, return_index=True, return_inverse=True)
    final = np.empty(len(used), np.int64)
    for place in np.argsort(first):  # in order of first occurrence
        code, key = int(used[place]), []
        for column_values in reversed(values):
            code, value = divmod(code, len(column_values))
            key.append(column_values[value])
        final[place] = keys.setdefault(tuple(reversed(key)), len(keys))
    return list(keys), final[dense]
