"""Some tokens of packed rows, by their places: numbered, with the name of each number."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.ops import _token_kernels as kernels
from assay.ops.tokens import settle_white_space

__all__ = ["Named", "Places", "characters_at", "ids_at", "tokens_at", "words_at"]

Places = npt.NDArray[np.int64]
Named = tuple[Places, list[str]]  # the number of each token, and the name of each number


def words_at(text: Ragged, rows: Places, places: Places) -> Named:
    """Some words, numbered: word places[k] of row rows[k], in the order of the text."""
    import pyarrow as pa

    text = settle_white_space(text)
    values, offsets = kernels.pick_words(text.values, text.offsets, rows, places)
    column = pa.Array.from_buffers(
        pa.large_binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    ).dictionary_encode()
    names = [w.decode("utf-8", "surrogatepass") for w in column.dictionary.to_pylist()]
    return column.indices.to_numpy().astype(np.int64), names


def characters_at(text: Ragged, rows: Places, places: Places) -> Named:
    """Some characters, numbered: character places[k] of row rows[k]."""
    text = Ragged(*kernels.decode(text.values, text.offsets))
    starts, _ = kernels.strip_rows(text.values, text.offsets)
    points, codes = np.unique(text.values[starts[rows] + places], return_inverse=True)
    return codes, list(map(chr, points.tolist()))


def ids_at(ids: Ragged, rows: Places, places: Places) -> Named:
    """Some token ids, numbered: id places[k] of row rows[k]."""
    found, codes = np.unique(ids.values[ids.offsets[rows] + places], return_inverse=True)
    return codes, list(map(str, found.tolist()))


def tokens_at(side: Sequence[Sequence[str]], rows: Places, places: Places) -> Named:
    """Some tokens of lists of tokens, numbered: token places[k] of row rows[k]."""
    numbers: dict[str, int] = {}
    found = (side[r][k] for r, k in zip(rows.tolist(), places.tolist(), strict=True))
    codes = [numbers.setdefault(token, len(numbers)) for token in found]
    return np.array(codes, np.int64), list(numbers)
