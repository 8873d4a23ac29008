"""Jobs of tests of RetrievalMeter over ranks; see gloo_kit.py."""

import functools
from typing import Any

import numpy as np

import assay
from assay import Meters, RetrievalMeter
from assay.core.state import State

K = (1, 2, 5)
COUNT = functools.partial(assay.count_ranks, metric="dot", k=K)


def sides(captions: int, clips: int, kind: str) -> tuple[Any, Any, np.ndarray]:
    """Captions and clips with many equal scores, and the clip of each caption."""
    rng = np.random.default_rng([captions, clips])
    query, gallery = (rng.integers(-2, 3, (n, 6)) / 2 for n in (captions, clips))
    clip = rng.integers(0, clips, captions)
    if kind == "numpy":
        return query, gallery, clip
    import torch

    own = getattr(torch, kind)
    return torch.tensor(query).to(own), torch.tensor(gallery).to(own), clip


def values(state: State) -> dict[str, str]:
    """Every score, and every rank by id."""
    found = {score.key(): repr(score.value) for score in state.scores()}
    ways = [state, state.reverse] if state.reverse is not None else [state]
    for way in ways:
        for name in ("rank", "average_precision"):
            found[f"{name} {ways.index(way)}"] = repr(way.per_item(name).tolist())
    return found


def at_once(captions: int, clips: int, kind: str, both: bool) -> dict[str, str]:
    """The same by count_ranks alone; ids are 3 more than the row."""
    query, gallery, clip = sides(captions, clips, kind)
    ids: dict[str, Any] = {"query_ids": np.arange(captions) + 3}
    if both:
        ids |= {"both_directions": True, "gallery_ids": np.arange(clips) + 3}
        ids["directions"] = ("text_to_audio", "audio_to_text")
    return values(COUNT(query, gallery, clip, **ids))


def ranked(
    group: Any, rank: int, captions: int, clips: int, kind: str, both: bool, ranks: int,
    store: str = "host",
) -> Any:  # fmt: skip
    """Pairs of caption and clip in batches of four: clips come often, and on several ranks. The
    last rank has nothing but the clips that no caption has."""
    query, gallery, clip = sides(captions, clips, kind)
    meter = RetrievalMeter(
        COUNT, store=store, both_directions=both, directions=("text_to_audio", "audio_to_text"),
        group=group,
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(captions)
    if rank < ranks - 1:
        own = order[rank :: ranks - 1]
        for start in range(0, len(own), 4):
            rows = own[start : start + 4]
            meter.update(
                query[rows], gallery[clip[rows]], query_ids=rows + 3, gallery_ids=clip[rows] + 3,
                query_labels=clip[rows] + 3,
            )  # fmt: skip
    else:
        rest = np.setdiff1d(np.arange(clips), clip)[::-1].copy()
        meter.update(gallery=gallery[rest], gallery_ids=rest + 3)
    return values(meter.synced())


def peak(group: Any, rank: int) -> Any:
    """The most gallery rows a rank is handed at once."""
    seen: list[int] = []

    @functools.wraps(assay.count_ranks)
    def count(query: Any, gallery: Any, relevant: Any, **options: Any) -> Any:
        seen.append(len(gallery))
        return assay.count_ranks(query, gallery, relevant, **options)

    count.target_scores = assay.target_scores
    meter = RetrievalMeter(count, group=group)
    rows = np.random.default_rng(rank).standard_normal((10 + rank, 4))
    meter.update(rows, rows, ids=np.arange(len(rows)) + 100 * rank)
    return [max(seen) if meter.synced() and seen else 0, meter.compute()["recall_at_1"]]


def bad(group: Any, rank: int, kind: str) -> Any:
    one_way = kind == "one way" and rank == 1
    meter: Any = RetrievalMeter(COUNT, both_directions=one_way, group=group)
    rows = np.eye(3)
    ids: Any = np.arange(3) + 3 * rank
    if rank == 1:
        if kind == "nan":
            rows[1, 1] = np.nan
        elif kind == "type":
            rows = rows.astype(np.float32)
        elif kind == "width":
            rows = np.eye(4)[:3]
        elif kind == "no ids":
            ids = None
    if kind == "no gallery":
        meter.update(rows, query_ids=ids)
    elif kind == "other kind":
        meter = Meters({"ranks": assay.count_words if rank == 1 else meter}, group=group)
    elif kind == "empty" and rank == 1:  # of another type and width
        meter.update(np.zeros((0, 9), np.float32), np.zeros((0, 9), np.float32), ids=[])
    else:
        meter.update(rows, rows, ids=ids)
    return meter.compute()


def _others(ranks: RetrievalMeter, rank: int | None, group: Any) -> Meters:
    """Meters of counts and of ranks; rank None has the rows of all."""
    meters = Meters(
        {
            "words": assay.count_words,
            "ranks": ranks,
            "labels": assay.count_labels,
            "back": RetrievalMeter(assay.count_ranks, prefix="b_", both_directions=True),
        },
        prefix="val_", tags={"model": "m"}, group=group,
    )  # fmt: skip
    query, gallery, _ = sides(17, 17, "float64")
    for own in range(4) if rank is None else [rank]:
        rows = np.arange(own, 17, 4)
        refs, hyps = [f"a b {i}" for i in rows], [f"a c {i % 5}" for i in rows]
        meters["words"].update(refs, hyps, ids=rows)
        meters["labels"].update(rows % 3, rows % 2)
        meters["ranks"].update(query[rows], gallery[rows], ids=rows)
        if own < 2:
            meters["back"].update(gallery[rows] + 3, query[rows] + 3, ids=rows)
    return meters


def among_others(group: Any, rank: int | None) -> Any:
    meters = _others(RetrievalMeter(COUNT), rank, group)
    states = {name: state.to_bytes().hex() for name, state in meters.synced().items()}
    return {"states": states, "values": {k: repr(v) for k, v in meters.compute().items()}}


def calls_among_others(group: Any, rank: int) -> Any:
    """[all_reduce, all_gather] of the meters that count, alone and before those that rank."""
    import torch.distributed as dist

    counts = {"all_reduce": 0, "all_gather": 0}

    def counting(name: str, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return real(*args, **options)

        return call

    before: list[int] = []

    class Ranks(RetrievalMeter):
        def over(self, world: Any) -> Any:
            before.extend(counts.values())
            return super().over(world)

    both = _others(Ranks(COUNT), rank, group)
    both["words"].reset()  # ids take further calls
    both["words"].update(["a"], ["a"])
    alone = Meters({"words": assay.count_words, "labels": assay.count_labels}, group=group)
    alone["words"].update(["a"], ["a"])
    alone["labels"].update([0, 1], [1, 1])
    real = {name: getattr(dist, name) for name in counts}
    try:
        for name in counts:
            setattr(dist, name, counting(name, real[name]))
        alone.synced()
        found = {"alone": list(counts.values())}
        counts |= dict.fromkeys(counts, 0)
        both.synced()
    finally:
        for name in counts:
            setattr(dist, name, real[name])
    return {**found, "first": before}


def nothing(group: Any, rank: int) -> Any:
    return RetrievalMeter(COUNT, group=group).compute()
