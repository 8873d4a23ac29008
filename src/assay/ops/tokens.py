"""From what people hold (lists of strings, columns, token ids) to packed pairs of symbol rows.

Text becomes one UTF-8 buffer with offsets: a list is joined and encoded once, an Arrow column is
used where it lies. Lone surrogates are kept (as `surrogatepass` writes them).

Words and characters are jiwer's defaults to the letter. White space is what `str.isspace` says.
It is left out at both ends; between words it separates where it is a U+0020 or a run of two or
more, so a single tab or newline between two letters does not. Characters are code points, white
space inside included.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.ops import _token_kernels as kernels
from assay.ops import _word_kernels as word_kernels
from assay.ops.arrow_text import packed_strings, padded, string_array
from assay.ops.columns import is_arrow

__all__ = [
    "Pairs",
    "char_pairs",
    "characters",
    "column",
    "id_pairs",
    "kind_of",
    "pack",
    "pack_ids",
    "rows",
    "settle_white_space",
    "strings",
    "token_pairs",
    "word_pairs",
    "words",
]

SPACE = 0x20
BEFORE, AFTER, BOTH_ENDS = 1, 2, 3  # which equal words of a pair may be left out of its rows
SEPARATORS = "\x1f\x1e\x1d\x1c\n\t\x00"  # not U+0020, by which text is cut
BYTES = 256
CODE_POINTS = 1 << 21  # no three- or four-byte sequence decodes to more
MAX_DENSE = 1 << 21
NONE_SAME = np.zeros((0, 2), np.int64)
NO_ROWS = (str, bytes, bytearray, dict, set, frozenset)  # containers that are no row of tokens


Bounds = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Pairs(NamedTuple):
    """Pairs of symbol rows, ready for the edit kernels.

    Row r of the references is ref[ref_starts[r]:ref_ends[r]], symbols in 0..size - 1. same: equal
    symbols before and after a row that were left out of it, int64 [n, 2], or no rows.
    """

    ref: npt.NDArray[Any]
    ref_starts: npt.NDArray[np.int64]
    ref_ends: npt.NDArray[np.int64]
    hyp: npt.NDArray[Any]
    hyp_starts: npt.NDArray[np.int64]
    hyp_ends: npt.NDArray[np.int64]
    same: npt.NDArray[np.int64]
    size: int


def kind_of(data: Any) -> str:
    """What was given: "text", "tokens" (lists of lists of str), "ids" (integers), "rows" (lists of
    empty lists: tokens or ids), or "empty" (a list of nothing)."""
    if isinstance(data, Ragged):
        return "ids"
    if isinstance(data, np.ma.MaskedArray):
        raise InputError("a masked array says nothing of lengths; give lengths= or ignore_index=")
    dtype = getattr(data, "dtype", None)
    if isinstance(data, np.ndarray) and data.dtype.kind in "iu":
        return "ids"
    if dtype is not None and re.match(r"(torch\.)?u?int", str(dtype).lower()):
        return "ids"
    if getattr(data, "ndim", 1) == 2 and re.match(r"(torch\.)?(b?float|bool)", str(dtype).lower()):
        return "ids"  # refused as what it is when packed
    if not isinstance(data, (list, tuple)):
        return "text"
    if not data:
        return "empty"
    for row in data:  # the first that is not an empty row tells; others are checked when packed
        if isinstance(row, NO_ROWS) or not hasattr(row, "__len__") or not getattr(row, "ndim", 1):
            return "text"
        if len(row):
            first = next(iter(row))
            return "tokens" if first is None or isinstance(first, str) else "ids"
    return "rows"


def column(texts: Any, what: str) -> Sequence[Any] | Ragged:
    """A text column to take rows() from: Arrow data packed where it lies, anything else a list.

    texts: a list or other sequence of str, an Arrow string array (plain, large, view, dictionary;
    chunked or sliced), a pandas or polars string column.
    """
    if hasattr(texts, "__arrow_array__") or hasattr(texts, "to_arrow") or is_arrow(texts):
        array = string_array(texts)
        if array is not None:
            return packed_strings(array, what)
    if isinstance(texts, NO_ROWS) or not isinstance(texts, Iterable):
        raise InputError(
            f"{what} must be a list of strings or a column, got {type(texts).__name__}; "
            "put a single string in a list"
        )
    if isinstance(texts, (list, tuple)):
        return texts
    shape = getattr(texts, "shape", (0,))
    if len(shape) != 1:
        raise InputError(f"{what} must have one dimension, got shape {shape}")
    return list(texts.tolist() if hasattr(texts, "tolist") else texts)


def rows(texts: Sequence[Any] | Ragged, start: int, stop: int, what: str) -> Ragged:
    """Rows start..stop of a column as UTF-8. What is not a string is an InputError."""
    if isinstance(texts, Ragged):
        # No more bytes than these rows have: kernels look at all of a buffer.
        first, last = texts.offsets[start], texts.offsets[stop]
        if last - first < len(texts.values) and last - first >= 8:
            return Ragged(texts.values[first:last], texts.offsets[start : stop + 1] - first)
        return texts.rows(start, stop)
    texts = texts[start:stop]
    return _split(texts, _joined(texts, start, what))


def _joined(texts: Sequence[Any], first: int, what: str) -> str:
    """Strings joined by one zero each; the first is number `first` of its column."""
    try:
        return "\0".join(texts)
    except TypeError:
        index = next(i for i, text in enumerate(texts) if not isinstance(text, str))
        mend = "drop the row or replace it with ''"
        if isinstance(texts[index], (list, tuple, np.ndarray)):
            mend = "rows of tokens or ids go in a list, as column.tolist() makes it"
        raise InputError(
            f"{what}[{first + index}] must be a string, got {texts[index]!r}; {mend}"
        ) from None


def _split(texts: Sequence[str], joined: str) -> Ragged:
    """Strings and what they are joined, as UTF-8 rows."""
    data = np.frombuffer(joined.encode("utf-8", "surrogatepass"), np.uint8)
    values, offsets = word_kernels.split_rows(data, len(texts))
    if not len(offsets):  # some text holds the separator: every length has to be asked for
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return Ragged.from_lengths(padded(b"".join(encoded)), lengths)
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)


def pack(texts: Any, what: str = "texts") -> Ragged:
    """A text column as UTF-8 rows.

    >>> pack(["ab", "", "é"]).offsets.tolist()
    [0, 2, 2, 4]
    """
    whole = column(texts, what)
    return rows(whole, 0, len(whole), what)


def strings(text: Ragged) -> list[str]:
    """The rows of a packed text as Python strings."""
    data = text.values.tobytes()
    bounds = text.offsets.tolist()
    return [data[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(bounds)]


def words(text: Ragged) -> list[list[str]]:
    """The words of each row, as word_pairs cuts them."""
    lines = strings(settle_white_space(text))
    return [[word for word in line.split(" ") if word] for line in lines]


def characters(text: Ragged) -> list[list[str]]:
    """The characters of each row, as char_pairs cuts them."""
    return [list(line.strip()) for line in strings(text)]


def word_pairs(ref: Ragged, hyp: Ragged, ends: int = BOTH_ENDS, separator: int = SPACE) -> Pairs:
    """Words of text, cut at runs of the separator byte. ends: which equal words may be left out."""
    if separator == SPACE:
        ref, hyp = settle_white_space(ref), settle_white_space(hyp)
    a, a_offsets, b, b_offsets, same, size = word_kernels.word_symbols(
        ref.values, ref.offsets, hyp.values, hyp.offsets, separator, ends
    )
    return Pairs(a, a_offsets[:-1], a_offsets[1:], b, b_offsets[:-1], b_offsets[1:], same, size)


def char_pairs(ref: Ragged, hyp: Ragged) -> Pairs:
    """Code points without the white space at both ends of a row."""
    size = BYTES
    strip: Any = kernels.strip_bytes
    if kernels.has_high_bytes(ref.values) or kernels.has_high_bytes(hyp.values):
        size, strip = CODE_POINTS, kernels.strip_rows
        ref = Ragged(*kernels.decode(ref.values, ref.offsets))
        hyp = Ragged(*kernels.decode(hyp.values, hyp.offsets))
    ref_rows: Bounds = strip(ref.values, ref.offsets)
    hyp_rows: Bounds = strip(hyp.values, hyp.offsets)
    return Pairs(ref.values, *ref_rows, hyp.values, *hyp_rows, NONE_SAME, size)


def listed_char_pairs(refs: Sequence[Any], hyps: Sequence[Any], first: int) -> Pairs:
    """char_pairs of strings, the first of which is number `first`; no row of ASCII is copied."""
    joined = _joined(refs, first, "reference"), _joined(hyps, first, "hypothesis")
    if joined[0].isascii() and joined[1].isascii():
        ref, hyp = (np.frombuffer(text.encode(), np.uint8) for text in joined)
        ref_rows: Bounds = kernels.strip_joined(ref, len(refs))
        hyp_rows: Bounds = kernels.strip_joined(hyp, len(hyps))
        if len(ref_rows[0]) == len(hyp_rows[0]) == len(refs):
            return Pairs(ref, *ref_rows, hyp, *hyp_rows, NONE_SAME, BYTES)
    return char_pairs(_split(refs, joined[0]), _split(hyps, joined[1]))


def token_pairs(
    refs: Sequence[Sequence[str]],
    hyps: Sequence[Sequence[str]],
    first: int = 0,
    ends: int = BOTH_ENDS,
) -> Pairs:
    """Rows that are lists of tokens already; no token is split or changed."""
    try:
        if any(isinstance(row, NO_ROWS) for row in chain(refs, hyps)):
            raise TypeError("a row that is no list of tokens")
        flat = [*chain.from_iterable(refs), *chain.from_iterable(hyps)]
        everything = "".join(flat)
    except TypeError:
        _check_tokens(refs, "reference", first)
        _check_tokens(hyps, "hypothesis", first)
        raise
    separator = next((s for s in SEPARATORS if s not in everything), None)
    if separator is not None and all(flat):
        joined = [[separator.join(row) for row in side] for side in (refs, hyps)]
        return word_pairs(pack(joined[0]), pack(joined[1]), ends, ord(separator))
    # An empty token, or every separator in use: number the tokens one by one.
    numbers: dict[str, int] = {}
    numbered = [
        Ragged.from_lengths(
            np.array([numbers.setdefault(t, len(numbers)) for row in side for t in row], np.int32),
            np.array([len(row) for row in side], np.int64),
        )
        for side in (refs, hyps)
    ]
    return id_pairs(*numbered)


def id_pairs(ref: Ragged, hyp: Ragged) -> Pairs:
    """Rows of token ids."""
    used = [side.values[side.offsets[0] : side.offsets[-1]] for side in (ref, hyp)]
    if all(not u.size or (u.min() >= 0 and u.max() < MAX_DENSE) for u in used):
        size = max(int(u.max()) + 1 if u.size else 1 for u in used)
        a, b = (u.astype(np.int32) for u in used)
    else:
        if np.result_type(*used).kind == "f":  # uint64 beside signed: floats would merge ids
            used = [u.astype(object) for u in used]
        distinct, flat = np.unique(np.concatenate(used), return_inverse=True)
        size = len(distinct)
        a, b = np.split(flat.astype(np.int32), [used[0].size])
    i, k = ref.offsets - ref.offsets[0], hyp.offsets - hyp.offsets[0]
    return Pairs(a, i[:-1], i[1:], b, k[:-1], k[1:], NONE_SAME, size)


def pack_ids(
    ids: Any, lengths: Any = None, ignore_index: int | None = None, what: str = "ids"
) -> Ragged:
    """Token ids as rows.

    ids: integer array or tensor [n, width], a Ragged, or a list of integer sequences. lengths
    [n]: how many ids of each row count. ignore_index: an id that is left out wherever it stands.

    >>> pack_ids(np.array([[5, 6, -100], [7, -100, -100]]), ignore_index=-100).lengths.tolist()
    [2, 1]
    """
    if isinstance(ids, Ragged):
        packed = Ragged.checked(ids.values, ids.offsets)
        if lengths is not None:
            raise InputError(f"{what}: lengths go with an array [n, width], not with a Ragged")
    else:
        packed = _id_rows(ids, lengths, what)
    if packed.values.dtype.kind not in "iu":
        raise InputError(f"{what}: token ids must be integers, got {packed.values.dtype}")
    if ignore_index is None:
        return packed
    if isinstance(ignore_index, bool) or not hasattr(ignore_index, "__index__"):
        raise InputError(f"ignore_index must be one integer, got {ignore_index!r}")
    keep = packed.values != ignore_index.__index__()
    before = np.concatenate([[0], np.cumsum(keep)])
    return Ragged(packed.values[keep], before[packed.offsets])


# -- inputs ------------------------------------------------------------------------------------


def settle_white_space(text: Ragged) -> Ragged:
    """The text with U+0020 for all white space that separates words."""
    if not kernels.has_odd_bytes(text.values):
        return text
    values = text.values.copy()
    kernels.blank_white_space(values, text.offsets)
    values.flags.writeable = False
    return Ragged(values, text.offsets)


def _check_tokens(side: Sequence[Any], what: str, first: int) -> None:
    for i, row in enumerate(side, first):
        if isinstance(row, NO_ROWS) or not isinstance(row, Iterable):
            raise InputError(f"{what}[{i}] must be a list of strings, got {row!r}")
        for k, token in enumerate(row):
            if not isinstance(token, str):
                raise InputError(f"{what}[{i}][{k}] must be a string, got {token!r}")


def _id_rows(ids: Any, lengths: Any, what: str) -> Ragged:
    ids = _to_numpy(ids)
    if not isinstance(ids, np.ndarray):
        parts = [np.asarray(_to_numpy(row)) for row in ids]
        if lengths is not None:
            raise InputError(f"{what}: lengths go with an array [n, width], not with a list")
        for i, row in enumerate(parts):
            if row.ndim != 1:
                raise InputError(f"{what}[{i}] must be a row of token ids, got {ids[i]!r}")
            if row.size and row.dtype.kind not in "iu":
                raise InputError(f"{what}[{i}]: token ids must be integers, got {ids[i]!r}")
        sizes = np.array([row.size for row in parts], np.int64)
        filled = [row for row in parts if row.size]
        values = np.concatenate(filled) if filled else np.zeros(0, np.int64)
        return Ragged.from_lengths(values, sizes)
    if ids.ndim != 2:
        raise InputError(f"{what}: token ids must have shape [n, width], got {ids.shape}")
    n, width = ids.shape
    if lengths is None:
        return Ragged.from_lengths(ids.ravel(), np.full(n, width))
    counts = np.asarray(_to_numpy(lengths))
    if counts.shape != (n,) or counts.dtype.kind not in "iu":
        raise InputError(
            f"{what}: lengths must be {n} integers, got shape {counts.shape} of {counts.dtype}"
        )
    if n and (counts.min() < 0 or counts.max() > width):
        got = f"{counts.min()}..{counts.max()}"
        raise InputError(f"{what}: lengths must be in 0..{width}, got {got}")
    return Ragged.from_lengths(ids[np.arange(width) < counts[:, None]], counts)


def _to_numpy(data: Any) -> Any:
    return data.detach().cpu().numpy() if hasattr(data, "detach") else data
