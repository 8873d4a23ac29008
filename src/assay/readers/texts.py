"""What columns of text must hold before anyone counts on them.

Text is never null, never another type quietly turned into text, and always valid UTF-8 (Arrow's
Parquet and JSON readers do not look). A list of texts has one at least. Everything else is kept as
the file has it.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assay.core.errors import DataError

__all__ = ["Where", "list_array", "numbered_array", "text_array", "valid_array"]

Where = Callable[[int], str]  # what a message calls a row

Ints = npt.NDArray[np.int64]
LOOKS_LIKE_LIST = r"^\s*\[\s*['\"]"


def text_array(
    values: pa.Array,
    name: str,
    where: Where,
    mend: str = "write '' where nothing was said, or drop the row",
) -> pa.Array:
    """The values as a string or large_string array without nulls, or a DataError. mend: what to do
    about a null."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string_view(kind):
        kind = pa.large_string()
    if pa.types.is_null(kind):
        kind = pa.string()
    if len(values) and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"{where(0)}: column {name!r} holds {kind}, expected text; store it as strings"
        )
    if values.null_count:
        row = values.is_null().index(True).as_py()
        raise DataError(f"{where(row)}: column {name!r} is null, expected text; {mend}")
    return valid_array(values, name, where, kind if len(values) else pa.string())


def valid_array(
    values: pa.Array, name: str, where: Where, kind: pa.DataType | None = None
) -> pa.Array:
    """The values, as `kind`, if they are what their type says: valid UTF-8, offsets in order."""
    if kind is None and pa.types.is_string_view(values.type):
        kind = pa.large_string()  # pyarrow itself cannot do much with views yet
    try:
        cast = values if kind is None else values.cast(kind)
        cast.validate(full=True)
    except pa.ArrowInvalid as error:
        raise _damaged(values, name, where, error) from None
    return cast


def _damaged(values: pa.Array, name: str, where: Where, problem: pa.ArrowInvalid) -> DataError:
    """Which value is not UTF-8, and at which byte; or what else is wrong."""
    for row, value in enumerate(values):
        try:
            value.as_py()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            return DataError(
                f"{where(row)}: column {name!r} is not UTF-8: byte 0x{byte:02x} at offset "
                f"{error.start} of the value; convert the file with iconv -f ENCODING -t UTF-8"
            )
        except pa.ArrowException:
            break
    return DataError(f"{where(0)}: column {name!r} cannot be used: {problem}")


def list_array(column: pa.Array, name: str, where: Where) -> pa.Array:
    """A column of lists of texts as large_list; one of texts as lists of one."""
    kind = column.type
    is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(kind) for is_kind in is_list):
        texts = text_array(column, name, where)
        if pc.any(listed := pc.match_substring_regex(texts, LOOKS_LIKE_LIST)).as_py():
            row = pc.index(listed, True).as_py()
            raise DataError(
                f"{where(row)}: column {name!r} holds a list written as text "
                f"({texts[row].as_py()[:40]!r}); write its texts to columns {name}_1, {name}_2, … "
                "or to JSONL or Parquet as a list"
            )
        return _lists(texts, np.ones(len(texts), np.int64))
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise DataError(
            f"{where(row)}: column {name!r} is null, expected a list of texts; drop the row"
        )
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
    ends = np.cumsum(lengths)
    texts = text_array(
        column.flatten(),
        name,
        lambda at: where(int(np.searchsorted(ends, at, "right"))),
        "leave it out of the list",
    )
    return _some(_lists(texts, lengths), lengths, name, where)


def numbered_array(names: Sequence[str], columns: Sequence[pa.Array], where: Where) -> pa.Array:
    """Columns of one text each as one of lists, which leave out what is null or empty."""
    sides = [
        text_array(column.fill_null(""), name, where).cast(pa.large_string())
        for name, column in zip(names, columns, strict=True)
    ]
    rows, width = len(sides[0]), len(sides)
    order = np.arange(rows * width).reshape(width, rows).T.ravel()
    texts = pa.concat_arrays(sides).take(pa.array(order))
    given = pc.not_equal(texts, "")
    lengths = given.to_numpy(zero_copy_only=False).reshape(rows, width).sum(axis=1)
    return _some(_lists(texts.filter(given), lengths), lengths, f"{names[0]}, …", where)


def _lists(texts: pa.Array, lengths: Ints) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), texts)


def _some(lists: pa.Array, lengths: Ints, name: str, where: Where) -> pa.Array:
    """The lists, or a DataError where one is empty."""
    if len(lengths) and not lengths.all():
        row = int(np.argmin(lengths))
        raise DataError(
            f"{where(row)}: column {name!r} has no text at all; give the row one, or drop it"
        )
    return lists
