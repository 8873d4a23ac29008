"""Captions: what is timed against sacrebleu, nltk and pycocoevalcap.

n items of a hypothesis and five references, all of them copies of one sentence of about twelve
words with a third of its words changed. sacrebleu's metrics get them as people write them, with
capitals and punctuation; the others as a tokeniser leaves them. nltk gets lists of words that were
split before; ours always starts from strings.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import fsum
from typing import Any

import numpy as np
from corpus import WORDS, Corpus, word_table, written_text
from gate import Contender, Work
from text import read_lists

REFERENCES = 5
MEAN_WORDS = 12.0
OTHER, LEFT_OUT, PUT_IN = 0.22, 0.07, 0.07  # share of words that are changed in each way

Items = tuple[list[list[str]], list[str]]


@cache
def items(n: int) -> Items:
    """References and hypotheses, words parted by a space."""
    rng = np.random.default_rng([9, n])
    lengths = np.rint(np.clip(rng.gamma(9.0, MEAN_WORDS / 9.0, n), 4, 40)).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    base = _draw(int(ends[-1]), rng)
    texts = [_copy(base, ends, rng) for _ in range(1 + REFERENCES)]
    return [list(own) for own in zip(*texts[1:], strict=True)], texts[0]


@cache
def written(n: int) -> Items:
    """The same with capitals and punctuation."""
    refs, hyps = items(n)
    flat = written_text([text for own in refs for text in own], accents=False)
    return [flat[k : k + REFERENCES] for k in range(0, len(flat), REFERENCES)], written_text(
        hyps, seed=1, accents=False
    )


def _draw(count: int, rng: np.random.Generator) -> np.ndarray:
    weights = np.cumsum(1.0 / np.arange(1, WORDS + 1))
    return np.searchsorted(weights, rng.random(count) * weights[-1], side="right")


def _copy(base: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> list[str]:
    kind = np.searchsorted(np.cumsum([OTHER, LEFT_OUT, PUT_IN]), rng.random(len(base)), "right")
    words = np.where(kind == 0, _draw(len(base), rng), base)
    copies = np.where(kind == 1, 0, np.where(kind == 2, 2, 1))
    copies[ends[:-1]] = np.maximum(copies[ends[:-1]], 1)  # no text is empty
    twice = np.cumsum(copies)
    out = np.repeat(words, copies)
    put_in = twice[copies == 2] - 1
    out[put_in] = _draw(len(put_in), rng)
    offsets = np.concatenate([[0], twice])[ends]
    one = Corpus(out.astype(np.int32), offsets, out[:0].astype(np.int32), offsets[:1])
    return one.lists(word_table())[0]


def _case(
    name: str, data: Callable[[int], Items], peer: str, run: Callable[[Any, Any], Any],
    prepare: Callable[[Items], Items] = lambda items: items, **options: Any,
) -> Callable[[int], Work]:  # fmt: skip
    """ours: the one-line function of that name. run: the peer, of what prepare makes of items."""

    def build(n: int) -> Work:
        refs, hyps = data(n)
        prepared = cache(lambda: prepare((refs, hyps)))

        def ours() -> Contender:
            import assay

            function = getattr(assay, name)
            return Contender(lambda: function(refs, hyps, **options), _score)

        def theirs() -> Contender:
            run(*prepare((refs[:2], hyps[:2])))  # imported, or absent
            return Contender(lambda: run(*prepared()), _score)

        return Work(
            ours=ours,
            peers={peer: theirs},
            truth=cache(lambda: _score(run(*prepared()))),
            floor=lambda: [read_lists(hyps), *map(read_lists, zip(*refs, strict=True))],
        )

    return build


def _score(value: float) -> Mapping[str, Any]:
    return {"score": value}


# -- peers -----------------------------------------------------------------------------------------


def _streams(items: Items) -> Items:
    refs, hyps = items
    return [list(stream) for stream in zip(*refs, strict=True)], hyps


def _words(items: Items) -> Any:
    refs, hyps = items
    return [[ref.split() for ref in own] for own in refs], [hyp.split() for hyp in hyps]


def _by_item(items: Items) -> Any:
    refs, hyps = items
    return dict(enumerate(refs)), {at: [hyp] for at, hyp in enumerate(hyps)}


def _sacrebleu(name: str) -> Callable[[Any, Any], float]:
    def run(streams: Any, hyps: Any) -> float:
        from sacrebleu import metrics

        return getattr(metrics, name)().corpus_score(hyps, streams).score

    return run


def _nltk(refs: Any, hyps: Any) -> float:
    from nltk.translate.bleu_score import corpus_bleu

    return float(corpus_bleu(refs, hyps))


class _NoSynonyms:
    def synsets(self, word: str) -> list[Any]:
        return []


def _meteor(refs: Any, hyps: Any) -> float:
    from nltk.translate.meteor_score import meteor_score

    reader = _NoSynonyms()
    pairs = zip(refs, hyps, strict=True)
    return fsum(meteor_score(own, hyp, wordnet=reader) for own, hyp in pairs) / len(hyps)


def _rouge(refs: Any, hyps: Any) -> float:
    from pycocoevalcap.rouge.rouge import Rouge

    return float(Rouge().compute_score(refs, hyps)[0])


def _cider(refs: Any, hyps: Any) -> float:
    from pycocoevalcap.cider.cider import Cider

    return float(Cider().compute_score(refs, hyps)[0])


bleu = _case("bleu", written, "sacrebleu", _sacrebleu("BLEU"), _streams)
bleu_nltk = _case("bleu", items, "nltk", _nltk, _words, variant="nltk")
chrf = _case("chrf", written, "sacrebleu", _sacrebleu("CHRF"), _streams)
rouge_l = _case("rouge_l", items, "pycocoevalcap", _rouge, _by_item)
meteor = _case("meteor", items, "nltk", _meteor, _words, synonyms="none")
ter = _case("ter", written, "sacrebleu", _sacrebleu("TER"), _streams)
cider = _case("cider", items, "pycocoevalcap", _cider, _by_item)
