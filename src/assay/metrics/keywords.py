"""Errors on listed words and on all others, and how many listed phrases were recognised.

Of the alignments that count_words() counts, a word of a reference is a keyword where it lies in a
phrase of the list (one word, or several that follow each other), a word of a hypothesis likewise:

    b_wer               (S + D + I) / N of keywords; an inserted word counts where it is one of its
                        hypothesis
    u_wer               the same of all other words; both errors together are those of the WER
    keyword_recall      phrases of references that stand, word for word, at the same place of the
                        alignment in the hypothesis, over all phrases of references
    keyword_precision   the same over all phrases of hypotheses
    keyword_f1          twice the same over both

Every occurrence of a phrase counts, also within a longer one. A ratio without a denominator is nan.

Source: Le et al., "Contextualized streaming end-to-end speech recognition with trie-based deep
biasing and shallow fusion", Interspeech 2021. Its script aligns as policy "sclite" does and has a
list for each utterance.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.ragged import Ragged
from assay.core.resampling import Items
from assay.core.score import Better, Score
from assay.core.state import fixed
from assay.metrics._caption_counts import ItemSums
from assay.metrics._item_rows import item_ids, no_form
from assay.metrics._pairs import TextPairs, open_pairs
from assay.metrics.edit_counts import TIES
from assay.ops import edit, tokens
from assay.ops.phrases import Occurrences, find_phrases

__all__ = ["KEYWORD_SCORES", "KeywordCounts", "count_keywords"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BLOCK = 1 << 15  # pairs whose words are looked at together

KEYWORD_SCORES: dict[str, Better] = {
    "b_wer": "lower",
    "u_wer": "lower",
    "keyword_recall": "higher",
    "keyword_precision": "higher",
    "keyword_f1": "higher",
}
_COLUMNS = (
    "keyword_words", "keyword_substitutions", "keyword_deletions", "keyword_insertions",
    "other_words", "other_substitutions", "other_deletions", "other_insertions",
    "reference_keywords", "hypothesis_keywords", "found_keywords",
)  # fmt: skip


def count_keywords(
    reference: Any,
    hypothesis: Any,
    *,
    keywords: Any,
    normalise: str | Callable[[str], str] = "none",
    policy: str = "jiwer",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "KeywordCounts":
    """Count errors of words that are in a list and of others, and phrases that were recognised.

    reference, hypothesis: n texts each, as count_words; no tokens or ids.
    keywords: words and phrases, strings; or of each pair such a list (which may be empty). They are
    normalised as the texts are; one without words then is an InputError, equal ones are one.
    normalise, policy, by, items, ids: as count_words.

    `b_wer`, `u_wer`: errors of words in a keyword and of others, 0 and up, better lower;
    `keyword_recall`, `keyword_precision`, `keyword_f1` in 0..1, better higher. Each is nan without
    a denominator. `policy` decides which word an error falls on. Errors as count_words. Source: Le
    et al., Interspeech 2021.

    >>> c = count_keywords(
    ...     ["call anna smith now", "the smith"], ["call ana smith now", "smith"],
    ...     keywords=["anna smith", "smith"],
    ... )
    >>> c["b_wer"], c["u_wer"], round(c["keyword_recall"], 3), c["keyword_precision"]
    (0.3333333333333333, 0.3333333333333333, 0.667, 1.0)
    """
    pairs = open_pairs(reference, hypothesis, "word", normalise, None, None, policy)
    if not isinstance(pairs, TextPairs):
        raise InputError("count_keywords takes texts; join tokens by spaces")
    single = _lists(keywords, pairs.n)
    kept = item_ids(items, ids, pairs.n)
    shared = None if single else _packed(pairs, keywords)
    edits = edit.compare_blocks(pairs.blocks(), edit.CHUNKS, policy)
    table = np.zeros((pairs.n, len(_COLUMNS)), np.int64)
    for start in range(0, pairs.n, _BLOCK):
        stop = min(start + _BLOCK, pairs.n)
        own = keywords[start:stop] if single else None
        phrases = shared if own is None else _packed(pairs, [p for each in own for p in each])
        table[start:stop] = _count(
            edits, start, stop, pairs.packed(start, stop), phrases,
            None if own is None else np.repeat(np.arange(stop - start), [len(o) for o in own]),
        )  # fmt: skip
    return KeywordCounts.of_items(
        table, by, kept, normaliser=pairs.normaliser, policy=policy,
        keywords="of each pair" if shared is None else _digest(tokens.words(shared)),
    )  # fmt: skip


def _lists(keywords: Any, n: int) -> bool:
    """Whether there is a list for each pair."""
    if isinstance(keywords, str) or not isinstance(keywords, Sequence):
        raise InputError(f"keywords must be a list of strings, got {type(keywords).__name__}")
    kinds = {isinstance(each, str) for each in keywords}
    if kinds == {True}:
        return False
    if not keywords and n:
        raise InputError("keywords must hold one at least, got none")
    for at, each in enumerate(keywords):
        if isinstance(each, str) != (True in kinds) or not isinstance(each, (str, list, tuple)):
            raise InputError(
                f"keywords[{at}] must be a string, or all of them lists of strings, got {each!r}"
            )
    if len(kinds) > 1:
        raise InputError("keywords must be strings, or lists of strings, not both")
    if len(keywords) != n:
        raise InputError(f"keywords must be a list for each pair, got {len(keywords)} of {n}")
    return True


def _packed(pairs: TextPairs, keywords: Sequence[str]) -> Ragged:
    text = tokens.pack(list(keywords), "keywords")
    if pairs.normalise is not None:
        text = pairs.normalise(text)
    for keyword, words in zip(keywords, tokens.words(text), strict=True):
        if not words:
            raise InputError(f"keywords hold {keyword!r}, which has no words; leave it out")
    return text


def _digest(phrases: list[list[str]]) -> str:
    """Names a list: equal for equal lists in any order."""
    distinct = sorted({" ".join(words) for words in phrases})
    whole = hashlib.blake2b("\n".join(distinct).encode("utf-8", "surrogatepass"), digest_size=6)
    return f"{len(distinct)}-{whole.hexdigest()}"


def _count(
    edits: edit.Edits, start: int, stop: int, texts: tuple[Ragged, Ragged], phrases: Any,
    owners: Ints | None,
) -> Ints:  # fmt: skip
    """The columns of some pairs. owners: of which pair each phrase is, where pairs have lists."""
    sides, lengths, numbers = find_phrases(texts, phrases)
    if owners is not None:
        size = int(numbers.max(initial=0)) + 1
        sides = [_chosen(o, np.isin(o.rows * size + o.phrases, owners * size + numbers))
                 for o in sides]  # fmt: skip
    n = stop - start
    chunks = slice(int(edits.offsets[start]), int(edits.offsets[stop]))
    kinds, spans = edits.kinds[chunks], edits.spans[chunks].astype(np.int64)
    of_chunk = [
        np.repeat(np.arange(len(kinds)), spans[:, 2 * side + 1] - spans[:, 2 * side])
        for side in range(2)
    ]
    rows = [np.repeat(np.arange(n), own) for own in lengths]
    listed = [_covered(o, len(own)) for o, own in zip(sides, rows, strict=True)]
    ref_kinds, hyp_kinds = (kinds[own] for own in of_chunk)
    table = np.empty((n, len(_COLUMNS)), np.int64)

    def put(column: int, side: int, chosen: Any) -> None:
        table[:, column] = np.bincount(rows[side][chosen], minlength=n)

    for first, (of_ref, of_hyp) in ((0, listed), (4, [~own for own in listed])):
        put(first, 0, of_ref)
        put(first + 1, 0, of_ref & (ref_kinds == edit.SUBSTITUTE))
        put(first + 2, 0, of_ref & (ref_kinds == edit.DELETE))
        put(first + 3, 1, of_hyp & (hyp_kinds == edit.INSERT))
    said, heard = sides
    head, tail = (of_chunk[0][said.starts + k] for k in (0, said.sizes - 1))
    matched = (head == tail) & (kinds[head] == edit.EQUAL)
    for column, of_rows in ((8, said.rows), (9, heard.rows), (10, said.rows[matched])):
        table[:, column] = np.bincount(of_rows, minlength=n)
    return table


def _chosen(found: Occurrences, chosen: Any) -> Occurrences:
    return Occurrences(*(column[chosen] for column in found))


def _covered(found: Occurrences, words: int) -> npt.NDArray[np.bool_]:
    """Which words lie in an occurrence."""
    steps = np.bincount(found.starts, minlength=words + 1)
    steps -= np.bincount(found.starts + found.sizes, minlength=words + 1)
    covered: npt.NDArray[np.bool_] = np.cumsum(steps)[:words] > 0
    return covered


@dataclass(frozen=True, eq=False)
class KeywordCounts(ItemSums):
    """Totals of keywords and of other words.

    sums int64 [11]: words of references that are keywords, their substitutions and deletions, and
    insertions of keywords; the same of other words; phrases of references, of hypotheses, and those
    that were found. keywords: how many, and a digest of them.
    """

    policy: str | None = fixed()
    keywords: str | None = fixed()

    @property
    def name(self) -> str:
        """Of the score that stands first."""
        return "b_wer"

    @property
    def width(self) -> int:
        """Columns of an item."""
        return len(_COLUMNS)

    @property
    def pairs(self) -> int:
        """How many were counted."""
        return self.items

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """b_wer of each row of totals."""
        return self.value_of(self.name, totals)

    def value_of(self, name: str, totals: Ints) -> Floats:
        """A score of each row of totals [B, 11]."""
        t = totals.T
        above, below = {
            "b_wer": (t[1] + t[2] + t[3], t[0]),
            "u_wer": (t[5] + t[6] + t[7], t[4]),
            "keyword_recall": (t[10], t[8]),
            "keyword_precision": (t[10], t[9]),
            "keyword_f1": (2 * t[10], t[8] + t[9]),
        }[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(below > 0, above / below, np.nan))

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return (
            f"unit:word|split:spaces|normaliser:{self.normaliser}"
            f"|ties:{TIES[self.policy or 'jiwer']}|keywords:{self.keywords}"
        )

    def total_scores(self) -> list[Score]:
        """The scores, then the counts they stand on."""
        sums = np.zeros(self.width, np.int64) + np.asarray(self.sums, np.int64)
        rates = [
            self._score(name, float(self.value_of(name, sums[None])[0]), "fraction", better)
            for name, better in KEYWORD_SCORES.items()
        ]
        counts = [
            self._score(
                name, int(count), "words" if at < 8 else "keywords",
                "higher" if name == "found_keywords" else "lower" if at % 4 and at < 8 else None,
            )
            for at, (name, count) in enumerate(zip(_COLUMNS, sums.tolist(), strict=True))
        ]  # fmt: skip
        return [*rates, *counts]

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value for each pair in order of id, from a count with items=True: "id", a score, or a
        count."""
        ids, table = self._table
        if name in KEYWORD_SCORES:
            return self.value_of(name, table)
        columns: dict[str, npt.NDArray[Any]] = {"id": ids}
        columns |= dict(zip(_COLUMNS, table.T, strict=True))
        if name not in columns:
            known = [*columns, *KEYWORD_SCORES]
            raise InputError(f"per_item: no column {name!r}; there are {known}")
        return columns[name]

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The counts of each pair, and its scores."""
        return {name: self.per_item(name) for name in (*_COLUMNS, *KEYWORD_SCORES)}

    def _from_columns(self, columns: Mapping[str, Any]) -> npt.NDArray[Any]:
        return np.column_stack([np.asarray(columns[name], np.int64) for name in _COLUMNS])

    def resampling(self, name: str) -> Items:
        """Pairs with their counts, in order of id; see core/resampling.py."""
        if name not in KEYWORD_SCORES:
            raise InputError(no_form(name, KEYWORD_SCORES))
        ids, table = self._table
        truth = table[:, 0] * (1 << 31) + table[:, 4]
        return Items(np.ascontiguousarray(table), ids, truth=truth, table="keywords")
