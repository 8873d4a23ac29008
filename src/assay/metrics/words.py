"""Word and character error rates.

One pass over pairs of reference and hypothesis gives the counts of the canonical alignment (hits,
substitutions, deletions, insertions); every rate is a view of their totals. Counts and ties are
those of jiwer 4 on compiled rapidfuzz, on every input.

With H, S, D, I the totals, N = H + S + D reference units and M = H + S + I hypothesis units:

    wer, cer   (S + D + I) / N                lower is better, >= 0, above 1 with many insertions
    mer        (S + D + I) / (H + S + D + I)  lower, 0..1
    wip        (H / N) * (H / M)              higher, 0..1
    wil        1 - wip                        lower, 0..1

A corpus value is the sum of errors over the sum of units. The mean of the values of single pairs
is another number under another name (`mean_wer`, with items=True).

Source: jiwer 4.0; Morris, Maier and Green, "From WER and RIL to MER and WIL", Interspeech 2004.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.errors import InputError
from assay.core.score import Better, Score, provenance
from assay.core.state import State, fixed, grouped, keyed, listed, summed
from assay.metrics import _pairs
from assay.metrics.alignment import Alignments
from assay.ops import edit
from assay.ops.groups import group_codes

__all__ = ["EditCounts", "align", "cer", "count_chars", "count_words", "mer", "wer", "wil", "wip"]

# empty-reference policy -> the error rate of a corpus without reference units, from its insertions
EMPTY: Mapping[str, Callable[[int], float]] = {
    "jiwer": lambda insertions: insertions,  # the number of insertions, as jiwer 4
    "nan": lambda insertions: math.nan,
    "inf": lambda insertions: math.inf if insertions else 0.0,  # as kaldialign
    "skip": lambda insertions: math.nan,  # such pairs are left out of every count
    "error": lambda insertions: math.nan,  # count_* refuses such pairs
}

# score -> (unit, better, units it is offered for)
_RATES: dict[str, tuple[str, Better, tuple[str, ...]]] = {
    "wer": ("fraction", "lower", ("word",)),
    "cer": ("fraction", "lower", ("char",)),
    "mer": ("fraction", "lower", ("word",)),
    "wil": ("fraction", "lower", ("word",)),
    "wip": ("fraction", "higher", ("word",)),
    "sentence_error_rate": ("fraction", "lower", ("word",)),
}
_COUNTS: dict[str, Better] = {
    "hits": "higher",
    "substitutions": "lower",
    "deletions": "lower",
    "insertions": "lower",
}
_ROW = ("id", *_COUNTS)


@dataclass(frozen=True, eq=False)
class EditCounts(State):
    """Totals of the canonical alignments of reference-hypothesis pairs.

    hits, substitutions, deletions, insertions: units (words or characters). pairs: how many were
    counted; wrong_pairs: those with any error; empty_references: those without a reference unit
    (left out of everything else under the policy "skip").
    """

    hits: int = summed()
    substitutions: int = summed()
    deletions: int = summed()
    insertions: int = summed()
    pairs: int = summed()
    wrong_pairs: int = summed()
    empty_references: int = summed()
    confusions: Mapping[tuple[str | None, str | None], int] = keyed()
    rows: npt.NDArray[np.int64] = listed(*_ROW)  # noqa: RUF009  a field specifier
    groups: Mapping[tuple[str, ...], "EditCounts"] = grouped()
    by: tuple[str, ...] | None = fixed()
    unit: str | None = fixed()
    normaliser: str | None = fixed()
    empty: str | None = fixed()
    detail: tuple[str, ...] | None = fixed()

    @property
    def reference_units(self) -> int:
        """Words or characters of all references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hypothesis_units(self) -> int:
        """Words or characters of all hypotheses."""
        return self.hits + self.substitutions + self.insertions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions: the edit distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def error_rate(self) -> float:
        """Errors over reference units: the WER of words, the CER of characters."""
        return _rate(self.errors, self.reference_units, self.insertions, self.pairs, self.empty)

    wer = cer = error_rate

    @property
    def mer(self) -> float:
        """Match error rate: errors over errors and hits."""
        if self.reference_units == 0:
            return self._without_reference(0, 1)
        return float(self.errors) / float(self.hits + self.errors)

    @property
    def wip(self) -> float:
        """Word information preserved."""
        if self.reference_units == 0:
            return self._without_reference(1, 0)
        if self.hypothesis_units == 0:
            return 0
        return (float(self.hits) / self.reference_units) * (
            float(self.hits) / self.hypothesis_units
        )

    @property
    def wil(self) -> float:
        """Word information lost: 1 - wip."""
        return 1 - self.wip

    @property
    def sentence_error_rate(self) -> float:
        """Pairs with any error over pairs; nan without pairs."""
        return self.wrong_pairs / self.pairs if self.pairs else math.nan

    def _without_reference(self, silent: int, inserted: int) -> float:
        if self.pairs == 0 or self.empty not in (None, "jiwer", "inf"):
            return math.nan
        return inserted if self.insertions else silent

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return (
            f"unit:{self.unit}|split:{'spaces' if self.unit == 'word' else 'code-points'}"
            f"|normaliser:{self.normaliser}|ties:rapidfuzz|empty:{self.empty}"
        )

    def total_scores(self) -> list[Score]:
        """The rates of this unit, then the counts they stand on; with items=True their mean."""
        rates = [
            self._score(name, getattr(self, name), unit, better)
            for name, (unit, better, units) in _RATES.items()
            if self.unit in units
        ]
        prefix, plural = ("char_", "characters") if self.unit == "char" else ("", "words")
        rate = "cer" if self.unit == "char" else "wer"
        if "items" in (self.detail or ()):
            mean = self._score(f"mean_{rate}", self._mean_of_items(), "fraction", "lower")
            rates.insert(1, mean)
        counts = [
            self._score(prefix + name, getattr(self, name), plural, better)
            for name, better in _COUNTS.items()
        ]
        lengths = [
            self._score(f"reference_{plural}", self.reference_units, plural, None),
            self._score(f"hypothesis_{plural}", self.hypothesis_units, plural, None),
        ]
        return [*rates, *counts, *lengths]

    def _score(self, name: str, value: float, unit: str, better: Better) -> Score:
        signature = f"{name}|{self.signature}"
        return Score(name, value, unit, better, self.pairs, {}, signature, provenance())

    def per_item(self, name: str) -> npt.NDArray[Any]:
        """One value for each pair in order of item id, from a count with items=True.

        name: "id", a count, or "wer" / "cer" (under the empty-reference policy of this count).
        """
        if "items" not in (self.detail or ()):
            raise InputError("per_item: rows were not kept; count with items=True")
        rows = self.rows[np.argsort(self.rows[:, 0], kind="stable")]
        columns: dict[str, npt.NDArray[Any]] = dict(zip(_ROW, rows.T, strict=True))
        if name in columns:
            return columns[name]
        if name not in ("wer", "cer"):
            raise InputError(f"per_item: no column {name!r}; there are {[*columns, 'wer', 'cer']}")
        units = rows[:, 1] + rows[:, 2] + rows[:, 3]
        values: npt.NDArray[Any] = rows[:, 2:].sum(axis=1) / np.maximum(units, 1)
        for i in np.flatnonzero(units == 0):
            values[i] = EMPTY[self.empty or "jiwer"](int(rows[i, 4]))
        return values

    def item_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The rows of a count with items=True as named columns, for a file of them."""
        unit = self.unit or ""
        counts = {f"{unit}_{name}": self.per_item(name) for name in _COUNTS}
        return {**counts, "cer" if unit == "char" else "wer": self.per_item("wer")}

    def totals(self) -> "EditCounts":
        """The same counts without the rows of single pairs."""
        return replace(
            self,
            rows=self.rows[:0],
            groups={key: state.totals() for key, state in self.groups.items()},
            detail=tuple(kept for kept in self.detail or () if kept != "items"),
        )

    def _mean_of_items(self) -> float:
        values = self.per_item("wer")
        return math.fsum(values) / len(values) if len(values) else math.nan

    def top_confusions(self, kind: str, limit: int = 10) -> list[tuple[str, str, int]]:
        """The most frequent errors as (reference, hypothesis, times); ties in alphabetical order.

        kind: "substitutions", "deletions" or "insertions". One side of a deletion or insertion is
        empty. Needs a count with confusions=True.
        """
        if "confusions" not in (self.detail or ()):
            raise InputError("top_confusions: errors were not kept; count with confusions=True")
        wanted: Mapping[str, Callable[[Any, Any], bool]] = {
            "substitutions": lambda ref, hyp: ref is not None and hyp is not None,
            "deletions": lambda ref, hyp: hyp is None,
            "insertions": lambda ref, hyp: ref is None,
        }
        if kind not in wanted:
            raise InputError(f"top_confusions: kind must be one of {list(wanted)}, got {kind!r}")
        found = [
            (r or "", h or "", n) for (r, h), n in self.confusions.items() if wanted[kind](r, h)
        ]
        return sorted(found, key=lambda row: (-row[2], row[0], row[1]))[:limit]


def _rate(errors: int, units: int, insertions: int, pairs: int, empty: str | None) -> float:
    if units:
        return float(errors) / float(units)
    return EMPTY[empty or "jiwer"](insertions) if pairs else math.nan


# -- count functions -----------------------------------------------------------------------------


def count_words(
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str] = "none",
    empty: str = "jiwer",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
    confusions: bool = False,
    lengths: tuple[Any, Any] | None = None,
    ignore_index: int | None = None,
) -> EditCounts:
    """Count hits, substitutions, deletions and insertions of words.

    reference, hypothesis: n items each: lists of str, Arrow / pandas / polars string columns,
    lists of token lists, or integer token ids (arrays or tensors [n, width] with `lengths`
    ([n], [n]) or an `ignore_index`; lists of integer sequences).
    normalise: "none", "basic" (NFKC, lower case, no punctuation), or a function of one string.
    empty: what a pair without reference words means: "jiwer", "nan", "inf", "skip", "error".
    by: columns [n] whose values group the counts (`groups`, tags of the scores).
    items: keep a row for each pair, under the int64 `ids` [n] (by default 0..n-1).
    confusions: count which word was taken for which.

    Ties between alignments of equal cost are broken as compiled rapidfuzz does. No pairs: rates
    are nan. Different lengths, nulls and other types are an InputError.

    >>> c = count_words(["the cat sat", "on it"], ["the cat sat down", "on"])
    >>> c.hits, c.substitutions, c.deletions, c.insertions, c.wer
    (4, 0, 1, 1, 0.4)
    """
    return _count(
        "word", reference, hypothesis, normalise=normalise, empty=empty, by=by, items=items,
        ids=ids, confusions=confusions, lengths=lengths, ignore_index=ignore_index,
    )  # fmt: skip


def count_chars(
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str] = "none",
    empty: str = "jiwer",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
    confusions: bool = False,
) -> EditCounts:
    """Count hits, substitutions, deletions and insertions of characters (code points).

    White space at both ends of an item is left out, inside it counts, as in jiwer. Otherwise
    like count_words, for text only.

    >>> count_chars(["abcd"], ["abd"]).cer
    0.25
    """
    return _count(
        "char", reference, hypothesis, normalise=normalise, empty=empty, by=by, items=items,
        ids=ids, confusions=confusions, lengths=None, ignore_index=None,
    )  # fmt: skip


def _count(
    unit: str,
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str],
    empty: str,
    by: Mapping[str, Any] | None,
    items: bool,
    ids: Any,
    confusions: bool,
    lengths: tuple[Any, Any] | None,
    ignore_index: int | None,
) -> EditCounts:
    if empty not in EMPTY:
        raise InputError(f"empty must be one of {list(EMPTY)}, got {empty!r}")
    if ids is not None and not items:
        raise InputError("ids name the rows of single pairs; they go with items=True")
    if by is not None and not isinstance(by, Mapping):
        raise InputError(f"by must be a mapping of names to columns, got {type(by).__name__}")
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index)
    edits = edit.compare_blocks(pairs.blocks(), edit.CHUNKS if confusions else edit.COUNTS)
    n = len(edits.distance)
    is_empty = edits.lengths[:, 0] == 0
    some_empty = bool(is_empty.any())
    if empty == "error" and some_empty:
        first = int(np.argmax(is_empty))
        raise InputError(
            f"reference[{first}] has no {unit}s ({int(is_empty.sum())} of {n} have none); "
            "drop those pairs or choose another empty="
        )
    skip = empty == "skip" and some_empty
    definition: dict[str, Any] = {
        "unit": unit,
        "normaliser": pairs.normaliser,
        "empty": empty,
        "detail": tuple(k for k, v in (("confusions", confusions), ("items", items)) if v),
    }
    rows = np.column_stack([_item_ids(ids, n), edits.counts]) if items else None

    def total(chosen: Any, confused: Mapping[Any, int]) -> EditCounts:
        """The counts of the chosen pairs (indices, or the slice of all)."""
        empties = int(np.count_nonzero(is_empty[chosen])) if some_empty else 0
        keep = chosen[~is_empty[chosen]] if skip else chosen
        h, s, d, i = edits.totals(keep)
        return EditCounts(
            h, s, d, i,
            pairs=len(edits.distance[keep]),
            wrong_pairs=int(np.count_nonzero(edits.distance[keep])),
            empty_references=empties,
            confusions=confused,
            by=(),
            **definition,
            **({} if rows is None else {"rows": rows[keep]}),
        )  # fmt: skip

    everything = np.arange(n) if skip else slice(None)
    if not by and not confusions:
        return total(everything, {})
    keys, codes = group_codes(by or {}, n)
    tables: list[dict[Any, int]] = [{} for _ in keys]
    if confusions:
        alignments = Alignments(edits, pairs, unit)
        counted = np.where(is_empty, -1, codes) if skip else codes
        tables = alignments.confusions_of(counted, len(keys))
    whole = total(everything, _added(tables))
    if not by:
        return whole
    ends = np.cumsum(np.bincount(codes, minlength=len(keys)))
    members = np.split(np.argsort(codes, kind="stable"), ends)[: len(keys)]
    groups = {
        key: total(chosen, table) for key, chosen, table in zip(keys, members, tables, strict=True)
    }
    return replace(whole, groups=groups, by=tuple(by))


def _added(tables: list[dict[Any, int]]) -> dict[Any, int]:
    if len(tables) == 1:
        return tables[0]
    added: Counter[Any] = Counter()
    for table in tables:
        added.update(table)
    return dict(added)


def _item_ids(ids: Any, n: int) -> npt.NDArray[np.int64]:
    if ids is None:
        return np.arange(n, dtype=np.int64)
    array = np.asarray(ids)
    if array.shape != (n,) or array.dtype.kind not in "iu":
        raise InputError(f"ids must be {n} integers, got shape {array.shape} of {array.dtype}")
    if array.dtype.kind == "u" and n and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"ids must fit in int64, got {array.max()}")
    if np.unique(array).size != n:
        raise InputError("ids must differ from each other; an id occurs twice")
    return array.astype(np.int64)


# -- one-line functions --------------------------------------------------------------------------


def wer(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word error rate of a corpus; options as count_words. A str stands for a list of one.

    >>> wer("the cat sat", "the cat sat down")
    0.3333333333333333
    """
    return _error_rate("word", reference, hypothesis, **options)


