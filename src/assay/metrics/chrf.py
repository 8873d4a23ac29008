"""chrF and chrF++: F-scores of n-grams of characters, and of words, as sacrebleu has them.

Range 0..100, higher is better. Source: Popović, WMT 2015 and 2017; sacrebleu 2.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import flag, number, whole
from assay.core.errors import InputError
from assay.core.score import Score
from assay.core.state import fixed
from assay.metrics._caption_counts import ItemSums, in_lists
from assay.metrics._item_rows import item_ids
from assay.ops.cutting import cut_marks, drop_white_space
from assay.ops.ngram import Sentences, character_rows, item_rows, matches
from assay.ops.references import Captions

__all__ = ["ChrfCounts", "chrf", "count_chrf"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_EPSILON = 1e-16


def count_chrf(
    reference: Any,
    hypothesis: Any,
    *,
    char_order: int = 6,
    word_order: int = 0,
    beta: float = 2,
    whitespace: bool = False,
    eps_smoothing: bool = False,
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "ChrfCounts":
    """Count n-grams of characters (and of words) of hypotheses, references, and both.

    reference: of each item a string or a list of strings; hypothesis: n strings; as count_bleu.
    char_order, word_order: longest n-grams; a word_order of 2 is chrF++. beta: how much more recall
    weighs. whitespace: count it as characters. eps_smoothing: as chrF++.py, Moses and nltk; if not,
    orders that one side has no n-grams of are left out.
    normalise: as count_words; str.lower is sacrebleu's lowercase. by, items, ids: as count_words.

    Of several references the one with the highest score of its own counts, of equals the first.
    The score of two empty texts is 0; without items it is nan.

    >>> round(count_chrf([["the cat sat on the mat"]], ["the cat sat on a mat"])["chrf"], 6)
    65.97966
    """
    orders = whole(char_order, "char_order"), whole(word_order, "word_order", 0)
    weight = number(beta, "beta")
    if not 0 <= weight < math.inf:
        raise InputError(f"beta must be at least 0 and finite, got {beta!r}")
    definition = {
        "char_order": orders[0],
        "word_order": orders[1],
        "beta": weight,
        "whitespace": flag(whitespace, "whitespace"),
        "eps_smoothing": flag(eps_smoothing, "eps_smoothing"),
    }
    captions = Captions(reference, hypothesis, normalise)
    kept = item_ids(items, ids, captions.n)

    def columns(text: Any, refs: Ints) -> Ints:
        characters = character_rows(text if whitespace else drop_white_space(text), refs)
        table = _of_references(characters, orders[0])
        if orders[1]:
            table = np.hstack([table, _of_references(item_rows(cut_marks(text), refs), orders[1])])
        best = _first_best(f_scores(table, weight, eps_smoothing), refs)
        units = np.add.reduceat(characters.lengths[1], refs[:-1])
        return np.column_stack([units, table[best]])

    width = 1 + 3 * sum(orders)
    table = np.concatenate([np.zeros((0, width), np.int64), *captions.map(columns)])
    return ChrfCounts.of_items(table, by, kept, normaliser=captions.normaliser, **definition)


def chrf(reference: Any, hypothesis: Any, **options: Any) -> float:
    """chrF of a corpus, in 0..100, better higher; nan without items. Options and the rest as
    count_chrf. A str as hypothesis is a corpus of one item.

    >>> round(chrf("the cat sat on the mat", "the cat sat on a mat", word_order=2), 6)
    67.444351
    """
    return count_chrf(*in_lists(reference, hypothesis), **options).value


def _of_references(rows: Sentences, order: int) -> Ints:
    """For each reference and n: n-grams of the hypothesis, of the reference, of both, [r, 3 n].

    Of a hypothesis none count where the reference has none.
    """
    own, others = rows.lengths
    own = np.repeat(own, np.diff(rows.refs))
    there = np.maximum(others[:, None] - np.arange(order), 0)
    heard = np.maximum(own[:, None] - np.arange(order), 0) * (there > 0)
    return np.stack([heard, there, matches(rows, order, False)], axis=2).reshape(-1, 3 * order)


def _first_best(values: Floats, refs: Ints) -> Ints:
    """The reference of each item with the highest value, the first of equals."""
    if not len(values):
        return np.zeros(0, np.int64)
    best = np.maximum.reduceat(values, refs[:-1])
    best_at = np.flatnonzero(values == np.repeat(best, np.diff(refs)))
    return np.asarray(best_at[np.searchsorted(best_at, refs[:-1])])


def f_scores(table: Ints, beta: float, eps_smoothing: bool) -> Floats:
    """chrF of each row of counts [B, 3 n]: of hypothesis, reference and both, for each order."""
    factor = beta**2
    n = len(table)
    smoothed, precision, recall, effective = (np.zeros(n) for _ in range(4))
    with np.errstate(divide="ignore", invalid="ignore"):
        for at in range(0, table.shape[1], 3):
            heard, there, both = table[:, at : at + 3].astype(np.float64).T
            p = np.where(heard > 0, both / heard, _EPSILON)
            r = np.where(there > 0, both / there, _EPSILON)
            below = factor * p + r
            smoothed += np.where(below > 0, (1 + factor) * p * r / below, _EPSILON)
            counts = (heard > 0) & (there > 0)
            precision += np.where(counts, p, 0.0)
            recall += np.where(counts, r, 0.0)
            effective += counts
        if eps_smoothing:
            return np.asarray(100 * smoothed / (table.shape[1] // 3))
        precision = np.where(effective > 0, precision / effective, 0.0)
        recall = np.where(effective > 0, recall / effective, 0.0)
        score = (1 + factor) * precision * recall / (factor * precision + recall)
    return np.asarray(np.where(precision + recall > 0, 100 * score, 0.0))


@dataclass(frozen=True, eq=False)
class ChrfCounts(ItemSums):
    """Totals of n-grams of any number of items, each with its best reference.

    sums int64: characters of all references; then for each order of characters, and of words, the
    n-grams of the hypotheses, of the references, and of both.
    """

    char_order: int | None = fixed()
    word_order: int | None = fixed()
    beta: float | None = fixed()
    whitespace: bool | None = fixed()
    eps_smoothing: bool | None = fixed()

    @property
    def name(self) -> str:
        """chrf, with words chrf+ and chrf++."""
        return "chrf" + "+" * (self.word_order or 0)

    @property
    def width(self) -> int:
        """Columns of an item."""
        return 1 + 3 * ((self.char_order or 0) + (self.word_order or 0))

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """chrF of each row of totals."""
        return f_scores(totals[:, 1:], self.beta or 0.0, bool(self.eps_smoothing))

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        effective = "no" if self.eps_smoothing else "yes"
        space = "yes" if self.whitespace else "no"
        return (
            f"eff:{effective}|nc:{self.char_order}|nw:{self.word_order}|space:{space}"
            f"|beta:{self.beta or 0.0:g}|reference:best|normaliser:{self.normaliser}"
        )

    def total_scores(self) -> list[Score]:
        """chrF, and with items=True its mean over items."""
        scores = [self._score(self.name, self.value, "points", "higher")]
        if "items" in (self.detail or ()):
            scores.append(self._score(f"mean_{self.name}", self._mean(), "points", "higher"))
        return scores
