"""Rows as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["csv_text"]


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    r"""Lines that end in "\n"; None is an empty cell.

    >>> csv_text([("a", None), ("b\rc", 1.5)])
    'a,\n"b\rc",1.5\n'
    """
    lines = []
    for row in rows:
        line = io.StringIO()
        # Before Python 3.13 a writer quotes only the breaks that end its own lines, and a cell with
        # another one is two rows to whoever reads it.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)
