"""Hypotheses aligned to their references: edits with shifts, and matches in stages.

The slow twins are in reference_aligning.py.
"""

import numpy as np
import numpy.typing as npt

from assay.core.ragged import Ragged
from assay.ops.backend import choose
from assay.ops.ngram import Sentences

__all__ = ["shifted_edits", "staged_matches"]

Ints = npt.NDArray[np.int64]


def shifted_edits(rows: Sentences) -> Ints:
    """The fewest edits from each hypothesis to each of its references that Tercom's search finds,
    int64 [references]: words put in, left out, changed, and runs of words shifted."""
    found: Ints = choose("shifts")(rows.tokens, rows.offsets, rows.refs)
    return found


def staged_matches(rows: Sentences, stems: npt.NDArray[np.int32], synonyms: Ragged) -> Ints:
    """Words that match, and chunks of them, of each reference, int64 [references, 2].

    stems: of each token a number; synonyms: of each stem the stems that mean the same, int32.
    """
    words = np.arange(rows.size, dtype=np.int32)
    found: Ints = choose("stages")(
        rows.tokens, rows.offsets, rows.refs, words, stems, synonyms.offsets, synonyms.values
    )
    return found
