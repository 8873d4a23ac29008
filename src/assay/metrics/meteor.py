"""METEOR: words of a hypothesis matched with those of a reference in stages, as nltk has it, or as
the program METEOR 1.5 does, which COCO's scores are made with. The two are different metrics.

    variant   stages                             corpus              weights
    nltk      exact, stem, synonym               mean of items       alpha 0.9, beta 3, gamma 0.5
    1.5       exact, stem, synonym, paraphrase   of summed counts    see meteor15.py

Of nltk: every word is taken in lower case. From the last word of the hypothesis on, each is matched
with the last free word of the reference that is the same; then those left over by their Porter
stems; then by synonyms of the stem. With m matches in c chunks, P = m / hypothesis words and
R = m / reference words, the score is P R / (alpha P + (1 - alpha) R) (1 - gamma (c / m)^beta), of
the best reference. Range 0..1, higher is better.
Source: Banerjee and Lavie, ACL workshop 2005; Lavie and Agarwal, WMT 2007; nltk's meteor_score.
"""

import functools
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.checks import number, one_of
from assay.core.errors import InputError
from assay.core.optional import require
from assay.core.ragged import Ragged
from assay.core.state import fixed
from assay.metrics import _synonyms
from assay.metrics._caption_counts import ItemMeans, in_lists
from assay.metrics._item_rows import item_ids
from assay.metrics.meteor15 import MeteorCounts, count_meteor15
from assay.ops.aligning import staged_matches
from assay.ops.cutting import cut_none, lowered
from assay.ops.ngram import word_rows
from assay.ops.ngram_table import word_list
from assay.ops.references import Captions

