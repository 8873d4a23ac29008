"""Ranking by similarity: what is timed against FAISS, torch, torchmetrics and pytrec_eval.

Unit vectors in float32. "gaussian": independent directions, where everything is about equally far
from everything. "encoder": what text encoders give, few directions that matter, in clusters.
A relevant row is its query's vector with noise; "random" relevance has nothing to do with it, so
its targets stand anywhere in the ranking.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from gate import Contender, Work

Floats = Any

QUERIES, WIDTH = 1000, 384  # of top-k
RELEVANT, WIDE = 5, 512  # of ranks


def _unit(rows: Floats) -> Floats:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _directions(rng: Any, n: int, d: int, kind: str) -> Floats:
    """Vectors before they are normalised."""
    noise = rng.standard_normal((n, d), dtype=np.float32)
    if kind == "gaussian":
        return noise
    spectrum = (np.arange(1, d + 1) ** -0.4).astype(np.float32)
    centres = rng.standard_normal((max(8, n // 100), d), dtype=np.float32)
    return (centres[rng.integers(0, len(centres), n)] + np.float32(0.7) * noise) * spectrum


@cache
def gallery_and_queries(n: int, kind: str) -> tuple[Floats, Floats]:
    """n gallery rows and QUERIES queries of the same kind, not among them."""
    rows = _unit(_directions(np.random.default_rng(1), n + QUERIES, WIDTH, kind))
    order = np.random.default_rng(2).permutation(len(rows))
    return np.ascontiguousarray(rows[order[QUERIES:]]), np.ascontiguousarray(rows[order[:QUERIES]])


@cache
def pairs(n: int, kind: str, width: int = WIDE) -> tuple[Floats, Floats, Any]:
    """n queries, RELEVANT gallery rows for each, and which these are."""
    rng = np.random.default_rng(3)
    own = _directions(rng, n, width, "encoder" if kind == "encoder" else "gaussian")
    scale = np.float32(np.sqrt((own**2).mean()))
    noise = rng.standard_normal((n * RELEVANT, width), dtype=np.float32) * scale
    weight = {"encoder": 0.8, "gaussian": 3.0, "random": 1.0}[kind]
    rows = noise if kind == "random" else np.repeat(own, RELEVANT, axis=0) + weight * noise
    place = rng.permutation(len(rows))
    gallery = np.empty_like(rows)
    gallery[place] = rows
    return _unit(own), _unit(gallery), place.reshape(n, RELEVANT)


def sgemm(query: Floats, gallery: Floats) -> Callable[[], Any]:
    """The product alone, in torch, into memory that is there already."""
    import torch

    q, g = torch.from_numpy(query), torch.from_numpy(gallery)
    out = torch.empty(len(q), len(g))
    return lambda: torch.mm(q, g.T, out=out)


# -- top-k -----------------------------------------------------------------------------------------


@cache
def _best(n: int, kind: str, k: int) -> Mapping[str, Any]:
    """The k best by float64 products of NumPy."""
    gallery, query = gallery_and_queries(n, kind)
    wide = gallery.astype(np.float64)
    index, scores = [], []
    for start in range(0, len(query), 100):
        found = query[start : start + 100].astype(np.float64) @ wide.T
        some = np.argpartition(-found, k, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(found, some, 1), axis=1)
        index.append(np.take_along_axis(some, order, 1))
        scores.append(np.take_along_axis(found, index[-1], 1))
    return {"index": np.concatenate(index), "scores": np.concatenate(scores)}


def top(kind: str, k: int) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        gallery, query = gallery_and_queries(n, kind)

        def ours() -> Contender:
            import assay

            return Contender(
                lambda: assay.topk(query, gallery, k, metric="dot"),
                lambda found: {"index": found.index, "scores": found.scores},
            )

        def faiss() -> Contender:
            import faiss as library

            flat = library.IndexFlatIP(gallery.shape[1])
            flat.add(gallery)
            return Contender(lambda: flat.search(query, k), lambda found: {"scores": found[0]})

        def torch() -> Contender:
            import torch as library

            q, g = library.from_numpy(query), library.from_numpy(gallery)
            return Contender(
                lambda: library.topk(q @ g.T, k), lambda found: {"scores": found.values.numpy()}
            )

        return Work(
            ours=ours,
            peers={"faiss IndexFlatIP": faiss, "torch mm + topk": torch},
            truth=lambda: _best(n, kind, k),
            floor=sgemm(query, gallery),
        )

    return build


# -- ranks -----------------------------------------------------------------------------------------

MEASURES = ("map", "recall@1", "recall@5", "recall@10")


def _of_argsort(query: Floats, gallery: Floats, relevant: Any, kind: type) -> Mapping[str, float]:
    """The measures by sorting every row, in slices so that it fits in memory."""
    import torch

    q, g = (torch.from_numpy(side.astype(kind)) for side in (query, gallery))
    rows = [torch.as_tensor(np.asarray(own)) for own in relevant]
    first, precision = [], []
    for start in range(0, len(q), 500):
        order = torch.argsort(q[start : start + 500] @ g.T, dim=1, descending=True, stable=True)
        rank = torch.empty_like(order)
        rank.scatter_(1, order, torch.arange(len(g)).expand_as(order))
        for i, own in enumerate(rank):
            places = own[rows[start + i]].sort().values + 1
            first.append(int(places[0]))
            precision.append(float((torch.arange(1, len(places) + 1) / places).mean()))
    found = {"map": float(np.mean(precision))}
    return found | {f"recall@{k}": float(np.mean(np.array(first) <= k)) for k in (1, 5, 10)}


def _both(forth: Mapping[str, float], back: Mapping[str, float]) -> Mapping[str, Any]:
    return {name: [forth[name], back[name]] for name in MEASURES}


def ranks(kind: str) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        query, gallery, relevant = pairs(n, kind)
        turned = np.empty(len(gallery), np.int64)
        turned[relevant.ravel()] = np.repeat(np.arange(n), RELEVANT)

        def ours() -> Contender:
            import assay

            def run() -> Any:
                r = assay.count_ranks(query, gallery, relevant, metric="dot", both_directions=True)
                return r, {name: r[name] for name in MEASURES}, {m: r.reverse[m] for m in MEASURES}

            return Contender(run, lambda found: _both(*found[1:]))

        def sorting(kind: type) -> Mapping[str, Any]:
            back = turned[:, None]
            return _both(
                _of_argsort(query, gallery, relevant, kind), _of_argsort(gallery, query, back, kind)
            )

        return Work(
            ours=ours,
            peers={"torch argsort": lambda: Contender(lambda: sorting(np.float32), dict)},
            truth=cache(lambda: sorting(np.float64)),
            floor=sgemm(query, gallery),
        )

    return build


def against_torchmetrics(width: int) -> Callable[[int], Work]:
    """n queries, five relevant of 5 n; torchmetrics is given the scores."""

    def build(n: int) -> Work:
        query, gallery, relevant = pairs(n, "encoder", width)

        def ours() -> Contender:
            import assay

            return Contender(
                lambda: assay.count_ranks(query, gallery, relevant, metric="dot"),
                lambda r: {"map": r["map"]},
            )

        def peer() -> Contender:
            import torch
            from torchmetrics.retrieval import RetrievalMAP

            scores = torch.from_numpy(query @ gallery.T).ravel() + 2  # it takes no negative ones
            target = torch.zeros(n, len(gallery), dtype=torch.long)
            target.scatter_(1, torch.from_numpy(relevant), 1)
            indexes = torch.arange(n).repeat_interleave(len(gallery))

            def run() -> float:
                metric = RetrievalMAP()
                metric.update(scores, target.ravel(), indexes=indexes)
                return float(metric.compute())

            return Contender(run, lambda value: {"map": value})

        return Work(
            ours=ours,
            peers={"torchmetrics RetrievalMAP": peer},
            truth=cache(lambda: _of_argsort(query, gallery, relevant, np.float64)),
            floor=sgemm(query, gallery),
        )

    return build


# -- given runs ------------------------------------------------------------------------------------

JUDGED = 50


@cache
def _run(n: int) -> tuple[Any, Any, Any, Any]:
    """n queries with n ranked items: items, scores [n, n]; judged items, gains [n, JUDGED]."""
    rng = np.random.default_rng(4)
    items = np.argsort(rng.random((n, n)), axis=1)
    judged = np.argsort(rng.random((n, n)), axis=1)[:, :JUDGED]
    return (
        items,
        rng.permutation(n * n).reshape(n, n) / 7.0,
        judged,
        rng.integers(0, 3, judged.shape),
    )


@cache
def _dicts(n: int) -> tuple[Any, Any]:
    items, scores, judged, gains = _run(n)

    def named(keys: Any, values: Any) -> dict[str, dict[str, Any]]:
        return {
            f"q{i}": {f"d{j:05}": value for j, value in zip(row, own, strict=True)}
            for i, (row, own) in enumerate(zip(keys.tolist(), values.tolist(), strict=True))
        }

    return named(items, scores), named(judged, gains)


_TREC = {"map": "map", "mrr": "recip_rank", "ndcg": "ndcg", "precision@10": "P_10"}
_TREC |= {"recall@10": "recall_10", "ndcg@10": "ndcg_cut_10"}


def _pytrec(n: int) -> Callable[[], Contender]:
    def make() -> Contender:
        import pytrec_eval

        run, judged = _dicts(n)
        evaluator = pytrec_eval.RelevanceEvaluator(
            judged, {"map", "recip_rank", "ndcg", "P.10", "recall.10", "ndcg_cut.10"}
        )

        def read(found: Mapping[str, Any]) -> Mapping[str, Any]:
            return {
                ours: float(np.mean([row[theirs] for row in found.values()]))
                for ours, theirs in _TREC.items()
            }

        return Contender(lambda: evaluator.evaluate(run), read)

    return make


def given_run(arrays: bool) -> Callable[[int], Work]:
    def build(n: int) -> Work:
        items, scores, judged, gains = _run(n)
        columns = (np.repeat(np.arange(n), n), items.ravel(), scores.ravel())
        own = (np.repeat(np.arange(n), JUDGED), judged.ravel(), gains.ravel())
        run, wanted = (columns, own) if arrays else _dicts(n)

        def ours() -> Contender:
            import assay

            def measures() -> Mapping[str, float]:
                r = assay.count_rankings(run, wanted, convention="trec", k=10)
                return {name: r[name] for name in _TREC}

            return Contender(measures, dict)

        contender = _pytrec(n)

        def truth() -> Mapping[str, Any]:
            made = contender()
            return made.read(made.run())

        return Work(
            ours=ours,
            peers={"pytrec_eval from dicts": contender},
            truth=cache(truth),
            floor=lambda: (np.argsort(scores, axis=1)[:, :1].sum(), items.sum()),
        )

    return build
