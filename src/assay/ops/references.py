"""Hypotheses with any number of references each, as blocks of text.

A block is one packed text: item by item the hypothesis, then its references.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.core.threads import parallel
from assay.ops import normalise as normalisers
from assay.ops import tokens
from assay.ops._cut_kernels import interleave
from assay.ops.blocks import MAX_BLOCK, block_size, length_of_rows
from assay.ops.columns import is_arrow
from assay.ops.cutting import cut_ptb

__all__ = ["Captions"]

Ints = npt.NDArray[np.int64]
Made = TypeVar("Made")

LISTS = (list, tuple, np.ndarray)


class Captions:
    """n items: a hypothesis and one or more references each.

    reference: of each item a string or a list of strings (lists, an Arrow, pandas or polars column
    of strings or of lists of strings). hypothesis: n strings; None where there are references only.
    normalise: the name of a normaliser, or a function of one string. ptb: cut all texts by the PTB
    tokeniser, in one go. largest: bytes of a block, about; what is counted over all of them has
    less to add where they are larger.
    """

    def __init__(
        self,
        reference: Any,
        hypothesis: Any,
        normalise: str | Callable[[str], str],
        largest: int = MAX_BLOCK,
        ptb: bool = False,
    ) -> None:
        self.largest = largest
        self.normalise, self.normaliser = normalisers.resolve(normalise)
        self.callers = callable(normalise)  # the caller's function runs in the caller's thread
        self.nested, self.references, self.ends = _references(reference)
        self.n = len(self.ends) - 1
        self.hypotheses: Sequence[Any] | Ragged | None = None
        self.cut: Ragged | None = None
        if hypothesis is not None:
            self.hypotheses = tokens.column(hypothesis, "hypothesis")
            if len(self.hypotheses) != self.n:
                raise InputError(
                    f"reference and hypothesis must have the same length, "
                    f"got {self.n} and {len(self.hypotheses)}"
                )
        if ptb:
            self.cut = cut_ptb(self.whole()[0])

    def whole(self) -> tuple[Ragged, Ints]:
        """All items as one block."""
        return self._block(0, self.n)

    def map(self, function: Callable[[Ragged, Ints], Made]) -> list[Made]:
        """What the function makes of each block: of its text, and of refs int64 [items + 1], the
        references of each item. On the shared pool, in order of items."""
        return list(parallel(lambda block: function(*block()), self._blocks()))

    def _blocks(self) -> Iterator[Callable[[], tuple[Ragged, Ints]]]:
        own = length_of_rows(self.references)
        length = max(1.0, own * (1 + len(self.references) / max(1, self.n)))
        size = block_size(self.n, length, self.largest)
        for start in range(0, self.n, size):
            block = partial(self._block, start, min(start + size, self.n))
            if self.callers:
                text, refs = block()
                yield partial(lambda *both: both, text, refs)
            else:
                yield block

    def _block(self, start: int, stop: int) -> tuple[Ragged, Ints]:
        first, last = int(self.ends[start]), int(self.ends[stop])
        refs = self.ends[start : stop + 1] - first
        if self.cut is not None:
            if self.hypotheses is not None:
                first, last = first + start, last + stop
            return tokens.rows(self.cut, first, last, "text"), refs
        try:
            text = tokens.rows(self.references, first, last, "reference")
        except InputError:
            self._refuse(first, last)
            raise
        if self.hypotheses is not None:
            hypotheses = tokens.rows(self.hypotheses, start, stop, "hypothesis")
            text = _interleaved(hypotheses, text, refs)
        if self.normalise is not None:
            text = self.normalise(text)
        return text, refs

    def _refuse(self, first: int, last: int) -> None:
        """Name the reference that is no string by its item and its place in it."""
        if not self.nested:
            return
        at = next(k for k in range(first, last) if not isinstance(self.references[k], str))
        item = int(np.searchsorted(self.ends, at, "right")) - 1
        raise InputError(
            f"reference[{item}][{at - self.ends[item]}] must be a string, "
            f"got {self.references[at]!r}; leave it out of the list",
            row=item,
        )


def _interleaved(hypotheses: Ragged, references: Ragged, refs: Ints) -> Ragged:
    """Of each item its hypothesis, then its references."""
    values, offsets = interleave(
        hypotheses.values, hypotheses.offsets, references.values, references.offsets, refs
    )
    values.flags.writeable = False  # one array type, so one compiled kernel
    return Ragged(values, offsets)


def _references(reference: Any) -> tuple[bool, Sequence[Any] | Ragged, Ints]:
    """Whether items are lists, the texts of all of them, and int64 [n + 1]: where items end."""
    found = _list_column(reference)
    if found is None:
        texts = tokens.column(reference, "reference")
        kinds = set() if isinstance(texts, Ragged) else set(map(type, texts))
        if isinstance(texts, Ragged) or not any(issubclass(kind, LISTS) for kind in kinds):
            return False, texts, np.arange(len(texts) + 1)
        lists = texts if kinds == {list} else [_listed(item, i) for i, item in enumerate(texts)]
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        found = list(chain.from_iterable(lists)), lengths
    texts, lengths = found
    if (bare := np.flatnonzero(lengths == 0)).size:
        raise InputError(
            f"reference[{bare[0]}] has no references ({bare.size} of {len(lengths)} have none); "
            "drop such items",
            row=int(bare[0]),
        )
    return True, texts, np.concatenate([[0], np.cumsum(lengths)])


def _listed(item: Any, row: int) -> Any:
    if isinstance(item, str):
        return [item]
    if isinstance(item, LISTS):
        return item
    raise InputError(
        f"reference[{row}] must be a string or a list of strings, got {item!r}", row=row
    )


def _list_column(reference: Any) -> tuple[Sequence[Any] | Ragged, Ints] | None:
    """The texts and the lengths of an Arrow or polars column of lists; None of anything else."""
    array = reference.to_arrow() if hasattr(reference, "to_arrow") else reference
    if not is_arrow(array):
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    kinds = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    if not any(is_kind(array.type) for is_kind in kinds):
        return None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count:
        row = array.is_null().index(True).as_py()
        raise InputError(f"reference[{row}] is null; drop such items", row=row)
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
    texts = array.flatten()
    if texts.null_count:
        at = texts.is_null().index(True).as_py()
        row = int(np.searchsorted(np.cumsum(lengths), at, "right"))
        raise InputError(
            f"reference[{row}] holds a null ({texts.null_count} references are null); "
            "leave it out of the list",
            row=row,
        )
    return tokens.column(texts, "reference"), lengths
