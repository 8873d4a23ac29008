"""Word and character error rates: count functions, one-line functions, alignments.

One pass over pairs of reference and hypothesis gives the counts of the canonical alignment (hits,
substitutions, deletions, insertions); every rate is a view of their totals, see `edit_counts.py`.
Counts and ties are those of jiwer 4 on compiled rapidfuzz, on every input, or of kaldi or sclite.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.metrics import _pairs
from assay.metrics._item_rows import item_ids
from assay.metrics.alignment import Alignments
from assay.metrics.bootstrap import Bags, edit_bags
from assay.metrics.edit_counts import EMPTY, EditCounts, rate
from assay.ops import edit
from assay.ops.groups import check_by, group_codes

__all__ = ["align", "cer", "count_chars", "count_words", "mer", "wer", "wil", "wip"]


def count_words(
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str] = "none",
    empty: str = "jiwer",
    policy: str = "jiwer",
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
    normalise: "none", "basic" (NFKC, lower case, no punctuation), "whisper-basic" or
    "whisper-english" (of the package whisper-normalizer), or a function of one string.
    empty: what a pair without reference words means: "jiwer", "nan", "inf", "skip", "error".
    policy: whose alignment is counted: "jiwer", "kaldi" or "sclite", see below.
    by: columns [n] whose values group the counts (`groups`, tags of the scores).
    items: keep a row for each pair, under the int64 `ids` [n] (by default 0..n-1).
    confusions: count which word was taken for which.

    Policy "jiwer": as compiled rapidfuzz. "kaldi": as compute-wer and kaldialign; the same number
    of errors, which may be split otherwise. "sclite": a substitution costs 4, a deletion or
    insertion 3, so there may be more errors; as the program, which also folds case
    (normalise=str.lower). The last two fill a table: 10,000 against 10,000 words take 0.1 s and
    17 MiB, 60,000 against 60,000 2 s and 120 MiB.

    No pairs: rates are nan. Different lengths, nulls and other types are an InputError. Source:
    Levenshtein 1966; jiwer 4.0; Kaldi, edit-distance-inl.h; SCTK 2.4.10, net_dp.c.

    >>> c = count_words(["the cat sat", "on it"], ["the cat sat down", "on"])
    >>> c.hits, c.substitutions, c.deletions, c.insertions, c.wer
    (4, 0, 1, 1, 0.4)
    >>> for policy in ("jiwer", "kaldi", "sclite"):
    ...     c = count_words(["a a b b a"], ["b c b a c"], policy=policy)
    ...     print(policy, c.substitutions, c.deletions, c.insertions)
    jiwer 4 0 0
    kaldi 2 1 1
    sclite 0 2 2
    """
    return _count(
        "word", reference, hypothesis, normalise=normalise, empty=empty, policy=policy, by=by,
        items=items, ids=ids, confusions=confusions, lengths=lengths, ignore_index=ignore_index,
    )  # fmt: skip


def count_chars(
    reference: Any,
    hypothesis: Any,
    *,
    unit: str = "char",
    normalise: str | Callable[[str], str] = "none",
    empty: str = "jiwer",
    policy: str = "jiwer",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
    confusions: bool = False,
) -> EditCounts:
    """Count hits, substitutions, deletions and insertions of characters.

    unit: "char": code points; "grapheme": extended grapheme clusters (UAX #29, by the package
    regex), so that a letter with its vowel sign or a flag is one. Signatures name the version of
    Unicode, and counts of one version do not add to those of another.

    White space at both ends of an item is left out, inside it counts, as in jiwer. Otherwise
    like count_words, for text only.

    >>> count_chars(["abcd"], ["abd"]).cer
    0.25
    >>> [count_chars(["\u0995\u09be"], ["\u0995\u09bf"], unit=u).cer for u in ("char", "grapheme")]
    [0.5, 1.0]
    """
    return _count(
        _characters(unit), reference, hypothesis, normalise=normalise, empty=empty, policy=policy,
        by=by, items=items, ids=ids, confusions=confusions, lengths=None, ignore_index=None,
    )  # fmt: skip


def _characters(unit: str) -> str:
    if unit not in ("char", "grapheme"):
        raise InputError(f"unit must be 'char' or 'grapheme', got {unit!r}; words: count_words()")
    return unit


# A meter has token ids of a GPU copied to the host without waiting for them.
count_words.on_host = True  # type: ignore[attr-defined]


