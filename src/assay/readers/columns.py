"""The columns a caller asked for, which every batch has, checked, before anyone sees it."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa

from assay.core.errors import DataError
from assay.core.protocols import Batch
from assay.readers.texts import list_array, numbered_array, text_array, valid_array

__all__ = ["MAX_BYTES", "MAX_ROWS", "Columns", "MissingColumn", "listed", "sliced"]

ALSO = {"references": ("reference", "refs", "ref")}  # other names of a column of lists

MAX_ROWS = 1 << 16  # rows of one batch, and
MAX_BYTES = 3 << 20  # about as many bytes, whichever comes first


def listed(names: Iterable[object], limit: int = 10) -> str:
    """'a', 'b' and 3 more: the names in a message that must stay readable."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more


class MissingColumn(DataError):
    """A column that was asked for is not there; name it is, present are those there."""

    def __init__(self, message: str, name: str, present: Sequence[str]) -> None:
        super().__init__(message)
        self.name, self.present = name, present

    def __reduce__(self) -> Any:  # it may come from a worker process
        return MissingColumn, (str(self), self.name, self.present)


@dataclass(frozen=True)
class Columns:
    """text: names of text columns. keep: names of further columns, in their own type (a
    string_view becomes a large_string). lists: names of columns of lists of texts; stand: the
    columns of a table that stand for one of those: one under another name, or several of one text
    each (ref_1, ref_2, …)."""

    text: tuple[str, ...]
    keep: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    stand: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of the answer; one may be asked for twice."""
        return self.lists + self.text + self.keep

    @property
    def unique(self) -> list[str]:
        """Each name that a table has for them once, as pyarrow's readers want them."""
        found = [own for name in self.lists for own in self.stand.get(name, [name])]
        return list(dict.fromkeys((*found, *self.text, *self.keep)))

    def among(self, present: Sequence[str], where: str) -> "Columns":
        """These columns as a table with the columns `present` has them; all must be there."""
        stand = {name: own for name in self.lists if (own := _standing(name, present))}
        want = replace(self, stand=stand) if stand else self
        mend = "name one of these"
        if self.lists:
            mend += ", or NAME of columns NAME_1, NAME_2, …"
        want.require(present, where, want.unique, mend)
        return want

    def require(
        self,
        present: Sequence[str],
        where: str,
        names: Sequence[str] = (),
        mend: str = "name one of these",
    ) -> None:
        """A DataError unless each of `names` (or all that were asked for) stands once in
        `present`. mend: the fix, where none of those is close."""
        for name in names or self.names:
            if present.count(name) > 1:
                raise DataError(
                    f"{where}: {present.count(name)} columns are named {name!r}; rename all but one"
                )
            if name not in present:
                close = difflib.get_close_matches(name, present, n=1)
                hint = f"did you mean {close[0]!r}?" if close else mend
                raise MissingColumn(
                    f"{where}: no column {name!r}; there: {listed(present, 20) or 'none'}; {hint}",
                    name,
                    present,
                )

    def take(self, rows: pa.RecordBatch, where: Callable[[int], str]) -> pa.RecordBatch:
        """The columns asked for, in the order asked, checked. where(i): what a message calls row
        i of this batch."""
        arrays = [self._list(rows, name, where) for name in self.lists]
        arrays += [text_array(rows.column(name), name, where) for name in self.text]
        arrays += [valid_array(rows.column(name), name, where) for name in self.keep]
        return pa.RecordBatch.from_arrays(arrays, names=list(self.names))

    def _list(self, rows: pa.RecordBatch, name: str, where: Callable[[int], str]) -> pa.Array:
        names = self.stand.get(name, [name])
        if len(names) == 1:
            return list_array(rows.column(names[0]), names[0], where)
        return numbered_array(names, [rows.column(own) for own in names], where)


def _standing(name: str, present: Sequence[str]) -> list[str]:
    """Columns that stand for one of lists: itself, or numbered ones; else under another name."""
    for called in (name, *ALSO.get(name, ())):
        if called in present:
            return [called]
        ends = {own: re.fullmatch(re.escape(called) + r"_?(\d{1,9})", own) for own in present}
        if numbered := sorted((int(end[1]), own) for own, end in ends.items() if end):
            return [own for _, own in numbered]
    return []


def sliced(
    rows: pa.RecordBatch, first_row: int, consumed: int, where: Callable[[int], str]
) -> Iterator[Batch]:
    """The rows in batches bounded in rows and, by their average, in bytes; nothing is copied. They
    are of one size: a few rows more than fit shall not make a batch of their own."""
    pieces = max(1, round(rows.nbytes / MAX_BYTES))
    step = max(1, min(MAX_ROWS, -(-rows.num_rows // pieces)))
    for start in range(0, rows.num_rows, step):
        place = where if start == 0 else partial(_further, where, start)
        yield Batch(rows.slice(start, step), first_row + start, consumed, place)


def _further(where: Callable[[int], str], start: int, row: int) -> str:
    return where(start + row)
