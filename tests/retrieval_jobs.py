"""Jobs of tests of RetrievalMeter over ranks; see gloo_kit.py."""

import functools
from typing import Any

import numpy as np

import assay
from assay import RetrievalMeter
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
    meter = RetrievalMeter(COUNT, group=group)
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
    else:
        meter.update(rows, rows, ids=ids)
    return meter.compute()


def nothing(group: Any, rank: int) -> Any:
    return RetrievalMeter(COUNT, group=group).compute()
