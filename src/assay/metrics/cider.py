"""CIDEr-D as pycocoevalcap has it, and the document frequencies it stands on; SPIDEr.

An n-gram (n = 1..4) weighs its count in a text times log(N / df), where df of the N items have it
in any reference. For each n and each reference: the cosine of both texts' weights, those of the
hypothesis clipped at the reference's, times exp(-(difference of lengths)² / 72). Mean over n and
references, times 10. Range 0..10, higher is better. Words are what white space
parts, so text is expected to be tokenised.

Document frequencies are counted first (`count_document_frequency`) and travel through shards; then
items are scored against them (`count_cider`), anywhere. SPICE needs a scene-graph parser on a JVM
with half a gigabyte of models that are downloaded when it is used, so it is not offered; `spider`
takes its column from elsewhere.

Source: Vedantam, Zitnick and Parikh, CVPR 2015; Liu et al., ICCV 2017, for SPIDEr; pycocoevalcap.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import one_of
from assay.core.errors import InputError
from assay.core.score import Score, provenance
from assay.core.state import State, fixed, summed, tabled
from assay.core.threads import parallel
from assay.metrics._caption_counts import ItemMeans, in_lists
from assay.metrics._item_rows import item_ids
from assay.ops.columns import as_array
from assay.ops.cutting import cut_none
from assay.ops.ngram import ItemNgrams, Sentences, consensus, item_ngrams, word_rows
from assay.ops.ngram_table import NgramTable, count_ngrams, word_list
from assay.ops.own_frequencies import own_frequencies
from assay.ops.references import Captions

__all__ = [
    "Cider",
    "DocumentFrequency",
    "cider",
    "count_cider",
    "count_document_frequency",
    "spider",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ORDER = 4
DENSE = 1 << 20  # documents an n-gram is in, whose weights are kept
SIGMA = 6.0
BLOCK = 1 << 22  # bytes


def count_document_frequency(
    reference: Any,
    *,
    tokenizer: str = "none",
    normalise: str | Callable[[str], str] = "none",
) -> "DocumentFrequency":
    """Count in how many items each n-gram of one to four words occurs, in any of their references.

    reference: of each item a string or a list of strings, as count_bleu. tokenizer: as
    count_rouge_l. normalise: as count_words. No items: a table of none, which count_cider
    refuses. Errors as count_bleu.

    >>> df = count_document_frequency([["a cat", "the cat"], ["a dog"]])
    >>> df.documents, dict(df.table.items())["a"], dict(df.table.items())["the cat"]
    (2, 2, 1)
    """
    captions = Captions(reference, None, normalise, BLOCK, ptb=_is_ptb(tokenizer))

    def numbered(text: Any, refs: Ints) -> tuple[Sentences, list[bytes]]:
        text = cut_none(text)
        rows, places = word_rows(text, refs)
        return rows, word_list(text, places)

    table = count_ngrams(captions.map(numbered), ORDER)
    return DocumentFrequency(captions.n, table, captions.normaliser, tokenizer)


def count_cider(
    reference: Any,
    hypothesis: Any,
    *,
    df: "DocumentFrequency",
    tokenizer: str = "none",
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "Cider":
    """CIDEr-D of each item, added exactly.

    reference: of each item a string or a list of strings; hypothesis: n strings; as count_bleu.
    df: what count_document_frequency() counted: of all references of the corpus, whatever part of
    it is scored here. An n-gram that is not in it weighs as one of a single item.
    tokenizer: as count_rouge_l; normalise: as count_words; both as those of df. by, items, ids: as
    count_words.

    An empty hypothesis has 0. With a df of one item every weight is log(1) = 0, and so is every
    score; a df of none is an InputError. Without items the score is nan.

    >>> references = [["a cat sat", "the cat sat"], ["a dog ran", "the dog ran off"]]
    >>> df = count_document_frequency(references)
    >>> round(count_cider(references[:1], ["a cat sat down"], df=df)["cider"], 6)
    4.394594
    """
    captions = Captions(reference, hypothesis, normalise, BLOCK, ptb=_is_ptb(tokenizer))
    kept = item_ids(items, ids, captions.n)
    values = _values(captions, df, tokenizer)
    return Cider.of_items(
        values, by, kept, normaliser=captions.normaliser, tokenizer=tokenizer,
        documents=df.documents, df=df.digest,
    )  # fmt: skip


def cider(
    reference: Any,
    hypothesis: Any,
    *,
    df: "DocumentFrequency | None" = None,
    tokenizer: str = "none",
    normalise: str | Callable[[str], str] = "none",
) -> float:
    """CIDEr-D of a corpus; without df its references give the document frequencies. As count_cider.

    In 0..10, better higher; nan without items. A str as hypothesis is a corpus of one item. Without
    a df the score of one item is 0.

    >>> round(cider([["a cat sat", "the cat sat"], ["a dog ran"]], ["a cat sat", "a dog"]), 6)
    4.441195
    """
    reference, hypothesis = in_lists(reference, hypothesis)
    captions = Captions(reference, hypothesis, normalise, BLOCK, ptb=_is_ptb(tokenizer))
    if not captions.n:
        return math.nan
    values = _own_values(captions) if df is None else _values(captions, df, tokenizer)
    return Cider.of_items(values, None, None).value


def spider(cider: Any, spice: Any) -> float:
    """SPIDEr of a corpus: the mean over items of the mean of CIDEr-D and SPICE.

    cider, spice: n numbers each, in one order of items; SPICE is made elsewhere.
    No items: nan. Different lengths are an InputError.

    >>> spider([1.0, 2.0], [0.2, 0.4])
    0.9
    """
    columns = [as_array(x, what) for x, what in ((cider, "cider"), (spice, "spice"))]
    for column, what in zip(columns, ("cider", "spice"), strict=True):
        if column.ndim != 1 or (column.size and column.dtype.kind not in "fiu"):
            raise InputError(
                f"{what} must be numbers [n], got {column.dtype} of shape {column.shape}"
            )
        if np.isinf(column).any():
            raise InputError(f"{what} must be finite or nan, got an infinity")
    first, second = (column.astype(np.float64) for column in columns)
    if len(first) != len(second):
        raise InputError(
            f"cider and spice must have the same length, got {len(first)} and {len(second)}"
        )
    if not len(first):
        return math.nan
    return math.fsum([*first.tolist(), *second.tolist()]) / (2 * len(first))


def _is_ptb(tokenizer: str) -> bool:
    return one_of(tokenizer, "tokenizer", ("none", "ptb")) == "ptb"


def _values(captions: Captions, df: "DocumentFrequency", tokenizer: str) -> Floats:
    """CIDEr-D of each item."""
    if not isinstance(df, DocumentFrequency):
        raise InputError(
            f"df must be what count_document_frequency() gives, got {type(df).__name__}"
        )
    if df.normaliser not in (None, captions.normaliser):
        raise InputError(
            f"df was counted with normalise {df.normaliser!r}, items are scored with "
            f"{captions.normaliser!r}; take one for both"
        )
    if df.tokenizer not in (None, tokenizer):
        raise InputError(
            f"df was counted with tokenizer {df.tokenizer!r}, items are scored with "
            f"{tokenizer!r}; take one for both"
        )
    if not df.documents or df.table is None:
        raise InputError("df has no documents; count it over the references of the corpus")
    table = df.table

    def of_block(text: Any, refs: Ints) -> Floats:
        text = cut_none(text)
        rows, places = word_rows(text, refs)
        ngrams = item_ngrams(rows, ORDER)
        found = table.frequencies(ngrams, word_list(text, places))
        return consensus(rows, ngrams, df.weigh(found), SIGMA)

    return np.concatenate([np.zeros(0), *captions.map(of_block)])


def _own_values(captions: Captions) -> Floats:
    """CIDEr-D of each item against the document frequencies of these items: the same values, and
    text is cut and numbered once."""

    def numbered(text: Any, refs: Ints) -> tuple[Sentences, ItemNgrams, list[bytes]]:
        text = cut_none(text)
        rows, places = word_rows(text, refs)
        return rows, item_ngrams(rows, ORDER), word_list(text, places)

    blocks = captions.map(numbered)
    frequencies = own_frequencies(blocks)
    weights = _weights(captions.n, max(int(found.max(initial=1)) for found in frequencies))

    def of_block(at: int) -> Floats:
        rows, ngrams, _ = blocks[at]
        return consensus(rows, ngrams, weights[frequencies[at]], SIGMA)

    return np.concatenate(list(parallel(of_block, range(len(blocks)))))


def _weights(documents: int, most: int) -> Floats:
    """log(documents / df) for each df from 0, which weighs as 1, to `most`."""
    return np.asarray(math.log(documents) - np.array([0.0, *map(math.log, range(1, most + 1))]))


@dataclass(frozen=True, eq=False)
class DocumentFrequency(State):
    """In how many of the documents (items) each n-gram occurs."""

    documents: int = summed()
    table: NgramTable | None = tabled(NgramTable.from_arrays)
    normaliser: str | None = fixed()
    tokenizer: str | None = fixed()

    def total_scores(self) -> list[Score]:
        """How many documents and distinct n-grams there are."""
        signature = f"order:{ORDER}|tok:{self.tokenizer}|normaliser:{self.normaliser}"
        sizes = {"documents": self.documents, "ngrams": len(self.table) if self.table else 0}
        return [
            Score(name, size, name, None, self.documents, {}, f"{name}|{signature}", provenance())
            for name, size in sizes.items()
        ]

    def check(self) -> None:
        """Refuse n-grams of more documents than there are."""
        if self.table and len(self.table.keys) != ORDER:
            raise InputError(f"n-grams are of up to {len(self.table.keys)} words, not {ORDER}")
        most = self._most if self.table else 0
        if self.documents < most:
            raise InputError(f"an n-gram is in {most} of {self.documents} documents")

    @property
    def _most(self) -> int:
        """In how many documents the most frequent n-gram occurs, and 1 at least."""
        counts = self.table.counts if self.table else ()
        return max((int(c.max(initial=1)) for c in counts), default=1)

    @functools.cached_property
    def _weights(self) -> Floats:
        return _weights(self.documents, min(self._most, DENSE))

    def weigh(self, found: Ints) -> Floats:
        """log(documents / df) of each df, 0 among them, which weighs as 1."""
        rare = self._weights[np.minimum(found, DENSE)]
        for at in np.flatnonzero(found > DENSE).tolist():
            rare[at] = math.log(self.documents) - math.log(found[at])
        return rare

    @functools.cached_property
    def digest(self) -> str:
        """Names what was counted: equal for equal tables, on every machine."""
        whole = hashlib.blake2b(str(self.documents).encode(), digest_size=8)
        for array in self.table.to_arrays().values() if self.table else ():
            whole.update(array.tobytes())
        return whole.hexdigest()


@dataclass(frozen=True, eq=False)
class Cider(ItemMeans):
    """The sum of the CIDEr-D of items, and their values where they are kept.

    documents, df: how many items gave the document frequencies, and a digest of those.
    """

    tokenizer: str | None = fixed()
    documents: int | None = fixed()
    df: str | None = fixed()

    name = "cider"
    unit = "points"

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        return (
            f"variant:coco-d|order:{ORDER}|sigma:{SIGMA:g}|tok:{self.tokenizer}"
            f"|documents:{self.documents}|df:{self.df}|normaliser:{self.normaliser}"
        )