__all__ = ["Meteor", "count_meteor", "meteor"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BLOCK = 1 << 22  # bytes
MOST_STEMS = 1 << 17  # that are kept
WEIGHTS = {"alpha": 0.9, "beta": 3.0, "gamma": 0.5}


def count_meteor(
    reference: Any,
    hypothesis: Any,
    *,
    variant: str = "nltk",
    tokenizer: str = "none",
    synonyms: Any = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
    normalise: str | Callable[[str], str] = "none",
    by: Mapping[str, Any] | None = None,
    items: bool = False,
    ids: Any = None,
) -> "Meteor | MeteorCounts":
    """METEOR of each item, added exactly.

    reference: of each item a string or a list of strings; hypothesis: n strings; as count_bleu.
    variant: "nltk", or "1.5": the program itself, by pycocoevalcap's jar on Java, for English.
    tokenizer: "none" (words are what white space parts), or "ptb" (pycocoevalcap's, by its jar),
    without which scores of raw text do not match published ones.
    synonyms (nltk): None takes WordNet where nltk's data of that name is installed, and nobody
    where not: the signature says which. "wordnet" and "none" insist; a mapping of words to lists of
    words, a function of a word that gives others, or a reader as nltk.corpus.wordnet are other
    providers. What is asked for is a stem. alpha, beta, gamma (nltk): other weights.
    normalise, by, items, ids: as count_words. Needs nltk, for its stemmer, whose import takes the
    first call a second or two.

    Without a match an item has 0, and so has an empty text. Without items the score is nan.

    >>> c = count_meteor([["the cat sat on the mat", "a cat"]], ["the cats sat"], synonyms="none")
    >>> round(c["meteor"], 6)
    0.448343
    """
    one_of(variant, "variant", ("nltk", "1.5"))
    ptb = one_of(tokenizer, "tokenizer", ("none", "ptb")) == "ptb"
    given = {"alpha": alpha, "beta": beta, "gamma": gamma}
    if variant == "1.5":
        for name, value in {"synonyms": synonyms, **given}.items():
            if value is not None:
                raise InputError(f"{name} goes with variant 'nltk', not {variant!r}")
    weights = {
        name: WEIGHTS[name] if value is None else number(value, name)
        for name, value in given.items()
    }
    for name, weight in weights.items():
        if not math.isfinite(weight):
            raise InputError(f"{name} must be finite, got {weight!r}")
    captions = Captions(reference, hypothesis, normalise, BLOCK, ptb)
    kept = item_ids(items, ids, captions.n)
    if variant == "1.5":
        return count_meteor15(captions, by, kept, tokenizer)
    provider, name = _synonyms.resolve(synonyms)
    vocabulary = _Vocabulary(provider)

    def of_block(text: Ragged, refs: Ints) -> Floats:
        text = lowered(cut_none(text))
        rows, places = word_rows(text, refs)
        found = staged_matches(rows, *vocabulary.stems(word_list(text, places)))
        own, others = rows.lengths
        values = _scores(found, np.repeat(own, np.diff(refs)), others, **weights)
        return np.asarray(np.maximum.reduceat(values, refs[:-1]))

    values = np.concatenate([np.zeros(0), *captions.map(of_block)])
    return Meteor.of_items(
        values, by, kept, normaliser=captions.normaliser, tokenizer=tokenizer, synonyms=name,
        **weights,
    )  # fmt: skip


def meteor(reference: Any, hypothesis: Any, **options: Any) -> float:
    """METEOR of a corpus, in 0..1, better higher; nan without items. Options and the rest as
    count_meteor. A str as hypothesis is a corpus of one item.

    >>> round(meteor("the cat sat on the mat", "the cat sat on a mat", synonyms="none"), 6)
    0.743333
    """
    return count_meteor(*in_lists(reference, hypothesis), **options).value


def _scores(
    found: Ints, own: Ints, others: Ints, alpha: float, beta: float, gamma: float
) -> Floats:
    """Of each reference, from matches and chunks; 0 where a denominator is."""
    matches, chunks = found.T
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = matches / own, matches / others
        mean = precision * recall / (alpha * precision + (1 - alpha) * recall)
        penalty = gamma * (chunks / matches) ** beta
        scores = (1 - penalty) * mean
    return np.where(matches > 0, scores, 0.0)


@functools.cache
def _stemmer() -> Callable[[str], str]:
    """nltk's, which takes ten microseconds a word: words are the same from call to call."""
    stemmer = require("nltk.stem.porter").PorterStemmer()
    return functools.lru_cache(MOST_STEMS)(stemmer.stem)


class _Vocabulary:
    """Stems of words and what means the same, each asked for once, by one thread at a time: neither
    nltk's readers nor a caller's function need bear more."""

    def __init__(self, provider: _synonyms.Provider | None) -> None:
        self.stem = _stemmer()
        self.provider = provider
        self.number: dict[str, int] = {}  # of stems
        self.stem_of: dict[bytes, int] = {}
        self.alike: dict[str, frozenset[str]] = {}
        self.lock = threading.Lock()

    def stems(self, words: list[bytes]) -> tuple[npt.NDArray[np.int32], Ragged]:
        """Of each word the number of its stem, and of every stem the numbers of its synonyms."""
        with self.lock:
            for word in set(words).difference(self.stem_of):
                stem = self.stem(word.decode("utf-8", "surrogatepass"))
                self.stem_of[word] = self.number.setdefault(stem, len(self.number))
            stems = np.fromiter(map(self.stem_of.__getitem__, words), np.int32, len(words))
            lengths = np.zeros(len(self.number), np.int64)
            synonyms: list[int] = []
            if self.provider is not None:
                names = list(self.number)
                for stem in np.unique(stems).tolist():
                    found = self._synonyms(names[stem], self.provider)
                    lengths[stem] = len(found)
                    synonyms += found
        return stems, Ragged.from_lengths(np.array(synonyms, np.int32), lengths)

    def _synonyms(self, stem: str, provider: _synonyms.Provider) -> list[int]:
        if stem not in self.alike:
            found = provider(stem)
            if isinstance(found, str) or not isinstance(found, Iterable):
                raise InputError(f"synonyms must give words of {stem!r} as a list, got {found!r}")
            self.alike[stem] = frozenset(found)
        return [self.number[word] for word in self.alike[stem] if word in self.number]


@dataclass(frozen=True, eq=False)
class Meteor(ItemMeans):
    """The sum of the METEOR of items, nltk's, and their values where they are kept."""

    tokenizer: str | None = fixed()
    synonyms: str | None = fixed()
    alpha: float | None = fixed()
    beta: float | None = fixed()
    gamma: float | None = fixed()

    name = "meteor"

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        stages = "exact,stem" if self.synonyms == "none" else "exact,stem,synonym"
        return (
            f"variant:nltk|stages:{stages}|synonyms:{self.synonyms}"
            f"|alpha:{self.alpha or 0.0:g}|beta:{self.beta or 0.0:g}|gamma:{self.gamma or 0.0:g}"
            f"|case:lc|tok:{self.tokenizer}|normaliser:{self.normaliser}"
        )
