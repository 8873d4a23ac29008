"""Ranking metrics by the book, in plain loops over one order of items; ties by all orders."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby, permutations, product

from assay.metrics.rank_conventions import CONVENTIONS

Gains = Mapping[str, float]


def relevant(judged: Gains, level: float) -> set[str]:
    return {d for d, g in judged.items() if g > 0 and g >= level}


def values(
    order: Sequence[str],
    judged: Gains,
    ks: Sequence[int],
    convention: str = "trec",
    gain: Callable[[float], float] = float,
) -> dict[str, float]:
    """Every metric of one query that has relevant items, under a convention without ties."""
    rules = CONVENTIONS[convention]
    wanted = relevant(judged, rules.level)
    ranks = [i for i, d in enumerate(order, 1) if d in wanted]
    r = len(wanted)

    def precisions(k: int) -> list[float]:
        return [j / rank for j, rank in enumerate(ranks, 1) if rank <= k]

    def worth(d: str) -> float:
        if not rules.graded:
            return gain(1.0) if d in wanted else 0.0
        if judged.get(d, 0) <= 0 or (not rules.below and d not in wanted):
            return 0.0
        return gain(judged[d])

    def dcg(items: Sequence[str], k: int) -> float:
        return sum(worth(d) / math.log2(i + 1) for i, d in enumerate(items[:k], 1))

    ideal = sorted(judged, key=worth, reverse=True)
    everything = max(len(order), len(judged), 1)
    first = ranks[0] if ranks else math.inf
    out = {"rank": first}
    for k in ks:
        hits = sum(rank <= k for rank in ranks)
        out[f"hit@{k}"] = float(hits > 0)
        out[f"recall@{k}"] = float(hits > 0) if rules.recall == "any" else hits / r
        out[f"precision@{k}"] = hits / k
    for suffix, k in [("", everything), *((f"@{k}", k) for k in ks)]:
        hits = sum(rank <= k for rank in ranks)
        over = {"relevant": r, "found": hits, "least": min(r, k) if suffix else r}
        out["map" + suffix] = sum(precisions(k)) / max(over[rules.denominator], 1)
        out["mrr" + suffix] = 1 / first if first <= k else 0.0
        best = dcg(ideal, k)
        out["ndcg" + suffix] = dcg(order, k) / best if best else 0.0
    out["r_precision"] = sum(rank <= r for rank in ranks) / r
    bad = {d for d, g in judged.items() if g >= 0} - wanted
    out["bpref"] = 0.0
    for rank in ranks:
        above = sum(d in bad for d in order[: rank - 1])
        out["bpref"] += 1 - min(above, r) / min(len(bad), r) if above else 1.0
    out["bpref"] /= r
    return out


def orders(scores: Gains) -> Iterator[list[str]]:
    """Every order of the items that their scores allow."""
    best_first = sorted(scores, key=lambda d: -scores[d])
    groups = [list(group) for _, group in groupby(best_first, key=lambda d: scores[d])]
    for choice in product(*(permutations(group) for group in groups)):
        yield [d for group in choice for d in group]


def one_order(ranked: Gains | Sequence[str], ties: str) -> list[str]:
    """The order of a ranking, ties as a policy that orders them says."""
    if not isinstance(ranked, Mapping):
        return list(ranked)
    names = list(ranked)
    if ties.startswith("item-"):
        names.sort(reverse=ties == "item-descending")
    return sorted(names, key=lambda d: -ranked[d])
