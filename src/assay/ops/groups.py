"""Groups of items by the values of one or more columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["check_by", "group_codes"]

NULL = "(none)"


def check_by(by: Any) -> None:
    """Refuse columns to group by that have no names."""
    if by is not None and not isinstance(by, Mapping):
        raise InputError(f"by must be a mapping of names to columns, got {type(by).__name__}")


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
    if not all(isinstance(name, str) for name in by):
        raise InputError(f"by: names of columns must be strings, got {list(by)}")
    keys: list[tuple[str, ...]] = [()]
    codes = np.zeros(n, np.int64)
    for name, data in by.items():
        distinct, own = _distinct(data, name, n)
        # Renumbered after each column, so that no product of their sizes can overflow.
        used, codes = np.unique(codes * len(distinct) + own, return_inverse=True)
        keys = [(*keys[c // len(distinct)], distinct[c % len(distinct)]) for c in used.tolist()]
    used, first, dense = np.unique(codes, return_index=True, return_inverse=True)
    final = np.empty(len(used), np.int64)
    numbers: dict[tuple[str, ...], int] = {}
    for place in np.argsort(first):  # in order of first occurrence; equal texts are one group
        final[place] = numbers.setdefault(keys[used[place]], len(numbers))
    return list(numbers), final[dense]


def _distinct(data: Any, name: str, n: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct values of a column as text, and which one each item has."""
    import pyarrow as pa

    column = data
    if not isinstance(data, (pa.Array, pa.ChunkedArray)):
        if isinstance(data, (str, bytes)) or not isinstance(data, Iterable):
            raise InputError(f"by: column {name!r} must have {n} values, got {data!r}")
        if getattr(data, "ndim", 1) != 1:
            raise InputError(f"by: column {name!r} must be values [n], got {data!r}")
        values = data.detach().cpu().tolist() if hasattr(data, "detach") else list(data)
        try:
            # Of one type, or a name would depend on what else there is: 1 beside 1.5 is 1.0.
            one = len({type(value) for value in values} - {type(None)}) <= 1
            column = pa.array(values, from_pandas=True) if one else None
        except (pa.ArrowException, UnicodeEncodeError, TypeError, OverflowError):
            column = None
        if column is None or column.type.num_fields:
            return _by_text(values, name, n)
    _check_size(name, len(column), n)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    distinct = [NULL if v is None else str(v) for v in column.dictionary.to_pylist()]
    own = column.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return [*distinct, NULL], own.astype(np.int64)


def _by_text(values: list[Any], name: str, n: int) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The same of anything that has a str(): mixed types, lone surrogates, tuples."""
    numbers: dict[str, int] = {}
    texts = [NULL if _is_missing(v) else str(v) for v in values]
    codes = [numbers.setdefault(text, len(numbers)) for text in texts]
    _check_size(name, len(codes), n)
    return list(numbers), np.array(codes, np.int64)


def _check_size(name: str, got: int, n: int) -> None:
    if got != n:
        raise InputError(f"by: column {name!r} must have {n} values, got {got}")


def _is_missing(value: Any) -> bool:
    """None, pandas.NA, or what differs from itself: NaN, NaT."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)
