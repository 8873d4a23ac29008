"""Random valid states of every kind that no row of METRICS counts, made as their own code does."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import assay
from assay.metrics.binned import count_scores_binned
from assay.metrics.bootstrap import fill_bags, poisson_bootstrap
from assay.metrics.cider import count_document_frequency
from assay.metrics.drift import Drift, count_drift
from assay.metrics.flops import FlopCounts
from assay.metrics.footprint import Footprint, FootprintComparison
from assay.metrics.generation import Generation
from assay.metrics.item_values import ItemValues
from assay.metrics.latency_compare import LatencyComparison
from assay.metrics.latency_state import Latency
from assay.metrics.latency_sweep import LatencySweep
from assay.metrics.memory import DeviceMemory, Memory
from assay.metrics.meteor15 import MeteorCounts
from assay.metrics.partial_ranks import PartialRanks
from assay.metrics.ranks import count_ranks, target_scores
from assay.metrics.timings import ScopeTimes, Timings
from assay.ops.durations import bucket_of
from assay.ops.footprint import COLUMNS
from assay.ops.timing import Timing

Random = random.Random

NAMES = ["a", "step/forward", "é", "", "cuda:0", "0.²", "layers.10.w"]


def _ns(rng: Random, n: int) -> Any:
    """Durations of all sizes, in nanoseconds."""
    return np.array([int(2 ** rng.uniform(0, 40)) for _ in range(n)], np.int64)


def _tally(rng: Random) -> tuple[Any, ...]:
    """Total, least, longest and histogram of some durations, or of none."""
    ns = _ns(rng, rng.choice([0, 1, 5, 40]))
    buckets, counts = np.unique(bucket_of(ns), return_counts=True)
    ends = (int(ns.min()), int(ns.max())) if len(ns) else (None, None)
    return int(ns.sum()), *ends, dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def _some(rng: Random, most: int = 3) -> list[str]:
    return rng.sample(NAMES, rng.randrange(most + 1))


def _bytes(rng: Random) -> int | None:
    return rng.choice([None, 0, rng.randrange(1 << 36)])


def scope_times(rng: Random) -> ScopeTimes:
    return ScopeTimes.of(("", _tally(rng), _tally(rng), rng.randrange(3), rng.randrange(3)))


def timings(rng: Random) -> Timings:
    numbers = [rng.randrange(1 << 40) for _ in range(8)]
    return Timings({(name,): scope_times(rng) for name in _some(rng)}, *numbers)


def latency(rng: Random, conditions: tuple[str, ...] = ("device:cpu",)) -> Latency:
    n, known = rng.choice([1, 5, 70]), rng.choice([True, False, None])
    device = _ns(rng, rng.choice([0, n]))
    timing = Timing(
        _ns(rng, n), device, rng.randrange(3), rng.randrange(99), rng.randrange(99),
        rng.randrange(99), known, "cpu", "none", False, rng.choice([None, 1400]),
    )  # fmt: skip
    return Latency.of(timing, items=4, audio_ms=250, conditions=conditions, precision=0.05)


def latency_sweep(rng: Random) -> LatencySweep:
    sizes = rng.sample([1, 2, 8, 64], rng.randrange(4))
    return LatencySweep({(size,): latency(rng) for size in sizes}, ("batch",), (128, 256))


def drift(rng: Random) -> Drift:
    def output() -> dict[str, Any]:
        values = np.array([rng.choice([0.0, 1.5, -2.0, np.inf, np.nan]) for _ in range(6)])
        return {"logits": values.reshape(2, 3), "text": rng.choice("ab"), "none": None}

    return count_drift(output(), output())


def latency_comparison(rng: Random) -> LatencyComparison:
    drifts = {(): drift(rng)} if rng.random() < 0.7 else {}
    sides = {(name,): latency(rng) for name in ("fp32", "int8")}
    return LatencyComparison(sides, drifts, ("fp32", "int8"))


def generation(rng: Random) -> Generation:
    parts: list[Any] = []
    for _ in range(2):
        total, least, most, counts = _tally(rng)
        parts += [counts, total, None if least is None else -least, most]
    return Generation({(): latency(rng)}, *parts, *(rng.randrange(99) for _ in range(3)), "chunk")


def device_memory(rng: Random, phases: bool = True) -> DeviceMemory:
    inner = {(name,): device_memory(rng, False) for name in _some(rng)} if phases else {}
    numbers = [_bytes(rng) for _ in range(7)]
    return DeviceMemory(*numbers, rng.randrange(99), rng.randrange(9), inner, ("phase",))


def memory(rng: Random) -> Memory:
    devices = {(name,): device_memory(rng) for name in _some(rng)}
    return Memory(devices, ("device",), "train", "cuda", "driver")


def footprint(rng: Random) -> Footprint:
    names = tuple(NAMES[:3])
    counts = np.array([rng.randrange(1 << 30) for _ in range(3 * len(COLUMNS))], np.int64)
    by_type = {"float32": rng.randrange(99), "int8": 3}
    return Footprint(names, ("Linear",) * 3, counts.reshape(3, -1), by_type, _bytes(rng))


def comparison_of_footprints(rng: Random) -> FootprintComparison:
    models = {(name,): footprint(rng) for name in ("teacher", "student")}
    return FootprintComparison(models, ("model",))


def flops(rng: Random) -> FlopCounts:
    counted = {(name, "forward", "mm"): rng.randrange(1 << 50) for name in _some(rng)}
    skipped = {("aten.foo", rng.choice(["unknown", "elementwise"])): rng.randrange(99)}
    return FlopCounts(counted, skipped, {("meta", ""): 1}, {"float32[2, 3]": 1}, True)


def partial_ranks(rng: Random) -> PartialRanks:
    """Two shards of three of a gallery, or all of them."""
    made = np.random.default_rng(rng.randrange(1 << 30))
    query, gallery = (made.integers(-2, 3, (n, 3)).astype(np.float32) + 0.25 for n in (4, 9))
    relevant = [made.choice(9, n, replace=False).tolist() for n in (1, 2, 0, 3)]
    scores = np.full(6, np.nan)
    for first in (0, 3, 6):
        own = target_scores(query, gallery[first : first + 3], relevant, gallery_offset=first)
        scores = np.fmax(scores, own)
    both = rng.random() < 0.5
    shards = [
        count_ranks(
            query, gallery[first : first + 3], relevant, target_scores=scores,
            gallery_offset=first, both_directions=both, k=(1, 3),
        )
        for first in rng.choice([(0, 3), (6, 0, 3)])
    ]  # fmt: skip
    return sum(shards[1:], start=shards[0])


def item_values(rng: Random) -> ItemValues:
    ids = rng.sample(range(-9, 99), rng.randrange(5))
    columns = {
        name: [rng.choice([0.5, -0.0, np.nan, np.inf, 1e-300]) for _ in ids]
        for name in rng.choice([("map",), ("map", "mean_rank")])
    }
    return ItemValues.from_items(ids, columns, lower=("mean_rank",), truth=[3] * len(ids))


def _words(rng: Random) -> Any:
    sides = [[" ".join(rng.choices("abc", k=rng.randrange(6))) for _ in range(5)] for _ in "rh"]
    return assay.count_words(*sides, items=True)


def _targets(rng: Random) -> tuple[Any, Any]:
    return [rng.randrange(2) for _ in range(9)], [rng.choice([0.0, 0.25, 1.0]) for _ in range(9)]


def meteor15(rng: Random) -> MeteorCounts:
    """Java, which counts these, is not everywhere."""
    table = np.array([[rng.randrange(20) for _ in range(MeteorCounts.width)] for _ in range(3)])
    ids = np.arange(3) if rng.random() < 0.5 else None
    by = {"who": list("aba")}
    return MeteorCounts.of_items(table, by, ids, normaliser="none", tokenizer="ptb")


MADE: dict[str, Callable[[Random], Any]] = {
    "scope times": scope_times,
    "timings": timings,
    "latency": latency,
    "latency sweep": latency_sweep,
    "latency comparison": latency_comparison,
    "drift": drift,
    "generation": generation,
    "device memory": device_memory,
    "memory": memory,
    "footprint": footprint,
    "footprint comparison": comparison_of_footprints,
    "flops": flops,
    "partial ranks": partial_ranks,
    "values": item_values,
    "meteor 1.5": meteor15,
    "bags": lambda rng: fill_bags(_words(rng), ["wer", "sentence_error_rate"]),
    "poisson": lambda rng: poisson_bootstrap(_words(rng), ["wer"], resamples=5),
    "frequencies": lambda rng: count_document_frequency(
        [rng.choices(["a b c", "b b", "é", ""], k=2) for _ in range(3)]
    ),
    "binned": lambda rng: count_scores_binned(*_targets(rng), bins=rng.choice([1, 10])),
    "multilabel": lambda rng: assay.count_labels(
        *(np.array([[rng.randrange(2) for _ in range(3)] for _ in range(4)]) for _ in "tp"),
        items=True,
    ),
    "classes": lambda rng: assay.count_scores(
        [rng.randrange(3) for _ in range(4)], np.array([rng.sample([0.2, 0.3, 0.5], 3)] * 4),
        items=True,
    ),
}  # fmt: skip

# those of which any two have one definition
ADDING = [
    "scope times", "timings", "latency", "latency sweep", "latency comparison", "drift",
    "generation", "device memory", "memory", "flops", "frequencies",
]  # fmt: skip
