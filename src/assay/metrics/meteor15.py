"""METEOR 1.5, by its own program: the jar of pycocoevalcap on Java, as COCO's scores are made.

The program gives 23 counts for each item, those of its best reference; they add, and the score is a
function of them, so that parts of a corpus add up to what pycocoevalcap gives for the whole. With
words weighed delta for content and 1 - delta for function words, and matches by their stage:
P and R, F = P R / (alpha P + (1 - alpha) R), and the score F (1 - gamma (chunks / matches)^beta).
An item that is matched as a whole has no chunks. Range 0..1, higher is better.
Source: Denkowski and Lavie, WMT 2014.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.core.score import Score
from assay.core.state import fixed
from assay.metrics._caption_counts import ItemSums
from assay.ops.java import run_jar
from assay.ops.references import Captions
from assay.ops.tokens import strings

__all__ = ["MeteorCounts", "count_meteor15"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGES = {"exact": 1.0, "stem": 0.6, "synonym": 0.8, "paraphrase": 0.6}

_JAR = "meteor/meteor-1.5.jar"
_OPTIONS = "-Xmx2G -Dfile.encoding=UTF-8 -jar JAR - - -stdio -l en -norm".split()  # noqa: SIM905
_MATTERS = "variant '1.5': METEOR's own program makes published COCO scores; nltk's is another"
_LINE_ENDS = re.compile(r"[\r\n]")
_PART = "|||"  # ends a text within a line; left out of texts, as pycocoevalcap does of hypotheses

# Columns: the words of all references, then the program's counts
_COUNTS = 23
_OWN, _OTHERS, _OWN_FUNCTION, _OTHER_FUNCTION, _FIRST_STAGE = range(1, 6)
_CHUNKS, _OWN_MATCHED, _OTHER_MATCHED = range(21, 24)


def count_meteor15(
    captions: Captions, by: Mapping[str, Any] | None, kept: Ints | None, tokenizer: str
) -> "MeteorCounts":
    """Count the matches of all items in one process."""
    table = np.zeros((0, 1 + _COUNTS), np.int64)
    if captions.n:
        text, refs = captions.whole()
        rows = [_LINE_ENDS.sub(" ", row).replace(_PART, "") for row in strings(text)]
        heads = refs + np.arange(len(refs))
        lines, words = [], []
        for first, last in zip(heads[:-1].tolist(), heads[1:].tolist(), strict=True):
            lines.append(f" {_PART} ".join(["SCORE", *rows[first + 1 : last], rows[first]]))
            words.append(sum(len(row.split()) for row in rows[first + 1 : last]))
        counts = [line.split() for line in run_jar(_JAR, _OPTIONS, lines, _MATTERS)]
        table = np.column_stack([words, np.array(counts, np.float64).astype(np.int64)])
        table[_is_whole(table), _CHUNKS] = 0
    return MeteorCounts.of_items(
        table, by, kept, normaliser=captions.normaliser, tokenizer=tokenizer
    )


def _is_whole(table: Ints) -> npt.NDArray[np.bool_]:
    own = table[:, _OWN] == table[:, _OWN_MATCHED]
    others = table[:, _OTHERS] == table[:, _OTHER_MATCHED]
    return np.asarray(own & others & (table[:, _CHUNKS] == 1))


@dataclass(frozen=True, eq=False)
class MeteorCounts(ItemSums):
    """Totals of METEOR 1.5 of any number of items, each with its best reference.

    sums int64 [24]: words of all references; words of the hypotheses, of the references, function
    words of both; for each stage the content words matched of both, then the function words; chunks
    and matched words of both.
    """

    tokenizer: str | None = fixed()

    name = "meteor"
    width = 1 + _COUNTS

    def values(self, totals: Ints, single: bool = False) -> Floats:
        """METEOR of each row of totals."""
        stages = totals[:, _FIRST_STAGE:_CHUNKS].reshape(len(totals), len(STAGES), 4)
        weights = np.array(list(STAGES.values()))
        sides = []
        for side, words, function in ((0, _OWN, _OWN_FUNCTION), (1, _OTHERS, _OTHER_FUNCTION)):
            matched = DELTA * stages[:, :, side] + (1 - DELTA) * stages[:, :, 2 + side]
            there = DELTA * (totals[:, words] - totals[:, function])
            sides.append((matched @ weights, there + (1 - DELTA) * totals[:, function]))
        matched = (totals[:, _OWN_MATCHED] + totals[:, _OTHER_MATCHED]) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            precision, recall = (above / below for above, below in sides)
            mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
            scores = mean * (1 - GAMMA * (totals[:, _CHUNKS] / matched) ** BETA)
        return np.where(matched > 0, scores, 0.0)

    @property
    def signature(self) -> str:
        """The definition: equal signatures mean comparable numbers."""
        stages = ",".join(f"{stage}[{weight:g}]" for stage, weight in STAGES.items())
        return (
            f"variant:1.5|language:en|norm:yes|stages:{stages}|alpha:{ALPHA}|beta:{BETA}"
            f"|gamma:{GAMMA}|delta:{DELTA}|tok:{self.tokenizer}|normaliser:{self.normaliser}"
        )

    def total_scores(self) -> list[Score]:
        """METEOR, and with items=True its mean over items."""
        scores = [self._score("meteor", self.value, "fraction", "higher")]
        if "items" in (self.detail or ()):
            scores.append(self._score("mean_meteor", self._mean(), "fraction", "higher"))
        return scores