def cer(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Character error rate of a corpus; options as count_chars. A str stands for a list of one.

    >>> cer("abcd", "abd")
    0.25
    """
    return _error_rate("char", reference, hypothesis, **options)


def mer(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Match error rate of a corpus; options as count_words. A str stands for a list of one.

    >>> mer("the cat sat", "the cat sat down")
    0.25
    """
    return count_words(*_lists(reference, hypothesis), **options).mer


def wil(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word information lost of a corpus; options as count_words.

    >>> wil("the cat sat", "the cat sat down")
    0.25
    """
    return count_words(*_lists(reference, hypothesis), **options).wil


def wip(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word information preserved of a corpus; options as count_words.

    >>> wip("the cat sat", "the cat sat down")
    0.75
    """
    return count_words(*_lists(reference, hypothesis), **options).wip


def align(
    reference: Any,
    hypothesis: Any,
    unit: str = "word",
    *,
    normalise: str | Callable[[str], str] = "none",
    lengths: tuple[Any, Any] | None = None,
    ignore_index: int | None = None,
) -> Alignments:
    """The canonical alignment of each pair, as arrays; objects and text when asked for.

    Inputs and options as count_words, unit "word" or "char".

    >>> a = align(["the cat sat"], ["the dog sat down"])
    >>> [(chunk.kind, chunk.reference, chunk.hypothesis) for chunk in a[0]][1:]
    [('substitute', ['cat'], ['dog']), ('equal', ['sat'], ['sat']), ('insert', [], ['down'])]
    """
    reference, hypothesis = _lists(reference, hypothesis)
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index)
    return Alignments(edit.compare_blocks(pairs.blocks(), edit.CHUNKS), pairs, unit)


def _lists(reference: Any, hypothesis: Any) -> tuple[Any, Any]:
    return (
        [reference] if isinstance(reference, str) else reference,
        [hypothesis] if isinstance(hypothesis, str) else hypothesis,
    )


def _error_rate(
    unit: str,
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str] = "none",
    empty: str = "jiwer",
    lengths: tuple[Any, Any] | None = None,
    ignore_index: int | None = None,
) -> float:
    """The rate alone needs distances, not alignments, which is all that is computed."""
    reference, hypothesis = _lists(reference, hypothesis)
    if empty in ("skip", "error"):
        return _count(
            unit, reference, hypothesis, normalise=normalise, empty=empty, by=None, items=False,
            ids=None, confusions=False, lengths=lengths, ignore_index=ignore_index,
        ).error_rate  # fmt: skip
    if empty not in EMPTY:
        raise InputError(f"empty must be one of {list(EMPTY)}, got {empty!r}")
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index)
    edits = edit.compare_blocks(pairs.blocks(), edit.DISTANCE)
    units, found = (int(x) for x in edits.lengths.sum(axis=0))
    return _rate(int(edits.distance.sum()), units, found, len(edits.distance), empty)
