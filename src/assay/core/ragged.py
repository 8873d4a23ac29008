"""Ragged: many rows of different lengths in one packed array.

Text (UTF-8 bytes), token ids and relevance lists all travel like this: no padding, no list of
lists. Row i is values[offsets[i]:offsets[i + 1]].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError

__all__ = ["Ragged", "rows_of_codes"]


@dataclass(frozen=True, eq=False, slots=True)
class Ragged:
    """A packed ragged array.

    values: one-dimensional array holding all rows; offsets: int64 [n + 1], never decreasing,
    within 0..len(values). The first offset need not be 0, so a slice of rows copies nothing.

    >>> r = Ragged(np.array([7, 8, 9]), np.array([0, 2, 2, 3]))
    >>> len(r), r[0].tolist(), r[1].tolist()
    (3, [7, 8], [])
    """

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def checked(cls, values: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> "Ragged":
        """A Ragged of arrays that a caller brought: every promise above is verified."""
        values, offsets = np.asarray(values), np.asarray(offsets)
        if values.ndim != 1:
            raise InputError(f"Ragged: values must have one dimension, got shape {values.shape}")
        if offsets.ndim != 1 or offsets.size == 0 or offsets.dtype.kind not in "iu":
            raise InputError(
                "Ragged: offsets must be a one-dimensional integer array of n + 1 entries, "
                f"got shape {offsets.shape} of {offsets.dtype}"
            )
        offsets = offsets.astype(np.int64, copy=False)
        if offsets[0] < 0 or offsets[-1] > values.size or np.any(offsets[1:] < offsets[:-1]):
            raise InputError(
                f"Ragged: offsets must not decrease and must lie in 0..{values.size}, "
                f"got {offsets[0]}..{offsets[-1]}"
            )
        return cls(np.ascontiguousarray(values), np.ascontiguousarray(offsets))

    @classmethod
    def from_lengths(cls, values: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> "Ragged":
        """Rows of the given lengths, one after the other."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(values, offsets)

    def __len__(self) -> int:
        return self.offsets.size - 1

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        if not -len(self) <= row < len(self):
            raise IndexError(f"Ragged: row {row} of {len(self)}")
        row %= len(self)
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    def rows(self, start: int, stop: int) -> "Ragged":
        """Rows start..stop as a view."""
        return Ragged(self.values, self.offsets[start : stop + 1])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """int64 [n], the length of each row."""
        return np.diff(self.offsets)


def rows_of_codes(query: npt.NDArray[np.int64], gallery: npt.NDArray[np.int64]) -> Ragged:
    """The gallery rows that have the code of each query, in order.

    >>> rows_of_codes(np.array([7, 8]), np.array([8, 7, 8]))[1].tolist()
    [0, 2]
    """
    order = np.argsort(gallery, kind="stable")
    ordered = gallery[order]
    begins = np.searchsorted(ordered, query, "left")
    lengths = np.searchsorted(ordered, query, "right") - begins
    ends = np.cumsum(lengths)
    inner = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
    return Ragged.from_lengths(order[np.repeat(begins, lengths) + inner], lengths)
