"""Labels as numbers, and how often each pair of them occurs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.threads import parallel, thread_count
from assay.ops.jit import kernel, twin
from assay.ops.rankings import stable_id

__all__ = ["Label", "binary_cells", "codes_of", "count_cells", "count_pairs", "distinct"]
__all__ += ["kind_of", "not_among", "number_of"]

Ints = npt.NDArray[np.int64]
Label = int | str

BLOCK = 1 << 18  # items of one task
_BOOL: np.dtype[Any] = np.dtype(bool)
_INT: np.dtype[Any] = np.dtype(np.int64)
DENSE = 256  # labels whose table of pairs is held
SPAN = 1 << 12  # integer labels this close together are counted, not sorted


def binary_cells(target: Any, prediction: Any) -> tuple[int, int, int, int] | None:
    """How often (0, 0), (0, 1), (1, 0), (1, 1) occur; None where there are other labels.

    >>> binary_cells(np.array([1, 1, 0]), np.array([1, 0, 0]))
    (1, 0, 1, 1)
    """
    if target.dtype == np.bool_ and prediction.dtype == np.bool_:
        count, kind = binary_cells_bool, _BOOL
    else:
        count, kind = binary_cells_int, _INT
    target, prediction = (
        side if side.dtype == kind and side.flags.c_contiguous else np.ascontiguousarray(side, kind)
        for side in (target, prediction)
    )
    n = target.size
    if n <= BLOCK:
        a, b, c, d, others = count(target, prediction)
        return None if others else (a, b, c, d)

    def some(start: int) -> tuple[int, ...]:
        return count(target[start : start + BLOCK], prediction[start : start + BLOCK])

    a, b, c, d, others = map(sum, zip(*parallel(some, range(0, n, BLOCK)), strict=True))
    return None if others else (a, b, c, d)


@kernel
def binary_cells_int(target: Ints, prediction: Ints) -> tuple[int, int, int, int, int]:
    positives, predicted, both, others = 0, 0, 0, 0
    for i in range(target.size):
        t, p = target[i], prediction[i]
        positives += t
        predicted += p
        both += t & p
        others |= t | p
    if others & ~1:
        return 0, 0, 0, 0, 1
    rest = target.size - positives - predicted + both
    return rest, predicted - both, positives - both, both, 0


binary_cells_bool = twin(binary_cells_int, "binary_cells_bool")


def distinct(*columns: npt.NDArray[Any], what: Sequence[str] = ()) -> list[Label]:
    """All labels of the columns, in order: integers by value, strings by character. what: how
    messages call the columns."""
    called = what or [f"column {i}" for i in range(len(columns))]
    kinds = {
        own: kind_of(column, own)
        for own, column in zip(called, columns, strict=True) if column.size
    }  # fmt: skip
    if len({*kinds.values()}) > 1:
        told = ", ".join(f"{own} holds {kind}" for own, kind in kinds.items())
        raise InputError(f"labels must be all integers or all strings: {told}; make them one type")
    found: set[Label] = set()
    for column in columns:
        found.update(_unique(column))
    return sorted(found)


def codes_of(column: npt.NDArray[Any], labels: Sequence[Label], what: str) -> Ints:
    """Which of `labels` each value is, int64 [n]; another value is an InputError with its row."""
    if not column.size:
        return np.zeros(0, np.int64)
    kind = kind_of(column, what)
    if kind == "integers" and all(isinstance(label, int) for label in labels):
        for end in (min(labels), max(labels)) if len(labels) else ():
            _refuse_wide(end, "labels")
        ordered = np.array(labels, np.int64)
        column = column.astype(np.int64, copy=False)
        order = np.argsort(ordered, kind="stable")
        if len(labels) and np.array_equal(ordered, np.arange(len(labels))):
            codes, bad = column, (column < 0) | (column >= len(labels))
        else:
            place = np.minimum(np.searchsorted(ordered[order], column), len(labels) - 1)
            codes = order[place] if len(labels) else np.zeros(len(column), np.int64)
            bad = ordered[codes] != column if len(labels) else np.ones(len(column), bool)
    else:
        known = [label if isinstance(label, str) else None for label in labels]
        text = kind == "strings"
        codes = _places_of(column, known) if text else np.full(len(column), -1)
        bad = codes < 0
    if bad.any():
        row = int(np.argmax(bad))
        value = column[row].item() if hasattr(column[row], "item") else column[row]
        raise InputError(not_among(what, row, value, labels))
    return codes


def not_among(what: str, row: int, value: Any, labels: Sequence[Label]) -> str:
    """The message that a label is none of those there are."""
    some = ", ".join(map(repr, labels[:5]))
    more = ", …" if len(labels) > 5 else ""
    return f"{what}[{row}] is {value!r}, which is not among the labels ({some}{more})"


def count_cells(target: Ints, prediction: Ints, size: int) -> Ints:
    """int64 [size, size]: how often codes target[n] and prediction[n] stand together."""

    def some(start: int) -> Ints:
        chosen = slice(start, start + step)
        return np.bincount(target[chosen] * size + prediction[chosen], minlength=size * size)

    step = max(BLOCK, -(-len(target) // thread_count())) if size > 64 else BLOCK
    total = np.zeros(size * size, np.int64)
    for part in parallel(some, range(0, len(target), step)):
        total += part
    return total.reshape(size, size)


def count_pairs(target: Ints, prediction: Ints, size: int) -> tuple[Ints, Ints, Ints]:
    """The pairs of codes below `size` that occur, in order, and how often each does."""
    if size > DENSE:
        pairs, counts = np.unique(target * size + prediction, return_counts=True)
        return pairs // size, pairs % size, counts
    table = count_cells(target, prediction, size)
    rows, columns = np.nonzero(table)
    return rows, columns, table[rows, columns]


def number_of(label: Label) -> int:
    """The label as an int64: itself, or of a string a hash that does not change."""
    return stable_id(label) if isinstance(label, str) else label


def kind_of(column: npt.NDArray[Any], what: str) -> str:
    """ "integers" or "strings"; an InputError for a column that holds no labels."""
    if column.dtype.kind in "iub" and column.dtype != np.uint64:
        return "integers"
    if column.dtype.kind in "UT" or (
        column.dtype == object and all(isinstance(value, str) for value in column)
    ):
        return "strings"
    if column.dtype == np.uint64 or (
        column.dtype == object and all(isinstance(value, (int, np.integer)) for value in column)
    ):
        for end in (column.min(), column.max()) if column.size else ():
            _refuse_wide(int(end), what)
        return "integers"
    kind = "mixed values" if column.dtype == object else str(column.dtype)
    fix = "; cast whole numbers to integers, cut scores" if column.dtype.kind == "f" else ""
    raise InputError(f"{what}: labels must be integers or strings, got {kind}{fix}")


def _refuse_wide(label: Any, what: str) -> None:
    if not -(1 << 63) <= label < 1 << 63:
        raise InputError(f"{what}: labels must fit into int64, got {label}")


def _unique(column: npt.NDArray[Any]) -> list[Label]:
    if not column.size:
        return []
    if column.dtype.kind not in "iub" and kind_of(column, "labels") == "strings":
        texts = _texts(column)
        return sorted(set(texts)) if isinstance(texts, list) else texts.unique().to_pylist()
    column = column.astype(np.int64, copy=False)
    low, high = int(column.min()), int(column.max())
    if high - low < SPAN:
        there = np.bincount(column - low, minlength=1) > 0
        return [*(np.flatnonzero(there) + low).tolist()]
    return [*np.unique(column).tolist()]


def _texts(column: npt.NDArray[Any]) -> Any:
    """Strings as an Arrow array; as a list where some are no Unicode (lone surrogates)."""
    import pyarrow as pa

    values = column if column.dtype.kind == "U" else column.tolist()
    try:
        return pa.array(values, pa.string())
    except (UnicodeDecodeError, UnicodeEncodeError):
        return column.tolist()


def _places_of(column: npt.NDArray[Any], known: Sequence[str | None]) -> Ints:
    """The place of each string among those known, -1 of others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = _texts(column)
    if not isinstance(texts, list):
        try:
            found = pc.index_in(texts, pa.array(known, pa.string()))
            return np.asarray(found.fill_null(-1)).astype(np.int64)
        except UnicodeEncodeError:
            texts = column.tolist()
    places = {label: i for i, label in enumerate(known)}
    return np.array([places.get(text, -1) for text in texts], np.int64)
