"""The named conventions of ranking metrics, as a table: what libraries and papers do differently.

recall         "any": the share of queries with a relevant item in the top k;
               "share": the relevant items in the top k over all relevant ones, R
denominator    of average precision: "relevant" R; "least" min(k, R); "found" those in the list
ties           how items of equal score are ordered, a key of TIES
ndcg_ties      the same for nDCG alone
graded         nDCG takes gains as they are; else every relevant item gains 1
below          nDCG also takes gains that are too low to count as relevant
level          the least gain of a relevant item; 0: any above 0
empty          queries without relevant items, a key of EMPTY
median         "floor": the floor of the median of zero-based ranks, plus 1
"""

from collections.abc import Mapping
from typing import NamedTuple

from assay.core.checks import one_of

__all__ = ["CONVENTIONS", "EMPTY", "TIES", "Convention", "convention_named"]


class Convention(NamedTuple):
    """One way to define the ranking metrics; `text` is what is printed under a table."""

    text: str
    recall: str = "share"
    denominator: str = "relevant"
    ties: str = "index"
    ndcg_ties: str | None = None
    graded: bool = True
    below: bool = True
    level: float = 0.0
    empty: str = "zero"
    median: str = "plain"


CONVENTIONS: Mapping[str, Convention] = {
    "cross-modal": Convention(
        "recall@k is the share of queries with a relevant item in the top k; average precision at "
        "full depth over all relevant items; as CLIP, CLAP and audio-text papers",
        recall="any",
        empty="skip",
        median="floor",
    ),
    "trec": Convention(
        "trec_eval 10: recall is hits over relevant items, average precision over relevant items, "
        "nDCG with linear gain; scores compared as float64, equal ones by document id, descending",
        ties="item-descending",
        level=1.0,
    ),
    "ranx": Convention(
        "ranx 0.3: recall is hits over relevant items, average precision over relevant items, "
        "nDCG with linear gain of relevant items; equal scores in the order given",
        below=False,
        level=1.0,
    ),
    "sentence-transformers": Convention(
        "InformationRetrievalEvaluator: average precision@k over min(k, R), nDCG of binary "
        "relevance; equal scores by document id, ascending; queries without relevant items left "
        "out",
        denominator="least",
        ties="item-ascending",
        graded=False,
        empty="skip",
    ),
    "torchmetrics": Convention(
        "torchmetrics 1.9 for positive scores: average precision@k over the hits in the top k, "
        "nDCG averaged over ties",
        denominator="found",
        ndcg_ties="expected",
    ),
    "sklearn": Convention(
        "scikit-learn: average precision takes items of equal score as one step, nDCG and the "
        "rest are averaged over ties",
        ties="grouped",
    ),
    "clap": Convention(
        "LAION-CLAP on Clotho and AudioCaps: recall@k by the best-ranked relevant item, average "
        "precision@k over all relevant items, ranks sorted as its documentation says; floor of "
        "the median rank",
        recall="any",
        empty="skip",
        median="floor",
    ),
    "dcase": Convention(
        "DCASE language-based audio retrieval: recall is hits over relevant items, average "
        "precision@k over relevant items (mAP@10; mAP@16 from 2025)",
        empty="skip",
    ),
}

TIES: Mapping[str, str] = {
    "index": "equal scores to the lower index",
    "item-descending": "equal scores by item, descending",
    "item-ascending": "equal scores by item, ascending",
    "optimistic": "of equal scores the relevant first",
    "pessimistic": "of equal scores the relevant last",
    "expected": "expectation over random orders of equal scores",
    "grouped": "equal scores as one step of average precision, the rest averaged over them",
}

EMPTY: Mapping[str, str] = {
    "skip": "left out",
    "zero": "count as 0",
    "nan": "are nan",
    "error": "refused",
}


def convention_named(name: str) -> Convention:
    """The convention, or an InputError that lists the names."""
    return CONVENTIONS[one_of(name, "convention", CONVENTIONS)]
