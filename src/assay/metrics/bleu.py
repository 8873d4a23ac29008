"""BLEU: n-grams of hypotheses that references have too, as sacrebleu, pycocoevalcap, nltk or the
script of TensorFlow NMT has it, which evaluate runs.

    variant      scale    tokenizer   smoothing                              corpus and single items
    sacrebleu    0..100   13a         exp; floor, add-k, none                sacrebleu 2
    coco         0..1     none        none: 1e-9 in denominators             pycocoevalcap's Bleu
    nltk         0..1     none        none; method1 .. method7               corpus_, sentence_bleu
    nmt          0..1     13a         none, add-one; shortest reference      Hugging Face evaluate

Higher is better. One pass gives integer counts, of which every variant's score is a function.
Source: Papineni et al., ACL 2002; Chen and Cherry, WMT 2014, for the smoothing of nltk.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag, number, one_of, whole
from assay.core.errors import InputError
from assay.core.score import Score
from assay.core.state import fixed
from assay.metrics._bleu_formulas import NLTK_ORDERS, SMOOTHING, bleu_values
from assay.metrics._caption_counts import ItemSums, in_lists
from assay.metrics._item_rows import item_ids
from assay.ops.cutting import cut_none
from assay.ops.cutting import tokenizer as cutter
from assay.ops.ngram import closest_lengths, item_rows, matches, shortest_lengths
from assay.ops.references import Captions

__all__ = ["BleuCounts", "bleu", "count_bleu"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_TOKENIZER = {"sacrebleu": "13a", "coco": "none", "nltk": "none", "nmt": "13a"}


def count_bleu(
    reference: Any,
    hypothesis: Any,
    *,
    variant: str = "sacrebleu",
    tokenizer: str | None = None,
    smoothing: str | None = None,
    smoothing_value: float | None = None,
    max_order: int = 4,
    effective_order: bool | None = None,
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "BleuCounts":
    """Count the n-grams of hypotheses, and those that their references have too.

    reference: of each item a string or a list of strings (lists, or an Arrow, pandas or polars
    column), in any number. hypothesis: n strings.
    variant: "sacrebleu", "coco", "nltk", "nmt". tokenizer: "13a", "intl", "char", "none" (white
    space) or "ptb" (that of pycocoevalcap, which needs its jar and Java); by default the variant's.
    smoothing: a method of the variant, by default its first one above; smoothing_value: what it
    adds (floor 0.1, add-k 1; method1 0.1, method4, method6, method7 5).
    effective_order (sacrebleu): leave out orders that a hypothesis is too short for; None as
    sacrebleu's functions have it: for single items, not for the corpus.
    normalise: as count_words; str.lower is sacrebleu's lowercase. by, items, ids: as count_words.

    An empty hypothesis or reference is a text without n-grams. An item without any reference is an
    InputError. Without items the score is nan; so it is under method6 without a common trigram,
    where nltk refuses. Of a corpus methods 5 to 7 take its totals; nltk takes its last item's.

    >>> c = count_bleu([["the cat sat on the mat", "a cat"]], ["the cat sat on a mat"])
    >>> round(c["bleu"], 6)
    56.234133
    """
    one_of(variant, "variant", SMOOTHING)
    methods = SMOOTHING[variant]
    smoothing = one_of(
        next(iter(methods)) if smoothing is None else smoothing, "smoothing", methods
    )
    order = whole(max_order, "max_order")
    value = methods[smoothing]
    if smoothing_value is not None:
        if value is None:
            raise InputError(f"smoothing_value goes with a method that has one, not {smoothing!r}")
        value = number(smoothing_value, "smoothing_value")
        if not 0 <= value < math.inf:
            raise InputError(f"smoothing_value must be at least 0 and finite, got {value!r}")
    if effective_order is not None and variant != "sacrebleu":
        raise InputError(f"effective_order goes with variant 'sacrebleu', not {variant!r}")
    if effective_order is not None:
        effective_order = flag(effective_order, "effective_order")
    if smoothing == "method6" and order < 3:
        raise InputError(f"method6 needs a max_order of at least 3, got {order}")
    name = _TOKENIZER[variant] if tokenizer is None else tokenizer
    cut, ptb = cutter(name), name == "ptb"
    captions = Captions(reference, hypothesis, normalise, ptb=ptb)
    if ptb:
        cut = cut_none  # a fraction is two words here, as pycocoevalcap's Bleu splits it
    kept = item_ids(items, ids, captions.n)
    orders = max(order, NLTK_ORDERS) if smoothing in ("method5", "method7") else order
    lengths = shortest_lengths if variant == "nmt" else closest_lengths

    def columns(text: Any, refs: Ints) -> Ints:
        rows = item_rows(cut(text), refs)
        own, others = rows.lengths
        left = own[:, None] - np.arange(orders)
        sums = np.add.reduceat(others, refs[:-1])
        return np.column_stack(
            [sums, own, lengths(rows), matches(rows, orders, True),
             np.maximum(left, 0), left <= 0]
        )  # fmt: skip

    table = np.concatenate([np.zeros((0, 3 + 3 * orders), np.int64), *captions.map(columns)])
    return BleuCounts.of_items(
        table, by, kept, normaliser=captions.normaliser, variant=variant, tokenizer=name,
        smoothing=smoothing, smoothing_value=value, max_order=order, orders=orders,
        effective_order=effective_order,
    )  # fmt: skip


def bleu(reference: Any, hypothesis: Any, **options: Any) -> float:
    """BLEU of a corpus; options and errors as count_bleu. A str as hypothesis is a corpus of one
    item, whose references are a str or a list of them.

    In 0..100 (variants "coco", "nltk", "nmt": 0..1), better higher; nan without items.

    >>> round(bleu(["the cat sat on the mat", "a cat"], "the cat sat on a mat"), 6)
    56.234133
    """
    return count_bleu(*in_lists(reference, hypothesis), **options).bleu


@dataclass(frozen=True, eq=False)
class BleuCounts(ItemSums):
    """Totals of n-grams of any number of items.

    sums int64: tokens of all references, of the hypotheses, of the closest references (of variant
    "nmt" the shortest); then for
    each order the n-grams that match, the n-grams there are, the hypotheses that have none.
    """

    variant: str | None = fixed()
    tokenizer: str | None = fixed()
    smoothing: str | None = fixed()
    smoothing_value: float | None = fixed()
    max_order: int | None = fixed()
    orders: int | None = fixed()
    effective_order: bool | None = fixed()

    name = "bleu"

    @property
    def width(self) -> int:
        """Columns of an item."""
        return 3 + 3 * (self.orders or 0)

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """BLEU of each row of totals."""
        return self._of_order(totals, self.max_order or 0, single)

    def _of_order(self, totals: Ints, order: int, single: bool = False) -> Floats:
        effective = single if self.effective_order is None else self.effective_order
        return bleu_values(
            totals, self.variant or "", self.smoothing or "", self.smoothing_value, order, effective
        )

    @property
    def bleu(self) -> float:
        """BLEU of all items."""
        return self.value

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        smoothing = self.smoothing
        if self.smoothing_value is not None:
            smoothing = f"{smoothing}[{self.smoothing_value:g}]"
        effective = {None: "items", True: "yes", False: "no"}[self.effective_order]
        length = "shortest" if self.variant == "nmt" else "closest"
        return (
            f"variant:{self.variant}|tok:{self.tokenizer}|smooth:{smoothing}|eff:{effective}"
            f"|order:{self.max_order}|length:{length}|normaliser:{self.normaliser}"
        )

    def total_scores(self) -> list[Score]:
        """BLEU, with items=True its mean, of "coco" those of lower orders, and the lengths."""
        unit = "points" if self.variant == "sacrebleu" else "fraction"
        scores = [self._score("bleu", self.value, unit, "higher")]
        if "items" in (self.detail or ()):
            scores.append(self._score("mean_bleu", self._mean(), unit, "higher"))
        if not self.items:
            return scores
        if self.variant == "coco":
            for order in range(1, (self.max_order or 0) + 1):
                value = float(self._of_order(np.asarray(self.sums)[None], order)[0])
                scores.append(self._score(f"bleu_{order}", value, unit, "higher"))
        for at, side in ((1, "hypothesis"), (2, "reference")):
            scores.append(self._score(f"bleu_{side}_tokens", int(self.sums[at]), "tokens", None))
        return scores