def _count(
    unit: str,
    reference: Any,
    hypothesis: Any,
    *,
    normalise: str | Callable[[str], str],
    empty: str,
    policy: str,
    by: Mapping[str, Any] | None,
    items: bool,
    ids: Any,
    confusions: bool,
    lengths: tuple[Any, Any] | None,
    ignore_index: int | None,
    see: Callable[[edit.Edits, Any], object] | None = None,
) -> EditCounts:
    """see: called with the edits and which of them count."""
    one_of(empty, "empty", EMPTY)
    check_by(by)
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index, policy)
    edits = edit.compare_blocks(pairs.blocks(), edit.CHUNKS if confusions else edit.COUNTS, policy)
    n = len(edits.distance)
    own_ids = item_ids(items, ids, n)
    is_empty = edits.lengths[:, 0] == 0
    some_empty = bool(is_empty.any())
    if empty == "error" and some_empty:
        first = int(np.argmax(is_empty))
        mend = "drop such pairs or choose another policy for empty references"
        raise InputError(
            f"reference[{first}] has no {unit}s ({int(is_empty.sum())} of {n} have none); {mend}",
            row=first,
            about=f"the reference has no {unit}s; {mend}",
        )
    skip = empty == "skip" and some_empty
    if see is not None:
        see(edits, np.flatnonzero(~is_empty) if skip else slice(None))
    definition: dict[str, Any] = {
        "unit": "word" if unit == "word" else "char",
        "split": pairs.split,
        "normaliser": pairs.normaliser,
        "empty": empty,
        "policy": policy,
        "detail": tuple(k for k, v in (("confusions", confusions), ("items", items)) if v),
    }
    rows = None
    if own_ids is not None:
        rows = np.column_stack([own_ids, edits.counts])

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
    if not by or not keys:
        return whole if not by else replace(whole, by=tuple(by))
    facts = np.column_stack([*edits.columns(slice(None)), np.ones(n, np.int64), edits.distance > 0])
    if skip:
        facts[is_empty] = 0
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(keys))
    starts = np.cumsum(sizes) - sizes
    # sums of all groups at once: a batch may have thousands
    sums = np.add.reduceat(np.column_stack([facts, is_empty])[order], starts).tolist()
    kept: list[dict[str, Any]] = [{} for _ in keys]
    if rows is not None:
        members = (own[~is_empty[own]] if skip else own for own in np.split(order, starts[1:]))
        kept = [{"rows": rows[own]} for own in members]
    groups = {
        key: EditCounts(h, s, d, i, some, wrong, empties, table, by=(), **own, **definition)
        for key, (h, s, d, i, some, wrong, empties), table, own in zip(
            keys, sums, tables, kept, strict=True
        )
    }
    return replace(whole, groups=groups, by=tuple(by))


def count_and_bag(
    unit: str, reference: Any, hypothesis: Any, metrics: Sequence[str], **options: Any
) -> tuple[EditCounts, Bags]:
    """count_words or count_chars with its pairs in bags: as fill_bags() of one with items=True,
    without rows of single pairs. options: normalise, empty, policy, by, items, confusions.
    """
    seen: list[tuple[edit.Edits, Any]] = []
    state = _count(
        unit, reference, hypothesis, **options, ids=None, lengths=None, ignore_index=None,
        see=lambda *edits: seen.append(edits),
    )  # fmt: skip
    return state, edit_bags(state, *seen[0], metrics)


def _added(tables: list[dict[Any, int]]) -> dict[Any, int]:
    if len(tables) == 1:
        return tables[0]
    added: Counter[Any] = Counter()
    for table in tables:
        added.update(table)
    return dict(added)


# -- one-line functions --------------------------------------------------------------------------


def wer(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word error rate of a corpus, (S + D + I) / N; options, ties and errors as count_words.

    A str stands for a list of one. 0 and up, better lower; nan without pairs, and of references
    without a word what `empty` says.

    >>> wer("the cat sat", "the cat sat down")
    0.3333333333333333
    """
    return _error_rate("word", reference, hypothesis, **options)


def cer(reference: Any, hypothesis: Any, *, unit: str = "char", **options: Any) -> float:
    """Character error rate of a corpus; options as count_chars, all else as wer.

    >>> cer("abcd", "abd")
    0.25
    """
    return _error_rate(_characters(unit), reference, hypothesis, **options)


def mer(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Match error rate of a corpus, (S + D + I) / (H + S + D + I); options and the rest as wer.

    In 0..1, better lower; ties decide how many places an alignment has.

    >>> mer("the cat sat", "the cat sat down")
    0.25
    """
    return count_words(*_lists(reference, hypothesis), **options).mer


def wil(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word information lost of a corpus, 1 - wip; options and the rest as wer.

    In 0..1, better lower.

    >>> wil("the cat sat", "the cat sat down")
    0.25
    """
    return count_words(*_lists(reference, hypothesis), **options).wil


def wip(reference: Any, hypothesis: Any, **options: Any) -> float:
    """Word information preserved of a corpus, H / N times H / M; options and the rest as wer.

    In 0..1, better higher; ties decide how many hits an alignment has.

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
    policy: str = "jiwer",
    lengths: tuple[Any, Any] | None = None,
    ignore_index: int | None = None,
) -> Alignments:
    """The canonical alignment of each pair, as arrays; objects and text when asked for.

    Inputs, options, ties and errors as count_words, unit "word", "char" or "grapheme". Two empty
    texts have no chunks; of no pairs the arrays are empty.

    >>> a = align(["the cat sat"], ["the dog sat down"])
    >>> [(chunk.kind, chunk.reference, chunk.hypothesis) for chunk in a[0]][1:]
    [('substitute', ['cat'], ['dog']), ('equal', ['sat'], ['sat']), ('insert', [], ['down'])]
    """
    reference, hypothesis = _lists(reference, hypothesis)
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index, policy)
    return Alignments(edit.compare_blocks(pairs.blocks(), edit.CHUNKS, policy), pairs, unit)


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
    policy: str = "jiwer",
    lengths: tuple[Any, Any] | None = None,
    ignore_index: int | None = None,
) -> float:
    """The rate alone needs distances, not alignments, which is all that is computed."""
    reference, hypothesis = _lists(reference, hypothesis)
    if empty in ("skip", "error"):
        return _count(
            unit, reference, hypothesis, normalise=normalise, empty=empty, policy=policy, by=None,
            items=False, ids=None, confusions=False, lengths=lengths, ignore_index=ignore_index,
        ).error_rate  # fmt: skip
    one_of(empty, "empty", EMPTY)
    pairs = _pairs.open_pairs(reference, hypothesis, unit, normalise, lengths, ignore_index, policy)
    edits = edit.compare_blocks(pairs.blocks(), edit.DISTANCE, policy)
    units, found = (int(x) for x in edits.lengths.sum(axis=0))
    return rate(int(edits.distance.sum()), units, found, len(edits.distance), empty)
