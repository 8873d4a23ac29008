"""Text cut into extended grapheme clusters: what a reader takes for one character.

A letter with its marks, a Bangla conjunct as far as the Unicode rule goes, a flag, an emoji joined
of several, a CRLF. The rule (UAX #29) and its tables are those of the package regex. White space at
both ends of a row is left out first, as of code points. Of a block each distinct row
is cut once.
"""

import functools
import re
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.optional import require
from assay.core.ragged import Ragged
from assay.ops.places import Named, Places, tokens_at
from assay.ops.tokens import Pairs, id_pairs, strings

__all__ = ["grapheme_pairs", "grapheme_rule", "graphemes", "graphemes_at"]


def graphemes(text: Ragged) -> list[list[str]]:
    """The clusters of each row."""
    cut = require("regex").compile(r"\X").findall
    known: dict[str, list[str]] = {}
    rows = []
    for row in strings(text):
        found = known.get(row)
        if found is None:
            found = known[row] = cut(row.strip())
        rows.append(found)
    return rows


def grapheme_pairs(ref: Ragged, hyp: Ragged) -> Pairs:
    """Pairs of rows of clusters, numbered."""
    numbers: dict[str, int] = {}
    return id_pairs(_numbered(ref, numbers), _numbered(hyp, numbers))


def _numbered(text: Ragged, numbers: dict[str, int]) -> Ragged:
    rows = graphemes(text)
    codes: npt.NDArray[Any] = np.array(
        [numbers.setdefault(cluster, len(numbers)) for row in rows for cluster in row], np.int32
    )
    return Ragged.from_lengths(codes, np.array([len(row) for row in rows], np.int64))


def graphemes_at(text: Ragged, rows: Places, places: Places) -> Named:
    """Some clusters, numbered: cluster places[k] of row rows[k]."""
    return tokens_at(graphemes(text), rows, places)


@functools.cache
def grapheme_rule() -> str:
    """Which version of Unicode decides, for signatures: only the package's description tells."""
    # As it is written: what is parsed differs once the backport importlib_metadata is imported.
    package = metadata.distribution(require("regex").__name__)
    said = re.search(r"supports Unicode (\d+\.\d+)", package.read_text("METADATA") or "")
    return f"unicode-{said[1]}" if said else f"regex-{package.version}"
