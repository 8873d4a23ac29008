"""What is printed of rankings: scores in one table, or by direction and group."""

from typing import Any

from assay.cli.corpus import tagged
from assay.cli.intervals import NONE, Intervals, drawn
from assay.cli.shared import print_scores

__all__ = ["print_ranks"]


def print_ranks(state: Any, resamples: int, form: str, done: Any = None, missing: int = 0) -> None:
    """Print the scores of ranks. done, missing: the sum of shards, and how many it lacks."""
    from assay.report import render

    scores, found = state.scores(), _drawn(state, resamples)
    lost: dict[str, Any] = {}
    if done is not None:
        scores, found, lost = tagged(scores, found, done, missing)
    if any(score.tags for score in scores):
        columns = {f"recall@{k}": f"R@{k}" for k in state.k}
        columns |= {"map": "mAP", "mrr": "MRR", "ndcg": "nDCG", "median_rank": "median rank"}
        if any(score.name == "queries_without_relevant" and score.value for score in scores):
            columns["queries_without_relevant"] = "without relevant"
        table = render.scores_table(scores, columns=columns, items="queries", note=state.statement)
        tables = [table, *found.beside([score for score in scores if score.name in columns])]
    else:
        note = "; ".join(filter(None, (found.note, state.statement)))
        tables = [render.score_list(scores, note=note, intervals=found.ends)]
    more = found.as_json()
    print_scores(form, scores, tables, found.ends, statement=state.statement, **more, **lost)


def _drawn(state: Any, resamples: int) -> Intervals:
    from assay.metrics.bootstrap import fill_bags

    if not resamples:
        return NONE
    sides = zip((state, state.reverse), state.directions or ("",), strict=False)
    bags = []
    for own, direction in sides:
        names = [*own.means, "mean_rank"]
        bags.append((fill_bags(own, names), {"direction": direction} if direction else {}))
    return drawn(bags, resamples, "queries")
