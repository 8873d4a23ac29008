"""How many rows make a block: so many that threads share the work, none too large for a cache."""

from collections.abc import Sequence
from typing import Any

from assay.core.ragged import Ragged
from assay.core.threads import thread_count

__all__ = ["MAX_BLOCK", "block_size", "length_of_rows"]

# Characters, bytes or tokens: below the first a thread costs more than it saves; above the second
# a block is larger than a cache, and is all that a thread holds at a time.
MIN_BLOCK, MAX_BLOCK = 1 << 15, 1 << 20
BLOCKS_PER_THREAD = 3
SAMPLE = 32  # rows that tell how long rows are


def length_of_rows(rows: Sequence[Any] | Ragged) -> float:
    """About how long a row is; a row without a length is refused later, by its index.

    >>> length_of_rows(["ab", "abcd"]), length_of_rows([None])
    (3.0, 0.0)
    """
    if isinstance(rows, Ragged):
        return float(rows.offsets[-1] - rows.offsets[0]) / max(1, len(rows))
    sample = rows[:: max(1, len(rows) // SAMPLE)]
    try:
        return sum(map(len, sample)) / max(1, len(sample))
    except TypeError:
        return 0.0


def block_size(n: int, length: float, largest: int = MAX_BLOCK) -> int:
    """How many of n rows of that length a block has; at least n where one block is best."""
    size = int(MIN_BLOCK / length)
    if n > size:
        share = -(-n // (BLOCKS_PER_THREAD * thread_count()))
        size = max(1, min(max(size, share), int(largest / length)))
    return size
