"""ROUGE-L as pycocoevalcap has it: an F-score of longest common subsequences.

Range 0..1, higher is better. P and R are the highest of an item's references, each on its own;
F = (1 + b²) P R / (R + b² P) with b = 1.2. The score is the mean over items. Words are what single
U+0020 part, so text is expected to be tokenised (`tokenizer="ptb"` does it), and an empty text is
one empty word.
Source: Lin, ACL workshop 2004; pycocoevalcap's Rouge.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.state import fixed
from assay.metrics._caption_counts import ItemMeans, in_lists
from assay.metrics._item_rows import item_ids
from assay.ops.ngram import common_subsequences, item_rows
from assay.ops.references import Captions

__all__ = ["RougeL", "count_rouge_l", "rouge_l"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BETA = 1.2


def count_rouge_l(
    reference: Any,
    hypothesis: Any,
    *,
    tokenizer: str = "none",
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "RougeL":
    """ROUGE-L of each item, added exactly.

    reference: of each item a string or a list of strings; hypothesis: n strings; as count_bleu.
    tokenizer: "none", or "ptb" (pycocoevalcap's, which needs that package's jar and Java), without
    which scores of raw text do not match published ones. normalise, by, items, ids: as count_words.
    Without a common word an item has 0; without items the score is nan.

    >>> round(count_rouge_l([["the cat sat", "a cat"]], ["the cat"])["rouge_l"], 6)
    0.772152
    """
    ptb = one_of(tokenizer, "tokenizer", ("none", "ptb")) == "ptb"
    captions = Captions(reference, hypothesis, normalise, ptb=ptb)
    kept = item_ids(items, ids, captions.n)
    values = np.concatenate([np.zeros(0), *captions.map(_values)])
    return RougeL.of_items(values, by, kept, normaliser=captions.normaliser, tokenizer=tokenizer)


def rouge_l(reference: Any, hypothesis: Any, **options: Any) -> float:
    """ROUGE-L of a corpus, in 0..1, better higher; nan without items. Options and the rest as
    count_rouge_l. A str as hypothesis is a corpus of one item.

    >>> round(rouge_l("the cat sat", "the cat"), 6)
    0.772152
    """
    return count_rouge_l(*in_lists(reference, hypothesis), **options).value


def _values(text: Any, refs: Ints) -> Floats:
    rows = item_rows(text, refs, every=True)
    own, others = rows.lengths
    common = common_subsequences(rows)
    precision = np.maximum.reduceat(common, refs[:-1]) / own
    recall = np.maximum.reduceat(common / others, refs[:-1])
    below = recall + BETA**2 * precision
    above = (1 + BETA**2) * precision * recall
    return np.asarray(np.divide(above, below, out=np.zeros(len(own)), where=below > 0))


@dataclass(frozen=True, eq=False)
class RougeL(ItemMeans):
    """The sum of the ROUGE-L of items, and their values where they are kept."""

    tokenizer: str | None = fixed()

    name = "rouge_l"

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        tok = "space" if self.tokenizer == "none" else self.tokenizer
        return f"variant:coco|beta:{BETA}|tok:{tok}|normaliser:{self.normaliser}"
