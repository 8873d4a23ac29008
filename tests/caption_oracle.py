"""The outside truth for captions: sacrebleu, pycocoevalcap and nltk. Nothing of assay is used."""

# ruff: noqa: E402 -- the packages may be absent

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

_WHY = "no oracle for captions: pip install sacrebleu nltk; pip install --no-deps pycocoevalcap"
pytest.importorskip("sacrebleu", reason=_WHY)
pytest.importorskip("nltk", reason=_WHY)
pytest.importorskip("pycocoevalcap", reason=_WHY)

from nltk.translate import bleu_score, meteor_score
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.metrics.bleu import _get_tokenizer

Items = Sequence[tuple[list[str], str]]


def columns(items: Items) -> tuple[list[list[str]], list[str]]:
    return [refs for refs, _ in items], [hyp for _, hyp in items]


def tokenised(name: str, line: str) -> list[str]:
    """The words that sacrebleu cuts a line into."""
    return _get_tokenizer(name)()(line.rstrip()).split()


def _corpus(metric: Any, items: Items) -> float:
    refs, hyps = columns(items)
    streams = [list(stream) for stream in zip_longest(*refs)]
    return metric.corpus_score(hyps, streams).score


def _single(metric: Any, items: Items) -> list[float]:
    return [metric.sentence_score(hyp, refs).score for refs, hyp in items]


def sacrebleu(items: Items, **options: Any) -> tuple[float, list[float]]:
    """BLEU of the corpus and of single items, with sacrebleu's own defaults for both."""
    single = BLEU(**{"effective_order": True, **options})
    return _corpus(BLEU(**options), items), _single(single, items)


def chrf(items: Items, **options: Any) -> tuple[float, list[float]]:
    return _corpus(CHRF(**options), items), _single(CHRF(**options), items)


def ter(items: Items, **options: Any) -> tuple[float, list[float]]:
    return _corpus(TER(**options), items), _single(TER(**options), items)


def _coco(scorer: Any, items: Items, **options: Any) -> Any:
    refs = {at: own for at, (own, _) in enumerate(items)}
    hyps = {at: [hyp] for at, (_, hyp) in enumerate(items)}
    return scorer.compute_score(refs, hyps, **options)


def coco_bleu(items: Items, order: int = 4) -> tuple[list[float], list[list[float]]]:
    """BLEU-1..order of the corpus, and of single items."""
    return _coco(Bleu(order), items, verbose=0)


def rouge_l(items: Items) -> tuple[float, Any]:
    return _coco(Rouge(), items)


def cider(items: Items) -> tuple[float, Any]:
    return _coco(Cider(), items)


def coco_meteor(items: Items) -> tuple[float, list[float]]:
    """METEOR 1.5 by its program, of the corpus and of single items."""
    scorer = Meteor()
    whole, single = _coco(scorer, items)
    process = scorer.meteor_p
    for stream in (process.stdout, process.stderr):
        stream.close()
    return whole, single


def ptb(texts: Sequence[str]) -> list[str]:
    """Texts as pycocoevalcap's PTBTokenizer leaves them."""
    given = {at: [{"caption": text}] for at, text in enumerate(texts)}
    cut = PTBTokenizer().tokenize(given)
    return [cut[at][0] for at in range(len(texts))]


class Synonyms:
    """A mapping of words, as nltk's reader of WordNet gives them."""

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        self.table = table

    def synsets(self, word: str) -> list[SimpleNamespace]:
        lemmas = [SimpleNamespace(name=lambda name=name: name) for name in self.table.get(word, ())]
        return [SimpleNamespace(lemmas=lambda: lemmas)]


def nltk_meteor(
    items: Items, table: Mapping[str, Sequence[str]] | None = None, **weights: float
) -> list[float]:
    reader = Synonyms(table or {})
    return [
        meteor_score.meteor_score([r.split() for r in refs], hyp.split(), wordnet=reader, **weights)
        for refs, hyp in items
    ]


def nltk(items: Items, method: str, order: int = 4) -> tuple[float, list[float]]:
    """corpus_bleu and sentence_bleu; nan where nltk refuses."""
    smoothing = getattr(bleu_score.SmoothingFunction(), method)
    weights = (1 / order,) * order
    refs = [[ref.split() for ref in own] for own, _ in items]
    hyps = [hyp.split() for _, hyp in items]

    def of(refs: Any, hyps: Any) -> float:
        try:
            return float(bleu_score.corpus_bleu(refs, hyps, weights, smoothing))
        except AssertionError:
            return math.nan

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single = [of([ref], [hyp]) for ref, hyp in zip(refs, hyps, strict=True)]
        return of(refs, hyps), single


def same(found: Any, wanted: Any) -> None:
    """Equal to 1e-9 of the value; what is below 1e-60 counts as 0, nan equals nan."""
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-60, equal_nan=True)
