"""Columns of any type as labels and as numbers.

A label is text or a whole number; which of the two is decided for all rows at once (`named`), since
a batch of a CSV file cannot know what the next one holds. Until then it is text: 7, 7.0 and true of
a typed column are "7", "7" and "1", text is what it is.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import InputError

__all__ = ["labels_of", "named", "numbers_of", "whole_of"]

WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.0+)?")


def whole_of(text: str) -> int | None:
    """The number that the text is, if it is a whole one as a program writes it.

    >>> whole_of("7"), whole_of("-1.0"), whole_of("007"), whole_of("7.5")
    (7, -1, None, None)
    """
    return int(text.partition(".")[0]) if WHOLE.fullmatch(text) else None


def named(texts: Iterable[str]) -> Mapping[str, int | str]:
    """What each label is called: a number if all of them are whole numbers, else its text.

    >>> named(["1", "0.0"]), named(["1", "007"])
    ({'1': 1, '0.0': 0}, {'1': '1', '007': '007'})
    """
    names = {text: whole_of(text) for text in texts}
    if None in names.values():
        return {text: text for text in names}
    return {text: number for text, number in names.items() if number is not None}


def labels_of(column: pa.Array, what: str) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The distinct labels of a column as text, and which one each row has, int64 [n].

    what: its name in messages. Errors: InputError with the row of a null, an empty text or a number
    that is not whole, and for a column of anything else.

    >>> labels_of(pa.array([2.0, 7.0, 2.0]), "y")
    (['2', '7'], array([0, 1, 0]))
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not (texts or numbers or pa.types.is_null(kind)):
        raise InputError(f"{what} holds {kind}, expected labels: text or whole numbers")
    _refuse_null(column, what)
    if pa.types.is_float16(column.type):  # of which Arrow makes no dictionary
        column = pa.array(column.to_numpy(zero_copy_only=False).astype(np.float32))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary.to_pylist()
    codes = np.asarray(column.indices).astype(np.int64)
    names = [_label(value) for value in values]
    bad = [place for place, name in enumerate(names) if not name]
    rows = np.flatnonzero(np.isin(codes, bad))
    if len(rows):  # a dictionary may have entries that no row uses
        row, value = int(rows[0]), values[codes[rows[0]]]
        told = f"is {value!r}" if value or value == 0 else "is empty"
        mend = (
            "scores go to --score" if isinstance(value, float) else "give it one, or drop the row"
        )
        raise _at(row, f"{what} {told}, expected a label: text or a whole number; {mend}")
    distinct = list(dict.fromkeys(names))  # equal texts are one label
    place = {name: i for i, name in enumerate(distinct)}
    return distinct, np.array([place[name] for name in names], np.int64)[codes]


def numbers_of(column: pa.Array, what: str, least: float = -math.inf) -> npt.NDArray[Any]:
    """Finite numbers of at least `least`: float16 and float32 stay, all others become float64.

    Errors: InputError with the row of a null, NaN, infinity or what is no number.

    >>> numbers_of(pa.array(["0.5", "1e-3"]), "p")
    array([0.5  , 0.001])
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if kind.num_fields or pa.types.is_temporal(kind) or pa.types.is_binary(kind):
        raise InputError(f"{what} holds {kind}, expected numbers")
    _refuse_null(column, what)
    if not (pa.types.is_float16(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        column = _float64(column, what)
    numbers: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(numbers) | (numbers < least)
    if bad.any():
        row = int(np.argmax(bad))
        value = numbers[row].item()
        rule = "a finite number" if least == -math.inf else f"a finite number of at least {least:g}"
        raise _at(row, f"{what} is {value}, expected {rule}; mend it, or drop the row")
    return numbers


def _label(value: Any) -> str:
    """The text of a label; "" of what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else ""
    return "" if value is None else str(int(value))


def _float64(column: pa.Array, what: str) -> pa.Array:
    try:
        return column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values = [_number(v, what, row) for row, v in enumerate(column.to_pylist())]
        return pa.array(values, pa.float64())


def _number(value: Any, what: str, row: int) -> float:
    try:
        if "_" in str(value):  # Python's own way to write numbers, and nobody else's
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        told = f"is {value!r}" if value != "" else "is empty"
        raise _at(row, f"{what} {told}, expected a number; mend it, or drop the row") from None


def _refuse_null(column: pa.Array, what: str) -> None:
    if pc.any(column.is_null()).as_py():  # also of a dictionary whose entry is null
        row = column.is_null().index(True).as_py()
        raise _at(row, f"{what} is null; drop the row or fill it in")


def _at(row: int, about: str) -> InputError:
    return InputError(f"row {row}: {about}", row=row, about=about)
