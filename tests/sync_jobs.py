"""Jobs of tests of meters over ranks; see gloo_kit.py. Every rank can make all data of a case."""

import functools
import os
import time
from datetime import timedelta
from typing import Any

import numpy as np

import assay
from assay import Meter, Meters
from assay.core.state import State
from waiting_kit import PATIENCE_S

WORDS = [*"abcdefg"]
TIMEOUT_S = 4.0  # more than a machine stands still


def data(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng([seed, n])
    sentences = [" ".join(rng.choice(WORDS, rng.integers(0, 6))) for _ in range(2 * n)]
    target = rng.integers(0, 2, n)
    return {
        "refs": sentences[:n],
        "hyps": sentences[n:],
        "target": target,
        "score": np.round(rng.random(n), 1),
        "half": np.round(rng.random(n), 1).astype(np.float16),
        "classes": rng.integers(0, 3, n),
        "guess": rng.integers(0, 3, n),
        "loss": rng.standard_normal(n) * 10.0 ** rng.integers(-9, 9, n),
        "voice": rng.choice(["x", "y", "z"], n),
    }


def many() -> Meters:
    """Ten meters over all kinds of fields."""
    words = functools.partial
    return Meters(
        {
            "words": assay.count_words,
            "chars": assay.count_chars,
            "confusions": Meter(words(assay.count_words, confusions=True), prefix="c_"),
            "items": Meter(words(assay.count_words, items=True), prefix="i_"),
            "groups": Meter(assay.count_words, prefix="g_"),
            "scores": assay.count_scores,
            "half": Meter(assay.count_scores, prefix="h_"),
            "labels": Meter(assay.count_labels, prefix="l_"),
            "weighted": Meter(assay.count_labels, prefix="w_"),
            "cut": Meter(words(assay.count_labels, labels=[0, 1, 2]), prefix="k_"),
        },
        prefix="val_",
    )


def feed(meters: Meters, d: dict[str, Any], rows: np.ndarray, ids: bool = False) -> None:
    """Some rows in batches of five."""
    for start in range(0, len(rows), 5):
        own = rows[start : start + 5]
        part = {k: [v[i] for i in own] if isinstance(v, list) else v[own] for k, v in d.items()}
        text, named = (part["refs"], part["hyps"]), {"ids": own} if ids else {}
        for name in ("words", "chars", "confusions"):
            meters[name].update(*text, **named)
        meters["items"].update(*text, ids=own)
        meters["groups"].update(*text, by={"voice": part["voice"].tolist()}, **named)
        meters["scores"].update(part["target"], part["score"], **named)
        meters["half"].update(part["target"], part["half"], **named)
        meters["labels"].update(part["classes"], part["guess"], **named)
        weights = np.abs(part["loss"])
        meters["weighted"].update(part["classes"], part["guess"], weights=weights, **named)
        meters["cut"].update(part["classes"], part["guess"], **named)


def told(meters: Meters) -> dict[str, Any]:
    """Every byte of what is synced, and every digit that is computed."""
    states = {k: None if s is None else s.to_bytes().hex() for k, s in meters.synced().items()}
    return {"states": states, "values": {k: repr(v) for k, v in meters.compute().items()}}


def alone(n: int, seed: int = 0) -> dict[str, Any]:
    """The same in one process."""
    meters = many()
    feed(meters, data(n, seed), np.arange(n))
    return told(meters)


# -- jobs ------------------------------------------------------------------------------------------


def split(
    group: Any, rank: int, n: int, parts: list[list[int]], seed: int = 0, ids: bool = False
) -> Any:  # fmt: skip
    """Rows dealt to ranks, some of which may have none; with ids some may be on several."""
    meters = many()
    meters._group = group
    feed(meters, data(n, seed), np.array(parts[rank], np.int64), ids)
    return told(meters)


def sampled(group: Any, rank: int, n: int, ranks: int, shuffle: bool) -> Any:
    """Rows as DistributedSampler deals them, with repeats at the end."""
    from torch.utils.data import DistributedSampler

    sampler = DistributedSampler(range(n), num_replicas=ranks, rank=rank, shuffle=shuffle)
    rows = np.array(list(sampler))
    meters = many()
    meters._group = group
    feed(meters, data(n), rows, ids=True)
    return {**told(meters), "rows": len(rows)}


def calls(group: Any, rank: int, ids: bool) -> Any:
    """How often torch.distributed is called for ten meters, one of them with ids or none."""
    import torch.distributed as dist

    meters = many()
    meters._group = group
    feed(meters, data(17), np.arange(rank, 17, 4))
    if not ids:
        meters["items"].reset()
    names = ("all_reduce", "all_gather", "monitored_barrier", "broadcast", "all_gather_object")
    counts = dict.fromkeys(names, 0)

    def counting(name: str, real: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            counts[name] += 1
            return real(*args, **options)

        return call

    real = {name: getattr(dist, name) for name in names}
    for name in names:
        setattr(dist, name, counting(name, real[name]))
    try:
        meters.synced()
    finally:
        for name in names:
            setattr(dist, name, real[name])
    return counts


def other_metric(group: Any, rank: int) -> Any:
    meter = Meter(assay.count_words if rank else assay.count_labels, group=group)
    meter.update(["a"], ["a"])
    return meter.compute()


def other_definition(group: Any, rank: int) -> Any:
    count = functools.partial(assay.count_words, empty="nan" if rank == 2 else "jiwer")
    meter = Meter(count, group=group)
    meter.update(["a"], ["a"])
    return meter.compute()


def other_names(group: Any, rank: int) -> Any:
    names = ["words", "chars"] if rank == 1 else ["words"]
    return Meters(dict.fromkeys(names, assay.count_words), group=group).compute()


def one_fails(group: Any, rank: int) -> Any:
    meter = Meter(functools.partial(assay.count_words, empty="error"), group=group)
    meter.update(["" if rank == 1 else "a"], ["a"])
    return meter.compute()


def counted_twice(group: Any, rank: int) -> Any:
    """A row that two ranks can no longer leave out."""
    meter = Meter(assay.count_words, group=group)
    meter.update(["a", "b"], ["a", "b"], ids=[7, 10 + rank])
    meter.state_dict()
    return meter.compute()


def kept_by_one(group: Any, rank: int) -> Any:
    """A row that one rank has added up long ago and others can leave out."""
    meter = Meter(assay.count_words, group=group)
    meter.update(["a", "b"], ["a", "x"], ids=[7, 10 + rank])
    if rank == 2:
        meter.state_dict()
    return [repr(meter.compute()["wer"]), meter.synced().pairs, meter.synced().pairs]


def many_meters(group: Any, rank: int) -> Any:
    """More meters than one opening has room for, half of them without a batch on some ranks."""
    meters = Meters(
        {f"m{k}": Meter(assay.count_words, prefix=f"{k}_") for k in range(150)}, group=group
    )
    for k in range(rank % 2, 150, 2):
        meters[f"m{k}"].update(["a b"], [["a", "a b", "x y", "a x"][rank]])
    return {k: v for k, v in meters.compute().items() if k.endswith("_wer")}


def shapes_differ(group: Any, rank: int) -> Any:
    """A summed field that is 0 on one rank and an array on others."""
    meter = Meter(assay.count_scores, group=group)
    half = np.array([0.5, 0.25], np.float16)
    state = assay.count_scores([0, 1], half)
    if rank == 0:
        state = type(state).zero(mode=state.mode, positive=state.positive, label=state.label)
    meter._tally._sum.add(state)
    synced = meter.synced()
    return [synced.to_bytes().hex(), sum([assay.count_scores([0, 1], half)] * 3).to_bytes().hex()]


def nothing(group: Any, rank: int) -> Any:
    return Meters({"words": assay.count_words}, group=group).compute()


def dies(group: Any, rank: int) -> Any:
    _together(rank, 3)
    if rank == 2:
        os._exit(1)
    return _timed()


def never_comes(group: Any, rank: int) -> Any:
    _together(rank, 3)
    return None if rank == 1 else _timed()


def comes_late(group: Any, rank: int) -> Any:
    _together(rank, 2)
    if rank == 1:
        _wait("given up")
    answer = _timed()
    _store().set("given up", "")
    return answer


def _store() -> Any:
    import torch.distributed as dist

    return dist.distributed_c10d._get_default_store()


def _wait(*keys: str) -> None:
    _store().wait(list(keys), timedelta(seconds=PATIENCE_S))


def _together(rank: int, size: int) -> None:
    """All ranks are here and have loaded what they count with: none is late for that."""
    assay.count_words(["a"], ["a"])
    _store().set(f"ready {rank}", "")
    _wait(*(f"ready {other}" for other in range(size)))


def _timed() -> Any:
    meter = Meter(assay.count_words, timeout_s=TIMEOUT_S)
    meter.update(["a"], ["a"])
    start = time.perf_counter()
    try:
        return meter.compute()
    except assay.AssayError as error:
        return [type(error).__name__, str(error), time.perf_counter() - start]


def checkpoint(group: Any, rank: int, path: str) -> Any:
    """Saved by torch amid an epoch, read with weights only, and gone on with."""
    import torch

    d, rows = data(33), np.arange(rank, 33, 4)
    meters = many()
    feed(meters, d, rows[:5])
    torch.save(meters.state_dict(), f"{path}/{rank}.pt")
    meters = many()
    meters._group = group
    meters.load_state_dict(torch.load(f"{path}/{rank}.pt", weights_only=True))
    feed(meters, d, rows[5:])
    return told(meters)


def from_bytes(text: str) -> State:
    return State.from_bytes(bytes.fromhex(text))


def keep_a_run(group: Any, rank: int, folder: str) -> Any:
    """A Run on each rank of an initialised group, without the variable RANK."""
    import os

    from assay import Run

    os.environ.pop("RANK", None)
    with Run(folder) as run:
        run.log({"val_f1": 0.5}, step=0)
        return [run.id != "", run.is_best("val_f1")]
