"""TER, the translation edit rate, as sacrebleu has it: Tercom's edits and shifts over words.

An edit puts a word in, leaves one out, changes one, or shifts a run of up to ten words by up to
fifty. Shifts are searched greedily: while one makes the distance smaller, the best is made. The
score is 100 times the edits to the reference that needs fewest, over the mean length of an item's
references. Range 0 and up, lower is better.
Source: Snover et al., AMTA 2006; sacrebleu 2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag
from assay.core.optional import require
from assay.core.ragged import Ragged
from assay.core.score import Score
from assay.core.state import fixed
from assay.metrics._caption_counts import ItemSums, in_lists
from assay.metrics._item_rows import item_ids
from assay.ops.aligning import shifted_edits
from assay.ops.cutting import cut_none, lowered
from assay.ops.ngram import item_rows
from assay.ops.references import Captions
from assay.ops.tokens import pack, strings

__all__ = ["TerCounts", "count_ter", "ter"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PARTS = 232_792_560 << 8  # of a word: mean lengths of up to 20 references are whole numbers of them


def count_ter(
    reference: Any,
    hypothesis: Any,
    *,
    normalized: bool = False,
    no_punct: bool = False,
    asian_support: bool = False,
    case_sensitive: bool = False,
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "TerCounts":
    """Count the edits and shifts that make each hypothesis one of its references.

    reference: of each item a string or a list of strings; hypothesis: n strings; as count_bleu.
    normalized, no_punct, asian_support, case_sensitive: of Tercom's tokeniser, as sacrebleu's TER
    has them (the first two need the package; the third does nothing without one of them). Words
    are what white space parts.
    normalise, by, items, ids: as count_words; a normaliser comes before the tokeniser.

    Of several references the one with the fewest edits counts. Where all are empty an item has 100,
    and 0 where its hypothesis is empty too; in a corpus its edits count. Without items the score is
    nan.

    >>> round(count_ter([["the cat sat on the mat"]], ["on the mat the cat sat"])["ter"], 6)
    16.666667
    """
    definition = {
        "normalized": flag(normalized, "normalized"),
        "no_punct": flag(no_punct, "no_punct"),
        "asian_support": flag(asian_support, "asian_support"),
        "case_sensitive": flag(case_sensitive, "case_sensitive"),
    }
    tokenizer = None
    if normalized or no_punct:
        tokenizer = require("sacrebleu.tokenizers.tokenizer_ter").TercomTokenizer(**definition)
    captions = Captions(reference, hypothesis, normalise)
    kept = item_ids(items, ids, captions.n)

    def columns(text: Any, refs: Ints) -> Ints:
        if tokenizer is not None:
            text = _as_tercom(text, refs, tokenizer)
        elif not case_sensitive:
            text = lowered(text)
        rows = item_rows(cut_none(text), refs)
        words = np.add.reduceat(rows.lengths[1], refs[:-1])
        edits = np.minimum.reduceat(shifted_edits(rows), refs[:-1])
        whole, rest = np.divmod(words, np.diff(refs))
        parts = np.rint(rest / np.diff(refs) * PARTS).astype(np.int64)
        return np.column_stack([words, edits, whole, parts])

    table = np.concatenate([np.zeros((0, TerCounts.width), np.int64), *captions.map(columns)])
    return TerCounts.of_items(table, by, kept, normaliser=captions.normaliser, **definition)


def ter(reference: Any, hypothesis: Any, **options: Any) -> float:
    """TER of a corpus, in per cent, 0 and up, better lower; nan without items. Options and the rest
    as count_ter. A str as hypothesis is a corpus of one item.

    >>> round(ter(["the cat sat on the mat", "a cat"], "the cat sat on a mat"), 6)
    25.0
    """
    return count_ter(*in_lists(reference, hypothesis), **options).value


def _as_tercom(text: Ragged, refs: Ints, tokenizer: Callable[[str], str]) -> Ragged:
    """Text by sacrebleu's tokeniser, references twice as sacrebleu does: a possessive may be cut
    off only then."""
    lines = [tokenizer(line.rstrip()) for line in strings(text)]
    heads = set((refs[:-1] + np.arange(len(refs) - 1)).tolist())
    return pack([line if row in heads else tokenizer(line) for row, line in enumerate(lines)])


@dataclass(frozen=True, eq=False)
class TerCounts(ItemSums):
    """Totals of edits of any number of items, each to its best reference.

    sums int64: words of all references, edits, and the mean number of words of an item's
    references: the whole ones, and parts of one (PARTS each).
    """

    normalized: bool | None = fixed()
    no_punct: bool | None = fixed()
    asian_support: bool | None = fixed()
    case_sensitive: bool | None = fixed()

    name = "ter"
    width = 4

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """TER of each row of totals."""
        _, edits, whole, parts = totals.T
        length = whole + parts / PARTS
        empty = np.where(edits > 0, 100.0, 0.0)
        return np.asarray(np.divide(100.0 * edits, length, out=empty, where=length > 0))

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        case = "mixed" if self.case_sensitive else "lc"
        punct = "no" if self.no_punct else "yes"
        norm, asian = ("yes" if on else "no" for on in (self.normalized, self.asian_support))
        return (
            f"case:{case}|tok:tercom|norm:{norm}|punct:{punct}|asian:{asian}"
            f"|reference:best|normaliser:{self.normaliser}"
        )

    def total_scores(self) -> list[Score]:
        """TER, with items=True its mean over items, the edits and the mean reference length."""
        scores = [self._score("ter", self.value, "points", "lower")]
        if "items" in (self.detail or ()):
            scores.append(self._score("mean_ter", self._mean(), "points", "lower"))
        if self.items:
            scores.append(self._score("ter_edits", int(self.sums[1]), "edits", None))
        return scores
